"""Threads of the numerical libraries: results must not depend on how many there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np  # the libraries must be loaded before the controller looks for them
import scipy.linalg
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Return the controller of NumPy's and SciPy's libraries; to look for them takes milliseconds."""
    scipy.linalg.solve_triangular(np.eye(1), np.ones(1))
    return ThreadpoolController()


@dataclass
class _Blocks:
    """How many blocks of `single_blas_thread` are open in all threads, and what takes back the limit of the first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    n_open: int = 0
    limit: Any = None


_blocks = _Blocks()


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread and restore what was set.

    Small factorizations are faster on one thread, and sums are then added in one order, so that the
    same seed gives the same model on every number of threads. A library has one number for all threads of
    Python: of blocks that overlap, the first sets the limit and the last takes it back.
    """
    with _blocks.lock:
        if not _blocks.n_open:
            _blocks.limit = _controller().limit(limits=1, user_api="blas")
        _blocks.n_open += 1
    try:
        yield
    finally:
        with _blocks.lock:
            _blocks.n_open -= 1
            if not _blocks.n_open:
                _blocks.limit.restore_original_limits()
