"""A convolutional network of task-based neurons."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Self, TypeAlias

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._checks import check_positive, whole_numbers
from sklearn_taskneurons.nn._conv import TaskNeuronConv2d, for_each_axis
from sklearn_taskneurons.nn._mlp import ACTIVATIONS, BOUNDED_ACTIVATIONS, Activation, TaskNeuronMLP
from sklearn_taskneurons.nn._recording import is_traced

Pooling: TypeAlias = Literal["max", "average"]

POOLINGS: Final[dict[str, Callable[..., Tensor]]] = {
    "max": nn.functional.max_pool2d,
    "average": nn.functional.avg_pool2d,
}
# Standard normal images, for root mean squares over all channels and positions; of large ones fewer will do.
_SAMPLE_IMAGES: Final = 4, 32
_SAMPLE_PIXELS: Final = 32 * 32**2


class ConvBlock(nn.Module):
    """A convolution, perhaps a normalization of its channels, an activation and a pooling."""

    def __init__(
        self,
        convolution: TaskNeuronConv2d,
        batch_norm: bool,
        activation: Activation,
        pooling: Pooling,
        pool_size: tuple[int, ...],
    ) -> None:
        super().__init__()
        weight = next(convolution.parameters())
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels, device=weight.device, dtype=weight.dtype) if batch_norm else None
        self.activation = activation
        self.pooling = pooling
        self.pool_size = pool_size

    def forward(self, x: Tensor) -> Tensor:
        """Return the images (N, out_channels, H // pool height, W // pool width)."""
        x = self.convolution(x)
        return self._pooled(x if self.norm is None else self.norm(x))

    def of_sample(self, x: Tensor) -> Tensor:
        """Return the same for channels normalized by this sample's own mean and variance, and remember neither."""
        x = self.convolution(x)
        if self.norm is not None:
            norm = self.norm
            x = nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        return self._pooled(x)

    def _pooled(self, x: Tensor) -> Tensor:
        return POOLINGS[self.pooling](ACTIVATIONS[self.activation](x), self.pool_size)

    def extra_repr(self) -> str:
        """Return what follows the convolution."""
        return f"activation={self.activation!r}, pooling={self.pooling!r}, pool_size={self.pool_size}"


class TaskNeuronCNN(nn.Module):
    """A convolutional network of task-based neurons.

    Blocks of a convolution, which keeps the size of the image, an activation and a pooling are followed by fully connected
    layers.

    Parameters
    ----------
    image_shape : tuple of int
        The channels, the height and the width of an image, (C, H, W).
    channels : sequence of int
        The number of output channels of each block's convolution.
    out_features : int
        The number of outputs, O.
    formula : str or Formula
        The form of the neurons of the convolutions.
    kernel_size : int or tuple of int, default=3
        The height and the width of the kernels; odd numbers.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        What follows each convolution and each hidden layer.
    batch_norm : bool, default=True
        Whether the channels of each convolution's output are normalized, in which case it has no bias.
    pooling : {"max", "average"}, default="max"
        What is taken of each patch of positions.
    pool_size : int or tuple of int, default=2
        The height and the width of such a patch; 1 for no pooling.
    global_pooling : bool, default=False
        Whether each channel's mean over all positions that are left goes into the fully connected layers, rather than
        the positions.
    hidden_layer_sizes : int or sequence of int, default=()
        The number of units of each hidden fully connected layer.
    head_formula : str or Formula, default="x"
        The form of the neurons of the fully connected layers.
    bound : float or None, default=3.0
        Where the inputs of a layer have no bound of their own and its formula is not of degree 1, they are squashed to
        ``z / sqrt(1 + (z / bound)**2)`` so that their powers stay finite.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    blocks : torch.nn.ModuleList
        The blocks; each has a ``convolution`` and a ``norm``.
    head : TaskNeuronMLP
        The fully connected layers.

    Raises
    ------
    ValueError
        If there is no such activation or pooling, nothing is left of an image after so many poolings, or a formula does
        not suit a layer.

    See Also
    --------
    TaskNeuronConv2d : The convolutions, and how they are initialized.
    convert_layers : Task-based neurons in any other network.

    Notes
    -----
    *Shape.* Input (N, C, H, W), output (N, out_features). With `global_pooling` images of other sizes may be given, too.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronCNN, count_multiplications, count_parameters
    >>> network = TaskNeuronCNN((1, 28, 28), (16, 32), 10, "x**2 + x")
    >>> network(torch.randn(64, 1, 28, 28)).shape
    torch.Size([64, 10])
    >>> count_parameters(network), count_multiplications(network, (1, 28, 28))
    (25290, 2047808)
    """

    blocks: Sequence[ConvBlock]

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: Sequence[int],
        out_features: int,
        formula: str | Formula,
        kernel_size: int | tuple[int, int] = 3,
        activation: Activation = "relu",
        batch_norm: bool = True,
        pooling: Pooling = "max",
        pool_size: int | tuple[int, int] = 2,
        global_pooling: bool = False,
        hidden_layer_sizes: int | Sequence[int] = (),
        head_formula: str | Formula = "x",
        bound: float | None = 3.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        pool, kernel = for_each_axis("pool_size", pool_size, 2), for_each_axis("kernel_size", kernel_size, 2)
        channels = whole_numbers("channels", channels)
        _check(image_shape, channels, kernel, activation, pooling, pool)
        check_positive("bound", bound)
        self.image_shape = tuple(image_shape)
        self.global_pooling = global_pooling
        factory_kwargs: dict[str, Any] = {"device": device, "dtype": dtype}
        formula = Formula(formula)
        bounded = activation in BOUNDED_ACTIVATIONS
        blocks: list[ConvBlock] = []
        for n_in, n_out in zip((image_shape[0], *channels), channels, strict=False):
            limit = None if formula.degree == 1 or (blocks and bounded) else bound
            convolution = TaskNeuronConv2d(
                n_in, n_out, kernel, formula, padding="same", bias=not batch_norm, bound=limit, **factory_kwargs
            )
            blocks.append(ConvBlock(convolution, batch_norm, activation, pooling, pool))
        self.blocks = nn.ModuleList(blocks)  # type: ignore[assignment]  # which says nothing of its items
        height, width = (size // step ** len(channels) for size, step in zip(image_shape[1:], pool, strict=True))
        positions = 1 if global_pooling else height * width
        self.head = TaskNeuronMLP(
            channels[-1] * positions,
            hidden_layer_sizes,
            out_features,
            head_formula,
            activation,
            bound=bound,
            bound_input=not bounded,
            **factory_kwargs,
        )
        self._set_hidden_scales()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and set the scales for standard normal images."""
        for block in self.blocks:
            block.convolution.reset_parameters()
            if block.norm is not None:
                block.norm.reset_parameters()
        self.head.reset_parameters()
        self._set_hidden_scales()

    @torch.no_grad()
    def _set_hidden_scales(self) -> None:
        """Set the scales of all layers but the first, whose input is known, for standard normal images."""
        reference = next(self.parameters())
        least, most = _SAMPLE_IMAGES
        n_images = min(max(least, _SAMPLE_PIXELS // math.prod(self.image_shape[1:])), most)
        x = torch.randn(n_images, *self.image_shape, dtype=reference.dtype, device=reference.device)
        for index, block in enumerate(self.blocks):
            if index:
                block.convolution._normalize(x)
            x = block.of_sample(x)
        self.head.layers[0]._normalize(self._flat(x))

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> Self:
        """Set the scales from data, layer after layer.

        Parameters
        ----------
        x : torch.Tensor of shape (N, C, H, W)
            A sample of the network's input.

        Returns
        -------
        TaskNeuronCNN
            The network itself. Its parameters are as before, so what it computes has changed.
        """
        for block in self.blocks:
            block.convolution.calibrate(x)
            x = block.of_sample(x)
        self.head.calibrate(self._flat(x))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the network.

        Parameters
        ----------
        x : torch.Tensor of shape (N, C, H, W)
            The images.

        Returns
        -------
        torch.Tensor of shape (N, out_features)
        """
        if not self.global_pooling and not is_traced() and tuple(x.shape[1:]) != self.image_shape:
            sizes = ", ".join(["N", *map(str, self.image_shape)])
            raise ValueError(f"x must have the shape ({sizes}), got {tuple(x.shape)}")
        for block in self.blocks:
            x = block(x)
        output: Tensor = self.head(self._flat(x))
        return output

    def _flat(self, x: Tensor) -> Tensor:
        return x.mean((-2, -1)) if self.global_pooling else x.flatten(1)

    def extra_repr(self) -> str:
        """Return what the network's printed form says beside its layers.

        Returns
        -------
        str
        """
        return f"image_shape={self.image_shape}, global_pooling={self.global_pooling}"


def _check(
    image_shape: tuple[int, ...],
    channels: tuple[int, ...],
    kernel: tuple[int, ...],
    activation: str,
    pooling: str,
    pool: tuple[int, ...],
) -> None:
    """Raise if what is given does not make a network."""
    for name, value, known in (("activation", activation, ACTIVATIONS), ("pooling", pooling, POOLINGS)):
        if value not in known:
            raise ValueError(f"{name} must be one of {list(known)}, got {value!r}")
    if not channels:
        raise ValueError("channels must have a number for each block, got none")
    if any(size % 2 == 0 for size in kernel):
        raise ValueError(f"kernel_size must be odd, so that the image keeps its size, got {kernel}")
    least = tuple(step ** len(channels) for step in pool)
    if len(image_shape) != 3 or any(size < smallest for size, smallest in zip(image_shape[1:], least, strict=True)):
        raise ValueError(
            f"image_shape must be (channels, height, width), the latter at least {least} for {len(channels)} poolings of "
            f"{pool}, got {tuple(image_shape)}"
        )
