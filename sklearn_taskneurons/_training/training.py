"""Train a net on tensors, and let it predict, without a trace in the caller's random state or threads."""

import copy
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.helper import predefined_split
from torch import Tensor, nn

from sklearn_taskneurons._device import plain_torch, to_array, to_tensor
from sklearn_taskneurons._threads import single_torch_thread
from sklearn_taskneurons._training.batches import TensorTable
from sklearn_taskneurons._training.best_epoch import BestEpoch
from sklearn_taskneurons._training.nets import TableNet
from sklearn_taskneurons.nn._kernels import prediction_kernels

Stopped: TypeAlias = Literal["converged", "time", "diverged", "callback", "interrupted"] | None

# Of a mean of 1; held-out rows that have less would have none in float32, and no mean loss.
LEAST_WEIGHT = 1e-30

# Rows that are scaled and propagated at once when a net predicts, and the numbers that they have at the most, so that threads
# seldom wait for each other, but the hidden layers of a block stay in cache, and those of images in memory.
BLOCK_ROWS = 4096
BLOCK_NUMBERS = 1 << 17
# Numbers of a table that are scaled at once, in float64; 8 MB.
SCALED_NUMBERS = 1 << 20
# No kernel takes more rows at once; a multiple of them is computed by one.
ROWS_OF_A_KERNEL = 64


@dataclass(frozen=True)
class Training:
    """What a call of `train` did.

    Attributes
    ----------
    loss_curve, validation_loss_curve : list of float
        The losses of each complete epoch of this call; the second is empty without a validation set.
    n_iter : int
        The number of complete epochs.
    best_epochs : list of (int or None)
        The epoch of this call, from 1, with each member's lowest loss; None if no epoch ended with a finite one.
    best_losses : list of float
        That loss, infinite if there is none.
    stopped : {"converged", "time", "diverged", "callback", "interrupted"} or None
        What ended training before ``max_epochs``: no improvement any more, the deadline, a loss that is not finite,
        ``on_epoch`` or one of the user's callbacks, or an interrupt from the keyboard.
    """

    loss_curve: list[float]
    validation_loss_curve: list[float]
    n_iter: int
    best_epochs: list[int | None]
    best_losses: list[float]
    stopped: Stopped


def make_table(
    X: NDArray[Any],
    y: NDArray[Any] | None,
    sample_weight: NDArray[Any] | None = None,
    *,
    transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    n_members: int = 1,
    device: torch.device | str = "cpu",
) -> TensorTable:
    """Return the rows as tensors; all members see all of them.

    Parameters
    ----------
    X : ndarray of shape (N, D)
        The features.
    y : ndarray of shape (N, O) or (N,), or None
        Scaled targets, or class numbers of an integer type. None takes the scaled features themselves.
    sample_weight : ndarray of shape (N,) or None
        Positive weights, of which only the ratios matter.
    transform : callable or None
        What scales rows; None where they are scaled already.
    n_members : int
        How many networks stand side by side.
    device : torch.device or str
        Where the network is trained.

    Returns
    -------
    TensorTable
    """
    features = to_tensor(X, device=device) if transform is None else _scaled(X, transform, device)
    if y is None:
        targets = features
    else:
        targets = to_tensor(y, dtype=torch.int64 if y.dtype.kind in "iu" else torch.float32, device=device)
    rows = torch.arange(len(X), device=device)[:, None].expand(-1, n_members)
    if sample_weight is None or (sample_weight == sample_weight[0]).all():
        return TensorTable(features, targets, None, rows)
    weight = sample_weight.astype(np.float64) / sample_weight.max()
    weight = np.maximum(weight / weight.mean(), LEAST_WEIGHT)
    return TensorTable(features, targets, to_tensor(weight, device=device), rows)


