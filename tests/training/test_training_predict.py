"""What trained nets predict: in blocks, by threads, row by row."""

import threading

import numpy as np
import torch

from sklearn_taskneurons._training import make_net, make_table, predict, train
from sklearn_taskneurons._training.training import BLOCK_ROWS


def small_net(**options):
    return make_net(3, 1, "x**2 + x", **{"hidden_layer_sizes": (8,), "batch_size": 50, "lr": 0.01, **options})


def test_skorch_net_predicts_as_it_does(data):
    X, y = data
    net = small_net(n_members=3)
    train(net, make_table(X, y, n_members=3), max_epochs=1)
    np.testing.assert_allclose(net.predict(X.astype(np.float32)), predict(net, X).mean(1), rtol=1e-5, atol=1e-6)
    assert net.forward(X.astype(np.float32)).shape == (300, 3, 1)


def test_predict_in_blocks(data):
    X, y = data
    net = small_net()
    train(net, make_table(X, y), max_epochs=1)
    rows = np.tile(X, (2 * BLOCK_ROWS // len(X), 1))
    calls = []

    def doubled(block):
        calls.append(len(block))
        return block * 2

    outputs = predict(net, rows, doubled)
    assert calls == [BLOCK_ROWS, len(rows) - BLOCK_ROWS]
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs[-300:], predict(net, X * 2), rtol=1e-5, atol=1e-6)


def test_predict_is_the_same_on_any_number_of_threads(data):
    X, y = data
    net = small_net(n_members=2)
    train(net, make_table(X, y, n_members=2), max_epochs=1)
    rows = np.tile(X, (3 * BLOCK_ROWS // len(X), 1))
    before = torch.get_num_threads()
    outputs, seen = [], set()

    def watched(block):
        seen.add((threading.get_ident() == threading.main_thread().ident, torch.get_num_threads()))
        return block

    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            outputs.append(predict(net, rows, watched))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert seen == {(True, 1), (False, 1)}
    np.testing.assert_array_equal(*outputs)


def test_predict_leaves_a_net_that_is_trained_as_it_is(data):
    X, _ = data
    net = small_net()
    net.module_.train()
    expected = net.module_(torch.from_numpy(X).float()).detach()
    np.testing.assert_allclose(predict(net, X), expected, atol=1e-6)
    assert net.module_.training


def test_predict_is_the_same_row_by_row(data):
    X, y = data
    net = small_net()
    train(net, make_table(X, y), max_epochs=1)
    single = np.concatenate([predict(net, row[None]) for row in X])
    np.testing.assert_allclose(single, predict(net, X), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(predict(net, X[7:]), predict(net, X)[7:], rtol=1e-7, atol=1e-7)
