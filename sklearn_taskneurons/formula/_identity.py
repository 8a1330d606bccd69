"""Whether two expressions are the same function, told by one number.

An expression is evaluated in the integers modulo a prime, at one fixed point that looks random, with functions as symbols.
Expressions that are the same by the rules of arithmetic have the same value; others differ but for a chance of about 1e-36.

References
----------
.. [1] J. T. Schwartz, "Fast probabilistic algorithms for verification of polynomial identities", Journal of the ACM 27
   (1980) 701-717. https://doi.org/10.1145/322217.322225
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._coefficients import exact
from sklearn_taskneurons.formula._expression import Expression, Node, entrywise, fold
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, MUL, NEG, NUMBER, POW, SUB, SUM, VECTOR, X

_PRIME: Final = 2**127 - 1
_Value: TypeAlias = int | list[int]

_OPERATIONS: Final[dict[int, Callable[..., int]]] = {
    ADD: lambda a, b: (a + b) % _PRIME,
    SUB: lambda a, b: (a - b) % _PRIME,
    MUL: lambda a, b: a * b % _PRIME,
    DIV: lambda a, b: a * pow(b, -1, _PRIME) % _PRIME if b else 0,
    NEG: lambda a: -a % _PRIME,
}


def fingerprint(expression: Expression, n_features: int) -> int:
    """Return the number that tells whether an expression, summed over the features, is the same as another."""

    def value_of(node: Node, *arguments: _Value) -> _Value:
        opcode, value = node
        if opcode in (X, VECTOR) and value is None:
            return [_symbol(opcode, j) for j in range(n_features)]
        if isinstance(value, tuple):
            return [_residue(entry) for entry in value]
        if opcode == NUMBER:
            return _residue(value)  # type: ignore[arg-type]
        if opcode == POW:
            return entrywise(lambda a: pow(a, int(value), _PRIME), n_features, *arguments)  # type: ignore[arg-type]
        if opcode in (DOT, SUM):
            return _total(entrywise(_OPERATIONS[MUL], n_features, *arguments) if opcode == DOT else arguments[0])
        return entrywise(_OPERATIONS.get(opcode) or (lambda *entries: _symbol(opcode, *entries)), n_features, *arguments)

    return _total(fold(expression, value_of))


def _total(value: _Value) -> int:
    return sum(value) % _PRIME if isinstance(value, list) else value


def _residue(value: float) -> int:
    fraction = exact(value)
    return fraction.numerator * pow(fraction.denominator, -1, _PRIME) % _PRIME


def _symbol(opcode: int, *arguments: int) -> int:
    """Return the value of a function, or of a vector at a feature: any number, the same whenever it is asked for."""
    digest = blake2b(" ".join(map(str, (opcode, *arguments))).encode(), digest_size=16).digest()
    return int.from_bytes(digest) % _PRIME
