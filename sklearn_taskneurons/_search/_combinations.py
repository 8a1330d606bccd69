"""Predictions of programs from the columns of their terms."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sklearn_taskneurons._search._sums import Sum, Term
from sklearn_taskneurons._search._workspace import Workspace


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

    def of(self, columns: Tensor, workspace: Workspace) -> Tensor:
        """Return the combinations, shape (P, B), of a block of columns, shape (C, B)."""
        size = columns.shape[1]
        total = workspace.tensor("predictions", (len(self._constants), size))
        total[:] = self._constants
        for rows, factors in self._passes:
            part = total[: len(rows)]
            gathered = workspace.tensor("gathered", (len(rows), size))
            torch.index_select(columns, 0, rows, out=gathered)
            torch.addcmul(part, gathered, factors, out=part)
        return total
