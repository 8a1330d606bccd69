"""The autoencoder whose codes a formula is searched over."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn

from sklearn_taskneurons._conv_task_neuron._images import ImageShape
from sklearn_taskneurons._training import make_net_of, make_table, outputs_of, predict, train
from sklearn_taskneurons.nn._autoencoder import ConvAutoencoder
from sklearn_taskneurons.nn._side_by_side import SideBySide

Transform: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]

# Its last few percent are noise to a search, and take most of the time.
PATIENCE = 10
TOLERANCE = 1e-2


def train_autoencoder(
    rows: NDArray[Any],
    weights: NDArray[np.float64],
    transform: Transform,
    parts: list[Tensor] | None,
    *,
    image_shape: ImageShape,
    code_size: int,
    max_epochs: int,
    deadline: float | None,
    options: dict[str, Any],
) -> NeuralNet:
    """Return an autoencoder, as a net with one member, trained to the least squared error.

    Parameters
    ----------
    rows : ndarray of shape (N, C*H*W)
        The images.
    weights : ndarray of shape (N,)
        What each of them weighs.
    transform : callable
        What scales them.
    parts : list of torch.Tensor of int, shapes (n, 1) and (h, 1), or None
        Which images it is trained on, and by which of them its best epoch is chosen; None trains on all.
    image_shape : tuple of int
        The channels, the height and the width of an image.
    code_size : int
        How many numbers are left of it.
    max_epochs : int
        The largest number of epochs.
    deadline : float or None
        The time of `time.monotonic` after which no batch is begun.
    options : dict
        How a net is trained, as `make_net_of` takes it.
    """
    arguments = {"network": ConvAutoencoder, "n_members": 1, "input_shape": image_shape}
    arguments |= {"image_shape": image_shape, "code_size": code_size}
    net = make_net_of(SideBySide, arguments, **options | {"weight_decay": 0.0})
    table = make_table(rows, None, weights, transform=transform, device=options["device"])
    own, held_out = (table, None) if parts is None else (table.subset(part) for part in parts)
    train(net, own, held_out, max_epochs=max_epochs, n_iter_no_change=PATIENCE, tol=TOLERANCE, deadline=deadline)
    return net


def encode(net: NeuralNet, rows: NDArray[Any], transform: Transform) -> NDArray[np.float64]:
    """Return the codes (N, code_size) of images (N, C*H*W), which are scaled first."""
    side_by_side = net.module_
    encoder = nn.Sequential(nn.Unflatten(1, side_by_side.input_shape), side_by_side.networks[0].encoder)
    return outputs_of(encoder, rows, transform)


def reconstruct(net: NeuralNet, rows: NDArray[Any], transform: Transform) -> NDArray[np.float64]:
    """Return the scaled images (N, C*H*W) that the codes of images, which are scaled first, are decoded to."""
    return predict(net, rows, transform)[:, 0]
