"""The rows of the data, in blocks."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from sklearn_taskneurons._search._least_squares import Targets
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._triangular import triangular

_BLOCK_ROWS: Final = 1 << 16


class Rows:
    """Features, targets and weights; rows of weight 0 are left out.

    Parameters
    ----------
    X : ndarray of float64, shape (N, D)
        The features, finite.
    Y : ndarray of float64, shape (N,) or (N, O)
        The targets, finite.
    sample_weight : ndarray of float64, shape (N,), optional
        Weights, not negative.

    Attributes
    ----------
    root_weight : ndarray of float64, shape (N,)
        The roots of the weights.
    shift : ndarray of float64, shape (O,)
        The first targets, which are taken off all that :meth:`blocks` and :meth:`factor` give.
    targets : Targets
        Of no columns but the constant.
    """

    def __init__(self, X: Floats, Y: Floats, sample_weight: Floats | None = None) -> None:
        Y = Y[:, None] if Y.ndim == 1 else Y
        if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or not X.size or not Y.size:
            raise ValueError(f"X must have shape (N, D) and y (N, O), N and D at least 1; got {X.shape} and {Y.shape}")
        self.root_weight: Floats = np.ones(len(X))
        if sample_weight is not None:
            used = sample_weight > 0.0
            if not used.all():
                X, Y, sample_weight = X[used], Y[used], sample_weight[used]
            self.root_weight = np.sqrt(sample_weight)
        self._X = X
        self.shift: Floats = Y[0].copy() if len(Y) else np.zeros(Y.shape[1])
        with np.errstate(over="ignore"):  # found by those who make something of the targets
            self._Y = Y - self.shift
            self.total_weight = float(len(X) if sample_weight is None else sample_weight.sum())
        self.n_rows, self.n_features = int(X.shape[0]), int(X.shape[1])
        self.n_outputs = int(Y.shape[1])
        factor = self.factor(lambda block: np.ones((len(block), 1)), _BLOCK_ROWS)
        self.targets = Targets(factor, 1, self.total_weight, self.shift)

    def blocks(self, size: int) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield features, targets and roots of the weights of at most ``size`` rows at a time."""
        for start in range(0, self.n_rows, size):
            rows = slice(start, start + size)
            yield self._X[rows], self._Y[rows], self.root_weight[rows]

    def features(self, count: int) -> Floats:
        """Return the features of so many rows at most, evenly spaced."""
        return self._X[:: -(-self.n_rows // count)]

    def thinned(self, count: int) -> "Rows":
        """Return so many of the rows at most, evenly spaced; the same ones where these are all."""
        step = -(-self.n_rows // count)
        if step <= 1:
            return self
        return Rows(self._X[::step], self._Y[::step] + self.shift, self.root_weight[::step] ** 2)

    def fingerprint(self) -> dict[str, Any]:
        """Return numbers by which other rows can be told."""
        digest = hashlib.sha256()
        for block in self.blocks(_BLOCK_ROWS):
            for array in block:
                digest.update(np.ascontiguousarray(array).tobytes())
        return {"number of rows": self.n_rows, "sum of the weights": self.total_weight, "rows": digest.hexdigest()}

    def factor(self, columns: Callable[[Floats], Floats], size: int) -> Floats:
        """Return the factor of ``[columns, Y]``, where ``columns`` gives C columns for a block of ``size`` rows."""
        factor: Floats | None = None
        for so_far in self.factors(columns, size):
            factor = so_far
        if factor is None:
            raise ValueError("at least one row must have a positive weight; got none")
        return factor

    def factors(self, columns: Callable[[Floats], Floats], size: int, root_weight: Floats | None = None) -> Iterator[Floats]:
        """Yield what :meth:`factor` returns for the rows so far, after each block, for those who may not go on to the end.

        The weights may be others, of which ``root_weight`` are the roots.
        """
        factor: Floats | None = None
        roots = self.root_weight if root_weight is None else root_weight
        for number, (X, Y, _) in enumerate(self.blocks(size)):
            root = roots[number * size : (number + 1) * size]
            matrix = np.concatenate([columns(X), Y], axis=1) * root[:, None]
            factor = triangular(matrix if factor is None else np.concatenate([factor, matrix]))
            yield factor
