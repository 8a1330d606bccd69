"""Estimators that search and are fitted again: what a failure leaves."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_taskneurons import VSRClassifier, VSRRegressor, VSRTransformer

ESTIMATORS = [VSRRegressor, VSRClassifier, VSRTransformer]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (120, 2))
    return X, ((X**3).sum(axis=1) + 0.1 * rng.normal(size=120) > 0).astype(int)


def small(estimator, **parameters):
    return estimator(**{"population_size": 30, "generations": 3, "n_iter_no_change": None, "random_state": 0} | parameters)


def raises(error):
    """Return a callback that raises."""

    def callback(record):
        raise error

    return callback


def assert_same(model, other, X, y):
    """Assert that two models are the same, now and after they went on."""
    assert vars(model).keys() == vars(other).keys()
    after = [copy.deepcopy(each).set_params(warm_start=True, generations=3).fit(X, y) for each in (model, other)]
    for a, b in [(model, other), after]:
        assert a.n_features_in_ == b.n_features_in_
        assert a.pareto_front_ == b.pareto_front_
        assert a.formulas_ == b.formulas_
        assert a.n_iter_ == b.n_iter_ == len(a.history_)
        method = "transform" if isinstance(a, VSRTransformer) else "predict"
        assert_array_equal(getattr(a, method)(X), getattr(b, method)(X))


@pytest.mark.parametrize("estimator", ESTIMATORS)
class TestFailures:
    @pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
    def test_a_refit_that_fails_in_the_search_changes_nothing(self, estimator, error, table, monkeypatch):
        X, y = table
        model = small(estimator).fit(X, y)
        before = copy.deepcopy(model)
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_taskneurons._vsr._base.search", lambda *args, **kwargs: raises(error)(None))
            with pytest.raises(type(error)):
                model.fit(np.column_stack([X, X]), y)
        assert_same(model, before, X, y)

    def test_a_refit_whose_weights_are_refused_changes_nothing(self, estimator, table):
        X, y = table
        model = small(estimator).fit(X, y)
        before = copy.deepcopy(model)
        with pytest.raises(ValueError, match="Negative"):
            model.fit(np.column_stack([X, X]), y, sample_weight=-np.ones(len(y)))
        assert_same(model, before, X, y)

    def test_a_continued_search_that_fails_after_a_generation_changes_nothing(self, estimator, table):
        X, y = table
        model = small(estimator, warm_start=True).fit(X, y)
        before = copy.deepcopy(model)
        with pytest.raises(ZeroDivisionError):
            model.set_params(callbacks=[raises(ZeroDivisionError())]).fit(-7 * X, 1 - y)
        assert_same(model.set_params(callbacks=None), before, X, y)

    def test_what_failed_is_not_fitted(self, estimator, table):
        model = small(estimator, callbacks=[raises(ZeroDivisionError())])
        before = vars(model).copy()
        with pytest.raises(ZeroDivisionError):
            model.fit(*table)
        assert vars(model) == before
        with pytest.raises(NotFittedError):
            check_is_fitted(model)

    def test_an_interrupt_of_the_search_is_no_failure(self, estimator, table):
        model = small(estimator, callbacks=[raises(KeyboardInterrupt())])
        with pytest.warns(ConvergenceWarning, match="the best formulas so far are kept"):
            model.fit(*table)
        check_is_fitted(model)
        assert model.n_iter_ == 1


def test_logits_that_fail_leave_the_classes(table, monkeypatch):
    X, y = table
    model = small(VSRClassifier).fit(X, y)
    before = copy.deepcopy(model)
    with monkeypatch.context() as patch:
        patch.setattr("sklearn_taskneurons._vsr._classifier.fit_logits", lambda *args: raises(ZeroDivisionError())(None))
        with pytest.raises(ZeroDivisionError):
            model.fit(X, np.array(["no", "yes", "maybe"])[y + (X[:, 0] > 0)])
    assert_array_equal(model.classes_, before.classes_)
    assert_same(model, before, X, y)


def test_a_block_that_fails_is_not_there(table):
    X, y = table
    model = small(VSRRegressor).partial_fit(X[:60], y[:60])
    model.set_params(callbacks=[raises(ZeroDivisionError())])
    with pytest.raises(ZeroDivisionError):
        model.partial_fit(100 * X, y)
    model.set_params(callbacks=None).partial_fit(X[60:], y[60:])
    whole = small(VSRRegressor).fit(X, y)
    assert str(model.formula_.round(6)) == str(whole.formula_.round(6))
