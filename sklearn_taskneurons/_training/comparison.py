"""Networks of several formulas, trained side by side for a short while, to see whose neurons suit a task."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_taskneurons._training.nets import make_net
from sklearn_taskneurons._training.training import make_table, train
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._plan import union

# Small networks, small batches, a few passes: what a formula is good for shows long before a network has learned all that it
# can, and the cost does not depend on the number of rows.
HIDDEN_LAYER_SIZES = (16, 8)
N_STEPS = 100
LR = 1e-2
BATCH_SIZES = (16, 32)
BATCHES_PER_EPOCH = 8
MOST_ROWS = 1024


def held_out_losses(
    formulas: Sequence[Formula],
    X: NDArray[Any],
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    parts: tuple[NDArray[np.intp], NDArray[np.intp]],
    *,
    out_features: int,
    n_scalings: int = 1,
    device: torch.device | str = "cpu",
    deadline: float | None = None,
    seed: int = 0,
    **options: Any,
) -> NDArray[np.float64]:
    """Return for each formula the loss on held-out rows of a small network of such neurons.

    All networks are one batched network: its first layer has the terms of all formulas, each member those of its own.

    Parameters
    ----------
    formulas : sequence of Formula of length C
        Each depends on x.
    X, y, sample_weight : ndarray
        As for `make_table`.
    parts : tuple of ndarray of int, shapes (n, R) and (h, R)
        The rows to train on and those held out, for each of R networks of a formula; the same for all formulas. Of many
        rows the first ones are taken.
    out_features : int
        The number of targets or classes.
    n_scalings : int
        In how many scalings the columns of `X` have the features.
    device : torch.device or str
        Where the networks are trained.
    deadline : float or None
        The time of `time.monotonic` after which no batch is begun.
    seed : int
        Decides the weights at first and the order of the rows.
    **options
        What else `make_net` takes.

    Returns
    -------
    ndarray of shape (C,), float64
        The lowest loss on the held-out rows after any epoch, averaged over the R networks; infinite where no epoch ended.
    """
    n_formulas, n_repeats = len(formulas), parts[0].shape[1]
    rows, held_out = (torch.from_numpy(part[:MOST_ROWS]).repeat(1, n_formulas) for part in parts)
    batch_size = int(np.clip(len(rows) // BATCHES_PER_EPOCH, *BATCH_SIZES))
    net = make_net(
        X.shape[1] // n_scalings,
        out_features,
        union(formulas),
        n_scalings=n_scalings,
        hidden_layer_sizes=HIDDEN_LAYER_SIZES,
        n_members=n_formulas * n_repeats,
        lr=LR,
        batch_size=batch_size,
        device=device,
        seed=seed,
        **options,
    )
    net.module_.layers[0].restrict([formula for formula in formulas for _ in range(n_repeats)])
    table = make_table(X, y, sample_weight, n_members=n_formulas * n_repeats, device=device)
    training = train(
        net,
        table.subset(rows),
        table.subset(held_out),
        max_epochs=-(-N_STEPS * batch_size // len(rows)),
        n_iter_no_change=None,
        deadline=deadline,
    )
    losses = np.array(training.best_losses, dtype=np.float64).reshape(n_formulas, n_repeats)
    return np.asarray(losses.mean(axis=1))
