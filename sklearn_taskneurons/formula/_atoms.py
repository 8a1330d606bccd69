"""What monomials are made of, each kept once and known by its serial number.

Atoms that have a value for each feature (vectors) are ``x`` and functions of something that contains a vector; atoms that
have one value for each row (scalars) are sums over the features and functions of scalars. An atom refers to others by
serial, always to earlier ones, so that monomials are cheap to hash and compare however deep their atoms nest.
"""

from collections.abc import Sized
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._coefficients import Coefficient, Scaled, Vectors, Weight, rounded, rounded_vector
from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._limits import MAX_DEGREE, MAX_LENGTH, MAX_TERMS, MAX_WORK
from sklearn_taskneurons.formula.functions import SUM, X

# serials of atoms with exponents other than 0, by rising serial; the empty one is 1
Monomial: TypeAlias = tuple[tuple[int, int], ...]
Polynomial: TypeAlias = dict[Monomial, Coefficient]

CONSTANT: Final[Monomial] = ()


@dataclass(frozen=True, eq=False)
class Atom:
    """One factor of a monomial."""

    opcode: int  # X, SUM, a function, or DIV for the reciprocal of a sum
    is_vector: bool
    is_free: bool  # whether a free vector is in it
    degree: int | None  # total power of x; None when it is no polynomial
    size: int  # about the number of its nodes
    arguments: tuple[Polynomial, ...] = ()  # of a function, the divisor of DIV
    monomial: Monomial = CONSTANT  # what SUM sums
    weight: Weight | None = None  # the constant vector within SUM


class Atoms:
    """All atoms of one formula, its free vectors, and the account of the work done on it."""

    def __init__(self, n_features: int | None) -> None:
        self.n_features = n_features
        self.vectors = Vectors()
        self._work = 0
        self._atoms: list[Atom] = []
        self._serials: dict[object, int] = {}

    def __getitem__(self, serial: int) -> Atom:
        return self._atoms[serial]

    # bounds

    def spend(self, work: int) -> None:
        """Count work, and stop when an expansion takes too much of it."""
        self._work += work
        if self._work > MAX_WORK:
            raise ExpansionError("a formula must not take so much work to expand; write a smaller one")

    def check_terms(self, terms: Sized) -> None:
        """Raise if a polynomial has too many terms."""
        if len(terms) > MAX_TERMS:
            raise ExpansionError(f"a formula must expand to at most {MAX_TERMS} terms, given one with more")

    def power(self, monomial: Monomial) -> int:
        """Return the total power of a monomial, roots and functions counted as they stand."""
        return sum(abs(exponent) * max(1, self[serial].degree or 0) for serial, exponent in monomial)

    def check_degree(self, monomial: Monomial) -> Monomial:
        """Return `monomial`, or raise if its total power is too high."""
        degree = self.power(monomial)
        if degree > MAX_DEGREE:
            raise ExpansionError(f"the degree of a term must be at most {MAX_DEGREE}, given {degree}")
        return monomial

    def size(self, polynomial: Polynomial) -> int:
        """Return about the number of nodes of a polynomial, or raise if there are too many."""
        size = sum(2 + sum(1 + self[serial].size for serial, _ in monomial) for monomial in polynomial)
        if size > 2 * MAX_LENGTH:
            raise ExpansionError(f"a formula must expand to at most {MAX_LENGTH} nodes, given one with more")
        return size

    # atoms

    def x(self) -> Monomial:
        """Return the input itself."""
        serial = self._serials.get("x")
        if serial is None:
            serial = self._add("x", Atom(X, True, False, 1, 1))
        return ((serial, 1),)

    def function(self, opcode: int, *arguments: Polynomial) -> Monomial:
        """Return an elementwise function of polynomials, or (DIV) the reciprocal of one."""
        # rounded, because the text of the expanded formula is: its functions must be these very ones
        key = (opcode, *(frozenset((monomial, _rounded(value)) for monomial, value in a.items()) for a in arguments))
        serial = self._serials.get(key)
        if serial is None:
            is_vector = any(map(self.has_vectors, arguments))
            is_free = any((isinstance(c, Scaled) and c.is_free) or self.has_free(m) for a in arguments for m, c in a.items())
            size = 1 + sum(map(self.size, arguments))
            serial = self._add(key, Atom(opcode, is_vector, is_free, None, size, arguments))
        return ((serial, 1),)

    def row_sum(self, monomial: Monomial, weight: Weight | None) -> Monomial:
        """Return the sum over the features of a monomial of vectors, with a constant vector."""
        key = (monomial, weight)
        serial = self._serials.get(key)
        if serial is None:
            is_free = isinstance(weight, int) or self.has_free(monomial)
            size = 1 + self.size({monomial: Fraction(1)})
            serial = self._add(key, Atom(SUM, False, is_free, self.degree(monomial), size, (), monomial, weight))
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
            isinstance(coefficient, Scaled) or any(self[serial].is_vector for serial, _ in monomial)
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

    def lone_sum(self, monomial: Monomial) -> Atom | None:
        """Return the sum with a known vector that a monomial is, None when it is anything else."""
        if len(monomial) != 1 or monomial[0][1] != 1:
            return None
        atom = self[monomial[0][0]]
        return atom if isinstance(atom.weight, tuple) else None


def _rounded(coefficient: Coefficient) -> object:
    if isinstance(coefficient, Fraction):
        return rounded(coefficient)
    return coefficient if isinstance(coefficient.weight, int) else rounded_vector(coefficient.scale, coefficient.weight)
