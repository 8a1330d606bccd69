"""From the terms of a formula to the shape of a neuron: what gets weights, and of which maps.

The constants of the formula are dropped here: a neuron keeps a formula's form and learns everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sklearn_taskneurons.formula import Composite, Expression, Formula, RowSum, Term
from sklearn_taskneurons.formula._build import Summand, total
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula._terms import Factor, scalar_factors
from sklearn_taskneurons.formula.functions import portable, restored


@dataclass(frozen=True)
class SumPlan:
    """A weighted sum: one weight matrix for each map, products, and perhaps a constant."""

    maps: tuple[int, ...]
    products: tuple["ProductPlan", ...]
    constant: bool

    @property
    def n_terms(self) -> int:
        """The number of terms that depend on the input."""
        return len(self.maps) + len(self.products)


@dataclass(frozen=True)
class ProductPlan:
    """A product of linear maps (a map occurs once for each of its factors) and of functions."""

    maps: tuple[int, ...]
    functions: tuple["FunctionPlan", ...]


@dataclass(frozen=True)
class FunctionPlan:
    """A function of weighted sums; for division, the reciprocal of one."""

    opcode: int
    arguments: tuple[SumPlan, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (FunctionPlan, portable(self.opcode), self.arguments)


def neuron_form(formula: Formula) -> dict[tuple[Expression, ...], Term]:
    """Return what a neuron keeps of a formula, the maps and functions of x that each term multiplies, with the term.

    Formulas with the same forms make the same neuron. The order of what is multiplied, which is not that of the term, is the
    same for all of them.
    """
    forms = {tuple(map(_form, _factors(term))): term for term in formula.terms}
    return {form: term for form, term in forms.items() if form}


def _form(factor: Factor) -> Expression:
    return factor.expression if isinstance(factor, RowSum) else factor.scalar_expression


def _factors(term: Term) -> list[Factor]:
    """Return the maps of a term, sums first: where they come in a term depends on whether their vectors are free."""
    return sorted(term.maps, key=lambda factor: (isinstance(factor, Composite), expression_text(_form(factor))))


def union(formulas: Sequence[Formula]) -> Formula:
    """Return the formula of a neuron that has the terms of all these, and none of the numbers that it drops."""
    terms = {form: term for formula in formulas for form, term in neuron_form(formula).items()}
    return Formula.from_expression(total(_bare_summand(term) for term in terms.values()))


def _bare_summand(term: Term) -> Summand:
    """Return what a neuron keeps of a term: a power of x stands for itself, linear maps that are multiplied have a vector."""
    match _factors(term):
        case [RowSum() as only]:
            return 1.0, [only.expression], []
        case factors:
            freed = [RowSum(factor.expression, free=True) if isinstance(factor, RowSum) else factor for factor in factors]
            return 1.0, *scalar_factors(freed)


def term_shares(formula: Formula, members: Sequence[Formula]) -> list[list[float]]:
    """Return by what the terms of a plan are multiplied for members that have only those of formulas of their own.

    It is 0 for a term that a member has not; the others are so much larger as they are fewer, so that their sum has the
    variance that the sum of all would have.

    Raises
    ------
    ValueError
        If a member has a term that is not in the formula, or none.
    """
    terms = neuron_form(formula)
    # As a plan has them: what takes one weight matrix first, then products.
    forms = sorted(terms, key=lambda form: not _is_row_sum(terms[form]))
    shares = []
    for member in members:
        own = neuron_form(member)
        if not own or not own.keys() <= terms.keys():
            raise ValueError(f"the terms of a member must be some of those of {formula}, got {member}")
        shares.append([(len(forms) / len(own)) ** 0.5 * (form in own) for form in forms])
    return shares


def _is_row_sum(term: Term) -> bool:
    return len(term.maps) == 1 and isinstance(term.maps[0], RowSum)


class _Maps:
    """The distinct elementwise maps met so far; terms that need the same one share it."""

    def __init__(self) -> None:
        self.indices: dict[Expression, int] = {}

    def sum_plan(self, terms: Sequence[Term]) -> SumPlan:
        maps: dict[int, None] = {}  # an ordered set: equal maps in one sum need one weight matrix
        products: list[ProductPlan] = []
        for term in terms:
            # Without its constant factors a product may be no product any more.
            match term.maps:
                case ():
                    pass
                case (RowSum() as only,):
                    maps[self.index(only)] = None
                case factors:
                    sums = tuple(self.index(factor) for factor in factors if isinstance(factor, RowSum))
                    functions = tuple(self.function_plan(factor) for factor in factors if isinstance(factor, Composite))
                    products.append(ProductPlan(sums, functions))
        # A sum of no terms is the constant 0.
        return SumPlan(tuple(maps), tuple(products), not terms or any(term.is_constant for term in terms))

    def function_plan(self, composite: Composite) -> FunctionPlan:
        return FunctionPlan(composite.opcode, tuple(map(self.sum_plan, composite.arguments)))

    def index(self, row_sum: RowSum) -> int:
        return self.indices.setdefault(row_sum.expression, len(self.indices))


def make_plan(terms: Sequence[Term]) -> tuple[tuple[Expression, ...], SumPlan]:
    """Return the distinct elementwise maps of the terms, and the sum that refers to them by index."""
    maps = _Maps()
    plan = maps.sum_plan(terms)
    return tuple(maps.indices), plan
