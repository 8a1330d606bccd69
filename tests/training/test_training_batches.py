import numpy as np
import pytest
import torch
from skorch.dataset import Dataset

from sklearn_taskneurons._training import batches as module
from sklearn_taskneurons._training import fit_scaler, make_table, training
from sklearn_taskneurons._training.batches import RowOrder, TensorBatches, TensorTable


def table(n_rows, n_members=1):
    rows = torch.arange(float(n_rows))
    seen = torch.arange(n_rows)[:, None].expand(-1, n_members)
    return TensorTable(rows[:, None].repeat(1, 2), rows * 10, rows * 100, seen)


@pytest.mark.parametrize("n_rows", [1, 2, 127, 128, 129, 1000])
def test_batches_are_as_equal_as_can_be(n_rows):
    batches = TensorBatches(table(n_rows), 128)
    sizes = [len(X) for X, _ in batches]
    assert len(sizes) == len(batches) == -(-n_rows // 128)
    assert sum(sizes) == n_rows
    assert max(sizes) <= 128
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("span", [1, 100, 1 << 22])  # numbers that are gathered at once
def test_shuffled_rows_stay_together_and_each_member_sees_each_once(monkeypatch, span):
    monkeypatch.setattr(module, "SPAN_NUMBERS", span)
    batches = TensorBatches(table(50, 3), 8, RowOrder(0))
    for _ in range(2):
        seen = []
        for X, (y, weight) in batches:
            assert X.shape[1:] == (3, 2)
            assert torch.equal(X[..., 0] * 10, y)
            assert torch.equal(X[..., 1] * 100, weight)
            seen.append(X[..., 0])
        seen = torch.cat(seen)
        assert len({tuple(member) for member in seen.T.tolist()}) == 3  # each in another order
        for member in seen.T.tolist():
            assert member != sorted(member)
            assert sorted(member) == list(range(50))


def test_members_see_their_own_rows():
    rows = torch.tensor([[1, 7], [4, 2], [0, 7]])
    part = table(9).subset(rows)
    assert len(part) == 3
    assert torch.equal(torch.cat([y for _, (y, _) in TensorBatches(part, 2)]), rows * 10.0)
    shuffled = torch.cat([y for _, (y, _) in TensorBatches(part, 2, RowOrder(0))])
    assert torch.equal(shuffled.sort(0).values, (rows * 10.0).sort(0).values)


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    state = torch.get_rng_state()
    orders = {
        (seed, epoch): tuple(order.next(20).flatten().tolist())
        for seed in (0, 1, 2**32, 2**62)
        for order in [RowOrder(seed)]
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 12
    assert tuple(RowOrder(1).next(20).flatten().tolist()) == orders[1, 0]
    assert torch.equal(torch.get_rng_state(), state)


def test_without_an_order_rows_stay_as_they_are():
    X = torch.cat([X for X, _ in TensorBatches(table(20), 6)])
    assert torch.equal(X[:, 0, 0], torch.arange(20.0))


def test_datasets_of_skorch():
    X = np.arange(14.0, dtype=np.float32).reshape(7, 2)
    batches = list(TensorBatches(Dataset(X), 3))
    np.testing.assert_array_equal(torch.cat([rows for rows, _ in batches]), X)
    assert [len(rows) for rows, _ in batches] == [3, 3, 1]


def test_table_is_a_dataset():
    X, (y, weight) = table(5, 2)[2]
    assert (X.tolist(), y.tolist(), weight.tolist()) == ([[2.0, 2.0]] * 2, [20.0] * 2, [200.0] * 2)
    assert len(table(5)) == 5


@pytest.mark.parametrize("scaled_numbers", [1, 30, 1 << 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("scaling", ["mixed", "standard"])
def test_rows_are_scaled_in_blocks_of_any_size(scaled_numbers, dtype, scaling, monkeypatch):
    monkeypatch.setattr(training, "SCALED_NUMBERS", scaled_numbers)
    X = np.random.default_rng(0).integers(0, 256, size=(50, 3)).astype(dtype)
    transform = fit_scaler(X, None, scaling).transform
    features, targets = make_table(X, None, transform=transform).tensors
    assert targets is features
    assert torch.equal(features, torch.tensor(transform(X), dtype=torch.float32))


def test_numbers_beyond_float32_become_its_largest_ones():
    X = np.array([[1e300], [-1e300]])
    features, _ = make_table(X, X, transform=np.copy).tensors
    assert features.tolist() == [[np.finfo(np.float32).max], [np.finfo(np.float32).min]]
