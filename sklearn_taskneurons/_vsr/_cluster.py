"""Searches on collections of dask: the rows stay where they are, and are read block by block."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import _check_feature_names

from sklearn_taskneurons._search import POLYNOMIAL_FUNCTIONS, TermColumns, block_weights, norm_of, row_blocks
from sklearn_taskneurons._threads import single_blas_thread
from sklearn_taskneurons._validation import class_weights
from sklearn_taskneurons._vsr._blocks import RowBlocks, count_of, moments_suffice
from sklearn_taskneurons._vsr._targets import check_labels, class_indicators, class_numbers, types_of


def is_on_cluster(data):
    """Return whether data is a collection of dask, by the protocol of which."""
    return hasattr(data, "__dask_graph__")


def are_numbers_on_cluster(y):
    """Tell by their types whether the targets in a collection of dask are numbers."""
    return all(dtype.kind in "iufc" for dtype in types_of(y))


def cluster_settings(estimator, X):
    """Return the settings of an estimator's search, if it can be one on collections of dask; raise ValueError if not."""
    settings = estimator._settings()
    if X.ndim != 2 or not X.shape[1] >= 1:
        raise ValueError(f"X must have the shape (n_samples, n_features), at least one feature; got {X.shape[1:]} for each row")
    if not moments_suffice(estimator):
        raise ValueError(
            f"collections of dask need functions of {sorted(POLYNOMIAL_FUNCTIONS)} only and "
            f"loss='squared_error': a search reads their rows once; got function_set={estimator.function_set!r} and "
            f"loss={estimator.loss!r}: compute() them first"
        )
    return settings


def search_on_cluster(estimator, settings, deadline, X, y, sample_weight, n_rows=None):
    """Reduce the rows to moments and search on these, and return them.

    For labels ``n_rows`` says for how many rows they count, which is not to be seen from the weights.
    """
    in_folds = estimator._criterion(of_labels=n_rows is not None) == "cv"
    blocks = RowBlocks.on_cluster(X, y, sample_weight, forms=estimator._forms(X.shape[1]), in_folds=in_folds)
    estimator.n_features_in_ = blocks.first.n_features
    _check_feature_names(estimator, X._meta, reset=True)  # of no rows, it has the names as scikit-learn reads them
    estimator._search_blocks(blocks, settings, deadline, y_ndim=y.ndim, n_rows=n_rows)
    return blocks


@dataclass(frozen=True)
class Labels:
    """What labels mean.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The labels of the rows that have a weight, sorted.
    class_weights : ndarray of float64, shape (n_classes,)
        By what the weights of their rows are multiplied.
    n_rows : float
        For how many rows these count.
    """

    classes: NDArray[Any]
    class_weights: NDArray[np.float64]
    n_rows: float

    def encoded(self, y, weight):
        """Return the number of each label's class, and the weights of the rows: 0 for one of no class."""
        numbers = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        return numbers, np.where(self.classes[numbers] == y, self.class_weights[numbers] * weight, 0.0)


class ClusterRows:
    """The rows of collections of dask, for what takes more than moments.

    Parameters
    ----------
    X : dask Array or DataFrame, shape (N, D)
        The features.
    y : dask Array, Series or DataFrame, shape (N,) or (N, O)
        The targets, in blocks of the same rows.
    sample_weight : dask Array or Series, shape (N,), optional
        The weights, likewise.
    """

    def __init__(self, X, y, sample_weight):
        self._blocks = row_blocks(X, y, sample_weight)
        self._lengths: list[int] = []

    def each(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
        """Return what a function makes of the features, targets and weights of each block, and of the arguments."""
        results: tuple[Any, ...] = import_module("dask").compute(*self._delayed(function, *arguments))
        return results

    def labels(self, class_weight: Any) -> Labels:
        """Return the classes, for which the labels are read once."""
        found, totals, norms, lengths = zip(*self.each(_totals), strict=True)
        self._lengths = list(lengths)
        labels, numbers = np.unique(np.concatenate(found), return_inverse=True)
        check_labels(labels)
        weights = np.bincount(numbers, np.concatenate(totals)).astype(np.float64)
        of_class = class_weights(class_weight, labels, weights)
        classes, _ = class_numbers(labels[of_class > 0])
        weight_norm = norm_of(np.concatenate(norms)[of_class[numbers] > 0])
        return Labels(classes, of_class[of_class > 0], count_of(weights[of_class > 0].sum(), weight_norm))

    def encoded(self, labels: Labels) -> tuple[Any, Any]:
        """Return what a search explains, and the rows' weights, as arrays of dask."""
        da = import_module("dask.array")
        shape = () if len(labels.classes) == 2 else (len(labels.classes),)
        parts = []
        for function, width in ((_indicators, shape), (_weights, ())):
            blocks = self._delayed(function, labels)
            sizes = [(length, *width) for length in self._lengths]
            arrays = [da.from_delayed(block, size, dtype=float) for block, size in zip(blocks, sizes, strict=True)]
            parts.append(da.concatenate(arrays))
        return parts[0], parts[1]

    def numbers(self, labels: Labels) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the numbers of the classes and the weights of all rows that have one."""
        numbers, weights = zip(*self.each(_numbers, labels), strict=True)
        return np.concatenate(numbers), np.concatenate(weights)

    def values(self, columns: TermColumns, labels: Labels) -> NDArray[np.float64]:
        """Return the values of terms on all rows that have a weight, shape (N, C): these come here."""
        return np.concatenate(self.each(_values, columns, labels))

    def are_finite(self, columns: TermColumns) -> bool:
        """Return whether the values of terms are finite on all rows that have a weight."""
        return all(self.each(_are_finite, columns))

    def _delayed(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        on_block = import_module("dask").delayed(_on_block, pure=False)
        return [on_block(*block, function, arguments) for block in self._blocks]


def _on_block(X, y, weight, function, arguments):
    """Return what a function makes of the arrays of a block."""
    X = np.asarray(X, dtype=np.float64)
    with single_blas_thread():
        return function(X, np.asarray(y), block_weights(weight, len(X)), *arguments)


def _totals(X, y, weight):
    """Return the labels that have a weight, sums of their weights and roots of those of squares, and the number of rows."""
    used = weight > 0
    labels, numbers = np.unique(column_or_1d(y)[used], return_inverse=True)
    norms = np.array([norm_of(weight[used][numbers == number]) for number in range(len(labels))])
    return labels, np.bincount(numbers, weight[used], len(labels)), norms, len(X)


def _indicators(X, y, weight, labels):
    return class_indicators(labels.encoded(column_or_1d(y), weight)[0], len(labels.classes))


def _weights(X, y, weight, labels):
    return labels.encoded(column_or_1d(y), weight)[1]


def _numbers(X, y, weight, labels):
    numbers, weights = labels.encoded(column_or_1d(y), weight)
    return numbers[weights > 0], weights[weights > 0]


def _values(X, y, weight, columns, labels):
    return columns.values(X[labels.encoded(column_or_1d(y), weight)[1] > 0])


def _are_finite(X, y, weight, columns):
    return bool(np.isfinite(columns.values(X[weight > 0])).all())
