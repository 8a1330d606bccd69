"""Elementwise functions as neurons compute them: finite, with finite gradients, for every finite input."""

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor

from sklearn_taskneurons._device import plain_torch
from sklearn_taskneurons.formula import ADD, DIV, DOT, FUNCTIONS, MUL, NEG, OPCODES, SUB, SUM
from sklearn_taskneurons.formula.functions import array_function
from sklearn_taskneurons.nn._recording import is_recorded

# A hidden unit can come arbitrarily close to a pole, or leave the domain of log and sqrt, and one row that
# does would end the training with nan.  Nearer to the pole than this a function is continued, farther it is exact.
GUARD: Final = 2.0**-5
# exp of more is a number that no later layer could use; its square is still finite in float32.
LARGEST_FOR_EXP: Final = 30.0
LARGEST_FOR_EXP_OF_HALF: Final = 10.0


def bound(x: Tensor, limit: float) -> Tensor:
    r"""Squash ``x`` smoothly into (-limit, limit): :math:`x / \sqrt{1 + (x / \mathrm{limit})^2}`.

    The slope is 1 at zero, and the squares of large inputs, if these are finite, do not overflow.
    """
    if not is_recorded():
        return x / torch.hypot(x / limit, x.new_ones(()))
    # Graphs are for other programs, too, and ONNX has no hypot. With gradients this takes longer.
    largest = min(limit * torch.finfo(x.dtype).max ** 0.5 / 2, torch.finfo(x.dtype).max)
    x = x.clamp(-largest, largest)
    return x * torch.rsqrt((x / limit).square() + 1)


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
    return torch.exp(x.clamp_max(LARGEST_FOR_EXP_OF_HALF if x.dtype == torch.float16 else LARGEST_FOR_EXP))


def _tan(x: Tensor) -> Tensor:
    return torch.sin(x) * reciprocal(torch.cos(x))


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(-1, keepdim=True)


def _sum(vector: Tensor) -> Tensor:
    return vector.sum(-1, keepdim=True)


# Arithmetic is Python's, because a number that stands in a formula stays a Python float and takes on the
# dtype and the device of what it meets.
_TORCH_FUNCTIONS: Final[dict[int, Callable[..., Any]]] = {
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


def torch_function(opcode: int) -> Callable[..., Any]:
    """Return what a node computes."""
    return _TORCH_FUNCTIONS[opcode] if opcode in _TORCH_FUNCTIONS else _own_function(opcode)


@functools.cache
def _own_function(opcode: int) -> Callable[..., Any]:
    function = array_function(opcode, torch)

    def of_tensors(*arguments: Any) -> Tensor:
        some = next(argument for argument in arguments if isinstance(argument, Tensor))
        # What the user wrote knows no numbers that stand in a formula.
        result: Tensor = function(*(a if isinstance(a, Tensor) else some.new_full((), a) for a in arguments))
        return result

    return of_tensors


def check_functions(opcodes: Iterable[int]) -> None:
    """Raise ValueError if one of these is a function of the user's own that is not differentiable on tensors."""
    for opcode in sorted(set(opcodes)):
        if FUNCTIONS[opcode].is_own:
            _try(opcode)


@plain_torch()  # a layer may be made where nothing has gradients
def _try(opcode: int) -> None:
    name, arity = FUNCTIONS[opcode].name, FUNCTIONS[opcode].arity
    try:
        trial = torch.linspace(-2.0, 2.0, 6 * arity).reshape(arity, 2, 3).requires_grad_()
        value = torch_function(opcode)(*trial)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(
            f"{name} must take tensors to be part of a neuron; make_function(torch_function=) can do so"
        ) from error
    if not isinstance(value, Tensor) or value.shape != trial[0].shape or not value.requires_grad:
        raise ValueError(f"{name} must return a differentiable tensor of the shape of its argument to be part of a neuron")


def composite_function(opcode: int) -> Callable[..., Tensor]:
    """Return the function of tensors that a composite term applies; division stands for 1 / x."""
    return reciprocal if opcode == DIV else torch_function(opcode)
