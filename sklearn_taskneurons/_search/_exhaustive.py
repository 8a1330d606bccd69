"""Every set of powers, where these are few enough: the best polynomial of each size, with certainty."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._evolution import Callback, SearchResult
from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._joint_scorer import JointScorer
from sklearn_taskneurons._search._refit_scorer import RefitScorer
from sklearn_taskneurons._search._report import End
from sklearn_taskneurons._search._scores import quantised
from sklearn_taskneurons._search._state import Record
from sklearn_taskneurons._threads import single_blas_thread

MAX_SUPPORTS: Final = 1 << 14


def search_exhaustively(
    scorer: RefitScorer | JointScorer, *, callback: Callback | None = None, deadline: float | None = None
) -> SearchResult:
    """Fit every set of powers up to the moments' degree, in every form.

    Simpler formulas are fitted first, so that what is found before the time is up is complete for its size.

    Parameters
    ----------
    scorer : RefitScorer or JointScorer
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
    degree = max(form.largest_power for form in scorer.forms)
    if 1 << degree > MAX_SUPPORTS:
        largest = MAX_SUPPORTS.bit_length() - 1
        raise ValueError(f"the degree must be at most {largest} to try every set of powers; got {degree}")
    clock = Clock(deadline)
    ended: End = "converged"
    candidates = _candidates(scorer.forms)
    best: dict[int, tuple[float, int, int]] = {}
    losses = []
    with single_blas_thread():
        try:
            for complexity, place, support in candidates:
                loss = scorer.forms[place].best_fit(support).loss
                losses.append(loss)
                found = float(quantised(np.array(loss))), place, support
                best[complexity] = min(best.get(complexity, found), found)
                if clock.is_over:
                    ended = "timed_out"
                    break
        except KeyboardInterrupt:
            if not best:
                raise
            ended = "interrupted"
        front = pareto([scorer.forms[place].entry(support) for _, place, support in best.values()])
    record: Record = {
        "generation": 1,
        "best_loss": front[-1].loss,
        "mean_loss": float(np.mean(losses)),
        "median_loss": float(np.median(losses)),
        "best_complexity": front[-1].complexity,
        "mean_length": float(np.mean([complexity for complexity, _, _ in candidates[: len(losses)]])),
        "seconds": clock.seconds,
    }
    if callback is not None:
        callback(record)
    return SearchResult(front, [record], None, ended)


def _candidates(forms: Sequence[RefitScorer]) -> list[tuple[int, int, int]]:
    """Return complexity, form and support of all that is to be fitted, simpler formulas first.

    Bit k of a support stands for x**k; the constant, bit 0, always takes part.
    """
    supports = [(place, 2 * index) for place, form in enumerate(forms) for index in range(1 << form.largest_power)]
    return sorted((forms[place].complexity(support), place, support) for place, support in supports)
