"""Batches of tables in memory, for skorch: Python never touches a single row.

PyTorch's own loader collates rows one by one, which for tables takes several times as long as training on them.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from skorch.dataset import get_len
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_taskneurons._device import generator_of
from sklearn_taskneurons._training.losses import Target

Batch: TypeAlias = tuple[Tensor, Target]

# Numbers that are gathered at once; 16 MB.
SPAN_NUMBERS = 1 << 22


class TensorTable(Dataset[Batch]):
    """Rows as whole tensors on the device that trains, and which of them each member sees.

    Parameters
    ----------
    X : torch.Tensor of shape (N, D)
        The features.
    y : torch.Tensor of shape (N, O) or (N,)
        The targets.
    weight : torch.Tensor of shape (N,) or None
        The weights of the rows.
    rows : torch.Tensor of int64, shape (n, M)
        The numbers of the rows that each of M members sees.
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None, rows: Tensor) -> None:
        # A row that lies in one place in memory is gathered in a tenth of the time.
        tensors = (X, y) if weight is None else (X, y, weight)
        self.tensors: tuple[Tensor, ...] = tuple(tensor.contiguous() for tensor in tensors)
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Batch:
        return batch_of(*self.take(self.rows[index]))

    def subset(self, rows: Tensor) -> "TensorTable":
        """Return the same table with other rows for the members to see, int64 (n, M)."""
        result = copy.copy(self)
        result.rows = rows.to(self.rows.device)
        return result

    def take(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors for row numbers of any shape, (*rows.shape, ...)."""
        flat = rows.flatten()
        return tuple(tensor.index_select(0, flat).view(*rows.shape, *tensor.shape[1:]) for tensor in self.tensors)


def batch_of(X: Tensor, y: Tensor, weight: Tensor | None = None) -> Batch:
    """Return the batch as skorch and the losses expect it."""
    return X, y if weight is None else (y, weight)


class RowOrder:
    """The order of the rows, epoch after epoch: a function of the seed and of the number of epochs so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = 0

    def next(self, n_rows: int, n_members: int = 1) -> Tensor:
        """Return a permutation of the row numbers for each member, (n_rows, n_members)."""
        generator = generator_of(self.seed, self.epoch)
        self.epoch += 1
        return torch.stack([torch.randperm(n_rows, generator=generator, device="cpu") for _ in range(n_members)], 1)


class TensorBatches:
    """Iterate over a dataset in slices of tensors; stands where skorch expects a ``DataLoader``.

    A dataset that is no `TensorTable` is one of skorch's, around what the user has given to ``net.predict`` or
    ``net.forward``; all members see its rows.

    Parameters
    ----------
    dataset : TensorTable or skorch.dataset.Dataset
        The rows.
    batch_size : int
        The largest number of rows of a batch; batches are as equal as they can be, because a last one of a single row
        would move the weights as far as the others.
    order : RowOrder or None
        The order of the rows of a `TensorTable`; None for that in which they stand.
    augmentation : callable or None
        What is done to the features (B, M, D) of each batch of a `TensorTable`.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        order: RowOrder | None = None,
        augmentation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = order
        self.augmentation = augmentation

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.dataset, TensorTable):
            yield from self._unknown_targets()
            return
        rows = self.dataset.rows
        if self.order is not None:
            rows = rows.gather(0, self.order.next(*rows.shape).to(rows.device))
        batches = rows.tensor_split(len(self))
        numbers = max(1, self.batch_size * rows.shape[1] * self.dataset.tensors[0].shape[1])
        together = max(1, SPAN_NUMBERS // numbers)
        # One gather for many batches: batches are then slices, which copy nothing.
        for first in range(0, len(batches), together):
            span = batches[first : first + together]
            sizes = [len(batch) for batch in span]
            tensors = self.dataset.take(torch.cat(span))
            for X, *targets in zip(*(torch.split(tensor, sizes) for tensor in tensors), strict=True):
                yield batch_of(X if self.augmentation is None else self.augmentation(X), *targets)

    def _unknown_targets(self) -> Iterator[tuple[Tensor, Tensor]]:
        X = to_tensor(self.dataset.X, device="cpu")
        for start in range(0, get_len(X), self.batch_size):
            rows = X[start : start + self.batch_size]
            yield rows, torch.zeros(len(rows))
