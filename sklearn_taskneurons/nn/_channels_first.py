"""The order of images in memory."""

from typing import Any

import torch
from torch import Tensor

from sklearn_taskneurons.nn._recording import is_recorded


class _ChannelsFirst(torch.autograd.Function):
    """The identity, which gives values in torch's usual order in memory, and their gradient in the order of its argument.

    What comes before may be many convolutions that are added up: each of them would bring the same gradient into order.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        del output
        ctx.order = sorted(range(inputs[0].ndim), key=inputs[0].stride, reverse=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        order = ctx.order
        back = [order.index(axis) for axis in range(len(order))]
        return gradient.permute(order).contiguous().permute(back)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        del ctx
        return tangent.contiguous()


def only_channel_first(x: Tensor, axis: int) -> Tensor:
    """Return values (..., 1), whose last axis is that of their only channel, with this axis elsewhere, and first in memory.

    The stride of an axis of one number says nothing of where numbers are, and elementwise functions do not keep it; but by it
    torch tells whether channels come first or last, and what convolutions give has the order of what they take.
    """
    return x.squeeze(-1).unsqueeze(axis)


def channels_first(x: Tensor) -> Tensor:
    """Return a tensor in torch's usual order in memory, whatever that of the argument."""
    if x.is_contiguous() or is_recorded():
        return x.contiguous()
    result: Tensor = _ChannelsFirst.apply(x)  # type: ignore[no-untyped-call]
    return result
