"""Estimators with networks that are fitted again: what a failure leaves, and what goes on."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from sklearn_taskneurons import (
    ConvTaskNeuronClassifier,
    ConvTaskNeuronRegressor,
    Formula,
    TaskNeuronClassifier,
    TaskNeuronRegressor,
    VSRRegressor,
)
from sklearn_taskneurons._conv_task_neuron._base import BaseConvTaskNeuron
from sklearn_taskneurons._training.best_epoch import BestEpoch

CLASSIFIERS = [TaskNeuronClassifier, ConvTaskNeuronClassifier]
REGRESSORS = [TaskNeuronRegressor, ConvTaskNeuronRegressor]
SEARCH = "sklearn_taskneurons._network._base.BaseNetwork._find_formula"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:120], y[:120]


def small(estimator, **parameters):
    sizes = {"channels": (4,)} if "channels" in estimator().get_params() else {"n_members": 2}
    options = {"hidden_layer_sizes": (), "max_epochs": 2, "random_state": 0}
    return estimator(**{"formula": "x**2 + x"} | sizes | options | parameters)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def assert_same(model, other, X, y):
    """Assert that two models are the same, now and after they went on."""
    assert vars(model).keys() == vars(other).keys()
    outputs = [each._outputs(X) for each in (model, other)]
    assert_array_equal(*outputs)
    assert_array_equal(model.predict(X), other.predict(X))
    assert len(model.net_.history) == len(other.net_.history)
    after = [copy.deepcopy(each).partial_fit(X, y) for each in (model, other)]
    assert_array_equal(after[0].predict(X), after[1].predict(X))
    assert_array_equal(*(each._outputs(X) for each in after))


class FailAt(Callback):
    """Raise in an epoch of the net's whole life."""

    def __init__(self, epoch, error=ZeroDivisionError):
        self.epoch = epoch
        self.error = error

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise self.error


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_loss_of_one_column_is_refused_for_several_classes_before_any_work(estimator, digits, monkeypatch):
    monkeypatch.setattr(estimator, "_features", interrupt)
    model = small(estimator, formula="auto", search=VSRRegressor(loss="huber"))
    with pytest.raises(ValueError, match=r"search must have loss='squared_error' .* loss='huber' and 10 of them"):
        model.fit(*digits)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_targets_keep_their_shape(estimator, digits):
    X, y = digits
    model = small(estimator).partial_fit(X, y[:, None])
    with pytest.raises(ValueError, match=r"y must have the shape \(n_samples, 1\) of the first fit, got \(120,\)"):
        model.partial_fit(X, y)
    assert model.predict(X).shape == (120, 1)


@pytest.mark.parametrize("scaling", ["robust", "mixed"])
def test_columns_that_drift_away_from_their_scaling_are_told(scaling):
    X, drift = np.random.default_rng(0).normal(size=(200, 3)), np.array([0.0, 5.0, 0.0])
    model = small(TaskNeuronRegressor, scaling=scaling).partial_fit(X, X[:, 0])
    model.partial_fit(2 * X, X[:, 0])
    model.partial_fit(X[:3] + 10 * drift, X[:3, 0])  # so few rows may be anything
    for going_on in (model.partial_fit, model.set_params(warm_start=True).fit):
        with pytest.warns(UserWarning, match=r"of the columns \[1\] half of the values lie beyond nearly all of the first"):
            going_on(X + drift, X[:, 0])
    small(TaskNeuronRegressor, scaling=None).partial_fit(X, X[:, 0]).partial_fit(X + drift, X[:, 0])


@pytest.mark.filterwarnings("ignore:of the columns")
@pytest.mark.parametrize("size", [1, 30])
def test_a_target_that_is_constant_at_first_is_learned(size):
    X = np.random.default_rng(0).normal(size=(120, 1))
    y = 1000 + 10 * X[:, 0]
    model = TaskNeuronRegressor("x", hidden_layer_sizes=(), lr=0.05, n_members=1, random_state=0)
    model.partial_fit(X[:2], [5.0, 5.0])
    for _ in range(20 if size > 1 else 2):
        for start in range(0, len(X), size):
            model.partial_fit(X[start : start + size], y[start : start + size])
    assert np.sqrt(np.mean((model.predict(X) - y) ** 2)) < 0.2 * 1000
    assert model.target_scaler_.scale[0] > 100


