"""The columns of terms that were needed lately, so that later generations need not compute them."""

from collections.abc import Container, Sequence
from itertools import islice
from typing import Final

import torch
from torch import Tensor

from sklearn_taskneurons._search._sums import Term

_MOST_COLUMNS: Final = 1 << 14


class KeptColumns(Container[Term]):
    """Keeps the values of scalar terms on all rows, the latest used ones, within a bound of memory.

    Parameters
    ----------
    n_rows : int
        N.
    budget : int
        Bytes that may be taken.
    device : torch.device
        Where the columns are.
    """

    def __init__(self, n_rows: int, budget: int, device: torch.device) -> None:
        self.capacity = min(budget // (8 * n_rows), _MOST_COLUMNS)
        # On a CPU memory is taken when columns are written, not here.
        self._values = torch.empty((self.capacity, n_rows), device=device, dtype=torch.float64)
        self._slots: dict[bytes, int] = {}  # the term used longest ago first
        self._n_used = 0

    def __contains__(self, term: object) -> bool:
        """Return whether a term's column is there."""
        return isinstance(term, Term) and term.key in self._slots

    def use(self, terms: Sequence[Term]) -> Tensor:
        """Return the slots of terms that are there, and note that they were used."""
        for term in terms:
            self._slots[term.key] = self._slots.pop(term.key)
        return self._index([self._slots[term.key] for term in terms])

    def make_room(self, terms: Sequence[Term], in_use: int) -> Tensor:
        """Return slots for as many new terms, the first of them, as there is room for besides the last ``in_use``."""
        fresh = min(len(terms), self.capacity - self._n_used)
        slots = list(range(self._n_used, self._n_used + fresh))
        self._n_used += fresh
        dropped = list(islice(self._slots, max(0, min(len(terms) - fresh, len(self._slots) - in_use))))
        slots += [self._slots.pop(key) for key in dropped]
        return self._index(slots)

    def keep(self, terms: Sequence[Term], slots: Tensor) -> None:
        """Note that these terms' columns have been written into their slots."""
        self._slots.update(zip((term.key for term in terms), slots.tolist(), strict=False))

    def read(self, slots: Tensor, rows: slice) -> Tensor:
        """Return a block of rows of some columns, shape (C, B)."""
        return self._values[:, rows].index_select(0, slots)

    def write(self, slots: Tensor, rows: slice, values: Tensor) -> None:
        """Write a block of rows of some columns."""
        self._values[:, rows].index_copy_(0, slots, values[: len(slots)])

    def _index(self, slots: list[int]) -> Tensor:
        return torch.tensor(slots, dtype=torch.long, device=self._values.device)
