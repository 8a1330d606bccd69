"""What happens between epochs: keep the best weights, stop early, stop in time."""

import copy
import math
import time
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback


class StopTraining(KeyboardInterrupt):
    """Ends training where it is; skorch treats it as it treats the user's interrupt, which also ends training in order."""


class BestEpoch(Callback):
    """Watch the loss of each epoch, stop when it no longer falls, and leave the weights of the best epoch.

    The loss is that of the validation set. Without one it is the training loss, which only says when to stop: the last
    weights are then kept, unless they are not finite.

    Parameters
    ----------
    patience : int or None
        Stop after so many epochs without an improvement by ``tol``; None never stops.
    tol : float
        The smallest relative improvement that counts.
    deadline : float or None
        Stop at the first batch that ends after this time of `time.monotonic`.
    """

    def __init__(self, patience: int | None = 10, tol: float = 1e-4, deadline: float | None = None) -> None:
        self.patience = patience
        self.tol = tol
        self.deadline = deadline

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.best_loss_ = self.threshold_ = math.inf
        self.best_epoch_: int | None = None
        self.n_waited_ = 0
        self.stopped_: str | None = None
        self._keep(net)

    def on_batch_end(self, net: NeuralNet, batch: Any = None, training: Any = None, **kwargs: Any) -> None:
        if self.deadline is not None and training and time.monotonic() > self.deadline:
            self._stop("time")

    def on_epoch_end(self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        row = net.history[-1]
        loss = row["train_loss" if dataset_valid is None else "valid_loss"]
        if not (math.isfinite(loss) and math.isfinite(row["train_loss"])):
            self._stop("diverged")
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, len(net.history)
            self._keep(net)
        self.n_waited_ += 1
        if loss < self.threshold_:
            self.threshold_, self.n_waited_ = loss * (1 - self.tol), 0
        if self.patience is not None and self.n_waited_ >= self.patience:
            self._stop("converged")

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        validated = "valid_loss" in net.history[0] if len(net.history) else False
        if self.stopped_ == "diverged" or (validated and self.best_epoch_ is not None):
            net.module_.load_state_dict(self.state_)
        del self.state_

    def _keep(self, net: NeuralNet) -> None:
        self.state_ = copy.deepcopy(net.module_.state_dict())

    def _stop(self, reason: str) -> None:
        self.stopped_ = reason
        raise StopTraining
