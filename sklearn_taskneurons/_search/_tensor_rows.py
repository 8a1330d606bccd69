"""The rows of the data as tensors on a device."""

import numpy as np
import torch
from torch import Tensor

from sklearn_taskneurons._device import to_tensor
from sklearn_taskneurons._search._rows import Rows


class TensorRows:
    """Features by rows, targets and weights, of double precision.

    Parameters
    ----------
    rows : Rows
        The data.
    device : torch.device
        Where the tensors are.

    Attributes
    ----------
    X : Tensor, shape (D, N)
        The features.
    """

    def __init__(self, rows: Rows, device: torch.device) -> None:
        X, Y, root_weight = next(rows.blocks(rows.n_rows))
        self.X = to_tensor(np.ascontiguousarray(X.T), torch.float64, device)
        self._Y = to_tensor(np.ascontiguousarray(Y.T), torch.float64, device)
        self._shift = to_tensor(rows.shift, torch.float64, device)
        self._root_weight = to_tensor(root_weight, torch.float64, device)
        self._is_weighted = bool((root_weight != 1.0).any())

    def targets(self, rows: slice) -> "TargetBlock":
        """Return the targets and weights of a block of rows."""
        return TargetBlock(self._Y[:, rows], self._shift, self._root_weight[rows], self._is_weighted)


class TargetBlock:
    """The targets of a block of B rows, multiplied by the roots of the weights.

    Parameters
    ----------
    Y : Tensor, shape (O, B)
        The targets without their shift.
    shift : Tensor, shape (O,)
        What was taken off the targets.
    root_weight : Tensor, shape (B,)
        The roots of the weights.
    is_weighted : bool
        Whether any weight is not 1.

    Attributes
    ----------
    root : Tensor, shape (B,)
        The roots of the weights.
    shifted : Tensor, shape (O, B)
        The targets without their shift.
    values : Tensor, shape (O, B)
        The targets with their shift.
    length : Tensor, shape ()
        The length of the column of ones.
    unit : Tensor, shape (B,)
        Its direction.
    along : Tensor, shape (O,)
        The targets without their shift along it.
    centred : Tensor, shape (O, B)
        What is left of them.
    """

    def __init__(self, Y: Tensor, shift: Tensor, root_weight: Tensor, is_weighted: bool) -> None:
        self._root_weight = root_weight if is_weighted else None
        self.root = root_weight
        self.shifted = Y = Y * root_weight
        self.values = Y + shift[:, None] * root_weight
        self.length = torch.linalg.vector_norm(root_weight)
        self.unit = root_weight / self.length
        self.along = Y @ self.unit
        self.centred = Y - self.along[:, None] * self.unit

    def weight(self, predictions: Tensor) -> None:
        """Multiply predictions by the roots of the weights, in place."""
        if self._root_weight is not None:
            predictions *= self._root_weight
