"""Train a net on tensors, and let it predict, without a trace in the caller's random state or threads."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.helper import predefined_split

from sklearn_taskneurons._device import single_torch_thread, to_array, to_tensor
from sklearn_taskneurons._training.batches import TensorTable
from sklearn_taskneurons._training.callbacks import BestEpoch

# Rows that are scaled and propagated at once when a net predicts: hidden layers of a block stay in cache.
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Training:
    """What a call of `train` did.

    Attributes
    ----------
    loss_curve, validation_loss_curve : list of float
        The losses after each complete epoch of this call; the second is empty without a validation set.
    n_iter : int
        The number of complete epochs.
    best_epoch : int or None
        The epoch of this call (from 1) with the lowest loss; None if there is no finite one.
    stopped : {"converged", "time", "diverged", "interrupted"} or None
        Why training ended before ``max_epochs``.
    """

    loss_curve: list[float]
    validation_loss_curve: list[float]
    n_iter: int
    best_epoch: int | None
    stopped: str | None


def make_table(
    X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None, device: torch.device | str = "cpu"
) -> TensorTable:
    """Return a table of tensors of rows with a positive weight; whole-number targets are classes."""
    if sample_weight is None:
        sample_weight = np.ones(len(X))
    elif not np.all(sample_weight):
        # A batch may consist of such rows only, and has no mean then.
        used = sample_weight > 0
        X, y, sample_weight = X[used], y[used], sample_weight[used]
    # Only their ratios matter, and float32 holds sums of numbers about 1 best.
    weight = to_tensor(sample_weight / np.mean(sample_weight), device=device)
    target = to_tensor(y, torch.int64 if y.dtype.kind in "iu" else torch.float32, device)
    return TensorTable(to_tensor(X, device=device), target, weight)


def train(
    net: NeuralNet,
    table: TensorTable,
    validation: TensorTable | None = None,
    *,
    max_epochs: int,
    n_iter_no_change: int | None = 10,
    tol: float = 1e-4,
    deadline: float | None = None,
) -> Training:
    """Train ``net`` on, from wherever it stands, and leave the weights of its best epoch.

    Parameters
    ----------
    net : NeuralNet
        As `make_net` returns it, or trained before; the optimizer continues with its state.
    table, validation : TensorTable
        Rows to train on, and rows to choose the best epoch by.
    max_epochs : int
        The number of epochs.
    n_iter_no_change : int or None
        Stop after so many epochs without an improvement; None never does.
    tol : float
        The smallest relative improvement of the loss that counts.
    deadline : float or None
        The time of `time.monotonic` after which no batch is begun.

    Returns
    -------
    Training
    """
    watch: BestEpoch = dict(net.callbacks_)["best_epoch"]
    watch.patience, watch.tol, watch.deadline = n_iter_no_change, tol, deadline
    n_before = len(net.history)
    net.train_split = None if validation is None else predefined_split(validation)
    try:
        with single_torch_thread(), torch.random.fork_rng(devices=[]):
            net.partial_fit(table, epochs=max_epochs)
    finally:
        net.train_split = None  # or the net would carry the validation rows wherever it goes
    rows = [row for row in net.history[n_before:] if "train_loss" in row]
    stopped = watch.stopped_
    if stopped is None and len(rows) < max_epochs:
        stopped = "interrupted"
        warnings.warn("Training interrupted by the user; the best weights so far are kept.", stacklevel=2)
    return Training(
        loss_curve=[float(row["train_loss"]) for row in rows],
        validation_loss_curve=[float(row["valid_loss"]) for row in rows if "valid_loss" in row],
        n_iter=len(rows),
        best_epoch=None if watch.best_epoch_ is None else watch.best_epoch_ - n_before,
        stopped=stopped,
    )


def predict(net: NeuralNet, X: NDArray[Any], transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None) -> NDArray[Any]:
    """Return the net's outputs (N, O) as float64, block by block, each block of rows first passed to ``transform``.

    Computed in float64 where the device can: the last digits of a float32 product depend on how many rows are multiplied
    at once, and a row must get the same prediction alone as among others.
    """
    dtype = torch.float32 if torch.device(net.device).type == "mps" else torch.float64
    module = copy.deepcopy(net.module_).to(dtype).eval()
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(X), BLOCK_ROWS):
            rows = X[start : start + BLOCK_ROWS]
            block = to_tensor(rows if transform is None else transform(rows), dtype, net.device)
            outputs.append(to_array(module(block)))
    return np.concatenate(outputs).astype(np.float64, copy=False)
