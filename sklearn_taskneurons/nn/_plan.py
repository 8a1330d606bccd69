"""From the terms of a formula to the shape of a neuron: what gets weights, and of which maps.

The constants of the formula are dropped here: a neuron keeps a formula's form and learns everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn_taskneurons.formula import Composite, RowSum, Term
from sklearn_taskneurons.formula._expression import Expression
from sklearn_taskneurons.formula.functions import X


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
    """A function of a weighted sum; for division, its reciprocal."""

    opcode: int
    inner: SumPlan


class _Maps:
    """The distinct elementwise maps met so far; terms that need the same one share it."""

    def __init__(self) -> None:
        self.indices: dict[Expression, int] = {}

    def sum_plan(self, terms: Sequence[Term]) -> SumPlan:
        maps: dict[int, None] = {}  # an ordered set: equal maps of one sum need one weight matrix
        products: list[ProductPlan] = []
        constant = False
        for term in terms:
            product = self.product_plan(term)
            if not product.maps and not product.functions:
                constant = True
            elif len(product.maps) == 1 and not product.functions:
                maps[product.maps[0]] = None
            else:
                products.append(product)
        return SumPlan(tuple(maps), tuple(products), constant)

    def product_plan(self, term: Term) -> ProductPlan:
        maps: list[int] = []
        functions: list[FunctionPlan] = []
        for factor in term.factors:
            if isinstance(factor, RowSum):
                # The sum over features of something without x is a constant, however it is written.
                if any(node.opcode == X for node in factor.expression):
                    maps.append(self.indices.setdefault(factor.expression, len(self.indices)))
            else:
                function = self.function_plan(factor)
                if function.inner.n_terms:
                    functions.append(function)
        return ProductPlan(tuple(maps), tuple(functions))

    def function_plan(self, composite: Composite) -> FunctionPlan:
        return FunctionPlan(composite.opcode, self.sum_plan(composite.terms))


def make_plan(terms: Sequence[Term]) -> tuple[tuple[Expression, ...], SumPlan]:
    """Return the distinct elementwise maps of the terms, and the sum that refers to them by index."""
    maps = _Maps()
    plan = maps.sum_plan(terms)
    return tuple(maps.indices), plan
