"""Searches that minimise another loss than the squared error."""

import time

import numpy as np
import pytest
import torch
from joblib import parallel_config
from numpy.testing import assert_allclose
from sklearn.utils import get_tags

from sklearn_taskneurons import VSRClassifier, VSRRegressor, VSRTransformer
from sklearn_taskneurons._search import Rows


def square(residuals):
    return residuals**2


def small(**parameters):
    return VSRRegressor(**{"population_size": 60, "generations": 6, "random_state": 0} | parameters)


@pytest.fixture(scope="module")
def table():
    """Rows whose target is a formula, but for a tenth of them, which are off by far: X, y, and y without errors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    truth = (0.5 * X**3 - 2 * X).sum(axis=1)
    y = truth.copy()
    y[:20] += rng.choice([-1, 1], 20) * rng.uniform(50, 100, 20)
    return X, y, truth


class TestRobustness:
    @pytest.mark.parametrize("function_set", [("add", "sub", "mul", "neg"), ("add", "mul", "sin")])
    def test_gross_errors_hide_the_formula_from_squares_alone(self, function_set, table):
        X, y, truth = table
        how = {"function_set": function_set, "population_size": 150, "coefficients": "shared"}
        robust = small(**how, loss="absolute_error").fit(X, y)
        assert str(robust.formula_.round(6)) == "0.5*x**3 - 2*x"
        assert_allclose(robust.predict(X), truth, atol=1e-6)
        squared = small(**how).fit(X, y)
        assert np.abs(squared.predict(X) - truth).mean() > 0.5

    @pytest.mark.parametrize("loss", ["huber", "absolute_error"])
    def test_powers_far_from_the_origin_are_told_apart(self, loss):
        rng = np.random.default_rng(0)
        Z = rng.normal(size=(300, 2))
        y = 2 * Z[:, 0] ** 2 - Z[:, 1] + 0.05 * rng.normal(size=300)
        model = VSRRegressor(loss=loss, max_degree=2, population_size=50, generations=3, random_state=0)
        assert model.fit(Z + 1e5, y).score(Z + 1e5, y) > 0.99

    def test_hubers_loss_comes_near_it(self, table):
        X, y, truth = table
        model = small(loss="huber", coefficients="shared").fit(X, y)
        assert {term.degree for term in model.formula_.terms if not term.is_constant} == {1, 3}
        assert np.abs(model.predict(X) - truth).mean() < 0.1

    def test_terms_are_found_as_formulas_are(self, table):
        X, y, _ = table
        how = {"coefficients": "shared", "population_size": 150, "generations": 6, "random_state": 0}
        model = VSRTransformer(loss="absolute_error", **how).fit(X, y)
        assert model.get_feature_names_out().tolist() == ["sum(x**3)", "sum(x)"]
        assert_allclose(model.transform(X), np.column_stack([(X**3).sum(axis=1), X.sum(axis=1)]))
        assert VSRTransformer(**how).fit(X, y).get_feature_names_out().tolist() != ["sum(x**3)", "sum(x)"]
        with pytest.raises(ValueError, match="y must be one column"):
            VSRTransformer(loss="huber", **how).fit(X, np.column_stack([y, y]))
        assert [get_tags(VSRTransformer(loss=loss)).target_tags.multi_output for loss in ("squared_error", "huber")] == [
            True,
            False,
        ]


class TestFront:
    @pytest.mark.parametrize("loss", ["absolute_error", "huber"])
    def test_losses_are_those_of_the_formulas_over_that_of_the_constant(self, loss, table):
        X, y, _ = table

        def mean(residuals):
            size = np.abs(residuals)
            return np.mean(size if loss == "absolute_error" else np.where(size < 1, 0.5 * size**2, size - 0.5))

        front = small(loss=loss, selection="loss").fit(X, y).pareto_front_
        assert front[0].loss == 1.0
        constant = mean(front[0].formula(X) - y)
        if loss == "absolute_error":
            assert_allclose(constant, mean(np.median(y) - y), rtol=1e-6)
        for point in front:
            assert_allclose(mean(point.formula(X) - y) / constant, point.loss, rtol=1e-6)

    def test_a_callable_of_squares_gives_the_formula_of_squared_errors(self, table, monkeypatch):
        # Superfluous terms are dropped for squared errors alone.
        monkeypatch.setattr("sklearn_taskneurons._search._row_scorer.eliminated", lambda fitter, front: iter(()))
        X, _, truth = table
        y = truth + np.random.default_rng(1).normal(size=len(X))
        how = {"coefficients": "shared", "function_set": ("add", "mul", "sin"), "selection": "bic"}
        expected, found = small(**how).fit(X, y), small(**how, loss=square).fit(X, y)
        assert found.formula_.round(6) == expected.formula_.round(6)
        own = {point.complexity: point.loss for point in found.pareto_front_}
        for point in expected.pareto_front_:
            assert_allclose(own[point.complexity], point.loss, rtol=1e-6)

    @pytest.mark.parametrize("loss", ["squared_error", square])
    def test_polynomials_are_compared_by_the_same_criterion_as_with_squared_errors(self, loss):
        X = np.random.default_rng(0).uniform(-1, 1, size=(300, 2))
        y = X.sum(axis=1) + np.sin(7 * X).sum(axis=1)
        front = small(loss=loss, coefficients="shared", max_degree=3, selection="bic").fit(X, y).pareto_front_
        assert len(front) > 2
        degrees = [{term.degree for term in point.formula.terms} for point in front]
        n_coefficients = np.array([len(found | {0}) for found in degrees])
        score = -300 * np.log([point.loss for point in front]) - n_coefficients * np.log(300)
        assert_allclose(np.diff([point.score for point in front]), np.diff(score), atol=1e-3)

    def test_constants_that_evolve_need_no_fit(self, table):
        X, y, _ = table
        model = small(loss="absolute_error", refit_constants=False, linear_scaling=False, coefficients="shared").fit(X, y)
        found = np.mean(np.abs(model.predict(X) - y)) / np.mean(np.abs(np.median(y) - y))
        assert any(np.isclose(found, point.loss, rtol=1e-6) for point in model.pareto_front_)

    def test_no_power_beyond_max_degree(self, table):
        X, y, _ = table
        model = small(loss="absolute_error", max_degree=2).fit(X, y)
        assert max(point.formula.degree for point in model.pareto_front_) <= 2

    def test_a_weight_of_two_is_two_rows(self, table):
        X, y, _ = table
        times = np.random.default_rng(2).integers(0, 3, len(X))
        how = {"loss": "absolute_error", "coefficients": "shared"}
        weighted = small(**how).fit(X, y, sample_weight=times)
        repeated = small(**how).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
        assert weighted.formula_.round(6) == repeated.formula_.round(6)


class TestTime:
    @pytest.fixture
    def passes(self, monkeypatch):
        """Let a second pass with each pass over the rows; return a function that says how many there have been."""
        seconds = [0.0]
        blocks = Rows.blocks

        def timed(rows, size):
            seconds[0] += 1.0
            return blocks(rows, size)

        monkeypatch.setattr(Rows, "blocks", timed)
        monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
        return lambda: seconds[0]

    @pytest.mark.parametrize("how", [{}, {"method": "exhaustive"}])
    @pytest.mark.parametrize("limit", [1e-9, 10.0, 100.0])
    def test_max_time_ends_fits_too(self, how, limit, table, passes, monkeypatch):
        monkeypatch.setattr("sklearn_taskneurons._search._loss_refit_scorer._BUDGET", 1000)  # no columns are kept
        X, y, _ = table
        model = small(**how, loss="absolute_error", max_degree=4, max_time=limit, n_iter_no_change=None).fit(X, y)
        # The rows themselves, the constant, and for each form a fit of some powers.
        assert passes() <= limit + 10
        assert_allclose(model.pareto_front_[0].loss, 1.0, rtol=1e-3)
        assert np.isfinite(model.predict(X)).all()
        if limit == 100.0:
            assert model.pareto_front_[-1].loss < 0.95

    def test_max_time_ends_the_fits_of_formulas_with_functions(self, table, passes):
        X, y, _ = table
        how = {"loss": "absolute_error", "function_set": ("add", "mul", "sin")}
        model = small(**how, max_time=5.0).fit(X, y)
        assert passes() <= 15
        assert np.isfinite(model.predict(X)).all()

    def test_a_limit_that_is_not_met_changes_nothing(self, table, passes):
        X, y, _ = table
        models = [small(loss="huber", max_time=limit).fit(X, y) for limit in (None, 1e9)]
        assert models[0].pareto_front_ == models[1].pareto_front_


class TestSearch:
    @pytest.mark.parametrize("changes", [{"loss": torch.abs}, {"loss": "squared_error", "optimizer_iterations": 2}])
    def test_the_mode_of_torch_does_not_matter(self, changes, table):
        model = small(**changes, generations=3, function_set=("add", "mul", "sin"))
        with torch.inference_mode(), torch.autocast("cpu"):
            formula = model.fit(*table[:2]).formula_
        assert formula == model.fit(*table[:2]).formula_

    def test_the_number_of_jobs_does_not_matter(self, table):
        X, y, _ = table
        with parallel_config(backend="threading"):
            models = [small(loss=square, n_islands=2, generations=3, n_jobs=jobs).fit(X, y) for jobs in (1, 2)]
        assert models[0].pareto_front_ == models[1].pareto_front_

    def test_a_checkpoint_ends_in_the_same_formula(self, table, tmp_path):
        X, y, _ = table
        how = {"loss": "huber", "n_iter_no_change": None, "coefficients": "shared"}
        expected = small(**how).fit(X, y)
        path = tmp_path / "search.npz"
        small(**how, checkpoint=path, callbacks=[lambda record: record["generation"] == 2]).fit(X, y)
        assert small(**how, checkpoint=path).fit(X, y).pareto_front_ == expected.pareto_front_
        with pytest.raises(ValueError, match="loss: 'huber' then, 'absolute_error' now"):
            small(**how | {"loss": "absolute_error"}, checkpoint=path).fit(X, y)

    def test_a_checkpoint_goes_on_with_a_copy_of_a_loss_and_no_other_of_its_name(self, table, tmp_path):
        def pinball(share):
            return lambda r: torch.where(r > 0, (1 - share) * r, -share * r)

        X, y, _ = table
        how = {"coefficients": "shared", "checkpoint": tmp_path / "search.npz"}
        expected = small(**how, loss=pinball(0.3)).fit(X, y)
        with pytest.raises(ValueError, match=r"code of the loss: .* then, .* now"):
            small(**how, loss=pinball(0.7)).fit(X, y)
        assert small(**how, loss=pinball(0.3)).fit(X, y).pareto_front_ == expected.pareto_front_


class TestErrors:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"selection": "cv"}, r"selection must be 'bic', 'knee' or 'loss'.*got selection='cv'"),
            ({"optimizer_iterations": 5}, r"optimizer_iterations must be 0.*got optimizer_iterations=5"),
            ({"loss": "hinge"}, "'loss' parameter"),
            ({"loss": lambda r: r}, "loss must be finite, 0 for a residual of 0"),
        ],
    )
    def test_wrong_parameters_are_refused(self, parameters, message, table):
        with pytest.raises(ValueError, match=message):
            small(**{"loss": "huber"} | parameters).fit(*table[:2])

    def test_several_outputs_are_refused(self, table):
        X, y, truth = table
        with pytest.raises(ValueError, match="y must be one column where loss is not 'squared_error'; got 2"):
            small(loss="huber").fit(X, np.column_stack([y, truth]))
        assert [get_tags(small(loss=loss)).target_tags.multi_output for loss in ("squared_error", "huber")] == [True, False]

    def test_moments_are_not_enough(self, table):
        X, y, _ = table
        with pytest.raises(AttributeError, match="partial_fit"):
            small(loss="huber").partial_fit(X, y)
        model = small(loss="huber", generations=2).fit(X, y).set_params(loss="squared_error")
        with pytest.raises(ValueError, match="function_set or loss has been changed"):
            model.partial_fit(X, y)

    def test_collections_of_dask_are_refused(self, table):
        da = pytest.importorskip("dask.array")
        X, y, _ = table
        with pytest.raises(ValueError, match="loss='squared_error': a search reads"):
            small(loss="huber").fit(da.from_array(X), da.from_array(y))

    def test_indicators_are_explained_by_squared_errors(self, table):
        assert "loss" not in VSRClassifier().get_params()
        X, y, _ = table
        for labels, task in ((np.where(y > 0, "yes", "no"), "auto"), (y > 0, "classification")):
            with pytest.raises(ValueError, match=r"loss must be 'squared_error' where y are labels.*got 'huber'"):
                VSRTransformer(task=task, loss="huber").fit(X, labels)
