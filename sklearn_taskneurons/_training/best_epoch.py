"""What happens between batches and epochs: average the weights, keep the best, stop early, stop in time."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from sklearn_taskneurons._training.averaging import WeightAverage
from sklearn_taskneurons._training.vector import frozen_entries, member_of_entries


class BestEpoch(Callback):  # type: ignore[misc]  # skorch has no types
    """Watch the loss of each epoch, stop when it no longer falls, and leave each member's averaged weights of its best epoch.

    The loss is that of the validation set, of the averaged weights. Without one it is the training loss, which only says
    when to stop: the last average is then left, unless it is not finite.

    Parameters
    ----------
    patience : int or None
        Stop after so many epochs without an improvement; None never stops.
    tol : float
        The smallest relative improvement that counts.
    deadline : float or None
        Stop after the first batch that ends after this time of `time.monotonic`.
    on_epoch : callable or None
        Called after each epoch, while the net has the averaged weights; returns whether training shall stop.
    """

    def __init__(
        self,
        patience: int | None = 10,
        tol: float = 1e-4,
        deadline: float | None = None,
        on_epoch: Callable[[], bool] | None = None,
    ) -> None:
        self.patience = patience
        self.tol = tol
        self.deadline = deadline
        self.on_epoch = on_epoch
        self.average_: WeightAverage | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What a callback stores while the net is trained has no part in that training; who loads it may have no such device.
        state = {name: value.cpu() if isinstance(value, Tensor) else value for name, value in vars(self).items()}
        return state | {"deadline": None, "on_epoch": None}

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Forget what was best on other data; go on with the steps where they were left."""
        n_members = net.module_.n_members
        self.owner_ = member_of_entries(net.module_, n_members)
        self.best_losses_ = torch.full((n_members,), math.inf, device=self.owner_.device)
        self.best_epochs_ = torch.zeros(n_members, dtype=torch.int64, device=self.owner_.device)
        self.threshold_ = math.inf
        self.n_waited_ = 0
        self.stopped_: str | None = None
        self.validated_ = False
        self.best_ = net.vector_.detach().clone()
        if self.average_ is not None:
            self.average_.to(net.vector_.device)
        if self.average_ is None or not self.average_.is_of(net.vector_):
            self.average_ = WeightAverage(net.vector_)
        self.average_.swap_out(net.vector_)

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Go on with the steps, and drop the batches of the epoch before: those of all epochs would outgrow the data."""
        self._average.swap_out(net.vector_)
        self.has_stepped_ = False
        self.sums_ = torch.zeros_like(self.best_losses_)
        self.validated_weight_: Tensor | int = 0
        if len(net.history) > 1:
            net.history[-2]["batches"].clear()

    def on_batch_begin(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Validate the average; before the first step, leave alone what callbacks have frozen by now."""
        if not training:
            self._average.swap_in(net.vector_)
        elif not self.has_stepped_:
            self.has_stepped_ = True
            if not all(parameter.requires_grad for parameter in net.module_.parameters()):
                self._average.hold(net.vector_, frozen_entries(net.module_))

    def on_batch_end(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Average, and stop in time; or take in the members' losses."""
        if not training:
            X, y = batch
            weight = len(X) if isinstance(y, Tensor) else y[1].sum(0)
            self.sums_ = self.sums_ + net.criterion_.of_members(kwargs["y_pred"], y) * weight
            self.validated_weight_ = self.validated_weight_ + weight
        else:
            self._average.update(net.vector_)
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.stopped_ = "time"

    def on_epoch_end(self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Keep the weights if they are the best, and stop if nothing better has come for long."""
        self._average.swap_in(net.vector_)
        row = net.history[-1]
        self.validated_ = dataset_valid is not None
        losses = self.best_losses_.new_tensor(row["train_loss"])
        if self.validated_:
            losses = self.sums_ / self.validated_weight_
            if isinstance(self.validated_weight_, Tensor):
                _record_loss(net.history, float(losses.mean()))
        if not (torch.isfinite(losses).all() and math.isfinite(row["train_loss"]) and _is_finite(net.vector_)):
            self.stopped_ = "diverged"
            return
        improved = losses < self.best_losses_
        self.best_losses_ = torch.where(improved, losses, self.best_losses_)
        self.best_epochs_[improved] = len(net.history)
        kept = improved[self.owner_] if self.validated_ else improved.new_ones(())
        self.best_ = torch.where(kept, net.vector_.detach(), self.best_)
        self.n_waited_ += 1
        best = float(self.best_losses_.mean())
        if best < self.threshold_:
            self.threshold_, self.n_waited_ = best * (1 - self.tol), 0
        if self.on_epoch is not None and self.on_epoch():
            self.stopped_ = "callback"
        elif self.patience is not None and self.n_waited_ >= self.patience:
            self.stopped_ = "converged"

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Leave the weights that were kept."""
        self._average.swap_in(net.vector_)
        if self.validated_ or not _is_finite(net.vector_):
            net.vector_.data.copy_(self.best_)
        if not self._average.is_of(net.vector_):
            self.average_ = None  # the steps after the best epoch were in vain
        del self.best_, self.owner_  # or they would be pickled with the net
        if len(net.history):
            del net.history[-1]["batches"][:-1]  # skorch's checkpoints ask for the last one

    @property
    def _average(self) -> WeightAverage:
        if self.average_ is None:
            raise RuntimeError("training has not begun")
        return self.average_


def _record_loss(history: Any, loss: float) -> None:
    """Put the loss of weighted rows in the place of the mean over batches, whose weights differ."""
    before = [row["valid_loss"] for row in history[:-1] if "valid_loss" in row]
    history[-1] |= {"valid_loss": loss, "valid_loss_best": loss < min(before, default=math.inf)}


def _is_finite(vector: Tensor) -> bool:
    return bool(torch.isfinite(vector).all())
