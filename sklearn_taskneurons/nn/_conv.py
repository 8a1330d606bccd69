"""Convolutions of task-based neurons."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, ClassVar, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._channels_first import channels_first, only_channel_first
from sklearn_taskneurons.nn._layer import TaskNeuronLayer
from sklearn_taskneurons.nn._operations import Convolution
from sklearn_taskneurons.nn._recording import is_traced

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
PADDING_MODES: Final = ("zeros", "reflect", "replicate", "circular")


class ConvLayer(TaskNeuronLayer):
    """What convolutions and transposed ones of all dimensions share."""

    n_axes: ClassVar[int]
    operation: Convolution

    def __init__(
        self,
        operation: Convolution,
        out_channels: int,
        formula: str | Formula,
        bias: bool,
        padding: str | tuple[int, ...],
        padding_mode: PaddingMode,
        bound: float | None,
        **factory_kwargs: Any,
    ) -> None:
        for name, channels in (("in_channels", operation.in_channels), ("out_channels", out_channels)):
            if channels < 1 or operation.groups < 1 or channels % operation.groups:
                raise ValueError(f"{name} must be a multiple of groups, got {name}={channels}, groups={operation.groups}")
        super().__init__(formula, operation, operation.in_channels, out_channels, bias, bound, **factory_kwargs)
        self.in_channels = operation.in_channels
        self.out_channels = out_channels
        self.kernel_size = operation.kernel_size
        self.stride = operation.stride
        self.padding = padding
        self.dilation = operation.dilation
        self.groups = operation.groups
        self.padding_mode = padding_mode

    def _features(self, x: Tensor) -> Tensor:
        """Return an input with its channels last."""
        axis = self.operation.channel_axis
        if not is_traced() and (x.ndim not in (-axis, 1 - axis) or x.shape[axis] != self.in_channels):
            sizes = ", ".join(["(N)", str(self.in_channels), *"DHW"[1 + axis :]])
            raise ValueError(f"x must have the shape ({sizes}), N being optional, got {tuple(x.shape)}")
        values = x.movedim(axis, -1)
        return values.contiguous() if self._rearranges(x) else values

    def _maps_of(self, x: Tensor) -> list[Tensor]:
        maps = super()._maps_of(x)
        if self.in_channels > 1 or not self._has_channels_first(x):
            return maps
        axis = self.operation.channel_axis
        return [only_channel_first(values, axis).movedim(axis, -1) for values in maps]

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the units.

        Parameters
        ----------
        x : torch.Tensor of shape (N, in_channels, ...) or (in_channels, ...)
            The input.

        Returns
        -------
        torch.Tensor of shape (N, out_channels, ...) or (out_channels, ...)
            In the order in memory that `x` has: channels first or last.
        """
        outputs, axis = super().forward(x), self.operation.channel_axis
        if self.out_channels == 1 and self._has_channels_first(x):
            return only_channel_first(outputs, axis)
        outputs = outputs.movedim(-1, axis)
        return channels_first(outputs) if self._rearranges(x) else outputs

    def _has_channels_first(self, x: Tensor) -> bool:
        """Return whether torch takes the channels of an input for those that come first in memory."""
        return x.stride(-1) < x.stride(self.operation.channel_axis) * self.in_channels

    def _rearranges(self, x: Tensor) -> bool:
        """Return whether the channels of each position are brought together in memory, and the outputs back.

        The kernels that torch has for a channel a group on a CPU take half the time then, and less with three axes; from two
        terms on that is worth it.
        """
        return (
            self.operation.is_depthwise
            and self.plan.n_terms > 1
            and self.n_axes > 1
            and x.device.type == "cpu"
            and x.is_contiguous()
        )

    def extra_repr(self) -> str:
        """Return what the layer's printed form says.

        Returns
        -------
        str
        """
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, formula={str(self.formula)!r}"
        ones, zeros = (1,) * self.n_axes, (0,) * self.n_axes
        usual = {"stride": ones, "padding": zeros, "output_padding": zeros, "dilation": ones, "groups": 1}
        for name, default in usual.items():
            value = getattr(self, name, default)
            text += "" if value == default else f", {name}={value!r}"
        text += "" if self.bias is not None else ", bias=False"
        text += "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
        return text + ("" if self.bound is None else f", bound={self.bound}")


