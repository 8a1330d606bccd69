"""The terms of a formula: what a neuron gives weights to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, Final, TypeAlias

from sklearn_taskneurons.formula._build import ONE, Summand, applied, call, power, total
from sklearn_taskneurons.formula._expression import Expression, Node, Type
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, MUL, POW, SUM, VECTOR, X, portable, restored

_ZEROTH: Final = Node(POW, 0)  # x**0 stands for the number of features


@dataclass(frozen=True)
class RowSum:
    """A sum over the features of a row, ``sum_j weights_j * phi(x)_j``.

    Attributes
    ----------
    expression : Expression
        What is summed: a vector without a constant factor, or the number 1.
    weights : tuple of float or None
        The constant vector that multiplies it, one entry for each feature; None for no vector.
    free : bool
        Whether a free constant vector multiplies it; `weights` is then None.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula
    >>> term, = Formula("2*x**3").terms
    >>> term.factors[0].degree, term.factors[0].weights, str(term.factors[0])
    (3, None, 'sum(x**3)')
    """

    expression: Expression
    weights: tuple[float, ...] | None = None
    free: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether its value is the same for every row."""
        return all(node.opcode != X for node in self.expression)

    @property
    def degree(self) -> int | None:
        """The total power of x, or None when it is no polynomial of x."""
        degree = 0
        exponent = 1
        for node in self.expression:
            if node.opcode == POW:
                exponent = int(node.value)  # type: ignore[arg-type]
            elif node.opcode == X:
                degree += exponent
                exponent = 1
            elif node != ONE[0] and node.opcode != MUL:
                return None
        return degree

    @property
    def scalar_expression(self) -> Expression:
        """The sum as an expression, of type S."""
        # x**0 is the number 1 for each feature, where a 1 alone would be one number
        inner = (Node(POW, 0), Node(X)) if self.expression == ONE else self.expression
        if self.weights is None and not self.free:
            return call(SUM, inner)
        vector = (Node(VECTOR, self.weights),)
        return call(SUM, vector) if self.expression == ONE else call(DOT, vector, inner)

    @property
    def vector_expression(self) -> Expression:
        """What is summed, with its constant vector, of type V; the number 1 where that is all."""
        if self.weights is None and not self.free:
            return self.expression
        vector = (Node(VECTOR, self.weights),)
        return vector if self.expression == ONE else call(MUL, vector, self.expression)

    def __str__(self) -> str:
        return expression_text(self.scalar_expression)


@dataclass(frozen=True, eq=False)
class Composite:
    """A function of sums of terms: one value for each row.

    Attributes
    ----------
    opcode : int
        An elementwise function, or ``DIV`` for the reciprocal of one sum.
    arguments : tuple of tuple of Term
        The sums that it is a function of: most often one.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula
    >>> term, = Formula("3*sin(dot(w, x) + 1)").terms
    >>> argument, = term.factors[0].arguments
    >>> [str(inner) for inner in argument]
    ['dot(w, x)', '1']
    """

    opcode: int
    arguments: "tuple[tuple[Term, ...], ...]"
    # made once, from those of the terms: functions nest, and the call stack must not
    scalar_expression: Expression = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scalar_expression", applied(self.opcode, *map(sum_expression, self.arguments)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composite) and self.scalar_expression == other.scalar_expression

    def __hash__(self) -> int:
        return hash(self.scalar_expression)

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (Composite, portable(self.opcode), self.arguments)

    @property
    def is_constant(self) -> bool:
        """Whether its value is the same for every row."""
        nodes = self.scalar_expression
        return not any(node.opcode == X and before != _ZEROTH for before, node in pairwise(nodes))

    @property
    def degree(self) -> int | None:
        """None: it is no polynomial of x."""
        return None

    def __str__(self) -> str:
        return expression_text(self.scalar_expression)


Factor: TypeAlias = RowSum | Composite
_FEATURE_COUNT: Final = RowSum(ONE)


