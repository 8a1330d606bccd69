"""Rows in collections of dask: the formula of the same rows in memory."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons import VSRRegressor

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1, 2, 0.5, 1]
    return X, (0.5 * X**3 - 2 * X + 0.25).sum(axis=1) + rng.normal(size=200), rng.integers(0, 3, 200).astype(float)


def small(**parameters):
    return VSRRegressor(**{"population_size": 60, "generations": 6, "random_state": 0} | parameters)


def assert_same(model, expected, X):
    assert [point.complexity for point in model.pareto_front_] == [point.complexity for point in expected.pareto_front_]
    assert_allclose(
        [point.score for point in model.pareto_front_], [point.score for point in expected.pareto_front_], rtol=1e-9
    )
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8, atol=1e-8)


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
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = small().fit(dd.from_pandas(frame, npartitions=3), dd.from_pandas(pd.Series(y), npartitions=3))
    expected = small().fit(frame, y)
    assert_same(model, expected, frame)
    assert model.report() == expected.report()


@pytest.mark.parametrize("parameters", [{"function_set": ("add", "sin")}, {"selection": "cv"}], ids=str)
def test_what_needs_the_rows_again_is_refused(table, parameters):
    X, y, _ = table
    with pytest.raises(ValueError, match="compute\\(\\) them first"):
        small(**parameters).fit(da.from_array(X), da.from_array(y))
