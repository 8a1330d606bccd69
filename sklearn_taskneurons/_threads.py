"""Threads of the numerical libraries: results must not depend on how many there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np  # the libraries must be loaded before the controller looks for them
import scipy.linalg
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Return the controller of NumPy's and SciPy's libraries; to look for them takes milliseconds."""
    scipy.linalg.solve_triangular(np.eye(1), np.ones(1))
    return ThreadpoolController()


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread and restore what was set.

    Small factorizations are faster on one thread, and sums are then added in one order, so that the
    same seed gives the same search on every number of threads.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
