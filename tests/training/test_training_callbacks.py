"""What callbacks may do to a training, and what they are told of it."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, Freezer

from sklearn_taskneurons._training import make_net, make_table, predict, train


def small_net(**options):
    return make_net(3, 1, "x**2 + x", **{"hidden_layer_sizes": (8,), "batch_size": 50, "lr": 0.01, **options})


def error(net, X, y):
    return float(np.mean((predict(net, X)[:, 0] - y) ** 2))


def interrupted_in_epoch(epoch, monkeypatch, **options):
    net = small_net(**options)
    step = net.optimizer_.step

    def interrupt(*args):
        if len(net.history) == epoch:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(net.optimizer_, "step", interrupt)
    return net


def test_interrupt_leaves_the_best_so_far(data, monkeypatch):
    X, y = data
    net = interrupted_in_epoch(6, monkeypatch, lr=0.3)
    with pytest.warns(UserWarning, match="Training was interrupted"):
        training = train(net, make_table(X[:50], y[:50]), make_table(X[50:], y[50:]), max_epochs=100, keep_interrupted=True)
    assert (training.stopped, training.n_iter, len(net.history)) == ("interrupted", 5, 5)
    assert error(net, X[50:], y[50:]) == pytest.approx(min(training.validation_loss_curve), rel=1e-5)


def test_interrupt_is_passed_on_where_nothing_is_to_be_kept(data, monkeypatch):
    X, y = data
    with pytest.raises(KeyboardInterrupt):
        train(interrupted_in_epoch(2, monkeypatch), make_table(X, y), max_epochs=4)


class StopInEpoch(Callback):
    """A rule of the user's own; it ends the training as those of skorch do."""

    def __init__(self, event, epoch):
        self.event, self.epoch = event, epoch

    def _stop(self, event, net):
        if event == self.event and len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def on_batch_end(self, net, training=False, **kwargs):
        self._stop("on_batch_end", net)

    def on_epoch_end(self, net, **kwargs):
        self._stop("on_epoch_end", net)


@pytest.mark.parametrize(("event", "n_iter"), [("on_batch_end", 2), ("on_epoch_end", 3)])
@pytest.mark.filterwarnings("error")
def test_callbacks_of_any_kind_may_stop(event, n_iter, data):
    X, y = data
    net = small_net(callbacks=[StopInEpoch(event, 3)])
    training = train(net, make_table(X, y), max_epochs=100)
    assert (training.stopped, training.n_iter) == ("callback", n_iter)


def test_callbacks_of_the_user_may_stop(data):
    X, y = data
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1.0, sink=lambda text: None)
    net = small_net(callbacks=[("mine", stopping)])
    training = train(net, make_table(X, y), max_epochs=100)
    assert training.stopped == "callback"
    assert dict(net.callbacks_)["mine"].misses_ == 2


class Heard(Callback):
    """How many epochs and steps a callback has been told of, behind the one that stops the training."""

    def on_train_begin(self, net, **kwargs):
        self.epochs = self.steps = 0

    def on_batch_end(self, net, training=False, **kwargs):
        self.steps += training

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


def test_callbacks_hear_of_the_last_epoch(data):
    X, y = data
    net = small_net(lr=0.1, callbacks=[("heard", Heard())])
    training = train(net, make_table(X[:50], y[:50]), make_table(X[50:], y[50:]), max_epochs=500, n_iter_no_change=5)
    assert training.stopped == "converged"
    assert dict(net.callbacks_)["heard"].epochs == training.n_iter


def test_callbacks_hear_of_the_last_step(data):
    X, y = data
    net = small_net(callbacks=[("heard", Heard())])
    training = train(net, make_table(X, y), max_epochs=5, deadline=0.0)
    assert (training.stopped, dict(net.callbacks_)["heard"].steps) == ("time", 1)


class Assign(Callback):
    """Put the gradients in new tensors, as callbacks that change them may."""

    def on_grad_computed(self, net, named_parameters, **kwargs):
        for _, parameter in named_parameters:
            parameter.grad = parameter.grad * 1.0


def test_assigned_gradients_are_stepped_along(data):
    X, y = data
    curves = [
        train(small_net(callbacks=callbacks), make_table(X, y), max_epochs=5).loss_curve for callbacks in ([], [Assign()])
    ]
    assert curves[0] == curves[1]


def test_frozen_layers_stay(data):
    X, y = data
    net = small_net(weight_decay=0.5, callbacks=[Freezer("layers.0.*")])
    before = [parameter.detach().clone() for parameter in net.module_.parameters()]
    train(net, make_table(X, y), max_epochs=5)
    kept = [torch.equal(old, new.detach()) for old, new in zip(before, net.module_.parameters(), strict=True)]
    first = [name.startswith("layers.0.") for name, _ in net.module_.named_parameters()]
    assert kept == first


@pytest.mark.parametrize("validated", [False, True])
def test_layers_that_are_frozen_when_training_goes_on_stay(validated, data):
    X, y = data
    net = small_net()
    tables = (make_table(X[:200], y[:200]), make_table(X[200:], y[200:]) if validated else None)
    train(net, *tables, max_epochs=5)
    before = [parameter.detach().clone() for parameter in net.module_.parameters()]
    net.module_.layers[0].requires_grad_(False)
    train(net, *tables, max_epochs=5)
    kept = [torch.equal(old, new.detach()) for old, new in zip(before, net.module_.parameters(), strict=True)]
    first = [name.startswith("layers.0.") for name, _ in net.module_.named_parameters()]
    assert kept == first


class Store(Callback):
    """Pickle the net after each epoch."""

    def on_epoch_end(self, net, **kwargs):
        stored.append(pickle.dumps(net))


stored = []


def test_a_net_stored_while_it_is_trained_goes_on(data):
    X, y = data
    net = small_net(callbacks=[Store()])
    train(net, make_table(X, y), max_epochs=2)
    first = pickle.loads(stored[0])
    assert "_tie" not in vars(first)
    before = torch.cat([parameter.detach().flatten() for parameter in first.module_.parameters()])
    train(first, make_table(X, y), max_epochs=1)
    assert not torch.equal(before, torch.cat([parameter.detach().flatten() for parameter in first.module_.parameters()]))


def test_a_net_that_reports_its_epochs_can_be_stored(data):
    X, y = data
    stored.clear()
    train(small_net(callbacks=[Store()]), make_table(X, y), max_epochs=2, on_epoch=lambda: False)
    assert np.isfinite(predict(pickle.loads(stored[-1]), X)).all()
