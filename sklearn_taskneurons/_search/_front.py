"""The best program of each complexity."""

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons._search._scores import Scores, quantised


class Front:
    """Keeps the best program of each complexity, the first found among equals.

    Attributes
    ----------
    programs : Population
        The programs, by rising complexity.
    loss : ndarray of float64, shape (F,)
        Their losses.
    complexity : ndarray of intp, shape (F,)
        Their complexities, each once.
    """

    def __init__(self) -> None:
        self.programs: Population | None = None
        self.loss: Floats = np.zeros(0)
        self.complexity: Ints = np.zeros(0, dtype=np.intp)

    def update(self, population: Population, scores: Scores) -> bool:
        """Take in a scored generation; return whether a program is better than every one as simple before."""
        finite = np.flatnonzero(np.isfinite(scores.loss))
        if not len(finite):
            return False
        rows = finite // len(scores.forms)  # each form of a program stands for itself
        loss, complexity = scores.loss.ravel()[finite], scores.complexity.ravel()[finite]
        best = _first_of_each(complexity, quantised(loss))
        rows, loss, complexity = rows[best], loss[best], complexity[best]
        if self.programs is None:
            self.programs, self.loss, self.complexity = population.take(rows), loss, complexity
            return True
        improved = _improves(self.complexity, quantised(self.loss), complexity, quantised(loss))
        if not improved.any():
            return False
        rows, loss, complexity = rows[improved], loss[improved], complexity[improved]
        programs = Population.concatenate([self.programs, population.take(rows)])
        loss, complexity = np.concatenate([self.loss, loss]), np.concatenate([self.complexity, complexity])
        kept = _first_of_each(complexity, quantised(loss))
        # A program that a simpler one equals will never be reported.
        losses = quantised(loss[kept])
        earlier = np.concatenate([[np.float32(np.inf)], np.minimum.accumulate(losses)[:-1]])
        kept = kept[losses < earlier]
        self.programs, self.loss, self.complexity = programs.take(kept), loss[kept], complexity[kept]
        return True


def _first_of_each(complexity: Ints, loss: NDArray[np.float32]) -> Ints:
    """Return the index of the best of each complexity, the first among equals, by rising complexity."""
    order = np.lexsort((np.arange(len(loss)), loss, complexity))
    sorted_complexity = complexity[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = sorted_complexity[1:] != sorted_complexity[:-1]
    return order[is_first]


def _improves(
    known_complexity: Ints, known_loss: NDArray[np.float32], complexity: Ints, loss: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which newcomers are better than every known program that is as simple or simpler."""
    lowest = np.minimum.accumulate(np.concatenate([[np.float32(np.inf)], known_loss]))
    result: NDArray[np.bool_] = loss < lowest[np.searchsorted(known_complexity, complexity, side="right")]
    return result