def _scaled(X: NDArray[Any], transform: Callable[[NDArray[Any]], NDArray[Any]], device: torch.device | str) -> Tensor:
    """Return scaled rows as a tensor; images of eight bits a number would take sixteen times their memory as float64 twice."""
    n_rows = max(1, SCALED_NUMBERS // X.shape[1])
    scaled = torch.empty(len(X), transform(X[:1]).shape[1], dtype=torch.float32, device=device)
    for start in range(0, len(X), n_rows):
        scaled[start : start + n_rows] = to_tensor(transform(X[start : start + n_rows]))
    return scaled


def train(
    net: TableNet,
    table: TensorTable,
    validation: TensorTable | None = None,
    *,
    max_epochs: int,
    n_iter_no_change: int | None = 10,
    tol: float = 1e-4,
    deadline: float | None = None,
    on_epoch: Callable[[], bool] | None = None,
    keep_interrupted: bool = False,
) -> Training:
    """Train ``net`` from wherever it stands, and leave the weights of the best epoch.

    With a validation set these are the weights with the lowest loss on it, otherwise the last ones; in no case
    weights that are not finite.

    Parameters
    ----------
    net : TableNet
        As `make_net` returns it, or trained before: the optimizer goes on with its state.
    table : TensorTable
        The rows to train on.
    validation : TensorTable or None
        The rows to choose the best epoch by.
    max_epochs : int
        The largest number of epochs.
    n_iter_no_change : int or None
        Stop after so many epochs without an improvement of the loss; None never does.
    tol : float
        The smallest relative improvement that counts.
    deadline : float or None
        The time of `time.monotonic` after which no batch is begun.
    on_epoch : callable or None
        Called after each epoch, while the net has the averaged weights; returns whether training shall stop.
    keep_interrupted : bool
        Whether an interrupt from the keyboard ends only the training, with a warning, and not what it is for.

    Returns
    -------
    Training

    Raises
    ------
    KeyboardInterrupt
        If the training was interrupted from the keyboard, unless `keep_interrupted`.

    Warns
    -----
    UserWarning
        If it was interrupted with `keep_interrupted`.
    """
    watch: BestEpoch = dict(net.callbacks_)["best_epoch"]
    watch.set_params(patience=n_iter_no_change, tol=tol, deadline=deadline, on_epoch=on_epoch)
    n_before = len(net.history)
    net.train_split = None if validation is None else predefined_split(validation)
    try:
        with single_torch_thread():
            net.partial_fit(table, epochs=max_epochs)
    finally:
        net.train_split = None  # or the rows would be pickled with the net
        watch.set_params(on_epoch=None)
    stopped: Any = watch.stopped_
    if len(net.history) and "train_loss" not in net.history[-1]:
        net.history.pop()  # an epoch without an end
    rows = net.history.to_list()[n_before:]
    if stopped is None and len(rows) < max_epochs:
        stopped = "interrupted"
    if stopped == "interrupted":
        if not keep_interrupted:
            raise KeyboardInterrupt
        warnings.warn("Training was interrupted; the best weights so far are kept.", stacklevel=2)
    return Training(
        loss_curve=[float(row["train_loss"]) for row in rows],
        validation_loss_curve=[float(row["valid_loss"]) for row in rows if "valid_loss" in row],
        n_iter=len(rows),
        best_epochs=[epoch - n_before if epoch else None for epoch in watch.best_epochs_.tolist()],
        best_losses=watch.best_losses_.tolist(),
        stopped=stopped,
    )


def predict(
    net: NeuralNet, X: NDArray[Any], transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None
) -> NDArray[np.float64]:
    """Return the outputs of the members of a trained net, (N, M, O), by `outputs_of`."""
    return outputs_of(net.module_, X, transform)


def outputs_of(
    module: nn.Module, X: NDArray[Any], transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None
) -> NDArray[np.float64]:
    """Return what a module makes of rows when it is not trained, computed block by block.

    A row must get the same prediction alone as among others, but the last digits of a matrix product depend on which kernel
    computes it, and that on the number of rows. Blocks are filled up with zeros so that all rows meet the same one, and each
    is computed by one thread, as many at once as torch may use here.

    Parameters
    ----------
    module : torch.nn.Module
        It is left as it is.
    X : ndarray of shape (N, D)
        The features.
    transform : callable or None
        What each block of rows goes through first.

    Returns
    -------
    ndarray of shape (N, ...), float64
    """
    n_rows = min(BLOCK_ROWS, BLOCK_NUMBERS // X.shape[1])
    n_rows = max(1, n_rows // ROWS_OF_A_KERNEL) * ROWS_OF_A_KERNEL
    if module.training:
        module = copy.deepcopy(module).eval()
    device = next(module.parameters()).device

    @plain_torch()
    @torch.inference_mode()
    @single_torch_thread()
    @prediction_kernels()
    def outputs(start: int) -> NDArray[Any]:
        rows = X[start : start + n_rows]
        block = to_tensor(rows if transform is None else transform(rows), device=device)
        filled = nn.functional.pad(block, (0, 0, 0, -len(rows) % ROWS_OF_A_KERNEL))
        return to_array(module(filled)[: len(rows)])

    starts = range(0, len(X), n_rows)
    n_threads = min(torch.get_num_threads(), len(starts))
    with ThreadPoolExecutor(n_threads) as pool:
        blocks = list((pool.map if n_threads > 1 else map)(outputs, starts))  # a single thread would be begun in vain
    return np.concatenate(blocks, dtype=np.float64)
