"""Transposed convolutions of task-based neurons."""

from typing import Literal

import torch

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._conv import ConvLayer, for_each_axis
from sklearn_taskneurons.nn._operations import TransposedConvolution


class _ConvTranspose(ConvLayer):
    """A transposed convolution, of torch's parameters in torch's order and a formula."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        formula: str | Formula,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: Literal["zeros"] = "zeros",
        bound: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode must be 'zeros' for a transposed convolution, got {padding_mode!r}")
        operation = TransposedConvolution(
            in_channels,
            for_each_axis("kernel_size", kernel_size, self.n_axes),
            for_each_axis("stride", stride, self.n_axes),
            for_each_axis("padding", padding, self.n_axes, least=0),
            for_each_axis("dilation", dilation, self.n_axes),
            groups,
            for_each_axis("output_padding", output_padding, self.n_axes, least=0),
        )
        super().__init__(
            operation, out_channels, formula, bias, operation.padding, padding_mode, bound, device=device, dtype=dtype
        )
        self.output_padding = operation.output_padding


class TaskNeuronConvTranspose1d(_ConvTranspose):
    """A transposed convolution over one axis whose neurons have the form of a formula.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and that of the output, the units.
    kernel_size : int or tuple of int
        Over how many positions an input is spread.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The distance of two inputs in the output.
    padding, output_padding : int or tuple of int, default=0
        By how many positions each end of the output is cut, and by how many its last is made longer.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's.
    bias : bool, default=True
        Whether a bias is added.
    dilation : int or tuple of int, default=1
        The distance of two entries of the kernel.
    padding_mode : {"zeros"}, default="zeros"
        There is no other, as in torch.
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
    TaskNeuronConvTranspose2d : Its attributes, and how it is initialized.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConvTranspose1d
    >>> layer = TaskNeuronConvTranspose1d(8, 4, 4, "x**2 + x", stride=2, padding=1)
    >>> layer(torch.randn(16, 8, 25)).shape
    torch.Size([16, 4, 50])
    """

    n_axes = 1


class TaskNeuronConvTranspose2d(_ConvTranspose):
    r"""A transposed convolution over images whose neurons have the form of a formula.

    It is to `TaskNeuronConv2d` what :class:`torch.nn.ConvTranspose2d` is to :class:`torch.nn.Conv2d`, and with the
    formula ``"x"`` that layer.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, C, and that of the output, the units.
    kernel_size : int or tuple of int
        The height and the width over which an input is spread, KH and KW.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The distance of two inputs in the output.
    padding, output_padding : int or tuple of int, default=0
        By how many positions each side of the output is cut, and by how many its last side is made longer.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's, G.
    bias : bool, default=True
        Whether a bias is added, whether or not the formula has a constant term.
    dilation : int or tuple of int, default=1
        The distance of two entries of the kernel.
    padding_mode : {"zeros"}, default="zeros"
        There is no other, as in torch.
    bound : float or None, default=None
        If given, above 0, the input z is first squashed to ``z / sqrt(1 + (z / bound)**2)``, so that no power of it explodes.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    weight : torch.nn.Parameter of shape (T * in_channels, out_channels / groups, KH, KW)
        The kernels of the T terms that have one each, in the order of the formula's terms, in units of the term's root
        mean square; None if there is no such term.
    bias : torch.nn.Parameter of shape (out_channels,)
        The bias, or None.
    scale : torch.Tensor of shape (T * in_channels, 1, 1, 1)
        A buffer: one over the root mean square of each term; None if no term has a kernel, and for the formula ``"x"``
        without a bound.

    Raises
    ------
    ValueError
        If no term of the formula depends on x, or the parameters do not go together.

    See Also
    --------
    TaskNeuronConv2d : The convolution, and what its other attributes are.

    Notes
    -----
    *Shape.* Input (N, in_channels, H, W) or (in_channels, H, W); output with the sizes of
    :class:`torch.nn.ConvTranspose2d`. An `output_size` cannot be asked for in a call.

    *Initialization.* As `TaskNeuronConv2d`. A unit adds up C / G times the size of the kernel over that of the stride, on
    average over the positions.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConvTranspose2d
    >>> layer = TaskNeuronConvTranspose2d(16, 3, 4, "x**3 + x", stride=2, padding=1)
    >>> layer(torch.randn(8, 16, 16, 16)).shape
    torch.Size([8, 3, 32, 32])
    """

    n_axes = 2


class TaskNeuronConvTranspose3d(_ConvTranspose):
    """A transposed convolution over volumes whose neurons have the form of a formula.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input, and that of the output, the units.
    kernel_size : int or tuple of int
        The depth, the height and the width over which an input is spread.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    stride : int or tuple of int, default=1
        The distance of two inputs in the output.
    padding, output_padding : int or tuple of int, default=0
        By how many positions each side of the output is cut, and by how many its last side is made longer.
    groups : int, default=1
        How many blocks of channels see only the same block of the input's.
    bias : bool, default=True
        Whether a bias is added.
    dilation : int or tuple of int, default=1
        The distance of two entries of the kernel.
    padding_mode : {"zeros"}, default="zeros"
        There is no other, as in torch.
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
    TaskNeuronConvTranspose2d : Its attributes, and how it is initialized.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronConvTranspose3d
    >>> layer = TaskNeuronConvTranspose3d(4, 1, 2, "x**2 + x", stride=2)
    >>> layer(torch.randn(2, 4, 5, 5, 5)).shape
    torch.Size([2, 1, 10, 10, 10])
    """

    n_axes = 3
