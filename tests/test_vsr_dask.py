"""Rows in collections of dask: the formula of the same rows in memory."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_taskneurons import VSRClassifier, VSRRegressor, VSRTransformer

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1, 2, 0.5, 1]
    return X, (0.5 * X**3 - 2 * X + 0.25).sum(axis=1) + rng.normal(size=200), rng.integers(0, 3, 200).astype(float)


def labels_of(y, n_classes):
    """Labels by the size of a number, as strings of several lengths in an order that is not the alphabet's."""
    names = np.array(["small", "a large one"] if n_classes == 2 else ["small", "medium", "a large one"])
    return names[np.searchsorted(np.quantile(y, np.arange(1, n_classes) / n_classes), y)]


def small(kind=VSRRegressor, **parameters):
    return kind(**{"population_size": 60, "generations": 6, "random_state": 0} | parameters)


def in_blocks(*arrays, rows=64):
    return [da.from_array(array, chunks=(rows, *array.shape[1:])) for array in arrays]


def in_parts(*frames):
    return [dd.from_pandas(frame, npartitions=3) for frame in frames]


def assert_same_front(model, expected):
    assert [point.complexity for point in model.pareto_front_] == [point.complexity for point in expected.pareto_front_]
    assert_allclose(
        [point.score for point in model.pareto_front_], [point.score for point in expected.pareto_front_], rtol=1e-9
    )


def assert_same(model, expected, X):
    assert_same_front(model, expected)
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8, atol=1e-8)


def assert_same_classes(model, expected, X):
    assert_same_front(model, expected)
    assert_array_equal(model.classes_, expected.classes_)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    "parameters", [{}, {"coefficients": "per_feature"}, {"coefficients": "shared"}, {"method": "exhaustive"}], ids=str
)
@pytest.mark.parametrize("weighted", [False, True])
def test_arrays_are_fitted_as_in_memory(table, parameters, weighted):
    X, y, weight = table
    how = {"sample_weight": da.from_array(weight, chunks=64)} if weighted else {}
    model = small(**parameters).fit(da.from_array(X, chunks=(64, 2)), da.from_array(y, chunks=50), **how)
    assert_same(model, small(**parameters).fit(X, y, weight if weighted else None), X)
    assert not hasattr(model, "feature_names_in_")


def test_dataframes_give_their_names(table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=NAMES)
    model = small().fit(*in_parts(frame, pd.Series(y)))
    expected = small().fit(frame, y)
    assert_same(model, expected, frame)
    assert model.report() == expected.report()


def test_columns_without_names_are_features_without_names(table):
    X, y, _ = table
    model = small().fit(*in_parts(pd.DataFrame(X, columns=NAMES), pd.Series(y))).fit(*in_parts(pd.DataFrame(X), pd.Series(y)))
    assert not hasattr(model, "feature_names_in_")
    assert_same(model, small().fit(pd.DataFrame(X), y), pd.DataFrame(X))


@pytest.mark.parametrize("kind", [VSRRegressor, VSRClassifier, VSRTransformer])
def test_targets_in_memory_are_refused_by_their_name(kind, table):
    X, y, _ = table
    with pytest.raises(TypeError, match=r"^y must be an array or a dataframe of dask; got ndarray"):
        kind().fit(da.from_array(X, chunks=64), y > 0 if kind is VSRClassifier else y)


@pytest.mark.parametrize("kind", [VSRRegressor, VSRTransformer])
def test_targets_that_are_not_finite_are_refused_by_their_name(kind, table):
    X, y, _ = table
    with pytest.raises(ValueError, match=r"^X and y must be finite; got a NaN or an infinity"):
        kind().fit(da.from_array(X, chunks=64), da.from_array(np.where(y > 0, np.nan, y), chunks=64))


@pytest.mark.parametrize("kind", [VSRRegressor, VSRClassifier, VSRTransformer])
@pytest.mark.parametrize(("shape", "got"), [((60,), r"\(\)"), ((60, 0), r"\(0,\)"), ((60, 2, 2), r"\(2, 2\)")])
def test_features_are_columns(kind, shape, got):
    with pytest.raises(ValueError, match=rf"X must have the shape \(n_samples, n_features\), at least one.*got {got}"):
        kind().fit(da.ones(shape, chunks=30), da.arange(60, chunks=30) % 2)


