"""Every set of powers, where these are few enough: the best polynomial of each size, with certainty."""

import time
from typing import Final

import numpy as np

from sklearn_taskneurons._search._evolution import Callback, SearchResult
from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._refit_scorer import RefitScorer
from sklearn_taskneurons._search._scores import quantised
from sklearn_taskneurons._search._state import Record
from sklearn_taskneurons._threads import single_blas_thread

MAX_SUPPORTS: Final = 1 << 14


def search_exhaustively(
    scorer: RefitScorer, *, callback: Callback | None = None, deadline: float | None = None
) -> SearchResult:
    """Fit every set of powers up to the moments' degree.

    Simpler formulas are fitted first, so that what is found before the time is up is complete for its size.

    Parameters
    ----------
    scorer : RefitScorer
        Of degree 14 at most.
    callback : callable, optional
        Called once, with the only entry of the history.
    deadline : float, optional
        Time of :func:`time.monotonic` at which the search stops, after one formula at least.

    Returns
    -------
    SearchResult
        Its ``state`` is None and its ``history`` has one entry.

    Raises
    ------
    ValueError
        If there are too many sets.
    """
    count = 1 << scorer.largest_power
    if count > MAX_SUPPORTS:
        largest = MAX_SUPPORTS.bit_length() - 1
        raise ValueError(f"the degree must be at most {largest} to try every set of powers; got {scorer.largest_power}")
    started = time.monotonic()
    timed_out = interrupted = False
    # Bit k of a support stands for x**k; the constant, bit 0, always takes part.
    supports = sorted((2 * index for index in range(count)), key=lambda support: (scorer.complexity(support), support))
    best: dict[int, tuple[float, int]] = {}
    losses = []
    with single_blas_thread():
        try:
            for support in supports:
                loss = scorer.fit(support).loss
                losses.append(loss)
                complexity = scorer.complexity(support)
                rounded = float(quantised(np.array(loss)))
                best[complexity] = min(best.get(complexity, (np.inf, support)), (rounded, support))
                timed_out = deadline is not None and time.monotonic() >= deadline
                if timed_out:
                    break
        except KeyboardInterrupt:
            if not best:
                raise
            interrupted = True
        front = pareto([scorer.entry(support) for _, support in best.values()])
    record: Record = {
        "generation": 1,
        "best_loss": front[-1].loss,
        "mean_loss": float(np.mean(losses)),
        "median_loss": float(np.median(losses)),
        "best_complexity": front[-1].complexity,
        "mean_length": float(np.mean([scorer.complexity(support) for support in supports[: len(losses)]])),
        "seconds": time.monotonic() - started,
    }
    if callback is not None:
        callback(record)
    return SearchResult(front, [record], None, scorer.total_weight, interrupted, timed_out, not (interrupted or timed_out))
