"""Powers of large tensors: the gradients of all of them at once, by Horner's scheme."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor

from sklearn_taskneurons.formula import POW, Expression, Node, X

# Of fewer numbers the products take less time than the call of a function of our own.
LARGE: Final = 1 << 16


class _Powers(torch.autograd.Function):
    """Some powers of a tensor, by falling exponents.

    torch would multiply twice for the gradient of each product and add up what meets at each factor; here the gradient
    is one polynomial of the tensor, whose coefficients are the gradients of the powers.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, exponents: Sequence[int], products: Callable[[Tensor], list[Tensor]]) -> tuple[Tensor, ...]:
        # An output must not be an input.
        return tuple(x.view_as(x) if power is x else power for power in products(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        del output
        x, ctx.exponents, _ = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        result = gradients[0]
        # In units of the exponent that it has come to, so that each step is one call.
        for (exponent, lower), gradient in zip(pairwise(ctx.exponents), gradients[1:], strict=True):
            for _ in range(exponent - lower - 1):
                result = result * x
            result = torch.addcmul(gradient, result, x, value=exponent / lower)
        for _ in range(ctx.exponents[-1] - 1):
            result = result * x
        return result * ctx.exponents[-1] if ctx.exponents[-1] > 1 else result, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, ...]:
        (x,) = ctx.saved_tensors
        # What is a view forwards must be one here, too.
        return tuple(
            exponent * x ** (exponent - 1) * tangent if exponent > 1 else tangent.view_as(tangent) for exponent in ctx.exponents
        )


def powers(x: Tensor, exponents: Sequence[int], products: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
    """Return powers of a tensor, which a function computes, in the order of their exponents, which fall and are at least 1."""
    result: tuple[Tensor, ...] = _Powers.apply(x, exponents, products)  # type: ignore[no-untyped-call]
    return list(result)


def exponents_of(expressions: Sequence[Expression]) -> tuple[int, ...] | None:
    """Return the exponents if all expressions are powers of x, not x alone, by falling exponents and with few left out."""
    exponents: list[int] = []
    for expression in expressions:
        match expression:
            case (Node(opcode=opcode),) if opcode == X:
                exponents.append(1)
            case (Node(opcode=opcode, value=value), Node(opcode=argument)) if (opcode, argument) == (POW, X):
                exponents.append(int(value))  # type: ignore[arg-type]  # a whole number
            case _:
                return None
    falls = all(higher > lower for higher, lower in pairwise([*exponents, 0]))
    return tuple(exponents) if falls and 1 < exponents[0] <= 2 * len(exponents) + 1 else None
