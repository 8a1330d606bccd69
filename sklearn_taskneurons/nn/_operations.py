"""The linear operations of neurons: a matrix product, a convolution, a transposed convolution.

The tree of sums, products and functions is the same for all of them. Values have their features last, those of images
too: there the axes are moved, which copies nothing.
"""

import functools
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._kernels import product
from sklearn_taskneurons.nn._recording import is_without_gradients

_CONVOLUTIONS: Final[dict[int, Callable[..., Tensor]]] = {
    1: nn.functional.conv1d,
    2: nn.functional.conv2d,
    3: nn.functional.conv3d,
}
_TRANSPOSED: Final[dict[int, Callable[..., Tensor]]] = {
    1: nn.functional.conv_transpose1d,
    2: nn.functional.conv_transpose2d,
    3: nn.functional.conv_transpose3d,
}


class LinearOperation(ABC):
    """A linear map of several tensors at once, and how its weights are laid out.

    One weight stands for T tensors of the same features; each of them has its block of it, here called a term.
    """

    @property
    @abstractmethod
    def fan_in(self) -> float:
        """How many numbers of one tensor a unit adds up."""

    @abstractmethod
    def weight_shape(self, n_terms: int, n_units: int) -> tuple[int, ...]:
        """Return the shape of a weight."""

    @abstractmethod
    def vector_shape(self, n_units: int) -> tuple[int, ...]:
        """Return the shape of a number for each unit that broadcasts against the outputs."""

    @abstractmethod
    def spread(self, numbers: Tensor) -> Tensor:
        """Return one number for each term, (T,), in a shape that broadcasts against the weight."""

    @abstractmethod
    def term(self, weight: Tensor, n_terms: int, index: int) -> Tensor:
        """Return a view of one term's block, which is a weight of that term alone."""

    @abstractmethod
    def units(self, weight: Tensor, n_blocks: int, index: int) -> Tensor:
        """Return a view of the weights of one block of units out of as many of equal size."""

    @abstractmethod
    def split(self, outputs: Tensor, n_blocks: int) -> Sequence[Tensor]:
        """Return the outputs of each block of units."""

    @abstractmethod
    def __call__(self, values: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the weighted values (..., features), one for each term, as outputs (..., units)."""


@dataclass(frozen=True)
class Matmul(LinearOperation):
    """A matrix product. The weight is (units, T * features), for members side by side (M, units, T * features)."""

    in_features: int
    n_members: int | None = None

    @property
    def fan_in(self) -> float:
        return self.in_features

    def weight_shape(self, n_terms: int, n_units: int) -> tuple[int, ...]:
        members = () if self.n_members is None else (self.n_members,)
        return *members, n_units, n_terms * self.in_features

    def vector_shape(self, n_units: int) -> tuple[int, ...]:
        return (n_units,) if self.n_members is None else (self.n_members, 1, n_units)

    def spread(self, numbers: Tensor) -> Tensor:
        return numbers.repeat_interleave(self.in_features, -1)

    def term(self, weight: Tensor, n_terms: int, index: int) -> Tensor:
        return torch.unflatten(weight, -1, (n_terms, -1))[..., index, :]

    def units(self, weight: Tensor, n_blocks: int, index: int) -> Tensor:
        return torch.unflatten(weight, -2, (n_blocks, -1))[..., index, :, :]

    def split(self, outputs: Tensor, n_blocks: int) -> Sequence[Tensor]:
        return outputs.chunk(n_blocks, -1)

    def __call__(self, values: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.n_members is not None and is_without_gradients():
            return self._of_columns(values, weight, bias)
        features = values[0] if len(values) == 1 else torch.cat(list(values), -1)
        if self.n_members is None:
            return nn.functional.linear(features, weight, bias)
        return features @ weight.mT if bias is None else torch.baddbmm(bias, features, weight.mT)

    def _of_columns(self, values: Sequence[Tensor], weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the same outputs, column after column in memory.

        So the product takes two thirds of the time; but that for the gradient of the weights takes three times as long.
        """
        columns = values[0].mT if len(values) == 1 else torch.cat([value.mT for value in values], -2)
        return product(weight, columns, None if bias is None else bias.mT).mT


@dataclass(frozen=True)
class Convolution(LinearOperation):
    """A convolution over one to three axes. The weight is (units, T * channels / groups, *kernel_size).

    What belongs to one group must lie together, channels and units, as torch wants it: of each group first the channels of
    the first term, then those of the second.
    """

    in_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def fan_in(self) -> float:
        return self.in_channels // self.groups * math.prod(self.kernel_size)

    @property
    def channel_axis(self) -> int:
        """Where the channels are in what torch takes and gives, counted from the end."""
        return -1 - len(self.kernel_size)

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is a group of its own."""
        return self.in_channels == self.groups > 1

    def weight_shape(self, n_terms: int, n_units: int) -> tuple[int, ...]:
        return n_units, n_terms * self.in_channels // self.groups, *self.kernel_size

    def vector_shape(self, n_units: int) -> tuple[int, ...]:
        return (n_units,)

    def spread(self, numbers: Tensor) -> Tensor:
        return numbers.repeat_interleave(self.in_channels // self.groups).reshape(-1, *(1,) * len(self.kernel_size))

    def term(self, weight: Tensor, n_terms: int, index: int) -> Tensor:
        return torch.unflatten(weight, 1, (n_terms, -1))[:, index]

    def units(self, weight: Tensor, n_blocks: int, index: int) -> Tensor:
        return torch.unflatten(weight, 0, (self.groups, n_blocks, -1))[:, index]

    def split(self, outputs: Tensor, n_blocks: int) -> Sequence[Tensor]:
        if self.groups == 1:
            return outputs.chunk(n_blocks, -1)
        return [block.flatten(-2) for block in torch.unflatten(outputs, -1, (self.groups, n_blocks, -1)).unbind(-2)]

    def __call__(self, values: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None) -> Tensor:
        n_terms = len(values)
        images = [value.movedim(-1, self.channel_axis) for value in values]
        if n_terms > 1 and self.is_depthwise:
            # For one channel a group torch has kernels of its own, which are several times as fast as those for two.
            weights = [self.term(weight, n_terms, index) for index in range(n_terms)]
            biases = [bias] + [None] * (n_terms - 1)
            parts = zip(images, weights, biases, strict=True)  # torch 2.4 compiles no map over several lists
            outputs = functools.reduce(operator.add, (self._convolve(*part) for part in parts))
        else:
            outputs = self._convolve(self._concatenate(images), self._grouped(weight, n_terms), bias)
        return outputs.movedim(self.channel_axis, -1)

    def _concatenate(self, values: list[Tensor]) -> Tensor:
        axis = self.channel_axis
        if len(values) == 1:
            return values[0]
        if self.groups == 1:
            return torch.cat(values, axis)
        return torch.cat([torch.unflatten(value, axis, (self.groups, -1)) for value in values], axis).flatten(axis - 1, axis)

    def _grouped(self, weight: Tensor, n_terms: int) -> Tensor:
        """Return the weight in the order of the concatenated channels."""
        return weight

    def _convolve(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve = _CONVOLUTIONS[len(self.kernel_size)]
        return convolve(features, weight, bias, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class TransposedConvolution(Convolution):
    """The gradient of a convolution with respect to its input. The weight is (T * channels, units / groups, *kernel_size)."""

    output_padding: tuple[int, ...]

    @property
    def fan_in(self) -> float:
        """The mean over the outputs: of each input, every stride-th number of a kernel meets the same output."""
        return super().fan_in / math.prod(self.stride)

    def weight_shape(self, n_terms: int, n_units: int) -> tuple[int, ...]:
        return n_terms * self.in_channels, n_units // self.groups, *self.kernel_size

    def spread(self, numbers: Tensor) -> Tensor:
        return numbers.repeat_interleave(self.in_channels).reshape(-1, 1, *(1,) * len(self.kernel_size))

    def term(self, weight: Tensor, n_terms: int, index: int) -> Tensor:
        return torch.unflatten(weight, 0, (n_terms, -1))[index]

    def units(self, weight: Tensor, n_blocks: int, index: int) -> Tensor:
        return torch.unflatten(weight, 1, (n_blocks, -1))[:, index]

    def _grouped(self, weight: Tensor, n_terms: int) -> Tensor:
        if n_terms == 1 or self.groups == 1:
            return weight
        return torch.unflatten(weight, 0, (n_terms, self.groups, -1)).transpose(0, 1).flatten(0, 2)

    def _convolve(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve = _TRANSPOSED[len(self.kernel_size)]
        settings: tuple[Any, ...] = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return convolve(features, weight, bias, *settings)
