"""From an expression to its terms, sorted and rounded."""

from contextlib import suppress
from fractions import Fraction
from typing import Final

from sklearn_taskneurons.formula._algebra import Algebra
from sklearn_taskneurons.formula._atoms import Atoms, Monomial, Polynomial
from sklearn_taskneurons.formula._coefficients import ZERO, rounded, unit
from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._expression import Expression
from sklearn_taskneurons.formula._terms import Composite, Factor, RowSum, Term, expanded_expression
from sklearn_taskneurons.formula._writer import Writer
from sklearn_taskneurons.formula.functions import DIV, SUM

_MAX_ROUNDS: Final = 8


def canonical_terms(expression: Expression, n_features: int | None) -> tuple[Term, ...]:
    """Return the terms of an expression, summed over the features when it is a vector."""
    terms, is_settled = _expand(expression, n_features)
    for _ in range(_MAX_ROUNDS):
        if is_settled:
            break
        # Rounding has made something equal, zero or divisible: the terms are those of the rounded numbers. And free vectors
        # merge once they stand beside each other: those of ``x + sum(x)*w``, written as ``x + x*sum(w)``, are one.
        expression, previous = expanded_expression(terms), expression
        if expression == previous:
            break
        with suppress(ExpansionError):  # of rounding; the terms are good as they are
            terms, is_settled = _expand(expression, n_features)
    return terms


def _expand(expression: Expression, n_features: int | None) -> tuple[tuple[Term, ...], bool]:
    algebra = Algebra(Writer(Atoms(n_features)))
    polynomial = algebra.expand(expression)
    terms = _Terms(algebra.writer, polynomial).of(polynomial)
    return terms, algebra.writer.is_settled and not algebra.atoms.vectors.n_free


class _Terms:
    """The terms of a polynomial, and of those that its functions are of."""

    def __init__(self, writer: Writer, polynomial: Polynomial) -> None:
        self.writer = writer
        self.atoms = writer.atoms
        self._factors: dict[int, Factor] = {}
        for serial in sorted(self._needed(polynomial)):  # an atom comes after those that it refers to: no recursion
            atom = self.atoms[serial]
            if atom.opcode == SUM:
                weights = writer.entries(unit(atom.weight), atom.weight) if isinstance(atom.weight, tuple) else None
                self._factors[serial] = RowSum(writer.monomial(atom.monomial), weights, isinstance(atom.weight, int))
            elif atom.arguments and not atom.is_vector:
                self._factors[serial] = Composite(atom.opcode, tuple(map(self.of, atom.arguments)))

    def _needed(self, polynomial: Polynomial) -> set[int]:
        """Return the atoms that factors are to be made of, however deep in functions."""
        needed: set[int] = set()
        stack = [polynomial]
        while stack:
            for monomial in stack.pop():
                for serial, _ in () if self.atoms.lone_sum(monomial) else monomial:
                    if serial not in needed:
                        stack.extend(self.atoms[serial].arguments)
                    needed.add(serial)
        return needed

    def of(self, polynomial: Polynomial) -> tuple[Term, ...]:
        """Return the terms of a polynomial of scalars, in order."""
        terms: dict[object, Term] = {}
        exact: dict[object, Fraction] = {}
        for monomial in self.writer.sorted(polynomial):
            coefficient = polynomial[monomial]
            if self.writer.vanishes(monomial, coefficient):
                continue
            if not isinstance(coefficient, Fraction):
                raise TypeError("the terms of a scalar must have numbers for coefficients")
            lone = self.atoms.lone_sum(monomial)
            if lone is not None and isinstance(lone.weight, tuple):
                weights = self.writer.entries(coefficient, lone.weight)
                terms[monomial] = Term(1.0, (RowSum(self.writer.monomial(lone.monomial), weights),))
            elif self.atoms.absorbs(monomial):
                self.writer.unit(monomial)  # which tells whether the vectors beside the free one are settled
                terms[monomial] = Term(1.0, self._product(monomial))
            else:
                factors = self._product(monomial)
                # vectors that differ by less than rounding can make equal terms of different ones
                key: object = monomial
                if not self.atoms.has_free(monomial):
                    key = tuple(factor.scalar_expression for factor in factors)
                exact[key] = exact.get(key, ZERO) + coefficient * self.writer.unit(monomial)
                terms[key] = Term(rounded(exact[key]), factors)
        return tuple(term for term in terms.values() if term.coefficient)

    def _product(self, monomial: Monomial) -> tuple[Factor, ...]:
        above: list[Factor] = []
        below: list[Factor] = []
        for serial, exponent in self.writer.in_order(monomial):
            (above if exponent > 0 else below).extend([self._factors[serial]] * abs(exponent))
        if below:
            above.append(Composite(DIV, ((Term(1.0, tuple(below)),),)))
        return tuple(above)
