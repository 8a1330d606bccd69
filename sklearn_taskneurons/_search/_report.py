"""From the programs that a search has found to their formulas, as many as there is time for."""

import time
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons._search._scores import LOSS_FLOOR, FrontEntry, Scorer, quantised

_SHARE_OF_TIME: Final = 0.1  # that is kept for formulas where each of them takes passes over the rows

End: TypeAlias = Literal["interrupted", "timed_out", "converged", "stopped"]


class Report(NamedTuple):
    """The formulas of a front, and why there are not those of all programs."""

    front: list[FrontEntry]
    ended: End | None = None


def end_of_generations(scorer: Scorer, deadline: float | None) -> float | None:
    """Return when a search that begins now should turn to its formulas to be done at its deadline."""
    if deadline is None or scorer.reports_at_once:
        return deadline
    return deadline - _SHARE_OF_TIME * max(0.0, deadline - time.monotonic())


def reported(scorer: Scorer, programs: Population, loss: Floats, bank: Floats, clock: Clock) -> Report:
    """Return the formulas of programs with these losses, shape (P,); one at least, if they are formulas at all.

    When the time is up, or at an interruption from the keyboard, it ends with those of the most promising ones.
    """
    ended: End | None = None
    if scorer.reports_at_once:
        try:
            return Report(pareto(scorer.report(programs, bank)))
        except KeyboardInterrupt:
            ended = "interrupted"
    found: dict[int, list[FrontEntry]] = {}
    constant = scorer.constant()
    for row in by_promise(programs.length, loss).tolist():
        is_any = any(entry != constant for entries in found.values() for entry in entries)
        if is_any and (ended or clock.is_over):
            ended = ended or "timed_out"
            break
        try:
            found[row] = scorer.report(programs.take(slice(row, row + 1)), bank)
        except KeyboardInterrupt:
            ended = "interrupted"
    # In the order of the programs, which decides among equals.
    front = pareto([entry for row in sorted(found) for entry in found[row]])
    return Report(front, ended) if ended else _with_fewer_terms(scorer, front, clock)


def _with_fewer_terms(scorer: Scorer, front: list[FrontEntry], clock: Clock) -> Report:
    """Return the front with formulas of some of its formulas' terms, as many as there is time for."""
    entries = [*front]
    ended: End | None = None
    try:
        for found in scorer.eliminated(front):
            entries += found
            if clock.is_over:
                ended = "timed_out"
                break
    except KeyboardInterrupt:
        ended = "interrupted"
    return Report(pareto(entries), ended)


def by_promise(length: Ints, loss: Floats) -> Ints:
    """Return the order of programs, losses of shape (P,), by how far they lie below the line from the constant to the best one.

    The line is that of the logarithm of the loss over the length. By the losses alone, the first would be long programs that
    follow the noise, and formulas of these alone leave nothing to select.
    """
    log_loss = np.log(np.maximum(quantised(loss), LOSS_FLOOR))
    best = np.lexsort((length, log_loss))[:1]
    line = np.interp(length, [1, max(2, *length[best])], [0.0, *log_loss[best]]) if len(length) else 0.0
    with np.errstate(invalid="ignore"):  # losses that all are infinite
        order: Ints = np.lexsort((log_loss, log_loss - line))
    return order
