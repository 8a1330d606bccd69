"""Batches of tables in memory, for skorch: no row is ever touched by Python."""

from collections.abc import Iterator
from typing import Any

import torch
from skorch.dataset import get_len
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import Dataset

Batch = tuple[Tensor, tuple[Tensor, Tensor]]


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
    """The order of the rows, epoch after epoch; a function of the seed and of the number of epochs so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = 0

    def next(self, n_rows: int) -> Tensor:
        generator = torch.Generator().manual_seed((self.seed + 1_000_003 * self.epoch) % 2**63)
        self.epoch += 1
        return torch.randperm(n_rows, generator=generator)


class TensorBatches:
    """Iterate over a dataset in slices of tensors; takes the arguments of a ``DataLoader`` that skorch needs.

    A dataset that is no `TensorTable` is one of skorch's own, made of what the user gave to ``net.predict`` or ``net.forward``.
    """

    def __init__(self, dataset: Any, batch_size: int = 128, order: RowOrder | None = None) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = order

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.dataset, TensorTable):
            yield from self._foreign_batches()
            return
        tensors = self.dataset.tensors
        if self.order is not None:
            # One gather an epoch: batches are then slices, without a copy.
            order = self.order.next(len(self.dataset)).to(tensors[0].device)
            tensors = tuple(tensor.index_select(0, order) for tensor in tensors)  # type: ignore[assignment]
        # Batches as equal as can be: a last one of a single row would weigh as much as the others.
        for X, y, weight in zip(*(tensor.tensor_split(len(self)) for tensor in tensors), strict=True):
            yield X, (y, weight)

    def _foreign_batches(self) -> Iterator[Any]:
        X = to_tensor(self.dataset.X, device="cpu")
        for start in range(0, get_len(X), self.batch_size):
            rows = X[start : start + self.batch_size]
            yield rows, torch.zeros(len(rows))
