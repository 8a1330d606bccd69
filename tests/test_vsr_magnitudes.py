"""Rows of weight 0, and targets and weights of any magnitude: what is found must be right, or refused before a search."""

import numpy as np
import pytest

from sklearn_taskneurons import VSRRegressor, VSRTransformer

WAYS = [
    {},
    {"method": "exhaustive"},
    {"refit_constants": False},
    {"selection": "cv"},
    {"function_set": ("add", "mul", "sin")},
    {"loss": "absolute_error", "population_size": 20, "generations": 1},
]


@pytest.fixture(scope="module")
def table():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    return X, 3 * (X**3).sum(axis=1) - 2 * X.sum(axis=1)


def small(estimator=VSRRegressor, **parameters):
    return estimator(**{"population_size": 60, "generations": 3, "random_state": 0} | parameters)


class TestRowsOfWeightZero:
    @pytest.mark.parametrize(("row", "target"), [(1e30, 0.0), (1.0, 1e20), (-1e300, 1e300)])
    @pytest.mark.parametrize("estimator", [VSRRegressor, VSRTransformer])
    @pytest.mark.parametrize("parameters", [{}, {"method": "exhaustive"}, {"coefficients": "per_feature"}])
    def test_they_are_as_if_they_were_not_there(self, row, target, estimator, parameters, table):
        X, y = table
        weights = np.linspace(0.5, 2.0, 300)
        expected = small(estimator, **parameters).fit(X, y, weights)
        found = small(estimator, **parameters).fit(np.r_[[[row, row]], X], np.r_[target, y], np.r_[0.0, weights])
        assert [str(formula) for formula in found.formulas_] == [str(formula) for formula in expected.formulas_]
        assert [point.loss for point in found.pareto_front_] == [point.loss for point in expected.pareto_front_]

    @pytest.mark.parametrize("parameters", [{}, {"selection": "cv"}])
    def test_they_are_not_in_blocks(self, parameters, table):
        X, y = table
        expected = small(**parameters).partial_fit(X[:150], y[:150]).partial_fit(X[150:], y[150:])
        # Five rows, so that the folds of those that follow stay the same.
        found = small(**parameters).partial_fit(
            np.r_[np.full((5, 2), 1e30), X[:150]], np.r_[np.full(5, 1e20), y[:150]], [0.0] * 5 + [1.0] * 150
        )
        found.partial_fit(np.r_[X[150:], np.full((1, 2), -1e9)], np.r_[y[150:], 1e9], [1.0] * 150 + [0.0])
        assert str(found.formula_) == str(expected.formula_)
        np.testing.assert_allclose(found.predict(X), y, atol=1e-12)

    def test_a_fold_of_them_is_none(self, table):
        X, y = table
        weights = (np.arange(300) % 5 > 0).astype(float)  # the whole first fold
        model = small(selection="cv").partial_fit(X, y, weights)
        np.testing.assert_allclose(model.predict(X), y, atol=1e-12)

    def test_they_are_not_in_blocks_on_a_cluster(self, table):
        da = pytest.importorskip("dask.array")
        X, y = table
        X, y = np.r_[np.full((100, 2), 1e30), X], np.r_[np.full(100, 1e20), y]
        weights = np.r_[np.zeros(100), np.ones(300)]  # the first block has no row
        data = (da.from_array(array, chunks=(100, *array.shape[1:])) for array in (X, y, weights))
        model = small().fit(*data)
        np.testing.assert_allclose(model.predict(X[100:]), y[100:], atol=1e-12)


class TestMagnitudes:
    @pytest.mark.parametrize("scale", [2.0**-500, 2.0**500])
    @pytest.mark.parametrize("parameters", WAYS[:-1])
    def test_powers_of_two_change_no_digit(self, scale, parameters, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=300)
        expected, found = (small(**parameters).fit(X, target).predict(X) for target in (y, scale * y))
        np.testing.assert_allclose(found / scale, expected, rtol=0, atol=1e-9)

    @pytest.mark.parametrize(
        ("of_x", "of_y", "degree"),
        [(1e-38, 1e8, 3), (1e-100, 1e8, 2), (1e-150, 1e10, 1), (1e60, 1e-140, 2), (1e-100, 1e110, 1)],
    )
    @pytest.mark.parametrize("parameters", WAYS[:2])
    def test_no_coefficient_is_beyond_numbers(self, of_x, of_y, degree, parameters, table):
        X, y = table
        y = y + 10 * (X**2).sum(axis=1)
        model = small(**parameters, selection="loss", max_degree=4).fit(of_x * X, of_y * y)
        assert model.formula_.degree >= degree
        for point in model.pareto_front_:
            residuals = (point.formula(of_x * X) - of_y * y) / of_y
            assert np.mean(residuals**2) / np.var(y) == pytest.approx(point.loss, rel=1e-6, abs=1e-12)

    @pytest.mark.parametrize("value", [1e-310, 1e-20, 0.1, 1e155, 1e300, 1.7e308])
    @pytest.mark.parametrize("parameters", WAYS[:2])
    def test_constants_may_have_any(self, value, parameters, table):
        assert str(small(**parameters).fit(table[0], np.full(300, value)).formula_) == f"{value:g}"

    @pytest.mark.parametrize(
        "target", [lambda y: y * 1e-200, lambda y: y * 1e155, lambda y: np.where(y > 0, 1.7e308, -1.7e308)]
    )
    @pytest.mark.parametrize("parameters", WAYS)
    @pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")  # scikit-learn's sum of y
    def test_targets_whose_squares_are_no_numbers_are_refused(self, target, parameters, table):
        X, y = table
        called = []
        with pytest.raises(ValueError, match=r"standard deviation of y must be 0 or in \[1e-152, 1e\+152\]"):
            small(callbacks=[called.append], **parameters).fit(X, target(y))
        with pytest.raises(ValueError, match="standard deviation of y must be"):
            small(VSRTransformer, **parameters).fit(
                X, np.column_stack([target(y), y]) if "loss" not in parameters else target(y)
            )
        assert not called

    def test_of_blocks_the_spread_of_all_rows_counts(self, table):
        X, y = table
        model = small().partial_fit(X[:100], np.zeros(100))
        with pytest.raises(ValueError, match="standard deviation of y must be"):
            model.partial_fit(X[100:], 1e160 * y[100:])
        np.testing.assert_allclose(model.partial_fit(X[100:], y[100:]).pareto_front_[0].loss, 1.0)

    @pytest.mark.parametrize("weight", [1e-307, 1e307])
    @pytest.mark.parametrize("parameters", WAYS)
    def test_so_are_weights(self, weight, parameters, table):
        with pytest.raises(ValueError, match=r"sum of the weights must be in \[1e-304, 1e\+304\]; got"):
            small(**parameters).fit(*table, np.full(300, weight))


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # where scikit-learn looks for what is not finite
def test_a_spread_beyond_the_range_is_no_constant():
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(ValueError, match="the standard deviation of y"):
        small(function_set=("add", "mul", "sin")).fit(X, np.tanh(X[:, 0]) * 1.5e308)


@pytest.mark.parametrize("varies", [False, True])
def test_constant_columns_are_quiet(varies, capfd):
    X = np.zeros((200, 3))
    X[:, 0] = np.arange(200) if varies else 0
    model = VSRRegressor(random_state=0).fit(X, np.arange(200.0))
    np.testing.assert_allclose(model.predict(X), np.arange(200.0) if varies else np.full(200, 99.5), atol=1e-9)
    assert capfd.readouterr() == ("", "")
