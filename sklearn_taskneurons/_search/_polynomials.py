"""Chebyshev polynomials: how programs become coefficients, and coefficients change their basis."""

import numpy as np
from numpy.polynomial import chebyshev

from sklearn_taskneurons._search._population import Floats


def chebyshev_points(degree: int) -> Floats:
    """Return the ``degree + 1`` points in (-1, 1) that determine a polynomial of this degree."""
    return np.cos((np.arange(degree, -1, -1) + 0.5) * np.pi / (degree + 1))


def interpolation_matrix(degree: int) -> Floats:
    """Return A with ``c = A @ p(points)``: Chebyshev coefficients from values at the points.

    The points are those of discrete orthogonality, so no system is solved and no digit is lost.
    """
    matrix = chebyshev.chebvander(chebyshev_points(degree), degree).T * (2.0 / (degree + 1))
    matrix[0] /= 2.0
    return np.ascontiguousarray(matrix)


def monomials_in_chebyshev(degree: int) -> Floats:
    """Return B whose column k holds the Chebyshev coefficients of ``t**k``; they are not negative and add up to 1."""
    matrix = np.zeros((degree + 1, degree + 1))
    for power in range(degree + 1):
        matrix[: power + 1, power] = chebyshev.poly2cheb(np.eye(degree + 1)[power, : power + 1])
    return matrix


def rebase_matrix(degree: int, ratio: float) -> Floats:
    """Return A with ``T(ratio * t) = A.T @ T(t)``: column k holds the coefficients of ``T_k(ratio * t)``.

    For ``ratio <= 1`` the values, and with them the coefficients, are bounded by 1.
    """
    values = chebyshev.chebvander(ratio * chebyshev_points(degree), degree)
    matrix: Floats = np.triu(interpolation_matrix(degree) @ values)
    return matrix


def covering_radius(largest: float) -> float:
    """Return the power of two that covers ``[-largest, largest]``, so that to divide by it is exact."""
    if not largest > 0.0:
        return 1.0
    mantissa, exponent = np.frexp(largest)
    return float(np.ldexp(1.0, int(exponent) - (mantissa == 0.5)))
