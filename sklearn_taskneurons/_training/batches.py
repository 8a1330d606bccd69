"""Batches of tables in memory, for skorch: Python never touches a single row.

PyTorch's own loader collates rows one by one, which for tables takes several times as long as training on them.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from skorch.dataset import get_len
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_taskneurons._training.losses import Target

Batch: TypeAlias = tuple[Tensor, Target]


class TensorTable(Dataset[Batch]):
    """Rows ``(X, y)``, or ``(X, (y, weight))`` where they have weights, as whole tensors on the device that trains."""

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None = None) -> None:
        self.tensors: tuple[Tensor, ...] = (X, y) if weight is None else (X, y, weight)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> Batch:
        return batch_of(*(tensor[index] for tensor in self.tensors))


def batch_of(X: Tensor, y: Tensor, weight: Tensor | None = None) -> Batch:
    """Return the batch as skorch and the losses expect it."""
    return X, y if weight is None else (y, weight)


class RowOrder:
    """The order of the rows, epoch after epoch: a function of the seed and of the number of epochs so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = 0

    def next(self, n_rows: int) -> Tensor:
        """Return a permutation of the row numbers."""
        # Mixed well, since torch's generator knows only the lower 32 bits of a seed.
        mixed = np.random.SeedSequence(self.seed, spawn_key=(self.epoch,)).generate_state(1)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        self.epoch += 1
        return torch.randperm(n_rows, generator=generator)


class TensorBatches:
    """Iterate over a dataset in slices of tensors; stands where skorch expects a ``DataLoader``.

    A dataset that is no `TensorTable` is one of skorch's, around what the user has given to ``net.predict`` or
    ``net.forward``.

    Parameters
    ----------
    dataset : TensorTable or skorch.dataset.Dataset
        The rows.
    batch_size : int
        The largest number of rows of a batch; batches are as equal as they can be, because a last one of a single row
        would move the weights as far as the others.
    order : RowOrder or None
        The order of the rows of a `TensorTable`; None for that in which they stand.
    """

    def __init__(self, dataset: Any, batch_size: int = 128, order: RowOrder | None = None) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = order

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.dataset, TensorTable):
            yield from self._unknown_targets()
            return
        tensors = self.dataset.tensors
        if self.order is not None:
            # One gather for the epoch: batches are then slices, which copy nothing.
            order = self.order.next(len(self.dataset)).to(tensors[0].device)
            tensors = tuple(tensor.index_select(0, order) for tensor in tensors)
        for batch in zip(*(tensor.tensor_split(len(self)) for tensor in tensors), strict=True):
            yield batch_of(*batch)

    def _unknown_targets(self) -> Iterator[tuple[Tensor, Tensor]]:
        X = to_tensor(self.dataset.X, device="cpu")
        for start in range(0, get_len(X), self.batch_size):
            rows = X[start : start + self.batch_size]
            yield rows, torch.zeros(len(rows))
