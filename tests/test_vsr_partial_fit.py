"""Rows in blocks: the formula of all rows, whatever the blocks."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from sklearn_taskneurons import VSRRegressor


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1, 2, 0.5, 1]
    return X, (0.5 * X**3 - 2 * X + 0.25).sum(axis=1) + rng.normal(size=200)


def small(**parameters):
    return VSRRegressor(**{"population_size": 60, "generations": 6, "random_state": 0} | parameters)


def in_blocks(model, size, X, y, sample_weight=None):
    for start in range(0, len(X), size):
        rows = slice(start, start + size)
        model.partial_fit(X[rows], y[rows], None if sample_weight is None else sample_weight[rows])
    return model


def assert_same(model, expected, X):
    assert [point.complexity for point in model.pareto_front_] == [point.complexity for point in expected.pareto_front_]
    for name in ("loss", "score"):
        first, second = ([getattr(point, name) for point in fitted.pareto_front_] for fitted in (model, expected))
        assert_allclose(first, second, rtol=1e-9)
    assert [term.degree for term in model.formula_.terms] == [term.degree for term in expected.formula_.terms]
    assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8, atol=1e-8)


class TestBlocks:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"coefficients": "per_feature"},
            {"coefficients": "shared"},
            {"coefficients": "shared", "refit_constants": False},
            {"coefficients": "shared", "refit_constants": False, "linear_scaling": False},
            {"method": "exhaustive", "max_degree": 5},
            {"function_set": ("add", "mul", "pow"), "max_degree": 4},
            {"selection": "cv"},
        ],
        ids=["auto", "per feature", "shared", "own constants", "unscaled", "exhaustive", "pow", "cross-validated"],
    )
    @pytest.mark.parametrize("size", [200, 64, 17])
    def test_they_add_up_to_fit(self, size, parameters, table):
        X, y = table
        assert_same(in_blocks(small(**parameters), size, X, y), small(**parameters).fit(X, y), X)

    @pytest.mark.parametrize("order", ["reversed", "by size", "single rows"])
    def test_their_order_does_not_matter(self, order, table):
        X, y = table
        rows = {
            "reversed": np.arange(200)[::-1],
            "by size": np.argsort(np.abs(X).max(axis=1)),  # each block widens the range
            "single rows": np.arange(200),
        }[order]
        how = {"method": "exhaustive", "max_degree": 3, "selection": "bic"}  # folds depend on the order
        model = in_blocks(small(**how), 1 if order == "single rows" else 30, X[rows], y[rows])
        assert_same(model, small(**how).fit(X, y), X)

    def test_the_formula_is_the_least_squares_solution(self, table):
        X, y = table
        model = in_blocks(small(method="exhaustive", max_degree=3, selection="loss"), 50, X, y)
        columns = np.hstack([X, X**2, X**3])
        assert_allclose(model.predict(X), LinearRegression().fit(columns, y).predict(columns), rtol=1e-9)

    def test_every_block_gives_a_formula_of_the_rows_so_far(self, table):
        X, y = table
        model = small()
        for stop in (50, 100, 150):
            model.partial_fit(X[stop - 50 : stop], y[stop - 50 : stop])
            assert_same(model, small().fit(X[:stop], y[:stop]), X)

    def test_the_degree_grows_with_the_rows(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(240, 20))
        y = (X**3).sum(axis=1) + 0.1 * rng.normal(size=240)
        model = small(coefficients="per_feature").partial_fit(X[:60], y[:60])
        assert max(point.formula.degree for point in model.pareto_front_) <= 1
        in_blocks(model, 60, X[60:], y[60:])
        assert model.formula_.degree >= 3
        assert_same(model, small(coefficients="per_feature").fit(X, y), X)

    def test_several_outputs(self, table):
        X, y = table
        Y = np.column_stack([y, X[:, 0] ** 2, np.full(200, 1e6)])
        model, expected = in_blocks(small(), 64, X, Y), small().fit(X, Y)
        assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8, atol=1e-8)

    @pytest.mark.parametrize("parameters", [{"selection": "bic"}, {"selection": "bic", "coefficients": "shared"}])
    def test_weights_count(self, parameters, table):
        X, y = table
        counts = np.random.default_rng(1).integers(0, 4, size=200)
        model = in_blocks(small(**parameters), 64, X, y, counts)
        assert_same(model, small(**parameters).fit(X, y, sample_weight=counts), X)
        repeated = small(**parameters).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        assert_allclose(model.predict(X), repeated.predict(X), rtol=1e-7)
        unweighted = in_blocks(small(**parameters), 64, X, y)
        assert np.abs(model.predict(X) - unweighted.predict(X)).max() > 1e-3

    def test_rows_of_weight_0_are_dealt_no_folds(self, table):
        X, y = table
        used = np.random.default_rng(1).random(200) < 0.6
        expected = small(selection="cv").fit(X[used], y[used])
        assert_same(small(selection="cv").fit(X, y, sample_weight=used), expected, X)
        assert_same(in_blocks(small(selection="cv"), 64, X, y, used), expected, X)
        on_rows = {"selection": "cv", "function_set": ("add", "sin"), "coefficients": "shared"}
        assert_same(small(**on_rows).fit(X, y, sample_weight=used), small(**on_rows).fit(X[used], y[used]), X)

    def test_fit_may_be_the_first(self, table):
        X, y = table
        model = small().fit(X[:50], y[:50])
        assert_same(in_blocks(model, 50, X[50:], y[50:]), small().fit(X, y), X)

    def test_fit_forgets_the_blocks(self, table):
        X, y = table
        model = small().partial_fit(X[:100], y[:100] + 5).fit(X, y)
        assert_same(model, small().fit(X, y), X)

    def test_a_stored_model_takes_more_rows(self, table):
        X, y = table
        model = pickle.loads(pickle.dumps(small().partial_fit(X[:100], y[:100])))
        assert_same(model.partial_fit(X[100:], y[100:]), small().fit(X, y), X)

    def test_a_stored_model_of_few_rows_is_hardly_larger_than_their_powers(self):
        X = np.random.default_rng(0).normal(size=(100, 300))
        model = small(max_degree=3, n_iter_no_change=2).fit(X, X[:, 0])
        assert len(pickle.dumps(model)) < 1.2 * 3 * X.nbytes

    def test_warm_start_continues_with_the_last_population(self, table):
        X, y = table
        model = in_blocks(small(warm_start=True, n_iter_no_change=None), 100, X, y)
        assert [record["generation"] for record in model.history_] == list(range(1, 13))
        assert in_blocks(small(n_iter_no_change=None), 100, X, y).n_iter_ == 6


class TestRefusals:
    def test_functions_that_need_the_rows(self, table):
        model = small(function_set=("add", "sin"))
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError, match="partial_fit") as info:
            model.partial_fit(*table)
        assert "('add', 'sin')" in str(info.value.__cause__)
        assert not hasattr(model, "n_features_in_")

    def test_a_fit_whose_functions_needed_the_rows_is_no_first_block(self, table):
        X, y = table
        model = small(function_set=("add", "sin"), max_length=8).fit(X, y).set_params(function_set=("add", "mul"))
        with pytest.raises(ValueError, match="take a clone"):
            model.partial_fit(X, y)
        clone(model).partial_fit(X, y)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"coefficients": "shared"}, "those of the first block"),
            ({"max_degree": 3}, "those of the first block"),
            ({"p_crossover": 0.9}, "add up to at most 1"),
        ],
    )
    def test_parameters_that_do_not_go_with_the_first_block(self, parameters, message, table):
        X, y = table
        model = small().partial_fit(X[:100], y[:100])
        with pytest.raises(ValueError, match=message):
            model.set_params(**parameters).partial_fit(X[100:], y[100:])
        model.set_params(**small().get_params())
        assert_same(model.partial_fit(X[100:], y[100:]), small().fit(X, y), X)

    @pytest.mark.parametrize("shape", [(100, 1), (100, 2)])
    def test_targets_of_another_shape(self, shape, table):
        X, y = table
        model = small().partial_fit(X[:100], y[:100])
        with pytest.raises(ValueError, match=r"\(n_samples,\) of the first block"):
            model.partial_fit(X[100:], np.ones(shape))

    def test_a_block_that_was_interrupted_does_not_count(self, table):
        def fail(record):
            raise RuntimeError("no more")

        X, y = table
        model = small().partial_fit(X[:100], y[:100])
        before = model.predict(X)
        with pytest.raises(RuntimeError, match="no more"):
            model.set_params(callbacks=[fail]).partial_fit(X[100:], y[100:])
        assert_array_equal(model.predict(X), before)
        assert_same(model.set_params(callbacks=None).partial_fit(X[100:], y[100:]), small().fit(X, y), X)
