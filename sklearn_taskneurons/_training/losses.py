"""Losses of a batch: the target comes alone, or as ``(target, weight)`` where the rows have weights."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

Target: TypeAlias = Tensor | tuple[Tensor, Tensor]


class WeightedMSELoss(nn.Module):
    """The weighted mean over rows of the squared error, averaged over outputs."""

    def forward(self, y_pred: Tensor, y_true: Target) -> Tensor:
        if isinstance(y_true, Tensor):
            return nn.functional.mse_loss(y_pred, y_true)
        target, weight = y_true
        return weighted_mean(nn.functional.mse_loss(y_pred, target, reduction="none").mean(-1), weight)


class WeightedCrossEntropyLoss(nn.Module):
    """The weighted mean over rows of the cross-entropy; ``y_pred`` (N, C) are logits, targets (N,) classes."""

    def forward(self, y_pred: Tensor, y_true: Target) -> Tensor:
        if isinstance(y_true, Tensor):
            return nn.functional.cross_entropy(y_pred, y_true)
        target, weight = y_true
        return weighted_mean(nn.functional.cross_entropy(y_pred, target, reduction="none"), weight)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of ``values`` (N,)."""
    return torch.dot(values, weight) / weight.sum()
