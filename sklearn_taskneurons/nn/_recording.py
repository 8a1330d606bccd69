"""Whether torch is recording what it does."""

import torch


def is_recorded() -> bool:
    """Return whether operations become a graph, by compiling, exporting or tracing.

    A graph keeps neither functions with gradients of their own nor, without a guard, what depends on the size of a batch.
    """
    return torch.compiler.is_compiling() or bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]
