"""Predictions of programs from the columns of their terms."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sklearn_taskneurons._search._sums import Sum, Term


class Combinations:
    """Linear combinations of columns.

    Parameters
    ----------
    sums : sequence of Sum
        P scalars, those with more terms first.
    row : mapping of Term to int
        The column of each term.
    device : torch.device
        Where the columns are.
    """

    def __init__(self, sums: Sequence[Sum], row: Mapping[Term, int], device: torch.device) -> None:
        terms = [[(row[term], coefficient) for term, coefficient in value.sorted()] for value in sums]
        self._constants = torch.tensor([value.constant for value in sums], dtype=torch.float64, device=device)[:, None]
        # The n-th terms of all programs that have so many: the first programs.
        self._passes: list[tuple[Tensor, Tensor]] = []
        for place in range(len(terms[0])):
            rows, coefficients = zip(*(pairs[place] for pairs in terms if len(pairs) > place), strict=True)
            factors = torch.tensor(coefficients, dtype=torch.float64, device=device)[:, None]
            self._passes.append((torch.tensor(rows, dtype=torch.long, device=device), factors))

    def of(self, columns: Tensor) -> Tensor:
        """Return the combinations of a block of columns, shape (C, B), in double precision, shape (P, B)."""
        total = self._constants.repeat(1, columns.shape[1])
        for rows, factors in self._passes:
            part = total[: len(rows)]
            torch.addcmul(part, columns.index_select(0, rows).to(total.dtype), factors, out=part)
        return total
