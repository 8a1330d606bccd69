"""Whether torch is recording what it does."""

import torch


def is_traced() -> bool:
    """Return whether torch traces, and would warn of each comparison."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def is_recorded() -> bool:
    """Return whether operations become a graph, by compiling, exporting or tracing.

    A graph keeps neither functions with gradients of their own nor, without a guard, what depends on the size of a batch.
    """
    return torch.compiler.is_compiling() or is_traced()


def is_without_gradients() -> bool:
    """Return whether values may be laid out, and written over, as gradients forbid.

    Not in a graph, which must be the same with gradients and without, and not inside the transforms of torch.func, where what
    is written may be larger than what it would be written over.
    """
    return not torch.is_grad_enabled() and not is_recorded() and not torch._C._are_functorch_transforms_active()
