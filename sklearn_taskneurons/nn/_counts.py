"""What a network costs."""

import operator
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._affine import FeatureAffine
from sklearn_taskneurons.nn._conv import ConvLayer
from sklearn_taskneurons.nn._embedding import PeriodicEmbedding
from sklearn_taskneurons.nn._evaluation import call_and_watch
from sklearn_taskneurons.nn._layer import TaskNeuronLayer
from sklearn_taskneurons.nn._operations import TransposedConvolution
from sklearn_taskneurons.nn._sums import Product, WeightedSum

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (ConvLayer, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


def count_parameters(module: nn.Module) -> int:
    """Return the number of learned parameters.

    Parameters
    ----------
    module : torch.nn.Module
        A layer or a network.

    Returns
    -------
    int
        Weights and biases that require a gradient; scales are no parameters.

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronLinear, count_parameters
    >>> count_parameters(TaskNeuronLinear(20, 30, "x**3 + x"))
    1230
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_multiplications(module: nn.Module, input_size: tuple[int, ...] | None = None) -> int:
    """Return the number of multiplications by weights for one row or one image.

    This is what the publication on task-based neurons [1]_ reports as a network's FLOPs.

    Parameters
    ----------
    module : torch.nn.Module
        A layer or a network, of task-based neurons or of torch's Linear and Conv layers. What other layers it has, such as
        :class:`torch.nn.MultiheadAttention`, does not count.
    input_size : tuple of int or None, default=None
        The size of one input without the axis of the batch, as in ``(3, 32, 32)``. Where there are convolutions it must be
        given, because each weight is used once for each position.

    Returns
    -------
    int
        Without `input_size`, the number of weights: ``T * in_features * out_features`` for a layer with T terms that have
        one weight matrix, as many for each factor of a product as for a term, and one for each feature that is scaled.
        With it, these times the number of positions at which a layer is applied, each time that it is called; weights
        that meet a padding count.

    Raises
    ------
    ValueError
        If there are convolutions and no `input_size` is given.

    Warns
    -----
    UserWarning
        If layers are not called when the network is, so that their multiplications are not counted.

    Notes
    -----
    With `input_size` the network is called once, on zeros in evaluation mode, and is then as it was.

    References
    ----------
    .. [1] F.-L. Fan, M. Wang, H. Dong, J. Ma, T. Zeng, "No One-Size-Fits-All Neurons: Task-based Neurons for
           Artificial Neural Networks", 2024. :doi:`10.48550/arXiv.2405.02369`

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronConv2d, TaskNeuronLinear, count_multiplications
    >>> count_multiplications(TaskNeuronLinear(20, 30, "x**3 + x"))
    1200
    >>> count_multiplications(TaskNeuronConv2d(3, 8, 3, "x**3 + x", padding=1), (3, 10, 10))
    43200
    """
    layers = _counted_layers(module)
    if not layers:
        return 0
    if input_size is None:
        if any(isinstance(layer, _CONVOLUTIONS) for layer in layers.values()):
            raise ValueError("input_size must be given for a network with convolutions, got None")
        return sum(sum(_n_weights(layer)) for layer in layers.values())
    counts: Counter[nn.Module] = Counter()

    def count(layer: nn.Module, x: Tensor, output: Tensor) -> None:
        counts[layer] += sum(map(operator.mul, _n_weights(layer), _n_positions(layer, x, output)))

    reference = next(module.parameters())
    call_and_watch(
        module, (torch.zeros(1, *input_size, dtype=reference.dtype, device=reference.device),), layers.values(), count
    )
    if left := [name for name, layer in layers.items() if layer not in counts]:
        warnings.warn(f"layers that are not called do not count, here {', '.join(left)}", UserWarning, stacklevel=2)
    return counts.total()


def _counted_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return the layers whose weights count, by their names; those inside torch's attention are parts of another layer."""
    attention = {part for whole in module.modules() if isinstance(whole, nn.MultiheadAttention) for part in whole.modules()}
    kinds = (TaskNeuronLayer, FeatureAffine, PeriodicEmbedding, nn.Linear, *_CONVOLUTIONS)
    return {name: part for name, part in module.named_modules() if isinstance(part, kinds) and part not in attention}


def _n_weights(layer: Any) -> tuple[int, int, int]:
    """Return how many weights multiply a layer's input, how many its maps, and how many its units."""
    if isinstance(layer, PeriodicEmbedding):
        return 0, layer.n_weights(), 0
    if not isinstance(layer, TaskNeuronLayer):
        return 0, layer.weight.numel(), 0
    sums = [part.weight for part in layer.modules() if isinstance(part, WeightedSum)]
    amplitudes = [part.amplitude for part in layer.modules() if isinstance(part, Product)]
    return _total(layer.maps.vectors), _total(sums), _total(amplitudes)


def _total(weights: Iterable[Tensor | None]) -> int:
    return sum(weight.numel() for weight in weights if weight is not None)


def _n_positions(layer: Any, x: Tensor, output: Tensor) -> tuple[int, int, int]:
    """Return at how many positions each of these is used in one call."""
    if isinstance(layer, _CONVOLUTIONS):
        before, after = x.numel() // layer.in_channels, output.numel() // layer.out_channels
        operation = layer.operation if isinstance(layer, ConvLayer) else layer
        # A transposed convolution uses each weight once for each position of its input.
        transposed = isinstance(operation, (TransposedConvolution, *_TRANSPOSED))
        return before, before if transposed else after, after
    if isinstance(layer, FeatureAffine):
        n_units = layer.bias.numel()
    else:
        # Members, if any, have an axis of their own in weights and outputs.
        n_units = layer.out_features * (getattr(layer, "n_members", None) or 1)
    return (output.numel() // n_units,) * 3
