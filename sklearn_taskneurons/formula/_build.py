"""Expressions put together from smaller ones, so that their text reads well."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._expression import Expression, Node
from sklearn_taskneurons.formula.functions import ADD, DIV, MUL, NEG, NUMBER, POW, SUB

# a coefficient, what it multiplies, and what the product is divided by
Summand: TypeAlias = tuple[float, Sequence[Expression], Sequence[Expression]]

ONE: Final[Expression] = (Node(NUMBER, 1.0),)
_RECIPROCAL: Final = (Node(DIV), *ONE)
ZERO: Final[Expression] = (Node(NUMBER, 0.0),)


def call(opcode: int, *arguments: Expression) -> Expression:
    """Return the application of a function to its arguments."""
    return (Node(opcode), *(node for argument in arguments for node in argument))


def power(base: Expression, exponent: int) -> Expression:
    """Return a power; the first is the base itself."""
    if exponent == 1:
        return base
    if base[:2] == _RECIPROCAL:
        return (*_RECIPROCAL, *power(base[2:], exponent))
    return (Node(POW, exponent), *base)


def product(coefficient: float, numerators: Sequence[Expression], denominators: Sequence[Expression] = ()) -> Expression:
    """Return ``coefficient * numerators / denominators`` as a chain that needs no inner parentheses."""
    factors = [factor for factor in numerators if factor[:2] != _RECIPROCAL]
    denominators = [*(factor[2:] for factor in numerators if factor[:2] == _RECIPROCAL), *denominators]
    if coefficient == -1 and factors:
        factors[0] = call(NEG, factors[0])
    elif coefficient != 1 or not factors:
        factors.insert(0, (Node(NUMBER, coefficient),))
    numerator = _chain(factors)
    return call(DIV, numerator, _chain(list(denominators))) if denominators else numerator


def _chain(factors: list[Expression]) -> Expression:
    # prefix order puts the operators of a left-leaning chain first
    return (*(Node(MUL),) * (len(factors) - 1), *(node for factor in factors for node in factor))


def total(summands: Iterable[Summand]) -> Expression:
    """Return a sum of products, each given as for `product`; a negative one is subtracted."""
    result: Expression | None = None
    for coefficient, numerators, denominators in summands:
        if result is None:
            result = product(coefficient, numerators, denominators)
        else:
            opcode = SUB if coefficient < 0 else ADD
            result = call(opcode, result, product(abs(coefficient), numerators, denominators))
    return ZERO if result is None else result
