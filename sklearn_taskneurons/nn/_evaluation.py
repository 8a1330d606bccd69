"""Calls of networks that ask what their layers do, and leave no trace."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

# Told of a layer's call: the layer, its input and its output.
Watch: TypeAlias = Callable[[nn.Module, Tensor, Tensor], None]


def call_and_watch(module: nn.Module, inputs: tuple[Any, ...], layers: Iterable[nn.Module], watch: Watch) -> None:
    """Call a network once, in evaluation mode and without gradients, and tell of each call of one of its layers."""

    def told(layer: nn.Module, positional: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> None:
        watch(layer, next(value for value in (*positional, *named.values()) if isinstance(value, Tensor)), output)

    handles = [layer.register_forward_hook(told, with_kwargs=True) for layer in layers]
    try:
        with _evaluation(module), _as_written(module), torch.no_grad():
            module(*inputs)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    # The fast path of torch's transformers calls no layer, but reads their weights.
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    module.eval()
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)
        for part, mode in modes:
            part.training = mode


@contextmanager
def _as_written(module: nn.Module) -> Iterator[None]:
    """Call also what is compiled as it is written: hooks that come later are not part of it."""
    calls: list[tuple[nn.Module, str, Any]] = []
    for part in module.modules():
        if is_compiled(part):
            calls.append((part, "forward", part._modules["_orig_mod"]))
        if part._compiled_call_impl is not None:
            calls.append((part, "_compiled_call_impl", None))
    compiled = [vars(part)[name] for part, name, _ in calls]
    for part, name, call in calls:
        vars(part)[name] = call
    try:
        yield
    finally:
        for (part, name, _), call in zip(calls, compiled, strict=True):
            vars(part)[name] = call


def is_compiled(module: nn.Module) -> bool:
    """Return whether a module is what torch.compile has made of another one, whose class would take seconds to import."""
    return "_orig_mod" in module._modules and "forward" in vars(module)
