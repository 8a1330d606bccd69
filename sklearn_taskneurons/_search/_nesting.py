"""How often functions may stand inside of each other."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import Bools, Ints, Population
from sklearn_taskneurons._search._schedule import Nodes, flatten
from sklearn_taskneurons.formula.functions import OPCODES

Constraints: TypeAlias = Mapping[str, Mapping[str, int]]  # outer function to inner function to largest number

_OUTSIDE = -1


class Nesting:
    """Limits of nesting: in an outer function, an inner one occurs at most so often on any way to a leaf.

    Parameters
    ----------
    constraints : mapping of str to mapping of str to int
        For C pairs of an outer and an inner function, the largest number.
    """

    def __init__(self, constraints: Constraints) -> None:
        pairs = [
            (OPCODES[outer], OPCODES[inner], most) for outer, limits in constraints.items() for inner, most in limits.items()
        ]
        columns = np.array(pairs, dtype=np.intp).reshape(-1, 3).T
        self._outer, self._inner, self._most = columns

    def at_the_root(self, count: int) -> Ints:
        """Return how often each inner function may still come at the root of so many programs, shape (P, C)."""
        return np.full((count, len(self._outer)), _OUTSIDE)

    def forbids(self, opcode: NDArray[np.uint8], left: Ints) -> Bools:
        """Return which functions may not stand where inner functions may come so often, shape (M, C), any more."""
        result: Bools = ((opcode[:, None] == self._inner) & (left == 0)).any(axis=1)
        return result

    def below(self, opcode: NDArray[np.uint8], left: Ints) -> Ints:
        """Return how often inner functions may still come in the arguments of these, shape (M, C)."""
        is_outside = left == _OUTSIDE
        entered = np.where(opcode[:, None] == self._outer, self._most, _OUTSIDE)
        used = (opcode[:, None] == self._inner).astype(np.intp)
        return np.where(is_outside, entered, left - used)

    def is_met(self, population: Population) -> Bools:
        """Return which programs are within all limits, shape (P,)."""
        met = np.ones(len(population), dtype=np.bool_)
        if not len(self._outer):
            return met
        nodes = flatten(population)
        for outer, inner, most in zip(self._outer.tolist(), self._inner.tolist(), self._most.tolist(), strict=True):
            # What holds in the outermost of nested outer functions holds in those inside.
            starts = np.flatnonzero((nodes.opcode == outer) & (_counts(nodes, outer) == 1))
            if len(starts):
                counts = _counts(nodes, inner)
                ends = starts + nodes.size[starts]
                bounds = np.column_stack([starts, ends]).ravel()
                largest = np.maximum.reduceat(np.append(counts, 0), bounds)[::2]
                wrong = starts[largest - counts[starts] > most]
                met[np.searchsorted(nodes.roots, wrong, side="right") - 1] = False
        return met


def _counts(nodes: Nodes, opcode: int) -> Ints:
    """Return how often a function occurs on the way from the root to each node, the node included."""
    places = np.flatnonzero(nodes.opcode == opcode)
    ended = np.bincount(places + nodes.size[places], minlength=len(nodes.opcode))[: len(nodes.opcode)]
    counts: Ints = np.cumsum((nodes.opcode == opcode) - ended)
    return counts
