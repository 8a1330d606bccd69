"""Atoms, monomials and polynomials as expressions, and the order in which they are written."""

from fractions import Fraction
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._atoms import Atoms, Monomial, Polynomial
from sklearn_taskneurons.formula._build import Summand, applied, call, power, product, total
from sklearn_taskneurons.formula._coefficients import UNIT, Coefficient, Weight, rounded, rounded_vector, split, unit
from sklearn_taskneurons.formula._expression import Expression, Node, Vector
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula.functions import DOT, POW, SUM, VECTOR, X

# the text of an atom without its known vector, its exponent, and the vector
Label: TypeAlias = tuple[str, int, tuple[int, ...]]
# powers of x first and by falling degree, then functions, then constants
Order: TypeAlias = tuple[int, int, int, tuple[Label, ...]]

_LEAST_BITS: Final = -700  # far from where floating-point numbers end


class Writer:
    """What depends on how atoms are written; nothing here depends on the order in which a formula was written."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self.is_settled = True  # whether what is written reads as the very same polynomial
        self._expressions: list[Expression] = []
        self._texts: dict[int, str] = {}
        self._orders: dict[Monomial, Order] = {}

    # order

    def order(self, monomial: Monomial) -> Order:
        """Return the key by which monomials are sorted."""
        order = self._orders.get(monomial)
        if order is None:
            degree = self.atoms.degree(monomial)
            rank = 1 if degree is None else 0 if degree else 2
            labels = tuple(map(self._label, self.in_order(monomial)))
            order = self._orders[monomial] = (rank, -(degree or 0), len(monomial), labels)
        return order

    def sorted(self, polynomial: Polynomial) -> list[Monomial]:
        """Return the monomials of a polynomial in order."""
        return sorted(polynomial, key=lambda monomial: (self.order(monomial), _size(polynomial[monomial])))

    def in_order(self, monomial: Monomial) -> Monomial:
        """Return a monomial with its factors in order."""
        return tuple(sorted(monomial, key=self._label)) if len(monomial) > 1 else monomial

    def _label(self, factor: tuple[int, int]) -> Label:
        serial, exponent = factor
        text = self._texts.get(serial)
        if text is None:
            text = self._texts[serial] = expression_text(self._expression(serial))
        weight = self.atoms[serial].weight
        return text, exponent, weight if isinstance(weight, tuple) else ()

    # expressions

    def _expression(self, serial: int) -> Expression:
        """Return an atom's expression; that of a sum has no known vector in it."""
        # in the order of serials, because an atom's own atoms come before it: nesting takes no call stack
        while len(self._expressions) <= serial:
            atom = self.atoms[len(self._expressions)]
            if atom.opcode == X:
                expression: Expression = (Node(X),)
            elif atom.opcode == SUM:
                weight = None if isinstance(atom.weight, tuple) else atom.weight
                expression = self._row_sum(atom.monomial, UNIT, weight)
            else:
                expression = applied(atom.opcode, *map(self.polynomial, atom.arguments))
            self._expressions.append(expression)
        return self._expressions[serial]

    def monomial(self, monomial: Monomial) -> Expression:
        """Return a monomial as an expression, its known vectors divided by `unit`."""
        return product(1.0, *self._factors(monomial))

    def polynomial(self, polynomial: Polynomial) -> Expression:
        """Return a polynomial as an expression."""
        return total(self._summand(monomial, polynomial[monomial]) for monomial in self.sorted(polynomial))

    def unit(self, monomial: Monomial) -> Fraction:
        """Return what the known vectors of a product were divided by."""
        result = UNIT
        for serial, exponent in monomial:
            weight = self.atoms[serial].weight
            if isinstance(weight, tuple):
                # read without one of its sums over the features, a product can merge with others
                self.is_settled = False
                result /= unit(weight) ** exponent
        return result

    def _factors(self, monomial: Monomial) -> tuple[list[Expression], list[Expression]]:
        numerators: list[Expression] = []
        denominators: list[Expression] = []
        for serial, exponent in self.in_order(monomial):
            atom = self.atoms[serial]
            expression = self._expression(serial)
            if isinstance(atom.weight, tuple):
                expression = self._row_sum(atom.monomial, unit(atom.weight), atom.weight)
            (numerators if exponent > 0 else denominators).append(power(expression, abs(exponent)))
        return numerators, denominators

    def _summand(self, monomial: Monomial, coefficient: Coefficient) -> Summand:
        lone = self.atoms.lone_sum(monomial)
        if lone is not None and isinstance(coefficient, Fraction):
            return 1.0, [self._row_sum(lone.monomial, coefficient, lone.weight)], []
        numerators, denominators = self._factors(monomial)
        scale, weight = split(coefficient)
        scale *= self.unit(monomial)
        if weight is not None:
            return 1.0, [self._vector(scale, weight), *numerators], denominators
        return 1.0 if self.atoms.absorbs(monomial) else rounded(scale), numerators, denominators

    def _row_sum(self, monomial: Monomial, scale: Fraction, weight: Weight | None) -> Expression:
        inner = self.monomial(monomial) if monomial else (Node(POW, 0), Node(X))
        if weight is None:
            return call(SUM, inner)
        vector = self._vector(scale, weight)
        return call(DOT, vector, inner) if monomial else call(SUM, vector)

    def _vector(self, scale: Fraction, weight: Weight) -> Expression:
        return (Node(VECTOR, None if isinstance(weight, int) else self.entries(scale, weight)),)

    # numbers

    def vanishes(self, monomial: Monomial, coefficient: Coefficient) -> bool:
        """Tell whether a term is written as 0."""
        scale, weight = split(coefficient)
        if scale.numerator.bit_length() - scale.denominator.bit_length() > _LEAST_BITS:
            return False
        lone = self.atoms.lone_sum(monomial)
        if lone is not None and weight is None:
            weight = lone.weight
        else:
            scale *= self.unit(monomial)
        if isinstance(weight, tuple):
            return not any(rounded_vector(scale, weight))
        return weight is None and not self.atoms.absorbs(monomial) and not rounded(scale)

    def entries(self, scale: Fraction, weight: tuple[int, ...]) -> Vector:
        """Return a known vector as it is written; its entries are not all equal, unless rounding has made them so."""
        result = rounded_vector(scale, weight)
        self.is_settled = self.is_settled and result.count(result[0]) < len(result)
        return result


def _size(coefficient: Coefficient) -> tuple[Fraction, bool]:
    """Return the key that sorts monomials that differ in nothing but their free vectors."""
    scale, _ = split(coefficient)
    return abs(scale), scale < 0
