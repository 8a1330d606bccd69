"""A net that goes on where another one stands."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from sklearn_taskneurons._training.augmentation import Augmentation
from sklearn_taskneurons._training.losses import MemberLoss
from sklearn_taskneurons._training.muon import Solver
from sklearn_taskneurons._training.nets import TableNet


def resume(
    net: TableNet,
    *,
    lr: float,
    weight_decay: float,
    batch_size: int,
    max_epochs: int,
    loss: MemberLoss,
    solver: Solver,
    device: torch.device | str = "cpu",
    augmentation: Augmentation | None = None,
    callbacks: Sequence[Any] | None = None,
    verbose: int = 0,
) -> TableNet:
    """Return a net that goes on where another one stands; the other one stays there, whatever becomes of this one.

    Parameters
    ----------
    net : TableNet
        The other one. It is not being trained.
    lr, weight_decay, batch_size, max_epochs, loss, solver, device, augmentation, verbose
        As in `make_net_of`.
    callbacks : sequence of skorch callbacks, or of pairs of name and callback, or None
        What else watches the training from now on; None for what has watched it so far.

    Returns
    -------
    TableNet
    """
    watch = dict(net.callbacks_)["best_epoch"]
    order = net.iterator_train__order
    # Skorch's own copy of a net goes by way of a pickle, and a deep one copies what the user's callbacks hold.
    module, optimizer, watch, order = copy.deepcopy((net.module_, net.optimizer_, watch, order))
    result = TableNet.__new__(TableNet)
    result.__dict__.update(vars(net), module_=module, optimizer_=optimizer, iterator_train__order=order)
    result.history = copy.copy(net.history)
    if len(result.history):
        # Training goes on by dropping its batches, which the other net keeps.
        result.history[-1] = {**net.history[-1], "batches": list(net.history[-1]["batches"])}
    _set_callbacks(result, watch, callbacks)
    result.__dict__.update(
        lr=lr,
        optimizer__weight_decay=weight_decay,
        optimizer__solver=solver,
        batch_size=batch_size,
        max_epochs=max_epochs,
        verbose=verbose,
    )
    (group,) = optimizer.param_groups
    group |= {"weight_decay": weight_decay, "solver": solver}
    if lr != net.lr:  # else it is where a schedule among the callbacks has left it
        group |= {"lr": lr, "initial_lr": lr}
    result.criterion = result.criterion_ = loss
    result.predict_nonlinearity = loss.prediction
    before = net.iterator_train__augmentation
    if augmentation is not None and before is not None:
        augmentation.n_batches = before.n_batches
    result.iterator_train__augmentation = augmentation
    return result.to(device)


def _set_callbacks(net: TableNet, watch: Any, callbacks: Sequence[Any] | None) -> None:
    """Replace the watch, and the user's callbacks if there are others."""
    own = net.callbacks[1:] if callbacks is None else callbacks
    net.callbacks = [("best_epoch", watch), *own]
    if callbacks is None:
        net.callbacks_ = [(name, watch if name == "best_epoch" else callback) for name, callback in net.callbacks_]
    else:
        net.initialize_callbacks()
