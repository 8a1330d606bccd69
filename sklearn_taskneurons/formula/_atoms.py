"""What monomials are made of, each kept once and known by its serial number.

Atoms that have a value for each feature (vectors) are ``x`` and functions of something that contains a
vector; atoms that have one value for each row (scalars) are sums over the features and functions of scalars. An atom
refers to others by serial, so hashing and comparing a monomial is cheap however deep its atoms nest.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._build import ONE, call, power, product, total
from sklearn_taskneurons.formula._coefficients import (
    UNIT,
    Coefficient,
    FractionVector,
    Free,
    FreeVectors,
    join_scale,
    rounded,
)
from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._expression import Expression, Node
from sklearn_taskneurons.formula._limits import MAX_DEGREE, MAX_LENGTH, MAX_TERMS, MAX_WORK
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula.functions import DIV, DOT, POW, SUM, VECTOR, X

# serials of atoms with exponents other than 0, by rising serial; the empty one is 1
Monomial: TypeAlias = tuple[tuple[int, int], ...]
Polynomial: TypeAlias = dict[Monomial, Coefficient]
Weight: TypeAlias = FractionVector | int | None
# constants come last, functions before them, powers of x first and by falling degree
Order: TypeAlias = tuple[int, int, int, str]
Summand: TypeAlias = tuple[float, list[Expression], list[Expression]]

CONSTANT: Final[Monomial] = ()


@dataclass(frozen=True, eq=False)
class Atom:
    """One factor of a monomial."""

    opcode: int  # X, SUM, a function, or DIV for the reciprocal of a sum
    is_vector: bool
    is_free: bool  # whether a free vector is in it
    degree: int | None  # total power of x; None when it is no polynomial
    expression: Expression
    polynomial: Polynomial | None = None  # the argument of a function, the divisor of DIV
    monomial: Monomial = CONSTANT  # what SUM sums
    weight: Weight = None  # the constant vector within SUM


class Atoms:
    """All atoms of one formula, its free vectors, and the account of the work done on it."""

    def __init__(self, n_features: int | None) -> None:
        self.n_features = n_features
        self.free = FreeVectors()
        self.work = 0
        self._atoms: list[Atom] = []
        self._serials: dict[object, int] = {}
        self._texts: dict[int, str] = {}
        self._orders: dict[Monomial, Order] = {}

    def __len__(self) -> int:
        return len(self._atoms)

    def __getitem__(self, serial: int) -> Atom:
        return self._atoms[serial]

    # bounds

    def spend(self, work: int) -> None:
        """Count work, and stop when an expansion takes too much of it."""
        self.work += work
        if self.work > MAX_WORK:
            raise ExpansionError("the formula must be smaller: it takes too much work to expand")

    def checked(self, polynomial: Polynomial) -> Polynomial:
        """Return `polynomial`, or raise if it has too many terms."""
        if len(polynomial) > MAX_TERMS:
            raise ExpansionError(f"a formula must expand to at most {MAX_TERMS} terms, given one with more")
        return polynomial

    def check_degree(self, monomial: Monomial) -> Monomial:
        """Return `monomial`, or raise if its total power is too high."""
        degree = sum(abs(exponent) * max(1, self[serial].degree or 0) for serial, exponent in monomial)
        if degree > MAX_DEGREE:
            raise ExpansionError(f"the degree of a term must be at most {MAX_DEGREE}, given {degree}")
        return monomial

    # atoms

    def x(self) -> Monomial:
        """Return the input itself."""
        serial = self._serials.get("x")
        if serial is None:
            serial = self._add("x", Atom(X, True, False, 1, (Node(X),)))
        return ((serial, 1),)

    def function(self, opcode: int, argument: Polynomial) -> Monomial:
        """Return an elementwise function of a polynomial, or (DIV) the reciprocal of one."""
        # rounded, because the text of the expanded formula is: its functions must be these very ones
        key = (opcode, frozenset((monomial, _rounded(coefficient)) for monomial, coefficient in argument.items()))
        serial = self._serials.get(key)
        if serial is None:
            inner = self.expression(argument)
            expression = call(DIV, ONE, inner) if opcode == DIV else call(opcode, inner)
            if len(expression) > MAX_LENGTH:
                raise ExpansionError(f"the expanded formula must have at most {MAX_LENGTH} nodes, given one with more")
            is_free = any(isinstance(c, Free) or self.has_free(m) for m, c in argument.items())
            serial = self._add(key, Atom(opcode, self.has_vectors(argument), is_free, None, expression, argument))
        return ((serial, 1),)

    def row_sum(self, monomial: Monomial, weight: Weight) -> Monomial:
        """Return the sum over the features of a monomial of vectors, with a constant vector."""
        key = (monomial, weight)
        serial = self._serials.get(key)
        if serial is None:
            expression = self._row_sum_expression(monomial, UNIT, weight)
            is_free = isinstance(weight, int) or self.has_free(monomial)
            atom = Atom(SUM, False, is_free, self.degree(monomial), expression, None, monomial, weight)
            serial = self._add(key, atom)
        return ((serial, 1),)

    def _add(self, key: object, atom: Atom) -> int:
        serial = self._serials[key] = len(self._atoms)
        self._atoms.append(atom)
        return serial

    # monomials and polynomials

    def split(self, monomial: Monomial) -> tuple[Monomial, Monomial]:
        """Return the scalar and the vector part of a monomial."""
        scalars = tuple(factor for factor in monomial if not self[factor[0]].is_vector)
        if len(scalars) == len(monomial):
            return monomial, CONSTANT
        return scalars, tuple(factor for factor in monomial if self[factor[0]].is_vector)

    def has_free(self, monomial: Monomial) -> bool:
        """Tell whether a monomial contains a free vector."""
        return any(self[serial].is_free for serial, _ in monomial)

    def absorbs(self, monomial: Monomial) -> bool:
        """Tell whether a free vector multiplies a monomial, so that a number before it says nothing."""
        return any(self[serial].opcode == SUM and isinstance(self[serial].weight, int) for serial, _ in monomial)

    def has_vectors(self, polynomial: Polynomial) -> bool:
        """Tell whether a polynomial has a value for each feature rather than one a row."""
        return any(
            not isinstance(coefficient, Fraction) or any(self[serial].is_vector for serial, _ in monomial)
            for monomial, coefficient in polynomial.items()
        )

    def degree(self, monomial: Monomial) -> int | None:
        """Return the total power of x in a monomial; None when it is no polynomial."""
        degree = 0
        for serial, exponent in monomial:
            own = self[serial].degree
            if own is None or exponent < 0:
                return None
            degree += own * exponent
        return degree

    def order(self, monomial: Monomial) -> Order:
        """Return the key that sorts the terms of a polynomial, whatever order they were written in."""
        order = self._orders.get(monomial)
        if order is None:
            degree = self.degree(monomial)
            rank = 1 if degree is None else 0 if degree else 2
            text = expression_text(product(1.0, *self.factors(monomial)))
            order = self._orders[monomial] = (rank, -(degree or 0), len(monomial), text)
        return order

    # expressions

    def factors(self, monomial: Monomial) -> tuple[list[Expression], list[Expression]]:
        """Return the powers that a monomial multiplies, and those that it divides by."""
        numerators, denominators = [], []
        for serial, exponent in self.in_order(monomial):
            atom = self[serial]
            if atom.opcode == DIV and len(monomial) > 1:  # 1/p: the reciprocal's expression without its 1
                denominators.append(power(atom.expression[2:], exponent))
            else:
                (numerators if exponent > 0 else denominators).append(power(atom.expression, abs(exponent)))
        return numerators, denominators

    def in_order(self, monomial: Monomial) -> Monomial:
        """Return a monomial's factors in an order that does not depend on how the formula was written."""
        return tuple(sorted(monomial, key=lambda factor: self.text(factor[0]))) if len(monomial) > 1 else monomial

    def text(self, serial: int) -> str:
        """Return the text of an atom."""
        text = self._texts.get(serial)
        if text is None:
            text = self._texts[serial] = expression_text(self[serial].expression)
        return text

    def inner(self, monomial: Monomial) -> Expression:
        """Return a monomial of vectors as an expression."""
        return product(1.0, *self.factors(monomial))

    def expression(self, polynomial: Polynomial) -> Expression:
        """Return a polynomial as an expression, its terms in order."""
        return total(self._summand(m, polynomial[m]) for m in sorted(polynomial, key=self.order))

    def _summand(self, monomial: Monomial, coefficient: Coefficient) -> Summand:
        numerators, denominators = self.factors(monomial)
        if isinstance(coefficient, Free):
            return 1.0, [(Node(VECTOR),), *numerators], denominators
        if not isinstance(coefficient, Fraction):
            return 1.0, [_weight_expression(coefficient), *numerators], denominators
        if self.absorbs(monomial):
            return 1.0, numerators, denominators
        if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(self[monomial[0][0]].weight, tuple):
            atom = self[monomial[0][0]]
            return 1.0, [self._row_sum_expression(atom.monomial, coefficient, atom.weight)], []
        return rounded(coefficient), numerators, denominators

    def _row_sum_expression(self, monomial: Monomial, scale: Fraction, weight: Weight) -> Expression:
        inner = self.inner(monomial) if monomial else (Node(POW, 0), Node(X))
        if weight is None:
            return call(SUM, inner)
        vector = _weight_expression(join_scale(scale, weight))
        return call(DOT, vector, inner) if monomial else call(SUM, vector)


def _weight_expression(weight: Coefficient) -> Expression:
    """Return a constant vector as an expression."""
    if isinstance(weight, Free) or not isinstance(weight, tuple):
        return (Node(VECTOR),)
    return (Node(VECTOR, tuple(map(rounded, weight))),)


def _rounded(coefficient: Coefficient) -> object:
    if isinstance(coefficient, Free):
        return coefficient
    if isinstance(coefficient, tuple):
        return tuple(map(rounded, coefficient))
    return rounded(coefficient)
