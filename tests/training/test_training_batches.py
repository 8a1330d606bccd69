import numpy as np
import pytest
import torch
from skorch.dataset import Dataset

from sklearn_taskneurons._training.batches import RowOrder, TensorBatches, TensorTable


def table(n_rows):
    rows = torch.arange(float(n_rows))
    return TensorTable(rows[:, None].repeat(1, 2), rows * 10, rows * 100)


@pytest.mark.parametrize("n_rows", [1, 2, 127, 128, 129, 1000])
def test_batches_are_as_equal_as_can_be(n_rows):
    batches = TensorBatches(table(n_rows), 128)
    sizes = [len(X) for X, _ in batches]
    assert len(sizes) == len(batches) == -(-n_rows // 128)
    assert sum(sizes) == n_rows
    assert max(sizes) <= 128
    assert max(sizes) - min(sizes) <= 1


def test_shuffled_rows_stay_together_and_each_comes_once():
    batches = TensorBatches(table(50), 8, RowOrder(0))
    for _ in range(2):
        seen = []
        for X, (y, weight) in batches:
            assert torch.equal(X[:, 0] * 10, y)
            assert torch.equal(X[:, 1] * 100, weight)
            seen += X[:, 0].tolist()
        assert seen != sorted(seen)
        assert sorted(seen) == list(range(50))


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    state = torch.get_rng_state()
    orders = {
        (seed, epoch): tuple(order.next(20).tolist())
        for seed in (0, 1, 2**32, 2**62)
        for order in [RowOrder(seed)]
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 12
    assert tuple(RowOrder(1).next(20).tolist()) == orders[1, 0]
    assert torch.equal(torch.get_rng_state(), state)


def test_without_an_order_rows_stay_as_they_are():
    X = torch.cat([X for X, _ in TensorBatches(table(20), 6)])
    assert torch.equal(X[:, 0], torch.arange(20.0))


def test_datasets_of_skorch():
    X = np.arange(14.0, dtype=np.float32).reshape(7, 2)
    batches = list(TensorBatches(Dataset(X), 3))
    np.testing.assert_array_equal(torch.cat([rows for rows, _ in batches]), X)
    assert [len(rows) for rows, _ in batches] == [3, 3, 1]


def test_table_is_a_dataset():
    X, (y, weight) = table(5)[2]
    assert (X.tolist(), y.item(), weight.item()) == ([2.0, 2.0], 20.0, 200.0)
    assert len(table(5)) == 5
