"""Kernels for predictions on a CPU, which need no gradients.

Builds of torch take products and functions from Intel's MKL, which uses processors of other makers badly: on one of AMD with
AVX-512, products by oneDNN take half the time, NumPy's cosines a third, and its hyperbolic tangents a tenth.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

# The only way to oneDNN's products of plain tensors, which compiled modules take too; not every build of torch has it.
_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    torch.ops.mkldnn, "_linear_pointwise"
)
_are_allowed: ContextVar[bool] = ContextVar("_are_allowed", default=False)


@contextmanager
def prediction_kernels() -> Iterator[None]:
    """Let the functions below use these kernels inside the block, in this thread.

    Not wherever there are no gradients: torch's modes and transforms, in which a caller may be, would not see what is computed.
    """
    token = _are_allowed.set(True)
    try:
        yield
    finally:
        _are_allowed.reset(token)


def tanh_(x: Tensor) -> Tensor:
    """Write the hyperbolic tangent over a tensor, and return it."""
    if _suits(x):
        np.tanh(x.numpy(), out=x.numpy())
        return x
    if x.device.type != "cpu" or x.dtype.itemsize < torch.float32.itemsize:
        return torch.tanh_(x)
    # 2 / (1 + exp(-2*x)) - 1, to rounding: torch's own takes twice the time.
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def cos_(x: Tensor) -> Tensor:
    """Write the cosine over a tensor, and return it."""
    if _suits(x):
        np.cos(x.numpy(), out=x.numpy())
        return x
    return torch.cos_(x)


def product(weight: Tensor, columns: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the products (M, U, N) of weights (M, U, K) and columns (M, K, N), plus a bias (M, U, 1)."""
    if not (_HAS_ONEDNN and _suits(columns) and columns.numel()):
        return torch.bmm(weight, columns) if bias is None else torch.baddbmm(bias, weight, columns)
    total = columns.new_empty(*weight.shape[:2], columns.shape[2])
    for member, own in enumerate(total):
        values = _onednn_product(weight[member], columns[member])
        _ = own.copy_(values) if bias is None else torch.add(values, bias[member], out=own)
    return total


def _onednn_product(left: Tensor, right: Tensor) -> Tensor:
    """Return a product of matrices, that of a layer: the rows of the first are inputs, the columns of the second weights."""
    values: Tensor = torch.ops.mkldnn._linear_pointwise.default(left, right.mT, None, "none", [], "")
    return values


def _suits(x: Tensor) -> bool:
    return _are_allowed.get() and x.device.type == "cpu" and x.dtype == torch.float32
