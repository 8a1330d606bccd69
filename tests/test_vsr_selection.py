"""Which formula of the front a search takes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import folds_of


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    return X, (0.5 * X**3 - 2 * X + 0.25).sum(axis=1)


def small(**parameters):
    return VSRRegressor(**{"population_size": 100, "generations": 15, "random_state": 0} | parameters)


def assert_same_selection(*models):
    """Equal but for rounding: moments of five folds add up to those of all rows."""
    scores = [[point.score for point in model.pareto_front_] for model in models]
    assert_allclose(*scores, rtol=1e-9, atol=1e-9)


class TestSelection:
    def test_cross_validation_takes_the_terms_that_predict(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 6))
        y = (X**2).sum(axis=1) + rng.normal(size=60)
        models = {
            selection: VSRRegressor(method="exhaustive", coefficients="per_feature", max_degree=4, selection=selection).fit(
                X, y
            )
            for selection in ("loss", "cv", "bic", "knee")
        }
        assert {name: model.formula_.degree for name, model in models.items()} == {"loss": 4, "cv": 2, "bic": 2, "knee": 2}
        # By hand: of five rows, one behind the other, each is held out with another fifth of all.
        losses = []
        for point in models["cv"].pareto_front_:
            powers = {term.degree for term in point.formula.terms} - {0}
            columns = np.column_stack([np.ones(60), *(X**power for power in powers)])
            squares = []
            for held_out in (folds_of(np.ones(60), 5) == fold for fold in range(5)):
                solution = np.linalg.lstsq(columns[~held_out], y[~held_out], rcond=None)[0]
                squares.append(np.sum((y[held_out] - columns[held_out] @ solution) ** 2))
            losses.append(squares / np.sum((y - y.mean()) ** 2))
        differences = np.array(losses) - min(losses, key=np.sum)
        hardly_more = np.maximum(np.sqrt(5) * differences.std(axis=1, ddof=1), 0.02 * np.sum(losses, axis=1).min())
        scores = np.minimum(hardly_more - differences.sum(axis=1), 0.0)
        found = np.array([point.score for point in models["cv"].pareto_front_])
        is_sure = found > -np.inf  # of others the standard error beyond the rows is too large
        assert is_sure.sum() > 3
        assert_allclose(found[is_sure], scores[is_sure], atol=1e-12)

    @pytest.mark.parametrize(("n_rows", "wanted"), [(99, "mdl"), (100, "cv")])
    def test_auto_is_cross_validation_where_there_are_enough_rows(self, n_rows, wanted):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n_rows, 2))
        y = X.sum(axis=1) + rng.normal(size=n_rows)
        assert_same_selection(*(small(selection=selection).fit(X, y) for selection in ("auto", wanted)))

    @pytest.mark.parametrize(
        "parameters",
        [
            {"loss": "huber"},
            {"refit_constants": False, "coefficients": "shared"},
            {"function_set": ("add", "mul", "sin")},
            {"selection": "auto"},
        ],
        ids=["huber", "own constants", "sines", "few rows of large weights"],
    )
    def test_auto_is_the_information_criterion_elsewhere(self, parameters):
        rng = np.random.default_rng(0)
        X, weight = rng.normal(size=(120, 2)), None
        if "selection" in parameters:
            X, weight = X[:4], np.full(4, 200.0)
        y = X.sum(axis=1) + rng.normal(size=len(X))
        assert_same_selection(*(small(**parameters | {"selection": one}).fit(X, y, weight) for one in ("auto", "bic")))

    def test_a_formula_does_not_explode_where_a_column_goes_beyond_its_range(self):
        # Powers of a column with a long tail fit its few large values, whatever these are.
        rng = np.random.default_rng(0)
        X = np.exp(1.5 * rng.normal(size=(2000, 3)))
        y = np.log(X).sum(axis=1) + rng.normal(size=2000)
        errors = {
            selection: np.mean((VSRRegressor(selection=selection, random_state=0).fit(X[:500], y[:500]).predict(X) - y) ** 2)
            for selection in ("auto", "bic")
        }
        assert errors["auto"] < 10 * np.var(y)
        assert errors["auto"] < errors["bic"]

    def test_several_outputs_are_reported_one_by_one(self, table):
        X, y = table
        lines = small().fit(X, np.column_stack([y, -y])).report().split("\n")
        assert [line for line in lines if line.startswith("output")] == ["output 0:", "output 1:"]

    def test_no_coefficient_is_a_zero_with_a_sign(self):
        X = np.random.default_rng(0).normal(size=(200, 3))
        for selection in ("auto", "bic"):
            formula = VSRRegressor(selection=selection, random_state=0).fit(X, (X**2).sum(axis=1) + X[:, 0]).formula_
            assert str(formula) == "[1, 1, 1]*x**2 + [1, 0, 0]*x"

    @pytest.mark.parametrize("selection", ["cv", "mdl"])
    def test_constants_must_be_fitted_where_their_number_and_fit_decide(self, selection):
        model = VSRRegressor(selection=selection, refit_constants=False, coefficients="shared")
        with pytest.raises(ValueError, match=f"selection='{selection}' needs refit_constants=True"):
            model.fit(np.ones((5, 1)), np.arange(5.0))
