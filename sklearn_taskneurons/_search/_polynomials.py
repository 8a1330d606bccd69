"""How programs become coefficients: by way of Chebyshev polynomials, from values at Chebyshev points."""

from math import frexp, ldexp

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


def chebyshev_in_monomials(degree: int) -> Floats:
    """Return B whose column k holds the coefficients of ``T_k``: whole numbers, and exact."""
    matrix = np.zeros((degree + 1, degree + 1))
    for power in range(degree + 1):
        matrix[: power + 1, power] = chebyshev.cheb2poly(np.eye(degree + 1)[power, : power + 1])
    return matrix


def covering_radius(largest: float) -> float:
    """Return the power of two that covers ``[-largest, largest]``, so that to divide by it is exact.

    Its reciprocal is finite, too, and so it is not beyond 2**-1022 and 2**1023.
    """
    if not largest > 0.0:
        return 1.0
    mantissa, exponent = frexp(largest)
    return ldexp(1.0, min(max(exponent - (mantissa == 0.5), -1022), 1023))
