import math
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from skorch.exceptions import DeviceWarning

from sklearn_taskneurons._training import (
    OWN_CALLBACKS,
    CrossEntropyLoss,
    fit_column_scaler,
    make_net,
    make_table,
    predict,
    train,
)


def small_net(**options):
    return make_net(3, 1, "x**2 + x", **{"hidden_layer_sizes": (8,), "batch_size": 50, "lr": 0.01, **options})


def weights_of(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.module_.parameters()])


def error(net, X, y):
    return float(np.mean((predict(net, X)[:, 0] - y) ** 2))


def test_learns(data):
    X, y = data
    net = small_net()
    training = train(net, make_table(X[:200], y[:200]), make_table(X[200:], y[200:]), max_epochs=100)
    assert error(net, X[200:], y[200:]) < 0.05 * y.var()
    assert training.loss_curve[-1] < training.loss_curve[0] / 10
    assert len(training.loss_curve) == len(training.validation_loss_curve) == training.n_iter


def test_learns_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] ** 2 > X[:, 1] + 0.5).astype(int) + (X[:, 2] > 1)
    net = make_net(3, 3, "x**2 + x", loss=CrossEntropyLoss(), lr=0.01)
    train(net, make_table(X, y), max_epochs=60)
    assert np.mean(predict(net, X)[:, 0].argmax(axis=1) == y) > 0.95
    probabilities = net.predict(X.astype(np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), predict(net, X)[:, 0].argmax(axis=1))


def test_leaves_the_weights_of_the_best_epoch(data):
    X, _ = data
    noise = np.random.default_rng(1).normal(size=(300, 1))  # where more training means a larger error
    net = small_net(lr=0.1)
    training = train(net, make_table(X[:50], noise[:50]), make_table(X[50:], noise[50:]), max_epochs=40, n_iter_no_change=None)
    curve = training.validation_loss_curve
    assert training.n_iter == 40
    assert training.best_epochs == [1 + int(np.argmin(curve))]
    assert training.best_epochs[0] < 20
    assert error(net, X[50:], noise[50:]) == pytest.approx(min(curve), rel=1e-5)


