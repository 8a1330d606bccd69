"""Elementwise functions as neurons compute them: finite, with finite gradients, for every finite input."""

import operator
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from sklearn_taskneurons.formula import ADD, DIV, DOT, FUNCTIONS, MUL, NEG, OPCODES, SUB, SUM

# A hidden unit can come arbitrarily close to a pole, or leave the domain of log and sqrt, and one row that
# does would end the training with nan.  Nearer to the pole than this a function is continued, farther it is exact.
GUARD: Final = 2.0**-5
# exp of more is a number that no later layer could use; its square is still finite in float32.
MAX_EXPONENT: Final = 30.0


def bound(x: Tensor, limit: float) -> Tensor:
    r"""Squash ``x`` smoothly into (-limit, limit): :math:`x / \sqrt{1 + (x / \mathrm{limit})^2}`.

    The slope is 1 at zero.  ``hypot`` keeps the squares of large inputs from overflowing.
    """
    return x / torch.hypot(x / limit, x.new_ones(()))


def reciprocal(x: Tensor) -> Tensor:
    """Return 1 / x, and x / GUARD**2 between -GUARD and GUARD, which meets it at both ends."""
    near = x.abs() < GUARD
    return torch.where(near, x / GUARD**2, 1 / torch.where(near, 1.0, x))


def _divide(numerator: Any, denominator: Any) -> Any:
    if isinstance(denominator, float):
        return numerator / denominator
    return numerator * reciprocal(denominator)


def _log(x: Tensor) -> Tensor:
    return torch.log(x.abs().clamp_min(GUARD))


def _sqrt(x: Tensor) -> Tensor:
    return torch.sqrt(x.abs().clamp_min(GUARD))


def _exp(x: Tensor) -> Tensor:
    return torch.exp(x.clamp_max(MAX_EXPONENT))


def _tan(x: Tensor) -> Tensor:
    return torch.sin(x) * reciprocal(torch.cos(x))


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(-1, keepdim=True)


def _sum(vector: Tensor) -> Tensor:
    return vector.sum(-1, keepdim=True)


# Arithmetic is Python's, because a number that stands in a formula stays a Python float and takes on the
# dtype and the device of what it meets.
TORCH_FUNCTIONS: Final[dict[int, Callable[..., Any]]] = {
    opcode: getattr(torch, function.array_name)
    for opcode, function in enumerate(FUNCTIONS)
    if function.arity == 1 and function.array_name is not None
} | {
    ADD: operator.add,
    SUB: operator.sub,
    MUL: operator.mul,
    NEG: operator.neg,
    DIV: _divide,
    DOT: _dot,
    SUM: _sum,
    OPCODES["log"]: _log,
    OPCODES["sqrt"]: _sqrt,
    OPCODES["exp"]: _exp,
    OPCODES["tan"]: _tan,
}


def composite_function(opcode: int) -> Callable[[Tensor], Tensor]:
    """Return the function of one tensor that a composite term applies; division stands for 1 / x."""
    return reciprocal if opcode == DIV else TORCH_FUNCTIONS[opcode]
