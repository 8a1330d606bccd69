"""Losses of a batch, for each member: the target comes alone, or as ``(target, weight)`` where the rows have weights."""

from abc import ABC, abstractmethod
from typing import TypeAlias

import torch
from torch import Tensor, nn

Target: TypeAlias = Tensor | tuple[Tensor, Tensor]


class MemberLoss(nn.Module, ABC):
    """The mean over members of each one's mean over its rows; rows (B, M, O) on the first axis, members on the second.

    While training, weights are taken to have a mean of 1 over all batches, whatever it is in one: if each batch was divided by
    its own, rows would count for more the lighter those beside them are.
    """

    @staticmethod
    @abstractmethod
    def prediction(outputs: Tensor) -> Tensor:
        """Return what the members predict together, by outputs (N, M, O)."""

    @abstractmethod
    def of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """Return the loss of each row of each member, (B, M)."""

    @abstractmethod
    def mean(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """Return the mean over all rows of all members, ()."""

    def of_members(self, y_pred: Tensor, y_true: Target) -> Tensor:
        """Return the loss of each member, (M,), rows weighted."""
        if isinstance(y_true, Tensor):
            return self.of_rows(y_pred, y_true).mean(0)
        target, weight = y_true
        return (self.of_rows(y_pred, target) * weight).sum(0) / weight.sum(0)

    def forward(self, y_pred: Tensor, y_true: Target) -> Tensor:
        if isinstance(y_true, Tensor):
            return self.mean(y_pred, y_true)
        if not self.training:
            return self.of_members(y_pred, y_true).mean()
        target, weight = y_true
        return (self.of_rows(y_pred, target) * weight).mean()


class SquaredErrorLoss(MemberLoss):
    """The squared error, averaged over outputs; targets (B, M, O)."""

    @staticmethod
    def prediction(outputs: Tensor) -> Tensor:
        """Return the mean over members."""
        return outputs.mean(1)

    def of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return nn.functional.mse_loss(y_pred, y_true, reduction="none").mean(-1)

    def mean(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return nn.functional.mse_loss(y_pred, y_true)


class CrossEntropyLoss(MemberLoss):
    """The cross-entropy of logits; targets (B, M) are class numbers.

    Parameters
    ----------
    label_smoothing : float
        While training, the part of the target's probability that is spread over all classes [1]_.

    References
    ----------
    .. [1] C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
       :doi:`10.1109/CVPR.2016.308`.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    @staticmethod
    def prediction(outputs: Tensor) -> Tensor:
        """Return the mean over members of the probabilities that belong to logits (N, M, C)."""
        return torch.softmax(outputs, -1).mean(1)

    def of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return self._cross_entropy(y_pred, y_true, "none").view(y_true.shape)

    def mean(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return self._cross_entropy(y_pred, y_true, "mean")

    def _cross_entropy(self, y_pred: Tensor, y_true: Tensor, reduction: str) -> Tensor:
        smoothing = self.label_smoothing if self.training else 0.0
        logits, classes = y_pred.flatten(0, 1), y_true.flatten()
        return nn.functional.cross_entropy(logits, classes, reduction=reduction, label_smoothing=smoothing)
