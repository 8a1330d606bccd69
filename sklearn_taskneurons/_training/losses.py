"""Losses of a batch, for each member: the target comes alone, or as ``(target, weight)`` where the rows have weights."""

from abc import ABC, abstractmethod
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp
from torch import Tensor, nn

from sklearn_taskneurons._device import to_array

Target: TypeAlias = Tensor | tuple[Tensor, Tensor]

# The least part of a learned probability that is meant by it.
LEAST_MEANT: Final = 0.05


class MemberLoss(nn.Module, ABC):
    """The mean over members of each one's mean over its rows; rows (B, M, O) on the first axis, members on the second.

    While training, weights are taken to have a mean of 1 over all batches, whatever it is in one: if each batch was divided by
    its own, rows would count for more the lighter those beside them are.
    """

    @abstractmethod
    def prediction(self, outputs: Tensor) -> Tensor:
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

    def prediction(self, outputs: Tensor) -> Tensor:
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

    def prediction(self, outputs: Tensor) -> Tensor:
        """Return the probabilities that belong to logits (N, M, C), (N, C)."""
        return torch.from_numpy(np.exp(self.log_probabilities(to_array(outputs)))).to(outputs)

    def log_probabilities(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the logarithms of the probabilities of the labels that belong to logits (N, M, C), (N, C).

        They are those p that a mean over members of (1 - s) * p + s / K means, where labels are smoothed by s. Less than s / K,
        which those of no p are, counts as little: in the same order, so that none is 0.
        """
        log_members = log_softmax(outputs, axis=-1)
        log_learned: NDArray[Any] = logsumexp(log_members, axis=1) - np.log(log_members.shape[1])
        if not self.label_smoothing:
            return log_learned
        learned = np.exp(log_learned)
        meant = (learned - self.label_smoothing / learned.shape[1]) / (1 - self.label_smoothing)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_meant = np.fmax(np.log(meant), np.log(LEAST_MEANT) + log_learned)
        return np.asarray(log_softmax(log_meant, axis=1))

    def of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return self._cross_entropy(y_pred, y_true, "none").view(y_true.shape)

    def mean(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        return self._cross_entropy(y_pred, y_true, "mean")

    def _cross_entropy(self, y_pred: Tensor, y_true: Tensor, reduction: str) -> Tensor:
        smoothing = self.label_smoothing if self.training else 0.0
        logits, classes = y_pred.flatten(0, 1), y_true.flatten()
        return nn.functional.cross_entropy(logits, classes, reduction=reduction, label_smoothing=smoothing)
