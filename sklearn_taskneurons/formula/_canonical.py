"""From an expression to its terms, sorted and rounded."""

from fractions import Fraction

from sklearn_taskneurons.formula._algebra import Algebra, expand, size
from sklearn_taskneurons.formula._atoms import Atoms, Monomial, Polynomial
from sklearn_taskneurons.formula._coefficients import rounded
from sklearn_taskneurons.formula._expression import Expression, Type
from sklearn_taskneurons.formula._terms import Composite, Factor, RowSum, Term
from sklearn_taskneurons.formula.functions import DIV, SUM


def canonical_terms(expression: Expression, kind: Type, n_features: int | None) -> tuple[Term, ...]:
    """Return the terms of an expression, summed over the features when it is a vector."""
    atoms = Atoms(n_features)
    polynomial = expand(expression, atoms)
    if kind == "V":
        polynomial = Algebra(atoms).row_sum(polynomial)
    return _Terms(atoms).of(polynomial)


class _Terms:
    """The terms of polynomials over one set of atoms."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self._factors: dict[int, Factor] = {}
        for serial in range(len(atoms)):  # an atom comes after those that it refers to: no recursion
            atom = atoms[serial]
            if atom.opcode == SUM:
                weights = tuple(map(rounded, atom.weight)) if isinstance(atom.weight, tuple) else None
                inner = atoms.inner(atom.monomial)
                self._factors[serial] = RowSum(inner, weights, isinstance(atom.weight, int))
            elif atom.polynomial is not None and not atom.is_vector:
                self._factors[serial] = Composite(atom.opcode, self.of(atom.polynomial))

    def of(self, polynomial: Polynomial) -> tuple[Term, ...]:
        """Return the terms of a polynomial of scalars, in order."""
        terms: dict[object, Term] = {}
        exact: dict[object, Fraction] = {}
        for monomial in sorted(polynomial, key=lambda m: (self.atoms.order(m), size(polynomial[m]))):
            coefficient = polynomial[monomial]
            if not isinstance(coefficient, Fraction):
                raise TypeError("the terms of a scalar have numbers for coefficients")
            term = self._weighted(monomial, coefficient)
            if term is not None:
                terms[monomial] = term
                continue
            factors = self._product(monomial)
            if self.atoms.absorbs(monomial):
                terms[monomial] = Term(1.0, factors)
                continue
            # constant vectors that differ by less than rounding can make equal terms of different ones
            key: object = monomial if self.atoms.has_free(monomial) else tuple(factor.scalar_expression for factor in factors)
            exact[key] = exact.get(key, Fraction(0)) + coefficient
            terms[key] = Term(rounded(exact[key]), factors)
        return tuple(term for term in terms.values() if term.coefficient)

    def _weighted(self, monomial: Monomial, coefficient: Fraction) -> Term | None:
        """Return the term of a single sum with a constant vector, which takes in the coefficient."""
        if len(monomial) != 1 or monomial[0][1] != 1:
            return None
        atom = self.atoms[monomial[0][0]]
        if not isinstance(atom.weight, tuple):
            return None
        weights = tuple(rounded(coefficient * weight) for weight in atom.weight)
        return Term(1.0 if any(weights) else 0.0, (RowSum(self.atoms.inner(atom.monomial), weights),))

    def _product(self, monomial: Monomial) -> tuple[Factor, ...]:
        above: list[Factor] = []
        below: list[Factor] = []
        for serial, exponent in self.atoms.in_order(monomial):
            (above if exponent > 0 else below).extend([self._factors[serial]] * abs(exponent))
        if below:
            above.append(Composite(DIV, (Term(1.0, tuple(below)),)))
        return tuple(above)


