"""The triangular factor of a matrix by orthogonal transformations: its products, without squaring their errors."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgeqrf, dgeqrt

from sklearn_taskneurons._search._population import Floats

_SMALL: Final = 1 << 14  # numbers, 128 kB: here what LAPACK does column by column is not the slower way
_COLUMNS_AT_ONCE: Final = 4, 32


def triangular(matrix: Floats) -> Floats:
    """Return the square upper triangular factor; rows of zeros fill it up while there are few rows.

    The matrix, shape (N, C), may be overwritten. It costs no copy if its columns lie one behind the other.
    """
    n_rows, n_columns = matrix.shape
    if matrix.size < _SMALL:
        reduced, *_ = dgeqrf(matrix, lwork=n_columns, overwrite_a=True)
    else:
        at_once = np.clip(n_columns // 8, *_COLUMNS_AT_ONCE)
        reduced, *_ = dgeqrt(min(at_once, n_rows, n_columns), matrix, overwrite_a=True)
    factor = upper(reduced[:n_columns])
    missing = n_columns - len(factor)
    return np.pad(factor, ((0, missing), (0, 0))) if missing else factor


def upper(matrix: Floats) -> Floats:
    """Return a matrix, shape (R, C) with R at most C, with zeros below its diagonal."""
    n_rows, n_columns = matrix.shape
    result: Floats = np.where(_below_diagonal(n_columns)[:n_rows], 0.0, matrix)
    return result


def packed(factor: Floats) -> tuple[int, int, Floats]:
    """Return the size of a square factor, how many rows it has down to the last that is not zero, and their numbers."""
    n_rows = int(np.max(np.flatnonzero(factor.any(axis=1)), initial=-1)) + 1
    numbers: Floats = factor[:n_rows][~np.tri(n_rows, len(factor), k=-1, dtype=bool)]
    return len(factor), n_rows, numbers


def unpacked(size: int, n_rows: int, numbers: Floats) -> Floats:
    """Return the factor with these numbers on and above its diagonal, row by row, and zeros."""
    factor = np.zeros((size, size))
    factor[:n_rows][~np.tri(n_rows, size, k=-1, dtype=bool)] = numbers
    return factor


@lru_cache(maxsize=32)
def _below_diagonal(n_columns: int) -> NDArray[np.bool_]:
    """Return where a square matrix lies below its diagonal: kept, as to find it takes as long as a small factorization."""
    return np.tri(n_columns, k=-1, dtype=bool)