@dataclass(frozen=True)
class Term:
    """A number times a product of factors.

    Attributes
    ----------
    coefficient : float
        The number; 1 where a constant vector says it all.
    factors : tuple of RowSum or Composite
        What is multiplied, a power as a repetition and a negative one as a reciprocal; () for a constant.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula
    >>> for term in Formula("0.068*x**3 - 0.15*x + 0.76").terms:
    ...     print(term.coefficient, [str(factor) for factor in term.factors], term.degree)
    0.068 ['sum(x**3)'] 3
    -0.15 ['sum(x)'] 1
    0.76 ['sum(x**0)'] 0
    """

    coefficient: float
    factors: tuple[Factor, ...] = ()

    @property
    def maps(self) -> tuple[Factor, ...]:
        """The factors that depend on x: those that a neuron has weights for."""
        return tuple(factor for factor in self.factors if not factor.is_constant)

    @property
    def is_constant(self) -> bool:
        """Whether its value is the same for every row."""
        return not self.maps

    @property
    def degree(self) -> int | None:
        """The total power of x, or None when the term is no polynomial of x."""
        degree = 0
        for factor in self.factors:
            if factor.degree is None:
                return None
            degree += factor.degree
        return degree

    @property
    def expression(self) -> Expression:
        """The term as an expression, of type S."""
        return total([self.summand()])

    def summand(self) -> Summand:
        """Return the coefficient, the powers multiplied and the sums divided by."""
        return self.coefficient, *scalar_factors(self.factors)

    def __str__(self) -> str:
        return expression_text(self.expression)


def scalar_factors(factors: Sequence[Factor]) -> tuple[list[Expression], list[Expression]]:
    """Return the powers that factors multiply, and those that they divide by."""
    numerators: list[Expression] = []
    denominators: list[Expression] = []
    for factor, repeated in groupby(factors):
        count = len(list(repeated))
        if isinstance(factor, Composite) and factor.opcode == DIV and count == 1:
            denominators.extend(map(sum_expression, factor.arguments))
        elif isinstance(factor, RowSum) and factor.free:
            # each w is a vector of its own, which a power would not say
            numerators.extend([factor.scalar_expression] * count)
        else:
            numerators.append(power(factor.scalar_expression, count))
    return numerators, denominators


def sum_expression(terms: "Sequence[Term]") -> Expression:
    """Return the sum of terms as an expression, of type S."""
    return total(term.summand() for term in terms)


def expanded_summands(terms: "Sequence[Term]") -> tuple[list[Summand], Type]:
    """Return the sum of terms as people write it, and its type.

    It is of type V, without sums over the features, where that is possible: a formula of type V is summed over the
    features, so each term gives up one such sum.
    """
    summands = _vector_summands(terms, weighted=False)
    if summands is None and any(factor == _FEATURE_COUNT for term in terms for factor in term.factors):
        summands = _vector_summands(terms, weighted=True)
    return ([term.summand() for term in terms], "S") if summands is None else (summands, "V")


def expanded_expression(terms: "Sequence[Term]") -> Expression:
    """Return the sum of terms as one expression."""
    return total(expanded_summands(terms)[0])


def demanding_expression(terms: "Sequence[Term]", n_features: int) -> Expression:
    """Return the sum of terms with a known vector in it, so that it demands its number of features."""
    for place, term in enumerate(terms):
        if len(term.factors) == 1 and isinstance(term.factors[0], RowSum) and not term.factors[0].free:
            row_sum = RowSum(term.factors[0].expression, (term.coefficient,) * n_features)
            return expanded_expression((*terms[:place], Term(1.0, (row_sum,)), *terms[place + 1 :]))
    zero = call(SUM, (Node(VECTOR, (0.0,) * n_features),))
    return call(ADD, expanded_expression(terms), zero) if terms else zero


def _vector_summands(terms: "Sequence[Term]", weighted: bool) -> list[Summand] | None:
    """Return terms without one sum over the features each, None if some term has none or no vector would be left."""
    summands: list[Summand] = []
    has_vectors = False
    for term in terms:
        sums = [factor for factor in term.factors if isinstance(factor, RowSum)]
        chosen = [factor for factor in sums if weighted or (factor.weights is None and not factor.free)]
        if not chosen:
            return None
        # the number of features is the sum to give up, if it is there
        best = _FEATURE_COUNT if _FEATURE_COUNT in chosen else chosen[0]
        rest = list(term.factors)
        rest.remove(best)
        numerators, denominators = scalar_factors(rest)
        if best != _FEATURE_COUNT:
            has_vectors = True
            numerators.insert(0, best.vector_expression)
        summands.append((term.coefficient, numerators, denominators))
    return summands if has_vectors else None
