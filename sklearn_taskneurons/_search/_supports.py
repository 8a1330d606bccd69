"""Which powers of x a program contains, decided exactly."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._schedule import Array, Operator, Schedule
from sklearn_taskneurons.formula.functions import ADD, MUL, NEG, POW, SUB

PRIME: Final = 2**31 - 1
_HUGE_DEGREE: Final = 2**31

Integers = NDArray[np.int64]


def degrees(schedule: Schedule) -> Integers:
    """Return the degree that each program has when nothing cancels, shape (P,)."""
    values = np.zeros(schedule.n_nodes, dtype=np.int64)
    values[schedule.variables] = 1
    operators: dict[int, Operator] = {
        ADD: np.maximum,
        SUB: np.maximum,
        MUL: np.add,
        NEG: np.positive,
        POW: _multiply_degrees,
    }
    return schedule.run(values, operators)


def supports(schedule: Schedule, degree: int) -> Integers:
    """Return the powers with a coefficient that is not zero, as bits 0..degree of an integer, shape (P,).

    Coefficients are computed in the integers modulo a prime, in which every float has an exact image:
    no rounding error can look like a coefficient, and none cancels by accident but with a probability
    of about 5e-10. Programs of a higher degree must be left out by the caller.
    """
    points = np.arange(degree + 1)
    values = np.empty((schedule.n_nodes, degree + 1), dtype=np.int64)
    values[schedule.variables] = points
    values[schedule.numbers] = residues(schedule.value[schedule.numbers])[:, None]
    roots = schedule.run(values, _MODULAR)
    inverse = _inverse_vandermonde(degree)
    coefficients = np.zeros_like(roots)
    for point in range(degree + 1):
        coefficients = (coefficients + roots[:, point, None] * inverse[:, point]) % PRIME
    bits: Integers = (coefficients != 0) @ (1 << np.arange(degree + 1))
    return bits


def residues(numbers: Floats) -> Integers:
    """Return the image of finite floats modulo the prime; ``2**31`` is 1, so powers of two are shifts."""
    mantissa, exponent = np.frexp(numbers)
    whole = np.ldexp(mantissa, 53).astype(np.int64) % PRIME
    shift = (exponent.astype(np.int64) - 53) % 31
    return whole * (np.int64(1) << shift) % PRIME


@lru_cache(maxsize=64)
def _inverse_vandermonde(degree: int) -> Integers:
    """Return the matrix that turns values at 0..degree into coefficients, modulo the prime, by Lagrange's formula."""
    matrix = np.zeros((degree + 1, degree + 1), dtype=np.int64)
    for point in range(degree + 1):
        numerator, denominator = [1], 1
        for other in range(degree + 1):
            if other != point:
                shifted = [0, *numerator]
                scaled = [*(-other * value for value in numerator), 0]
                numerator = [(a + b) % PRIME for a, b in zip(shifted, scaled, strict=True)]
                denominator = denominator * (point - other) % PRIME
        inverse = pow(denominator, -1, PRIME)
        matrix[:, point] = [value * inverse % PRIME for value in numerator]
    return matrix


def _multiply_degrees(a: Array, exponents: Array, out: Array) -> None:
    """Multiply degrees by exponents; nested powers must not overflow."""
    np.minimum(a * exponents.astype(np.int64), _HUGE_DEGREE, out=out)


def _modular(function: np.ufunc) -> Operator:
    """Return a function modulo the prime."""
    return lambda *arguments, out: np.remainder(function(*arguments), PRIME, out=out)


def _power_modular(a: Array, exponents: Array, out: Array) -> None:
    """Raise to powers by squaring, all exponents at once."""
    out[:] = 1
    bits = exponents.astype(np.int64)
    while bits.any():
        np.copyto(out, out * a % PRIME, where=bits % 2 == 1)
        a, bits = a * a % PRIME, bits // 2


_MODULAR: Final[dict[int, Operator]] = {
    ADD: _modular(np.add),
    SUB: _modular(np.subtract),
    MUL: _modular(np.multiply),
    NEG: _modular(np.negative),
    POW: _power_modular,
}
