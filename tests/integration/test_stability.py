"""Training stays finite, whatever the formula, the depth, the activation and the table."""

import numpy as np
import pytest

from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor, VSRRegressor

FORMULAS = {
    "degree 7": "x**7 - x**6 + x**5 + x**4 + x**3 + x**2 + x",
    "degree 5, odd": "x**5 + x**3",
    "products": "dot(w, x)*dot(w, x)*dot(w, x) + x**2 + x",
    "waves": "sin(x) + cos(dot(w, x)) + exp(x)",
    "quotients": "x/(x**2 + 1) + 1/x + log(x)",
}


def plain(rng):
    return rng.normal(size=(60, 3))


def outliers(rng):
    X = rng.normal(size=(60, 3))
    X[::20] = [1e6, -1e6, 1e6]
    return X


def constant_column(rng):
    return np.column_stack([rng.normal(size=60), np.full(60, 3.7), np.zeros(60)])


def scales(rng):
    return rng.normal(size=(60, 3)) * [1e-8, 1.0, 1e8] + [0.0, 1e8, 1e8]


def few_rows(rng):
    return rng.normal(size=(20, 3))


def one_column(rng):
    return rng.normal(size=(60, 1))


TABLES = [plain, outliers, constant_column, scales, few_rows, one_column]


def assert_finite(model, X):
    outputs = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    losses = model.loss_curve_ + model.validation_loss_curve_
    assert losses
    assert np.isfinite(losses).all()
    assert np.isfinite(outputs).all()
    # A loss that is not finite would have ended training early.
    assert model.n_iter_ == model.max_epochs


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
@pytest.mark.parametrize("layers", [(), (16,), (16, 8, 8)], ids=["no layer", "one layer", "three layers"])
@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_regression_stays_finite(formula, layers, activation, table):
    rng = np.random.default_rng(0)
    X = table(rng)
    y = np.tanh(X[:, 0]) * 1e3 + rng.normal(size=len(X))
    model = TaskNeuronRegressor(
        formula, hidden_layer_sizes=layers, activation=activation, max_epochs=15, n_iter_no_change=100, random_state=0
    )
    assert_finite(model.fit(X, y), X)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("scaling", ["robust", "standard", None])
def test_classification_stays_finite_with_any_scaling(scaling, table):
    rng = np.random.default_rng(0)
    X = table(rng)
    model = TaskNeuronClassifier(FORMULAS["degree 7"], scaling=scaling, max_epochs=15, n_iter_no_change=100, random_state=0)
    assert_finite(model.fit(X, rng.integers(3, size=len(X))), X)


@pytest.mark.parametrize("table", TABLES)
def test_search_and_training_on_any_table(table):
    rng = np.random.default_rng(0)
    X = table(rng)
    search = VSRRegressor(population_size=50, generations=5)
    model = TaskNeuronRegressor(search=search, max_epochs=15, n_iter_no_change=100, random_state=0)
    assert_finite(model.fit(X, rng.normal(size=len(X))), X)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_targets_of_any_scale(factor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    model = TaskNeuronRegressor("x**3 + x", max_epochs=15, n_iter_no_change=100, random_state=0).fit(X, X[:, 0] * factor)
    assert_finite(model, X)
    assert np.abs(model.predict(X)).max() < 10 * factor