def test_the_loss_of_the_held_out_rows_does_not_depend_on_their_batches(data):
    X, y = data
    weight = np.random.default_rng(2).uniform(0.1, 5.0, size=300)
    losses = []
    for valid_batch_size in (7, 300):
        net, table = small_net(valid_batch_size=valid_batch_size), make_table(X, y, weight)
        rows = torch.arange(300)[:, None]
        training = train(net, table.subset(rows[:200]), table.subset(rows[200:]), max_epochs=3)
        losses += training.best_losses
        curve = training.validation_loss_curve
        assert curve == net.history[:, "valid_loss"]
        assert min(curve) == pytest.approx(losses[-1], rel=1e-5)
        assert net.history[:, "valid_loss_best"] == [loss < min(curve[:i], default=math.inf) for i, loss in enumerate(curve)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    expected = np.average((predict(net, X[200:])[:, 0] - y[200:])[:, 0] ** 2, weights=weight[200:])
    assert losses[1] == pytest.approx(expected, rel=1e-5)


def test_stops_when_the_loss_no_longer_falls(data):
    X, y = data
    training = train(
        small_net(lr=0.1), make_table(X[:50], y[:50]), make_table(X[50:], y[50:]), max_epochs=500, n_iter_no_change=5
    )
    assert training.stopped == "converged"
    curve = np.array(training.validation_loss_curve)
    assert len(curve) < 500
    assert curve[:-5].min() * (1 - 1e-4) <= curve[-5:].min()


def test_tolerance_is_relative(data):
    X, y = data
    for factor in (1e-3, 1.0):
        training = train(small_net(lr=1e-9), make_table(X, y * factor), max_epochs=50, n_iter_no_change=3)
        assert training.stopped == "converged"
        assert training.n_iter == 4


def test_without_validation_the_last_weights_stay(data):
    X, y = data
    expected = small_net(lr=0.3)
    train(expected, make_table(X, y), max_epochs=7, n_iter_no_change=None)
    peer = small_net(lr=0.3)
    peer.partial_fit(make_table(X, y), epochs=7)
    assert torch.equal(weights_of(expected), weights_of(peer))


def test_same_seed_same_net(data):
    X, y = data
    nets = [small_net(seed=seed) for seed in (1, 1, 2)]
    for net in nets:
        torch.rand(3)
        train(net, make_table(X, y), max_epochs=3)
    first, second, third = map(weights_of, nets)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_caller_is_left_alone(data):
    X, y = data
    torch_state, numpy_state, threads = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    net = small_net()
    train(net, make_table(X, y), max_epochs=2)
    predict(net, X)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert torch.get_num_threads() == threads


def test_going_on_is_as_never_having_stopped(data):
    X, y = data
    whole, parts = small_net(), small_net()
    train(whole, make_table(X, y), max_epochs=6)
    first = train(parts, make_table(X, y), max_epochs=2)
    parts = pickle.loads(pickle.dumps(parts))
    second = train(parts, make_table(X, y), max_epochs=4)
    assert torch.equal(weights_of(whole), weights_of(parts))
    assert (first.n_iter, second.n_iter) == (2, 4)
    assert len(parts.history) == 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without CUDA loads the net")
def test_a_net_from_a_gpu_is_loaded_where_there_is_none(data):
    X, y = data
    net = small_net()
    train(net, make_table(X, y), max_epochs=2)
    net.device = "cuda"  # as if it had been there
    stored = pickle.dumps(net)
    with pytest.warns(DeviceWarning, match="no CUDA devices are available|requested device .* is not available"):
        restored = pickle.loads(stored)
    assert torch.device(restored.device).type == "cpu"
    train(restored, make_table(X, y), max_epochs=2)
    net.device = "cpu"
    train(net, make_table(X, y), max_epochs=2)
    assert torch.equal(weights_of(restored), weights_of(net))


def test_pickled_net_carries_no_rows(data):
    X, y = data
    sizes = []
    for repeat in (1, 20):
        net = small_net(batch_size=10**6)
        rows = np.tile(X, (repeat, 1)), np.tile(y, (repeat, 1))
        train(net, make_table(*rows), make_table(*rows), max_epochs=2)
        sizes.append(len(pickle.dumps(net)))
    assert sizes[0] == pytest.approx(sizes[1], abs=200)


def test_history_does_not_grow_with_the_number_of_batches(data):
    X, y = data
    net = small_net(batch_size=2)
    train(net, make_table(X, y), max_epochs=2)
    assert net.history[:, "train_loss"] == pytest.approx(net.history[:, "train_loss"])
    assert [len(row["batches"]) for row in net.history] == [0, 1]  # skorch's checkpoints ask for the last one


def test_the_epoch_has_the_loss_of_weighted_rows(data):
    X, y = data
    weight = np.random.default_rng(0).exponential(size=300) ** 3
    nets = [small_net(batch_size=batch_size, lr=1e-12) for batch_size in (10, 300)]  # where no step changes anything
    losses = [train(net, make_table(X, y, weight), max_epochs=1).loss_curve[0] for net in nets]
    expected = np.average(y[:, 0] ** 2, weights=weight)  # outputs are zero at first
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_rows_that_weigh_next_to_nothing_are_no_obstacle(data):
    X, y = data
    weight = np.where(np.arange(300) < 5, 1.0, 1e-60)
    tables = make_table(X, y, weight), make_table(X[5:], y[5:], np.append(weight[6:], 1e-50))
    training = train(small_net(batch_size=10), *tables, max_epochs=3, n_iter_no_change=None)
    assert (training.n_iter, training.stopped) == (3, None)


def test_threads_that_make_nets_do_not_disturb_each_other():
    expected, before = [weights_of(small_net(seed=seed)) for seed in range(4)], torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        nets = list(pool.map(lambda index: small_net(seed=index % 4), range(64)))
    assert all(torch.equal(weights_of(net), expected[index % 4]) for index, net in enumerate(nets))
    assert torch.equal(torch.get_rng_state(), before)


def test_training_leaves_what_others_draw_alone(data):
    before = torch.get_rng_state()
    try:
        train(small_net(), make_table(*data), max_epochs=2, on_epoch=lambda: bool(torch.manual_seed(5)) and False)
        assert torch.equal(torch.get_rng_state(), torch.Generator().manual_seed(5).get_state())
    finally:
        torch.set_rng_state(before)


def test_seeds_of_other_devices_are_left_alone(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
    assert seeds == [3]  # so it would be seen
    small_net(seed=5)
    assert seeds == [3]


def test_names_of_callbacks():
    assert {name for name, _ in small_net().callbacks_} == set(OWN_CALLBACKS)


def test_only_an_estimator_trains_its_net(data):
    X, y = data
    net = small_net()
    before = weights_of(net)
    for method in (net.fit, net.partial_fit):
        with pytest.raises(TypeError, match="trained by the estimator's own fit"):
            method(X.astype(np.float32), y.astype(np.float32))
    assert torch.equal(weights_of(net), before)


def test_deadline_ends_within_an_epoch(data):
    X, y = data
    net = small_net(batch_size=1)
    before = weights_of(net)
    training = train(net, make_table(X, y), max_epochs=10, deadline=time.monotonic() - 1)
    assert training.stopped == "time"
    assert training.n_iter == 0
    assert training.best_epochs == [None]
    assert len(net.history) == 0
    assert not torch.equal(weights_of(net), before)  # one batch


def test_deadline_leaves_the_best_so_far(data):
    X, y = data

    class Late(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 5:
                dict(net.callbacks_)["best_epoch"].deadline = -math.inf

    net = small_net(lr=0.3, callbacks=[Late()])
    training = train(net, make_table(X[:50], y[:50]), make_table(X[50:], y[50:]), max_epochs=100)
    assert (training.stopped, training.n_iter) == ("time", 5)
    assert error(net, X[50:], y[50:]) == pytest.approx(min(training.validation_loss_curve), rel=1e-5)


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("epoch", [1, 4])
def test_diverged_training_leaves_the_last_finite_weights(data, epoch, validated):
    X, y = data

    class Poison(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            if len(net.history) == epoch:
                batch[0].fill_(math.nan)

    net = small_net(callbacks=[Poison()])
    start = weights_of(net)
    validation = make_table(X[200:], y[200:]) if validated else None
    training = train(net, make_table(X[:200], y[:200]), validation, max_epochs=10)
    assert training.stopped == "diverged"
    assert torch.isfinite(weights_of(net)).all()
    assert torch.equal(weights_of(net), start) == (epoch == 1)
    assert training.best_epochs == [None] if epoch == 1 else training.best_epochs[0] < epoch


def test_infinite_targets_raise_nothing():
    X, y = np.ones((20, 3)), np.full((20, 1), 3e38)
    net = small_net()
    assert train(net, make_table(X, y), max_epochs=5).stopped == "diverged"
    assert np.isfinite(predict(net, X)).all()


def test_only_the_ratios_of_weights_count(data):
    X, y = data
    weight = np.random.default_rng(0).uniform(1, 2, 300)
    nets = [small_net(), small_net()]
    train(nets[0], make_table(X, y, weight), max_epochs=2)
    train(nets[1], make_table(X, y, weight * 1e-30), max_epochs=2)
    torch.testing.assert_close(weights_of(nets[0]), weights_of(nets[1]))
    conflict = np.tile(X, (2, 1)), np.r_[y * 0 + 1, y * 0 - 1]
    net = small_net()
    train(net, make_table(*conflict, np.r_[np.full(300, 3.0), np.ones(300)]), max_epochs=100)
    assert predict(net, X).mean() == pytest.approx(0.5, abs=0.1)


def test_each_member_keeps_its_own_best_epoch(data):
    X, _ = data
    noise = np.random.default_rng(1).normal(size=(300, 1))
    table = make_table(X, noise, n_members=3)
    rows = torch.arange(300)[:, None] + torch.tensor([0, 100, 200])
    held_out = table.subset(rows[:250] % 300)
    curves = []

    class Curves(Callback):
        def on_epoch_end(self, net, **kwargs):
            outputs = predict(net, X)  # of the averaged weights
            losses = (outputs[:, :, 0] - noise) ** 2
            curves.append([losses[rows[:250, member] % 300, member].mean() for member in range(3)])

    net = small_net(lr=0.1, n_members=3, callbacks=[Curves()])
    training = train(net, table.subset(rows[250:] % 300), held_out, max_epochs=30, n_iter_no_change=None)
    assert training.best_epochs == (1 + np.argmin(curves, axis=0)).tolist()
    assert len(set(training.best_epochs)) > 1
    errors = (predict(net, X)[:, :, 0] - noise) ** 2
    kept = [errors[rows[:250, member] % 300, member].mean() for member in range(3)]
    np.testing.assert_allclose(kept, np.min(curves, axis=0), rtol=1e-5)
    np.testing.assert_allclose(training.validation_loss_curve, np.mean(curves, axis=1), rtol=1e-5)


def test_members_are_trained_as_they_would_be_alone(data):
    # Adam divides a member's gradient by its own size, so that the mean over members is no other step than its loss alone.
    X, y = data
    rows = torch.randint(300, (64, 2), generator=torch.Generator().manual_seed(0))
    options = {"batch_size": 64, "weight_decay": 0.1}
    together, alone = small_net(n_members=2, **options), small_net(**options)
    for parameter, members in zip(alone.module_.parameters(), together.module_.parameters(), strict=True):
        parameter.data.copy_(members.data[1:])
    train(together, make_table(X, y, n_members=2).subset(rows), max_epochs=20)
    train(alone, make_table(X, y).subset(rows[:, 1:]), max_epochs=20)
    np.testing.assert_allclose(predict(together, X)[:, 1], predict(alone, X)[:, 0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(
    "formula", ["x**7 + x**6 + x**5 + x**4 + x**3 + x**2 + x", "dot(w, x)*dot(w, x)*dot(w, x) + x", "1/x + log(x)"]
)
def test_heavy_tails_and_high_powers_do_not_diverge(formula, activation):
    rng = np.random.default_rng(0)
    X = rng.standard_t(1.5, size=(300, 3))
    y = np.clip(X[:, :1] ** 3, -10, 10)
    scaler = fit_column_scaler(X)
    net = make_net(3, 1, formula, hidden_layer_sizes=(16, 16, 16), activation=activation, lr=0.02, batch_size=32)
    training = train(net, make_table(scaler.transform(X), y), max_epochs=10)
    assert training.stopped is None
    assert np.isfinite(training.loss_curve).all()
    assert np.isfinite(predict(net, X * 1e6, scaler.transform)).all()
