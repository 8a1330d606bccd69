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

Batch: TypeAlias = tuple[Tensor, tuple[Tensor, Tensor]]


class TensorTable(Dataset[Batch]):
    """Rows ``(X, (y, weight))`` as whole tensors, on the device that trains."""

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor) -> None:
        self.tensors = (X, y, weight)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> Batch:
        X, y, weight = (tensor[index] for tensor in self.tensors)
        return X, (y, weight)


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
        X, y, weight = self.dataset.tensors
        if self.order is not None:
            # One gather for the epoch: batches are then slices, which copy nothing.
            order = self.order.next(len(X)).to(X.device)
            X, y, weight = (tensor.index_select(0, order) for tensor in (X, y, weight))
        n_batches = len(self)
        for batch in zip(X.tensor_split(n_batches), y.tensor_split(n_batches), weight.tensor_split(n_batches), strict=True):
            yield batch[0], batch[1:]

    def _unknown_targets(self) -> Iterator[tuple[Tensor, Tensor]]:
        X = to_tensor(self.dataset.X, device="cpu")
        for start in range(0, get_len(X), self.batch_size):
            rows = X[start : start + self.batch_size]
            yield rows, torch.zeros(len(rows))