class _Conv(ConvLayer):
    """A convolution, of torch's parameters and a formula."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        formula: str | Formula,
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        bound: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {list(PADDING_MODES)}, got {padding_mode!r}")
        sizes, strides = for_each_axis("kernel_size", kernel_size, self.n_axes), for_each_axis("stride", stride, self.n_axes)
        dilations = for_each_axis("dilation", dilation, self.n_axes)
        if isinstance(padding, str):
            if padding not in ("same", "valid") or (padding == "same" and any(step != 1 for step in strides)):
                raise ValueError(f"padding must be numbers, 'valid', or 'same' for stride 1, got {padding!r}, stride={stride}")
            widths: str | tuple[int, ...] = padding
        else:
            widths = for_each_axis("padding", padding, self.n_axes, least=0)
        # Padding that repeats the input is done once, before its maps, and commutes with them; zeros would not.
        within = widths if padding_mode == "zeros" else (0,) * self.n_axes
        operation = Convolution(in_channels, sizes, strides, within, dilations, groups)
        super().__init__(operation, out_channels, formula, bias, widths, padding_mode, bound, device=device, dtype=dtype)
        self._repeated = [] if padding_mode == "zeros" else list(_both_sides(widths, sizes, dilations))

    def _features(self, x: Tensor) -> Tensor:
        """Return an input with its channels last, padded unless by zeros."""
        values = super()._features(x)
        if not self._repeated:
            return values
        padded = nn.functional.pad(values.movedim(-1, self.operation.channel_axis), self._repeated, mode=self.padding_mode)
        return padded.movedim(self.operation.channel_axis, -1)


class TaskNeuronConv1d(_Conv):
    """A convolution over one axis, such as time, whose neurons have the form of a formula.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and that of the output, the units.
    kernel_size : int or tuple of int
        How many positions a unit sees.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The step from unit to unit.
    padding : int, tuple of int, "same" or "valid", default=0
        By how many positions each end is padded.
    dilation : int or tuple of int, default=1
        The step from one position that a unit sees to the next.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's.
    bias : bool, default=True
        Whether a bias is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What it is padded by: zeros in place of each term, or the input repeated.
    bound : float or None, default=None
        If given, above 0, the input z is first squashed to ``z / sqrt(1 + (z / bound)**2)``.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Raises
    ------
    ValueError
        If no term of the formula depends on x, or the parameters do not go together.

    See Also
    --------
    TaskNeuronConv2d : What it computes, its attributes and how it is initialized.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConv1d
    >>> layer = TaskNeuronConv1d(4, 8, 3, "x**2 + x", padding="same")
    >>> layer(torch.randn(16, 4, 50)).shape
    torch.Size([16, 8, 50])
    """

    n_axes = 1


class TaskNeuronConv2d(_Conv):
    r"""A convolution over images whose neurons have the form of a formula.

    As in `TaskNeuronLinear`, the constants of the formula are dropped and each of its terms gets weights of its own [1]_.
    A sum of elementwise functions :math:`\varphi_k` gives a sum of convolutions, each with a kernel of its own,

    .. math:: y = b + \sum_{k=1}^{T} W_k * \varphi_k(x),

    which is one convolution of all of them. A product of inner products gives the Hadamard product of one convolution
    for each factor, and a function of an inner product the function of a convolution. The formula ``"x"`` gives
    :class:`torch.nn.Conv2d`, with its parameters and nothing else.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, C, and that of the output, the units.
    kernel_size : int or tuple of int
        The height and the width of what a unit sees, KH and KW.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The step from unit to unit.
    padding : int, tuple of int, "same" or "valid", default=0
        By how many positions each side is padded.
    dilation : int or tuple of int, default=1
        The step from one position that a unit sees to the next.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's, G; with `in_channels` each sees one.
    bias : bool, default=True
        Whether a bias is added, whether or not the formula has a constant term.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What it is padded by: zeros in place of each term, or the input repeated.
    bound : float or None, default=None
        If given, above 0, the input z is first squashed to ``z / sqrt(1 + (z / bound)**2)``, so that no power of it explodes.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    weight : torch.nn.Parameter of shape (out_channels, T * in_channels / groups, KH, KW)
        The kernels of the T terms that have one each, in the order of the formula's terms, in units of the term's root
        mean square; None if there is no such term.
    bias : torch.nn.Parameter of shape (out_channels,)
        The bias, or None.
    scale : torch.Tensor of shape (T * in_channels / groups, 1, 1)
        A buffer: one over the root mean square of each term; None if no term has a kernel, and for the formula ``"x"``
        without a bound.
    products : torch.nn.ModuleList
        The terms that are products or functions of sums, with the kernels of their factors.
    maps : torch.nn.Module
        The elementwise functions of the input. A vector ``w`` in one, as in ``sin(w*x)``, has one entry for each input
        channel, the same at all positions; an inner product inside one is over the channels of a position.

    Raises
    ------
    ValueError
        If no term of the formula depends on x, a vector that stays in it is not as long as `in_channels`, or the
        parameters do not go together.

    See Also
    --------
    TaskNeuronLinear : The same with a matrix product; the domain of its functions.
    TaskNeuronConvTranspose2d : The transposed convolution.
    convert_layers : Replace the layers of any network.

    Notes
    -----
    *Shape.* Input (N, in_channels, H, W) or (in_channels, H, W); output with the sizes of :class:`torch.nn.Conv2d`.

    *Initialization.* As `TaskNeuronLinear`, with the number of inputs of a unit, C / G times the size of the kernel, in place
    of D: for a standard normal input, and after :meth:`calibrate` for the input given there, the output without bias has
    a mean square of 1, of which every term contributes 1/T. Units that see a padding of zeros have less.

    References
    ----------
    .. [1] F.-L. Fan, M. Wang, H. Dong, J. Ma, T. Zeng, "No One-Size-Fits-All Neurons: Task-based Neurons for
           Artificial Neural Networks", 2024. :doi:`10.48550/arXiv.2405.02369`

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConv2d
    >>> layer = TaskNeuronConv2d(3, 16, 3, "x**3 + x", padding=1)
    >>> layer
    TaskNeuronConv2d(3, 16, kernel_size=(3, 3), formula='x**3 + x', padding=(1, 1))
    >>> layer(torch.randn(8, 3, 32, 32)).shape
    torch.Size([8, 16, 32, 32])
    >>> layer.weight.shape
    torch.Size([16, 6, 3, 3])
    """

    n_axes = 2


class TaskNeuronConv3d(_Conv):
    """A convolution over volumes whose neurons have the form of a formula.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and that of the output, the units.
    kernel_size : int or tuple of int
        The depth, the height and the width of what a unit sees.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The step from unit to unit.
    padding : int, tuple of int, "same" or "valid", default=0
        By how many positions each side is padded.
    dilation : int or tuple of int, default=1
        The step from one position that a unit sees to the next.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's.
    bias : bool, default=True
        Whether a bias is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What it is padded by: zeros in place of each term, or the input repeated.
    bound : float or None, default=None
        If given, above 0, the input z is first squashed to ``z / sqrt(1 + (z / bound)**2)``.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Raises
    ------
    ValueError
        If no term of the formula depends on x, or the parameters do not go together.

    See Also
    --------
    TaskNeuronConv2d : What it computes, its attributes and how it is initialized.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConv3d
    >>> layer = TaskNeuronConv3d(1, 4, 3, "x**2 + x", stride=2)
    >>> layer(torch.randn(2, 1, 9, 9, 9)).shape
    torch.Size([2, 4, 4, 4, 4])
    """

    n_axes = 3


def for_each_axis(name: str, value: int | tuple[int, ...], n_axes: int, least: int = 1) -> tuple[int, ...]:
    """Return a number for each axis."""
    values = tuple(value) if isinstance(value, Iterable) else (index(value),) * n_axes
    if len(values) != n_axes or any(number < least for number in values):
        raise ValueError(f"{name} must be a number from {least}, or {n_axes} of them, got {value!r}")
    return values


def _both_sides(widths: str | tuple[int, ...], sizes: Sequence[int], dilations: Sequence[int]) -> Sequence[int]:
    """Return by how much each side is padded, the last axis first, as torch.nn.functional.pad wants it."""
    sides: list[int] = []
    for axis in reversed(range(len(sizes))):
        if isinstance(widths, str):
            # Of an odd number the larger half comes after, as torch has it.
            total = dilations[axis] * (sizes[axis] - 1) if widths == "same" else 0
            sides += [total // 2, total - total // 2]
        else:
            sides += [widths[axis], widths[axis]]
    return sides