class TestFailures:
    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    def test_a_refit_that_is_refused_changes_nothing(self, estimator, digits):
        X, y = digits
        model = small(estimator).fit(X, y)
        before = copy.deepcopy(model)
        labels = np.array(list("abcdefghij"))[y] if estimator in CLASSIFIERS else np.column_stack([y, y])
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            model.set_params(hidden_layer_sizes=(0,)).fit(X[:, :49], labels)
        assert_same(model.set_params(hidden_layer_sizes=()), before, X, y)

    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    def test_an_interrupt_before_the_training_changes_nothing(self, estimator, digits, monkeypatch):
        X, y = digits
        model = small(estimator).fit(X, y)
        before = copy.deepcopy(model)
        with monkeypatch.context() as patch:
            patch.setattr(SEARCH, interrupt)
            with pytest.raises(KeyboardInterrupt):
                model.fit(7 + 100 * X[y < 5], y[y < 5])
        assert_same(model, before, X, y)

    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    def test_training_that_fails_on_the_way_changes_nothing(self, estimator, digits):
        X, y = digits
        model = small(estimator, warm_start=True, batch_size=30).fit(X, y)
        before = copy.deepcopy(model)
        model.set_params(callbacks=[FailAt(4)])
        with pytest.raises(ZeroDivisionError):
            model.fit(X[::-1], y[::-1])
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X, y).partial_fit(X[:50], y[:50])
        before.set_params(callbacks=model.callbacks).partial_fit(X, y)
        for each in (model, before):
            each.set_params(callbacks=None)
        assert_same(model, before, X, y)

    @pytest.mark.parametrize("value", [None, np.inf])
    def test_targets_among_objects_must_be_finite(self, value, digits):
        X, y = digits
        model = small(TaskNeuronRegressor).fit(X, y)
        before, bad = model.predict(X), y.astype(object)
        bad[3] = value
        with pytest.raises(ValueError, match=r"y contains (NaN|infinity)"):
            model.partial_fit(X, bad)
        assert_array_equal(model.predict(X), before)

    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_what_failed_is_not_fitted(self, estimator, method, digits, monkeypatch):
        X, y = digits
        model = small(estimator)
        before = vars(model).copy()
        known = {"classes": range(10)} if estimator in CLASSIFIERS and method == "partial_fit" else {}
        monkeypatch.setattr(SEARCH, interrupt)
        with pytest.raises(KeyboardInterrupt):
            getattr(model, method)(X, y, **known)
        assert vars(model) == before
        with pytest.raises(NotFittedError):
            check_is_fitted(model)

    @pytest.mark.parametrize("n_before", [0, 1])  # the trainings before the one that is interrupted
    def test_an_interrupt_on_the_way_to_the_formula_ends_the_fit(self, n_before, digits, monkeypatch):
        X, y = digits
        begun = []

        def on_batch_end(self, net, training=False, **kwargs):
            if len(begun) == n_before + 1:
                raise KeyboardInterrupt
            return original(self, net, training=training, **kwargs)

        def on_train_begin(self, net, *args, **kwargs):
            begun.append(type(net.module_).__name__)
            return begins(self, net, *args, **kwargs)

        original, begins = BestEpoch.on_batch_end, BestEpoch.on_train_begin
        monkeypatch.setattr(BestEpoch, "on_batch_end", on_batch_end)
        monkeypatch.setattr(BestEpoch, "on_train_begin", on_train_begin)
        model = small(ConvTaskNeuronRegressor, formula="auto", code_size=3)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert begun == ["SideBySide", "TaskNeuronMLP"][: n_before + 1]  # the autoencoder, and the networks compared
        assert not hasattr(model, "autoencoder_")

    def test_an_interrupt_of_the_search_ends_the_fit(self, digits):
        def interrupts(record):
            raise KeyboardInterrupt

        search = VSRRegressor(population_size=20, generations=3, callbacks=[interrupts])
        with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning, match="search was interrupted"):
            small(TaskNeuronRegressor, formula="auto", search=search).fit(*digits)