@pytest.mark.parametrize("kind", [VSRRegressor, VSRClassifier, VSRTransformer])
@pytest.mark.parametrize("parameters", [{"function_set": ("add", "sin")}], ids=str)
def test_what_needs_the_rows_again_is_refused(table, kind, parameters):
    X, y, _ = table
    with pytest.raises(ValueError, match="compute\\(\\) them first"):
        small(kind, **parameters).fit(da.from_array(X), da.from_array(y))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("parameters", [{}, {"class_weight": "balanced"}, {"coefficients": "shared"}], ids=str)
def test_labels_are_fitted_as_in_memory(table, n_classes, parameters):
    X, y, weight = table
    labels = labels_of(y, n_classes)
    model = small(VSRClassifier, **parameters).fit(*in_blocks(X, labels, weight))
    assert_same_classes(model, small(VSRClassifier, **parameters).fit(X, labels, weight), X)
    model = small(VSRClassifier, **parameters).fit(*in_blocks(X, labels))
    assert_same_classes(model, small(VSRClassifier, **parameters).fit(X, labels), X)


def test_labels_in_dataframes_are_fitted_as_in_memory(table):
    X, y, weight = table
    frame, labels = pd.DataFrame(X, columns=NAMES), pd.Series(labels_of(y, 3))
    model = small(VSRClassifier).fit(*in_parts(frame, labels, pd.Series(weight)))
    expected = small(VSRClassifier).fit(frame, labels, weight)
    assert_same_classes(model, expected, frame)
    assert model.report() == expected.report()


def test_a_label_without_weight_is_no_class(table):
    X, y, weight = table
    labels = labels_of(y, 3)
    expected = small(VSRClassifier).fit(X, labels, weight * (labels != "medium"))
    assert expected.classes_.tolist() == ["a large one", "small"]
    model = small(VSRClassifier).fit(*in_blocks(X, labels, weight * (labels != "medium")))
    assert_same_classes(model, expected, X)
    of_classes = small(VSRClassifier, class_weight={"small": 1.0, "medium": 0.0, "a large one": 2.0})
    expected = of_classes.fit(X, labels, weight)
    assert_same_classes(
        small(VSRClassifier, class_weight=of_classes.class_weight).fit(*in_blocks(X, labels, weight)), expected, X
    )


def test_labels_that_occur_in_some_blocks_only(table):
    X, y, _ = table
    order = np.argsort(y)
    X, labels = X[order], (np.arange(200) >= 100).astype(int)
    assert_same_classes(small(VSRClassifier).fit(*in_blocks(X, labels, rows=40)), small(VSRClassifier).fit(X, labels), X)
    with pytest.raises(ValueError, match="y must have two classes at least"):
        small(VSRClassifier).fit(*in_blocks(X[:100], labels[:100], rows=40))
    with pytest.raises(ValueError, match="Unknown label type"):
        small(VSRClassifier).fit(*in_blocks(X, y))
    with pytest.raises(ValueError, match="at least 0 for each of the"):
        small(VSRClassifier).fit(*in_blocks(X, labels, np.linspace(-1.0, 1.0, 200)))
    with pytest.raises(ValueError, match="same number of blocks"):
        small(VSRClassifier).fit(in_parts(pd.DataFrame(X))[0], in_blocks(labels, rows=40)[0])


def assert_same_terms(model, expected, X):
    assert_same_front(model, expected)
    assert_array_equal(model.get_feature_names_out(), expected.get_feature_names_out())
    assert_allclose(model.transform(X), expected.transform(X))


@pytest.mark.parametrize("parameters", [{}, {"coefficients": "shared"}], ids=str)
def test_terms_are_those_of_the_rows_in_memory(table, parameters):
    X, y, weight = table
    for targets in (y, np.column_stack([y, X[:, 0]]), labels_of(y, 2), labels_of(y, 3), labels_of(y, 3) == "small"):
        model = small(VSRTransformer, **parameters).fit(*in_blocks(X, targets, weight))
        assert_same_terms(model, small(VSRTransformer, **parameters).fit(X, targets, weight), X)


@pytest.mark.parametrize("task", ["auto", "regression", "classification"])
def test_terms_of_dataframes(table, task):
    X, y, _ = table
    frame, numbers = pd.DataFrame(X, columns=NAMES), pd.Series((y > 0).astype("int64") + (y > 2))
    model = small(VSRTransformer, task=task).fit(*in_parts(frame, numbers))
    assert_same_terms(model, small(VSRTransformer, task=task).fit(frame, numbers), frame)
