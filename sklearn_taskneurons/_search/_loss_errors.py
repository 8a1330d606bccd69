"""Mean losses of programs while a search goes on: a few steps of reweighted least squares."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sklearn_taskneurons._device import to_array, to_tensor
from sklearn_taskneurons._search._errors import Errors
from sklearn_taskneurons._search._loss_fits import smallest_in
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._tensor_rows import TargetBlock

_STEPS: Final = 2  # after the fit by least squares
_ROUNDING: Final = 100 * np.finfo(np.float64).eps


class LossErrors(Errors):
    """Collects the losses of P programs of one output, with the best coefficients of T terms and a constant, or as they are.

    The first pass over the rows fits by least squares, each further one takes the loss of the last fit, and the weights of the
    next from its residuals. What counts is the least loss, which is that of coefficients that there are.

    Parameters
    ----------
    loss : Loss
        The loss.
    smallest : float
        What smaller residuals count as in weights.
    smallest_spread : float
        Terms that differ from combinations of others by no more than this share of their length get no own coefficient.
    fixed : sequence of float, optional
        The coefficients of ones and of what is added, which are then predictions, for the targets without their shift; by
        default they are fitted.
    """

    def __init__(self, loss: Loss, *, smallest: float, smallest_spread: float, fixed: Sequence[float] | None = None) -> None:
        self._loss = loss
        self._smallest = smallest
        self._smallest_spread = smallest_spread
        self._fits_left = 1 + _STEPS if fixed is None else 0
        self._coefficients: Floats | None = None if fixed is None else np.array([fixed])  # shape (P or 1, 1 + T)
        self._weight = 0.0  # of the rows of the first pass
        self._usual: Floats = np.zeros(0)  # root of the mean of the squared residuals after it, shape (P,)
        self._factor: Tensor | None = None  # of [1, terms, y] in this pass, shape (P, up to T + 2, T + 2)
        self._total: Tensor | None = None  # of the losses in this pass, shape (P,)
        self._least: Floats | None = None

    def add(self, targets: TargetBlock, predictions: Tensor) -> None:
        """Take in a block: terms, shape (P, T, B), or predictions, shape (P, B)."""
        terms = predictions[:, None] if predictions.ndim == 2 else predictions
        y = (targets.shifted / targets.root).expand(len(terms), -1, -1)
        columns = torch.cat([torch.ones_like(terms[:, :1]), terms], dim=1)
        root = targets.root.expand(len(terms), -1)
        if self._coefficients is not None:
            coefficients = to_tensor(self._coefficients, torch.float64, terms.device).expand(len(terms), -1)
            residuals = torch.einsum("pcb,pc->pb", columns, coefficients) - y[:, 0]
            total = (self._loss(residuals) * root**2).sum(dim=1)
            self._total = total if self._total is None else self._total + total
            if self._fits_left:
                root = root * self._loss.weights(residuals, self._smallest_in(self._fits_left, residuals)).sqrt()
        elif self._fits_left:
            self._weight += float(targets.root.square().sum())
        if self._fits_left:
            rows = (torch.cat([columns, y], dim=1) * root[:, None]).mT
            if self._factor is not None:
                rows = torch.cat([self._factor, rows], dim=1)
            # A program that is not finite anywhere has no coefficients, whatever else its rows are.
            is_finite = torch.isfinite(rows).all(dim=2).all(dim=1)[:, None, None]
            factor = torch.linalg.qr(torch.where(is_finite, rows, 0.0), mode="r").R
            self._factor = torch.where(is_finite, factor, torch.nan)

    def goes_on(self) -> bool:
        """End a pass over the rows, and return whether another one is needed."""
        if self._total is not None:
            total = to_array(self._total)
            total = np.where(np.isfinite(total), total, np.inf)
            self._least = total if self._least is None else np.minimum(self._least, total)
        if not self._fits_left or self._factor is None:
            return False
        factor = to_array(self._factor)
        if not self._usual.size:
            self._usual = np.linalg.norm(factor[:, factor.shape[2] - 1 :, -1], axis=1) / np.sqrt(self._weight)
        self._coefficients = self._solved(factor)
        self._fits_left -= 1
        self._factor = self._total = None
        return True

    def _smallest_in(self, fits_left: int, like: Tensor) -> Tensor:
        """Return what smaller residuals of each program count as in weights, shape (P, 1)."""
        usual = np.nan_to_num(self._usual) * smallest_in(_STEPS - fits_left)
        return to_tensor(np.maximum(usual, self._smallest)[:, None], torch.float64, like.device)

    def totals(self) -> Floats:
        """Return the weighted sums of losses, shape (P, 1)."""
        return np.zeros((0, 1)) if self._least is None else self._least[:, None]

    def _solved(self, factors: Floats) -> Floats:
        """Return the least squares solutions of triangular factors, nan where there is none."""
        is_finite = np.isfinite(np.sum(factors, axis=(1, 2)))
        factors = np.where(is_finite[:, None, None], factors, np.eye(*factors.shape[1:]))
        # The first row is what the ones explain, the others are the terms less their means, of which rounding may be all.
        means, centred = factors[:, 0, 1:-1], factors[:, 1:, 1:-1]
        norms = np.linalg.norm(centred, axis=1)
        is_constant = norms <= _ROUNDING * np.abs(means)
        columns = np.where(is_constant[:, None], 0.0, centred / np.where(norms == 0.0, 1.0, norms)[:, None])
        norms[is_constant] = 1.0
        rounding = (_ROUNDING * np.abs(means) / norms).max(axis=1, initial=self._smallest_spread)
        slopes: Floats = (np.linalg.pinv(columns, rcond=rounding) @ factors[:, 1:, -1:])[:, :, 0] / norms
        intercepts = (factors[:, 0, -1:] - np.sum(means * slopes, axis=1, keepdims=True)) / factors[:, 0, :1]
        return np.where(is_finite[:, None], np.concatenate([intercepts, slopes], axis=1), np.nan)
