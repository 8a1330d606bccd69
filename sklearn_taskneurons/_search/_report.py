"""From the programs that a search has found to their formulas, as many as there is time for."""

import time
from typing import Final, NamedTuple

import numpy as np

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, quantised

_SHARE_OF_TIME: Final = 0.1  # that is kept for formulas where each of them takes passes over the rows


class Report(NamedTuple):
    """The formulas of a front, and why there are not those of all programs."""

    front: list[FrontEntry]
    interrupted: bool = False
    timed_out: bool = False


def end_of_generations(scorer: Scorer, deadline: float | None) -> float | None:
    """Return when a search that begins now should turn to its formulas to be done at its deadline."""
    if deadline is None or scorer.reports_at_once:
        return deadline
    return deadline - _SHARE_OF_TIME * max(0.0, deadline - time.monotonic())


def reported(scorer: Scorer, programs: Population, loss: Floats, bank: Floats, clock: Clock) -> Report:
    """Return the formulas of programs with these losses, shape (P,); one at least, if they are formulas at all.

    When the time is up, or at an interruption from the keyboard, it ends with those of the best programs.
    """
    best_first = np.argsort(quantised(loss), kind="stable").tolist()
    together = [slice(None)] if scorer.reports_at_once else []
    found: dict[int, list[FrontEntry]] = {}
    interrupted = timed_out = False
    for part in [*together, *(slice(row, row + 1) for row in best_first)]:
        timed_out = bool(found) and not (together or interrupted) and clock.is_over
        if found and (together or interrupted or timed_out):
            break
        try:
            found[part.start or 0] = scorer.report(programs.take(part), bank)
        except KeyboardInterrupt:
            interrupted = True
    # In the order of the programs, which decides among equals.
    return Report(pareto([entry for row in sorted(found) for entry in found[row]]), interrupted, timed_out)
