"""Squared errors of predictions, block of rows by block of rows, without losing digits."""

from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from sklearn_taskneurons._device import to_array
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._tensor_rows import TargetBlock

# Blocks of rows whose factors are kept before they are merged into one.
MOST_BLOCKS: Final = 64


class Errors(Protocol):
    """Collects the errors of P programs, squared or by another loss."""

    def add(self, targets: TargetBlock, predictions: Tensor) -> None:
        """Take in a block: predictions, shape (P, B), or terms to be fitted, shape (P, T, B); it may be overwritten."""

    def goes_on(self) -> bool:
        """End a pass over the rows, and return whether another one is needed."""
        return False

    def totals(self) -> Floats:
        """Return the weighted sums over the rows, shape (P, O); not finite where a prediction or what it adds is not."""


class PlainErrors(Errors):
    """The errors of predictions of one output as they are."""

    def __init__(self) -> None:
        self._squares: Tensor | None = None

    def add(self, targets: TargetBlock, predictions: Tensor) -> None:
        """Take in a block."""
        targets.weight(predictions)
        predictions -= targets.values
        squares = torch.linalg.vector_norm(predictions, dim=1) ** 2
        self._squares = squares if self._squares is None else self._squares + squares

    def totals(self) -> Floats:
        """Return the sums."""
        return np.zeros((0, 1)) if self._squares is None else to_array(self._squares)[:, None]


class ScaledErrors(Errors):
    """The errors that the best slope and intercept leave, for each output.

    What is kept of all blocks is the triangular factor of ``[1, p, Y]`` for each program: the constant explains
    the first row of the targets' part, the program the second.

    Parameters
    ----------
    smallest_spread : float
        A prediction whose standard deviation is at most this share of its mean is taken as constant.
    """

    def __init__(self, smallest_spread: float) -> None:
        self._smallest_spread = smallest_spread
        self._blocks: list[Tensor] = []  # each of shape (P, 3, 2 + O)
        self._factors: Floats | None = None  # shape (P, 2, 2 + O)
        self._unexplained: Floats | None = None  # shape (P, O)

    def add(self, targets: TargetBlock, predictions: Tensor) -> None:
        """Take in a block: orthogonalise it by itself."""
        targets.weight(predictions)
        along = predictions @ targets.unit
        predictions.addr_(along, targets.unit, alpha=-1.0)
        length = torch.linalg.vector_norm(predictions, dim=1)
        divisor = torch.where(length == 0.0, 1.0, length)[:, None]
        explained = predictions @ targets.centred.T / divisor
        block = predictions.new_zeros((len(predictions), 3, 2 + len(targets.centred)))
        block[:, 0, 0] = targets.length
        block[:, 0, 1] = along
        block[:, 0, 2:] = targets.along
        block[:, 1, 1] = length
        block[:, 1, 2:] = explained
        # The residuals themselves, not a difference of squares, which would be nothing but rounding errors if they are small.
        slopes = explained / divisor
        for output, column in enumerate(targets.centred):
            out = predictions if output == len(targets.centred) - 1 else None
            residuals = torch.addcmul(column, predictions, slopes[:, output, None], value=-1.0, out=out)
            block[:, 2, 2 + output] = torch.linalg.vector_norm(residuals, dim=1)
        self._blocks.append(block)
        if len(self._blocks) == MOST_BLOCKS:
            self._merge()

    def totals(self) -> Floats:
        """Return the sums."""
        self._merge()
        if self._factors is None or self._unexplained is None:
            return np.zeros((0, 1))
        is_constant = np.abs(self._factors[:, 1, 1]) <= self._smallest_spread * np.abs(self._factors[:, 0, 1])
        return self._unexplained + is_constant[:, None] * self._factors[:, 1, 2:] ** 2

    def _merge(self) -> None:
        """Make one factor of those of the blocks; programs whose squares are not finite have infinite errors."""
        if not self._blocks:
            return
        blocks = to_array(torch.stack(self._blocks, dim=1))
        self._blocks = []
        factors, unexplained = blocks[:, :, :2], np.sum(blocks[:, :, 2, 2:] ** 2, axis=1)
        factors = factors.reshape(len(factors), -1, factors.shape[-1])
        if self._factors is not None and self._unexplained is not None:
            factors = np.concatenate([self._factors, factors], axis=1)
            unexplained = unexplained + self._unexplained
        # Of the squares, so that what is too large does not depend on the number of rows in a block.
        is_finite = np.isfinite(np.sum(factors**2, axis=(1, 2)))
        triangles = np.asarray(np.linalg.qr(np.where(is_finite[:, None, None], factors, 0.0), mode="r"))
        unexplained = unexplained + np.sum(triangles[:, 2:, 2:] ** 2, axis=1)
        self._factors = triangles[:, :2]
        self._unexplained = np.where(is_finite[:, None], unexplained, np.inf)
