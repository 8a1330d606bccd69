"""Moments of rows that lie in blocks on a cluster: no machine needs to hold them all."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._folds import Folds, count_used, joined, no_rows, with_rows
from sklearn_taskneurons._search._forms import Form

_MERGED_AT_ONCE: Final = 8


def block_moments(X: Any, Y: Any, sample_weight: Any = None, *, forms: Sequence[Form], n_folds: int = 1) -> Folds:
    """Reduce rows to moments where they are, block by block, in one pass for all forms.

    Each block becomes one small triangular factor, and factors are merged a few at a time, always in the same order: the
    result does not depend on which worker does what, nor on one that is lost. Only factors move.

    Parameters
    ----------
    X : dask Array or DataFrame, shape (N, D)
        The features, finite, in blocks of rows.
    Y : dask Array, Series or DataFrame, shape (N,) or (N, O)
        The targets, finite, in blocks of the same rows; arrays are cut as ``X`` is.
    sample_weight : dask Array or Series, shape (N,), optional
        Weights, finite and not negative, likewise.
    forms : sequence of Form
        The largest power, at most 32, and whether the powers of each feature are kept apart instead of their sum.
    n_folds : int, default=1
        How many folds there are, to which the rows that have a weight belong by their numbers. To know these, lengths of blocks
        that are unknown, and weights, are read before.

    Returns
    -------
    sequence of sequence of Moments
        For each fold and form, equal to those of all its rows at once, but for rounding.

    Raises
    ------
    ImportError
        If dask is not installed.
    TypeError
        If something is not a collection of dask.
    ValueError
        If the blocks do not fit each other, a number is not finite, a weight is negative, or there are no rows.
    """
    try:
        dask: Any = import_module("dask")
    except ImportError as error:
        raise ImportError("blocks on a cluster need dask: pip install 'sklearn_taskneurons[dask]'") from error
    empty = no_rows(forms, n_folds)  # refuses a wrong degree before any work
    blocks = row_blocks(X, Y, sample_weight)
    of_block, merged = dask.delayed(_of_block, pure=False), dask.delayed(joined, pure=False)
    chunks = getattr(X, "chunks", getattr(Y, "chunks", None))
    starts = _starts(dask, chunks, blocks) if n_folds > 1 else [0] * len(blocks)
    parts = [of_block(*block, empty, start) for block, start in zip(blocks, starts, strict=True)]
    while len(parts) > 1:
        parts = [merged(parts[start : start + _MERGED_AT_ONCE]) for start in range(0, len(parts), _MERGED_AT_ONCE)]
    (folds,) = dask.compute(*parts)
    if not count_used(folds):
        raise ValueError("X must have at least one row of positive weight; got none in any block")
    result: Folds = folds
    return result


def row_blocks(X: Any, Y: Any, sample_weight: Any) -> list[tuple[Any, Any, Any]]:
    """Return features, targets and weights, None without any, of each block of rows; raise an error if they do not fit."""
    columns = [_blocks_of("X", X, X), _blocks_of("y", Y, X)]
    columns.append([None] * len(columns[0]) if sample_weight is None else _blocks_of("sample_weight", sample_weight, X))
    counts = [len(blocks) for blocks in columns]
    if len(set(counts)) > 1:
        raise ValueError(f"X, y and sample_weight must have the same number of blocks of rows; got {counts}")
    return list(zip(*columns, strict=True))


def _blocks_of(name: str, data: Any, like: Any) -> list[Any]:
    """Return the blocks of rows as delayed objects, those of an array cut as ``like`` is where the sizes are known."""
    if not hasattr(data, "to_delayed"):
        raise TypeError(f"{name} must be an array or a dataframe of dask; got {type(data).__name__}")
    if hasattr(data, "rechunk"):
        rows = getattr(like, "chunks", data.chunks)[0]
        is_known = not np.isnan([*rows, *data.chunks[0]]).any()
        if is_known and sum(rows) != sum(data.chunks[0]):
            raise ValueError(f"{name} must have as many rows as X, {sum(rows)}; got {sum(data.chunks[0])}")
        data = data.rechunk({0: rows if is_known else data.chunks[0], **dict.fromkeys(range(1, data.ndim), -1)})
    return list(np.ravel(data.to_delayed()))


def _starts(dask: Any, chunks: Any, blocks: list[tuple[Any, Any, Any]]) -> list[int]:
    """Return how many rows of positive weight there are before each block, for which weights and unknown lengths are read."""
    if blocks[0][2] is None and chunks is not None and not np.isnan(chunks[0]).any():
        counts = chunks[0]
    else:
        count = dask.delayed(_count_used, pure=False)
        counts = dask.compute(*(count(Y, weight) for _, Y, weight in blocks))
    return [0, *np.cumsum(counts)[:-1].tolist()]


def _count_used(Y: Any, sample_weight: Any) -> int:
    return len(Y) if sample_weight is None else int(np.count_nonzero(_floats(sample_weight) > 0.0))


def _of_block(X: Any, Y: Any, sample_weight: Any, empty: Folds, start: int) -> Folds:
    """Return the moments of a block, which may have no rows, after so many rows of others."""
    if len(X) == 0 and len(Y) == 0:
        return empty
    if len(X) != len(Y):
        raise ValueError(f"X and y must have the same number of rows in each block; got {len(X)} and {len(Y)}")
    return with_rows(empty, _floats(X), _floats(Y), block_weights(sample_weight, len(X)), start)


def block_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return the weights of the rows of a block, 1 where there are none; raise ValueError if they cannot be weights."""
    weight = np.ones(n_rows) if sample_weight is None else _floats(sample_weight)
    if len(weight) != n_rows or not np.isfinite(weight).all() or weight.min(initial=0.0) < 0.0:
        raise ValueError(
            f"sample_weight must be one finite number of at least 0 for each of the {n_rows} rows of a block; got "
            f"{len(weight)} numbers from {weight.min(initial=np.inf):g} to {weight.max(initial=-np.inf):g}"
        )
    return weight


def _floats(data: Any) -> NDArray[np.float64]:
    """Return a block as an array."""
    return np.asarray(data, dtype=np.float64)