class TestWeights:
    @pytest.mark.parametrize("estimator", CLASSIFIERS)
    @pytest.mark.parametrize("of_zero", [0.0, 1.0])
    def test_a_row_must_be_left(self, estimator, of_zero, digits):
        X, y = digits
        class_weight = dict.fromkeys(range(10), 0.0) | {0: of_zero}
        with pytest.raises(ValueError, match="sample_weight times class_weight is 0 for all of them"):
            small(estimator, class_weight=class_weight).fit(X, y, sample_weight=y > 0)


class TestPresentParameters:
    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    @pytest.mark.parametrize("parameter", [{"lr": 1e-9}, {"batch_size": 10}, {"weight_decay": 50.0}])
    def test_training_goes_on_with_the_present_ones(self, estimator, parameter, digits):
        X, y = digits
        model = small(estimator, warm_start=True).fit(X, y)
        same, other, block = (copy.deepcopy(model) for _ in range(3))
        outputs = [each._outputs(X) for each in (same.fit(X, y), other.set_params(**parameter).fit(X, y))]
        assert abs(outputs[0] - outputs[1]).max() > 1e-4
        block.set_params(**parameter, max_epochs=1)
        assert_array_equal(
            copy.deepcopy(block).set_params(early_stopping=False).fit(X, y)._outputs(X), block.partial_fit(X, y)._outputs(X)
        )

    @pytest.mark.parametrize("estimator", [TaskNeuronRegressor, TaskNeuronClassifier])
    def test_training_goes_on_by_the_present_solver(self, estimator, digits):
        X, y = digits
        options = {"hidden_layer_sizes": (4,), "warm_start": True, "early_stopping": False}
        model = small(estimator, **options, solver="adamw").fit(X, y)
        muon, adamw = copy.deepcopy(model).set_params(solver="muon").fit(X, y), copy.deepcopy(model).fit(X, y)
        twice = small(estimator, **options, solver="adamw", max_epochs=4).fit(X, y)
        assert_array_equal(adamw._outputs(X), twice._outputs(X))
        assert abs(muon._outputs(X) - adamw._outputs(X)).max() > 1e-4

    def test_without_a_learning_rate_the_steps_stay(self, digits):
        X, y = digits
        model = small(TaskNeuronRegressor, warm_start=True, early_stopping=False, max_epochs=30).fit(X, y)
        model.set_params(lr=1e-30).fit(X, y).fit(X, y)  # the average over the last steps has come to where they are
        first = model._outputs(X)
        assert abs(model.fit(X, y)._outputs(X) - first).max() < 1e-3 * abs(first).max()

    def test_label_smoothing(self, digits):
        X, y = digits
        model = small(TaskNeuronClassifier, warm_start=True, label_smoothing=0.0, lr=0.1, early_stopping=False)
        model.set_params(max_epochs=40).fit(X, y)
        assert model.predict_proba(X).max() > 0.95
        model.set_params(label_smoothing=0.9, max_epochs=200).fit(X, y)
        assert softmax(model._outputs(X), axis=-1).max() < 0.5  # the best for 0.9 is 0.19 for the row's class

    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    def test_a_network_of_another_form_is_refused(self, estimator, digits):
        X, y = digits
        others = {"formula": "x**3", "hidden_layer_sizes": (3, 2), "n_members": 3, "activation": "logistic"}
        if issubclass(estimator, BaseConvTaskNeuron):
            others |= {"channels": (3,), "kernel_size": (5, 3), "pooling": "average", "pool_size": 1, "image_shape": (1, 4, 16)}
        else:
            others |= {"hidden_formula": "x**2", "elementwise_affine": False, "embedding_size": 2, "scaling": "robust"}
        model = small(estimator, warm_start=True).fit(X, y)
        before, outputs = model.get_params(), model._outputs(X)
        for name, value in others.items():
            for go_on in (model.fit, model.partial_fit):
                with pytest.raises(
                    ValueError, match=f"as in the first fit while its training goes on, got {name}=.* in place of"
                ):
                    model.set_params(**{name: value}) and go_on(X, y)
            model.set_params(**{name: before[name]})
        assert_array_equal(model._outputs(X), outputs)
        model.set_params(hidden_layer_sizes=(3, 2), n_members=3, warm_start=False).fit(X, y)
        assert model.net_.module_.n_members == 3

    @pytest.mark.parametrize("estimator", CLASSIFIERS + REGRESSORS)
    def test_the_same_form_in_other_words_goes_on(self, estimator, digits):
        X, y = digits
        model = small(estimator, formula="x + x**2", hidden_layer_sizes=(4,), warm_start=True).fit(X, y)
        words = {"formula": Formula("3*x**2 + 2*x + 1"), "hidden_layer_sizes": np.array([4])}
        if issubclass(estimator, BaseConvTaskNeuron):
            words |= {"kernel_size": [3, 3], "pool_size": 2, "image_shape": [1, 8, 8]}
        else:
            words |= {"hidden_formula": Formula("x"), "embedding_size": 0, "activation": "tanh"}
        assert model.set_params(**words).fit(X, y).n_iter_ == 2 * model.max_epochs
        assert model.set_params(formula="auto", hidden_layer_sizes=4).fit(X, y).n_iter_ == 3 * model.max_epochs

    def test_shifts_of_images(self, digits):
        X, y = digits
        model = small(ConvTaskNeuronClassifier, warm_start=True, max_shift=0).fit(X, y)
        assert model.net_.iterator_train__augmentation is None
        model.set_params(max_shift=2, horizontal_flip=True, batch_size=40, early_stopping=False).fit(X, y)
        augmentation = model.net_.iterator_train__augmentation
        assert (augmentation.max_shift, augmentation.horizontal_flip, augmentation.n_batches) == (2, True, 6)
        model.set_params(max_shift=1).partial_fit(X, y)
        augmentation = model.net_.iterator_train__augmentation
        assert (augmentation.max_shift, augmentation.n_batches) == (1, 9)
        with pytest.raises(ValueError, match="max_shift must be less than"):
            model.set_params(max_shift=8).partial_fit(X, y)

    def test_callbacks(self, digits):
        class Count(Callback):
            def __init__(self):
                self.epochs = 0

            def on_epoch_end(self, net, **kwargs):
                self.epochs += 1

        X, y = digits
        model = small(TaskNeuronRegressor, callbacks=[("first", Count)]).fit(X, y).partial_fit(X, y)
        assert dict(model.net_.callbacks_)["first"].epochs == 3
        model.set_params(callbacks=[("second", Count())]).partial_fit(X, y).partial_fit(X, y)
        assert dict(model.net_.callbacks_)["second"].epochs == 2
        assert "first" not in dict(model.net_.callbacks_)
        with pytest.raises(ValueError, match="callbacks must be skorch callbacks"):
            model.set_params(callbacks=["print"]).partial_fit(X, y)

    def test_verbose(self, digits, capsys):
        X, y = digits
        model = small(TaskNeuronRegressor).fit(X, y)
        assert not capsys.readouterr().out
        model.set_params(verbose=1).partial_fit(X, y)
        assert "train_loss" in capsys.readouterr().out

    def test_auto_is_decided_by_the_first_rows(self, digits):
        X, y = digits
        model = small(TaskNeuronRegressor).fit(X, y)
        first = model.net_.batch_size, model.net_.optimizer_.param_groups[0]["weight_decay"]
        model.partial_fit(X[:1], y[:1])
        assert (model.net_.batch_size, model.net_.optimizer_.param_groups[0]["weight_decay"]) == first == (120, 1.0)
