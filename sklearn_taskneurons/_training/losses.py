"""Losses of a batch whose rows have weights: skorch hands them ``(target, weight)`` as the target."""

import torch
from torch import Tensor, nn


class WeightedMSELoss(nn.Module):
    """The weighted mean over rows of the squared error, averaged over outputs."""

    def forward(self, y_pred: Tensor, y_true: tuple[Tensor, Tensor]) -> Tensor:
        target, weight = y_true
        return weighted_mean(nn.functional.mse_loss(y_pred, target, reduction="none").mean(-1), weight)


class WeightedCrossEntropyLoss(nn.Module):
    """The weighted mean over rows of the cross-entropy; ``y_pred`` (N, C) are logits, targets (N,) classes."""

    def forward(self, y_pred: Tensor, y_true: tuple[Tensor, Tensor]) -> Tensor:
        target, weight = y_true
        return weighted_mean(nn.functional.cross_entropy(y_pred, target, reduction="none"), weight)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of ``values`` (N,)."""
    return torch.dot(values, weight) / weight.sum()
