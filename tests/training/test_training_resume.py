"""Nets that go on: as they would have, or as is said."""

import pickle

import torch
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import ExponentialLR

from sklearn_taskneurons._training import SquaredErrorLoss, make_net, make_table, resume, train


def small_net(**options):
    return make_net(3, 1, "x**2 + x", **{"hidden_layer_sizes": (8,), "batch_size": 50, "lr": 0.01, **options})


def weights_of(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.module_.parameters()])


def steps_of(net):
    """Return the weights to which the steps have led, of which the net has the average."""
    return dict(net.callbacks_)["best_epoch"].average_.latest


def settings(**options):
    how = {"lr": 0.01, "weight_decay": 0.1, "batch_size": 50, "max_epochs": 200, "loss": SquaredErrorLoss(), "solver": "adamw"}
    return how | options


def test_a_resumed_net_goes_on_as_the_other_would_have_and_leaves_it_alone(data):
    X, y = data
    whole, first = small_net(), small_net()
    train(whole, make_table(X, y), max_epochs=6)
    train(first, make_table(X, y), max_epochs=2)
    before = pickle.dumps(first.optimizer_.state_dict()), weights_of(first)
    for _ in range(2):  # the second time only if the first has left all as it was
        second = resume(first, **settings())
        train(second, make_table(X, y), max_epochs=4)
        assert torch.equal(weights_of(second), weights_of(whole))
        assert (len(first.history), len(second.history)) == (2, 6)
    assert (pickle.dumps(first.optimizer_.state_dict()), len(first.history)) == (before[0], 2)
    assert [len(row["batches"]) for row in first.history] == [0, 1]
    assert torch.equal(weights_of(first), before[1])


def test_a_resumed_net_is_trained_as_is_said(data):
    X, y = data

    class Count(Callback):
        def __init__(self):
            self.steps = self.epochs = 0

        def on_batch_end(self, net, **kwargs):
            self.steps += 1

    net = small_net(callbacks=[("first", Count())])
    train(net, make_table(X, y), max_epochs=1)
    before = steps_of(net)
    same = resume(net, **settings(lr=1e-30, batch_size=20))
    train(same, make_table(X, y), max_epochs=1)
    assert dict(same.callbacks_)["first"].steps == 6 + 15  # 300 rows by 50, and by 20
    assert torch.equal(steps_of(same), before)
    other = resume(net, **settings(lr=1e-4, weight_decay=1e4), callbacks=[("second", Count())])
    train(other, make_table(X, y), max_epochs=1)
    assert dict(other.callbacks_)["second"].steps == 6
    assert "first" not in dict(other.callbacks_)
    assert steps_of(other).abs().max() < 0.01  # a weight decay of lr * weight_decay = 1 leaves a step's length


def test_a_schedule_goes_on_until_there_is_another_learning_rate(data):
    X, y = data
    net = small_net(callbacks=[LRScheduler(ExponentialLR, gamma=0.5)])
    rates = []
    for lr in (0.01, 0.01, 0.08):
        net = resume(net, **settings(lr=lr))
        train(net, make_table(X, y), max_epochs=2)
        rates.append(net.optimizer_.param_groups[0]["lr"])
    whole = small_net(callbacks=[LRScheduler(ExponentialLR, gamma=0.5)])
    train(whole, make_table(X, y), max_epochs=2)
    whole.partial_fit(make_table(X, y), epochs=2)  # as skorch goes on by itself
    assert rates[1] == whole.optimizer_.param_groups[0]["lr"]
    # As far below the new rate as going on led before: torch 2.4 takes one more step of a schedule when it goes on.
    assert rates[2] / 0.08 == rates[1] / rates[0] < 1


def test_a_verbose_net_reports_and_another_does_not(data, capsys):
    X, y = data
    net = small_net()
    train(net, make_table(X, y), max_epochs=1)
    assert capsys.readouterr().out == ""
    train(resume(net, **settings(verbose=1)), make_table(X, y), max_epochs=1)
    assert "train_loss" in capsys.readouterr().out
