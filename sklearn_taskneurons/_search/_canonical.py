"""From populations to sums of terms; what was seen in earlier generations is remembered."""

from itertools import islice
from typing import Any, Final

import numpy as np

from sklearn_taskneurons._search._hashing import subtree_hashes
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._schedule import flatten
from sklearn_taskneurons._search._sums import Algebra, Sum
from sklearn_taskneurons.formula.functions import ARITIES, NUMBER, POW, VECTOR, X

_MOST_SUBTREES: Final = 1 << 15


class Canonical:
    """Turns programs into sums of terms.

    Parameters
    ----------
    bank : ndarray of float64, shape (M, D)
        The constant vectors that programs refer to.
    """

    def __init__(self, bank: Floats) -> None:
        self.bank = bank
        self._algebra = Algebra(bank.shape[1])
        self._known: dict[int, Sum] = {}  # by the hash of a subtree

    def sums(self, population: Population) -> list[Sum]:
        """Return the prediction of each program: its value if that is a scalar, else the sum of it over features."""
        forget(self._known, _MOST_SUBTREES)
        nodes = flatten(population)
        hashes = subtree_hashes(nodes.opcode, nodes.value, nodes.size)
        # From right to left, arguments come before their function.
        distinct, last = np.unique(hashes[::-1], return_index=True)
        order = np.argsort(last)
        index = len(hashes) - 1 - last[order]
        columns = (
            distinct[order],
            nodes.opcode[index],
            nodes.value[index],
            hashes[nodes.left[index]],
            hashes[nodes.right[index]],
        )
        for key, opcode, value, *arguments in zip(*(column.tolist() for column in columns), strict=True):
            if key not in self._known:
                self._known[key] = self._sum(
                    opcode, value, [self._known[argument] for argument in arguments[: ARITIES[opcode]]]
                )
        found = [self._known[key] for key in hashes[nodes.roots].tolist()]
        return [self._algebra.row_sum(value) if value.is_vector else value for value in found]

    def _sum(self, opcode: int, value: float, arguments: list[Sum]) -> Sum:
        """Return the sum that a node stands for."""
        if opcode == X:
            return self._algebra.variable()
        if opcode == NUMBER:
            return self._algebra.number(value)
        if opcode == VECTOR:
            return self._algebra.vector(self.bank[int(value)])
        return self._algebra.apply(opcode, arguments, int(value) if opcode == POW else 0)


def forget(known: dict[Any, Any], limit: int) -> None:
    """Drop the older half of what is known where it is more than ``limit``."""
    if len(known) > limit:
        for key in list(islice(known, len(known) - limit // 2)):
            del known[key]
