"""The squared errors that the best coefficients of programs' terms leave."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from sklearn_taskneurons._device import to_array
from sklearn_taskneurons._search._errors import MOST_BLOCKS, Errors
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._sums import Sum, Term
from sklearn_taskneurons._search._tensor_rows import TargetBlock
from sklearn_taskneurons._search._workspace import Workspace


def support(value: Sum) -> Sum:
    """Return what is left of a scalar when its coefficients and its constant are fitted: the terms.

    Terms that cancel are not among them; where a number is not finite, nothing can be fitted, and the value stays.
    """
    if not is_finite(value):
        return value
    return Sum({term: 1.0 for term, coefficient in value.sorted() if coefficient}, 0.0, False)


def is_finite(value: Sum) -> bool:
    """Return whether all numbers of a scalar are finite."""
    return isfinite(float(value.constant)) and all(map(isfinite, value.terms.values()))


class TermStacks:
    """The columns of programs that have the same number of terms, one stack for each program.

    Parameters
    ----------
    sums : sequence of Sum
        P scalars of T terms each.
    row : mapping of Term to int
        The column of each term.
    device : torch.device
        Where the columns are.
    """

    def __init__(self, sums: Sequence[Sum], row: Mapping[Term, int], device: torch.device) -> None:
        self._shape = len(sums), len(sums[0].terms)
        rows = [row[term] for value in sums for term, _ in value.sorted()]
        self._rows = torch.tensor(rows, dtype=torch.long, device=device)

    def of(self, columns: Tensor, workspace: Workspace) -> Tensor:
        """Return the stacks, shape (P, T, B), of a block of columns, shape (C, B)."""
        return columns.index_select(0, self._rows).reshape(*self._shape, columns.shape[1])


class FittedErrors(Errors):
    """Collects the errors of the least squares fits of P programs of T terms and a constant.

    What is kept of all blocks of rows is the triangular factor of ``[1, terms, Y]`` for each program.

    Parameters
    ----------
    smallest_spread : float
        A term that adds at most this share of its length to what those before it span is taken as one of these.
    """

    def __init__(self, smallest_spread: float) -> None:
        self._smallest_spread = smallest_spread
        self._n_outputs = 1
        self._blocks: list[Tensor] = []  # each of shape (P, 1 + T + O, 1 + T + O)

    def add(self, targets: TargetBlock, predictions: Tensor) -> None:
        """Take in the stacks of a block, shape (P, T, B); they are overwritten."""
        targets.weight(predictions)
        self._n_outputs = len(targets.shifted)
        ones, Y = targets.root.expand(len(predictions), 1, -1), targets.shifted.expand(len(predictions), -1, -1)
        matrices = torch.cat([ones, predictions, Y], dim=1).mT
        missing = matrices.shape[2] - matrices.shape[1]
        if missing > 0:
            matrices = torch.nn.functional.pad(matrices, (0, 0, 0, missing))
        self._blocks.append(torch.linalg.qr(matrices, mode="r").R)
        if len(self._blocks) == MOST_BLOCKS:
            self._merge()

    def totals(self) -> Floats:
        """Return the weighted sums of squared errors, shape (P, O); they are not finite where a column is not."""
        if not self._blocks:
            return np.zeros((0, 1))
        self._merge()
        factors = to_array(self._blocks[0])
        n_columns = factors.shape[1] - self._n_outputs
        squares: Floats = np.sum(factors[:, n_columns:, n_columns:] ** 2, axis=1)
        columns = factors[:, :, :n_columns]
        own = np.abs(np.diagonal(columns, axis1=1, axis2=2))
        # What depends on other columns but for rounding explains nothing of its own.
        is_dependent = own <= self._smallest_spread * np.linalg.norm(columns, axis=1)
        squares += np.einsum("pc,pco->po", is_dependent, factors[:, :n_columns, n_columns:] ** 2)
        return np.where(np.isfinite(factors).all(axis=(1, 2))[:, None], squares, np.inf)

    def _merge(self) -> None:
        """Make one factor of those of the blocks."""
        if len(self._blocks) > 1:
            stacked = torch.cat(self._blocks, dim=1)
            is_finite = torch.isfinite(stacked).all(dim=2).all(dim=1)
            merged = torch.linalg.qr(torch.where(is_finite[:, None, None], stacked, 0.0), mode="r").R
            self._blocks = [torch.where(is_finite[:, None, None], merged, torch.inf)]
