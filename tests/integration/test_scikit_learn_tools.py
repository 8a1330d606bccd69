"""The estimators inside scikit-learn's tools, as users put them there."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_taskneurons import (
    ConvTaskNeuronRegressor,
    Formula,
    TaskNeuronClassifier,
    TaskNeuronRegressor,
    VSRClassifier,
    VSRRegressor,
)

NAMES = ["width", "height", "weight"]


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    return X, X[:, 0] ** 3 - 3 * X[:, 1] + 0.1 * rng.normal(size=150)


@pytest.fixture(scope="module")
def classification():
    return make_classification(n_samples=150, n_features=4, n_informative=3, n_redundant=0, random_state=0)


def small_search():
    return VSRRegressor(population_size=40, generations=4, max_degree=3)


def small_regressor(**parameters):
    return TaskNeuronRegressor(**{"formula": "x**3 + x", "max_epochs": 40, "random_state": 0} | parameters)


def small_classifier(**parameters):
    return TaskNeuronClassifier(**{"formula": "x**2 + x", "max_epochs": 40, "random_state": 0} | parameters)


ESTIMATORS = {
    "vsr": VSRRegressor(population_size=60, generations=5, random_state=0),
    "vsr classifier": VSRClassifier(population_size=60, generations=5, random_state=0),
    "regressor": small_regressor(),
    "searching regressor": small_regressor(formula="auto", search=small_search()),
    "classifier": small_classifier(),
    "searching classifier": small_classifier(formula="auto", search=small_search()),
}


@pytest.fixture(params=ESTIMATORS)
def estimator_and_data(request, regression, classification):
    estimator = clone(ESTIMATORS[request.param])
    return estimator, *(classification if is_classifier(estimator) else regression)


def predictions(estimator, X):
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


def test_pipeline_and_cross_validation(estimator_and_data):
    estimator, X, y = estimator_and_data
    scores = cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.5


@pytest.mark.parametrize("library", [pickle, joblib], ids=["pickle", "joblib"])
def test_a_stored_model_predicts_the_same(estimator_and_data, library, tmp_path):
    estimator, X, y = estimator_and_data
    estimator.fit(X, y)
    with open(tmp_path / "model", "wb") as file:
        library.dump(estimator, file)
    with open(tmp_path / "model", "rb") as file:
        restored = library.load(file)
    assert_array_equal(predictions(restored, X), predictions(estimator, X))
    assert restored.formula_ == estimator.formula_


def test_the_same_seed_gives_the_same_model(estimator_and_data):
    estimator, X, y = estimator_and_data
    first, second = clone(estimator).fit(X, y), clone(estimator).fit(X, y)
    assert first.formula_ == second.formula_
    assert_array_equal(predictions(first, X), predictions(second, X))


def test_a_clone_has_the_parameters_and_no_fit(estimator_and_data):
    estimator, X, y = estimator_and_data
    copy = clone(estimator.fit(X, y))
    assert not hasattr(copy, "formula_")
    assert repr(copy) == repr(estimator)


def test_the_callers_random_states_and_threads_are_left_alone(estimator_and_data):
    estimator, X, y = estimator_and_data
    torch.manual_seed(7)
    numpy_state, torch_state, threads = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads()
    estimator.fit(X, y).predict(X)
    assert_array_equal(np.random.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert torch.get_num_threads() == threads


def test_the_callers_random_states_do_not_matter(estimator_and_data):
    estimator, X, y = estimator_and_data
    torch.manual_seed(1)
    first = predictions(clone(estimator).fit(X, y), X)
    torch.manual_seed(2)
    assert_array_equal(predictions(clone(estimator).fit(X, y), X), first)


def test_fits_in_threads_do_not_disturb_each_other(regression):
    X, y = regression
    estimator, before = small_regressor(hidden_layer_sizes=(8,), max_epochs=3), torch.get_rng_state()
    expected = clone(estimator).fit(X, y).predict(X)
    with ThreadPoolExecutor(8) as pool:
        fitted = list(pool.map(lambda _: clone(estimator).fit(X, y).predict(X), range(24)))
    for prediction in fitted:
        assert_array_equal(prediction, expected)
    assert torch.equal(torch.get_rng_state(), before)


IMAGES = ConvTaskNeuronRegressor(
    channels=(2,), hidden_layer_sizes=(4,), max_epochs=2, max_shift=1, horizontal_flip=True, early_stopping=True, random_state=0
)


@pytest.mark.parametrize("estimator", [*ESTIMATORS.values(), IMAGES], ids=[*ESTIMATORS, "images"])
def test_the_callers_defaults_of_torch_do_not_matter(estimator, regression, classification):
    X, y = classification if is_classifier(estimator) else regression
    expected = predictions(clone(estimator).fit(X, y), X)
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            fitted = clone(estimator).fit(X, y)
            assert_array_equal(predictions(fitted, X), expected)
    finally:
        torch.set_default_dtype(dtype)
    assert_array_equal(predictions(fitted, X), expected)


@pytest.mark.parametrize(
    "grid",
    [
        {"formula": ["x", "x**3 + x", Formula("dot(w, x)*dot(w, x) + x")], "hidden_layer_sizes": [(8,), (8, 4)]},
        {"formula": ["auto"], "search__population_size": [20, 40]},
    ],
    ids=["formula and layers", "search"],
)
def test_grid_search_gives_the_same_for_any_number_of_processes(regression, grid):
    X, y = regression
    searches = [
        GridSearchCV(small_regressor(search=small_search(), max_epochs=10), grid, cv=2, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 2)
    ]
    assert_array_equal(*[search.cv_results_["mean_test_score"] for search in searches])
    assert_array_equal(*[search.predict(X) for search in searches])


def test_grid_search_over_the_logits(classification):
    X, y = classification
    grid = {"vsr__C": [0.01, 1.0], "vsr__coefficients": ["shared", "per_feature"]}
    pipeline = Pipeline([("scale", StandardScaler()), ("vsr", ESTIMATORS["vsr classifier"])])
    search = GridSearchCV(pipeline, grid, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["vsr__coefficients"] == "per_feature"
    assert len(set(search.cv_results_["mean_test_score"])) == 4


def test_transformed_target(regression):
    X, y = regression
    model = TransformedTargetRegressor(small_regressor(), func=np.arcsinh, inverse_func=np.sinh).fit(X, y)
    assert model.score(X, y) > 0.6


def test_calibrated_classifier(classification):
    X, y = classification
    model = CalibratedClassifierCV(small_classifier(), cv=3).fit(X, y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.score(X, y) > 0.8


def test_permutation_importance_finds_the_columns_that_matter(regression):
    X, y = regression
    importance = permutation_importance(small_regressor().fit(X, y), X, y, random_state=0, n_repeats=3).importances_mean
    assert importance[:2].min() > 5 * abs(importance[2])


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
@pytest.mark.parametrize("estimator", [VSRRegressor(population_size=60, generations=5, random_state=0), small_regressor()])
def test_data_frames_and_the_names_of_their_columns(library, estimator, regression):
    X, y = regression
    frame = library.DataFrame({name: X[:, column] for column, name in enumerate(NAMES)})
    estimator = clone(estimator).fit(frame, y)
    assert_array_equal(estimator.feature_names_in_, NAMES)
    assert_array_equal(estimator.predict(frame), clone(estimator).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame[NAMES[::-1]])


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_the_report_of_a_formula_names_the_columns(library, regression):
    X, y = regression
    frame = library.DataFrame({name: X[:, column] for column, name in enumerate(NAMES)})
    report = VSRRegressor(population_size=100, generations=10, random_state=0).fit(frame, y).report()
    assert "width**3" in report


@pytest.mark.parametrize("classifier", [ESTIMATORS["classifier"], ESTIMATORS["vsr classifier"]], ids=["network", "vsr"])
def test_string_labels_come_back(classifier):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = clone(classifier).fit(X, names)
    assert_array_equal(model.classes_, ["setosa", "versicolor", "virginica"])
    assert model.score(X, names) > 0.9
    assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])


@pytest.mark.parametrize("dtype", [object, "U10"])
def test_labels_keep_their_type(dtype):
    X, y = load_iris(return_X_y=True)
    model = small_classifier(max_epochs=1).fit(X, np.array(["setosa", "versicolor", "virginica"], dtype=dtype)[y])
    assert model.classes_.dtype == model.predict(X).dtype == np.dtype(dtype)


@pytest.mark.parametrize("regressor", [ESTIMATORS["regressor"], ESTIMATORS["vsr"]], ids=["network", "vsr"])
@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda y: y.astype(str), "y must be numbers, got"),
        (lambda y: np.array("2026-01-01", dtype="datetime64[D]") + np.arange(len(y)), "y must be numbers, got"),
        (lambda y: csr_array(y[:, None]), "y must be a dense array"),
    ],
    ids=["text", "dates", "sparse"],
)
def test_targets_that_are_no_numbers_are_refused(regressor, convert, message, regression):
    X, y = regression
    with pytest.raises(ValueError, match=message):
        clone(regressor).fit(X, convert(y))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["vsr", "regressor", "classifier"])
def test_scores_along_the_fit(name, weighted, regression, classification):
    callback = pytest.importorskip("sklearn.callback")
    estimator = clone(ESTIMATORS[name])
    X, y = classification if is_classifier(estimator) else regression
    metadata = {"sample_weight": np.linspace(0.5, 2.0, len(y))} if weighted else {}
    scoring = "accuracy" if is_classifier(estimator) else "r2"
    monitor = callback.ScoringMonitor(scoring=scoring)
    estimator.set_callbacks(monitor).fit(X, y, **metadata)
    logs = monitor.get_logs().data
    (of_fit,) = (log for log in logs if log["task_name"] == "fit")
    assert len(logs) > 2
    assert of_fit[scoring] == pytest.approx(estimator.score(X, y, **metadata))
    assert not any("rows" in name for name in vars(estimator) if name not in ("_n_rows", "_blocks"))
