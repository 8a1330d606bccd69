"""Threads of the numerical libraries: results must not depend on how many there are."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np  # the libraries must be loaded before the controller looks for them
import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Return the controller of NumPy's and SciPy's libraries; to look for them takes milliseconds."""
    scipy.linalg.solve_triangular(np.eye(1), np.ones(1))
    return ThreadpoolController()


def _of_this_thread(depths: Counter[int]) -> Counter[int]:
    """Return what there is of how many blocks are open, by the numbers of threads, for this one."""
    thread = threading.get_ident()
    return Counter({thread: depths[thread]} if thread in depths else {})


@dataclass
class _BlasBlocks:
    """How many blocks of `single_blas_thread` are open in each thread, and what takes back the limit of the first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    depths: Counter[int] = field(default_factory=Counter)
    limit: Any = None

    def forget_others(self) -> None:
        """Forget the threads that a forked process has not; one may have held the lock. The next block takes back the limit."""
        self.lock, self.depths = threading.Lock(), _of_this_thread(self.depths)


_blas = _BlasBlocks()


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread and restore what was set.

    Small factorizations are faster on one thread, and sums are then added in one order, so that the
    same seed gives the same model on every number of threads. A library has one number for all threads of
    Python: of blocks that overlap, the first sets the limit and the last takes it back.
    """
    thread = threading.get_ident()
    with _blas.lock:
        if _blas.limit is None:
            _blas.limit = _controller().limit(limits=1, user_api="blas")
        _blas.depths[thread] += 1
    try:
        yield
    finally:
        with _blas.lock:
            _blas.depths[thread] -= 1
            if not _blas.depths[thread]:
                del _blas.depths[thread]
            if not _blas.depths:
                _blas.limit.restore_original_limits()
                _blas.limit = None


@dataclass
class _TorchBlocks:
    """How many blocks of `single_torch_thread` are open in each thread, and what was set before: in it, and before all."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    depths: Counter[int] = field(default_factory=Counter)
    own: dict[int, int] = field(default_factory=dict)
    n_threads: int = 1

    def forget_others(self) -> None:
        """Forget the threads that a forked process has not; one may have held the lock."""
        self.lock, self.depths = threading.Lock(), _of_this_thread(self.depths)
        self.own = {thread: self.own[thread] for thread in self.depths}


_torch = _TorchBlocks()


@contextmanager
def single_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread inside the block: small layers lose more by waiting than they gain.

    Blocks may stand inside of each other, and those of several threads overlap: torch has a number for each thread, and those
    that begin take the last one set.
    """
    thread = threading.get_ident()
    try:
        with _torch.lock:
            current = torch.get_num_threads()  # only after this does a thread that has just begun keep what is set
            _torch.n_threads = _torch.n_threads if _torch.depths else current
            # A thread that has begun since then has the 1 of the others' blocks.
            _torch.own.setdefault(thread, current if current > 1 else _torch.n_threads)
            _torch.depths[thread] += 1
            torch.set_num_threads(1)
        yield
    finally:
        with _torch.lock:
            _torch.depths[thread] -= 1
            if not _torch.depths[thread]:
                torch.set_num_threads(_torch.own[thread])  # first, so that an interrupt here loses no number
                del _torch.depths[thread], _torch.own[thread]


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_blas.forget_others)
    os.register_at_fork(after_in_child=_torch.forget_others)
