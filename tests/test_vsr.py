"""Vectorized symbolic regression as an estimator: what it promises beyond scikit-learn's checks."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from sklearn_taskneurons import Formula, VSRRegressor


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    return X, (0.5 * X**3 - 2 * X + 0.25).sum(axis=1)


def small(**parameters):
    return VSRRegressor(**{"population_size": 100, "generations": 15, "random_state": 0} | parameters)


class TestFormula:
    def test_shared_coefficients_are_found(self, table):
        model = small(coefficients="shared").fit(*table)
        assert model.formula_.round(6) == Formula("0.5*x**3 - 2*x + 0.25")

    def test_a_number_for_each_feature_is_the_least_squares_solution(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 3))
        y = X**2 @ [1.0, -2.0, 3.0] + X @ [0.5, 0.0, 1.0] + 4 + rng.normal(size=300)
        model = small().fit(X, y)
        assert model.formula_.degree == 2
        reference = LinearRegression().fit(np.hstack([X, X**2]), y)
        assert_allclose(model.predict(X), reference.predict(np.hstack([X, X**2])), rtol=1e-8)

    def test_pure_genetic_programming_finds_whole_numbers(self):
        X = np.random.default_rng(0).normal(size=(100, 5))
        model = small(refit_constants=False, linear_scaling=False, coefficients="shared", population_size=500, generations=40)
        model.fit(X, (3 * X**2 - X).sum(axis=1))
        assert model.formula_ == Formula("3*x**2 - x")

    @pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
    def test_every_set_of_powers_is_at_least_as_good(self, coefficients, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=len(y))
        genetic, exhaustive = (
            small(method=method, coefficients=coefficients, max_degree=5).fit(X, y).pareto_front_
            for method in ("genetic", "exhaustive")
        )
        best = {point.complexity: point.loss for point in exhaustive}
        assert {point.complexity for point in genetic} <= set(best)
        assert all(best[point.complexity] <= point.loss * (1 + 1e-6) for point in genetic)
        designs = [X**k if coefficients == "per_feature" else (X**k).sum(axis=1, keepdims=True) for k in range(1, 6)]
        reference = LinearRegression().fit(np.hstack(designs), y)
        assert_allclose(exhaustive[-1].loss, 1 - reference.score(np.hstack(designs), y), rtol=1e-8)

    def test_inner_products_and_waves(self):
        X = np.random.default_rng(0).normal(size=(150, 3))
        y = np.sin(X).sum(axis=1) + 2 * X.sum(axis=1)
        model = small(function_set=("add", "mul", "sin"), coefficients="shared", max_length=16).fit(X, y)
        assert model.score(X, y) > 1 - 1e-9
        assert model.formula_.round(6) == Formula("sin(x) + 2*x")

    def test_predictions_are_the_formulas_values(self, table):
        X, y = table
        model = small().fit(X, y)
        assert_array_equal(model.predict(X), model.formula_(X))
        assert_allclose(model.predict(X), Formula(str(model.formula_))(X))

    def test_the_front_falls(self, table):
        X, y = table
        front = small(coefficients="shared").fit(X, y + np.random.default_rng(1).normal(size=len(y))).pareto_front_
        losses, complexities = [point.loss for point in front], [point.complexity for point in front]
        assert len(front) >= 3
        assert losses == sorted(losses, reverse=True)
        assert complexities == sorted(set(complexities))

    def test_losses_of_the_front_are_those_of_its_formulas(self, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=len(y))
        for parameters in ({}, {"coefficients": "shared"}, {"coefficients": "shared", "refit_constants": False}):
            for point in small(**parameters).fit(X, y).pareto_front_:
                assert_allclose(np.mean((point.formula(X) - y) ** 2) / np.var(y), point.loss, rtol=1e-6)

    def test_selection_by_loss_takes_the_end_of_the_front(self, table):
        X, y = table
        model = small(selection="loss").fit(X, y + np.random.default_rng(1).normal(size=len(y)))
        assert model.formula_ == model.pareto_front_[-1].formula

    def test_more_features_than_rows_are_no_reason_for_a_perfect_fit(self):
        rng = np.random.default_rng(0)
        model = small().fit(rng.normal(size=(30, 60)), rng.normal(size=30))
        assert model.formula_.degree == 0

    def test_the_scale_of_the_weights_does_not_matter(self, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=len(y))
        expected = small(coefficients="shared").fit(X, y)
        model = small(coefficients="shared").fit(X, y, sample_weight=np.full(len(X), 1 / len(X)))
        assert_allclose(model.predict(X), expected.predict(X))

    def test_the_mean_of_a_standardized_target_is_zero(self, table):
        X, y = table
        y = (y - y.mean()) / y.std()
        assert str(small().fit(X, y).pareto_front_[0].formula) in ("0", "0.0")

    def test_noise_gives_a_constant(self):
        rng = np.random.default_rng(0)
        assert small(coefficients="shared").fit(rng.normal(size=(500, 3)), rng.normal(size=500)).formula_.degree == 0

    def test_several_outputs_share_their_terms(self, table):
        X, y = table
        Y = np.column_stack([y, 3 - y])
        model = small(coefficients="shared").fit(X, Y)
        assert_allclose(model.predict(X), Y, atol=1e-8)
        first, second = model.formulas_
        assert first.round(6) == Formula("0.5*x**3 - 2*x + 0.25")
        assert second.round(6) == Formula("-0.5*x**3 + 2*x + 0.5")

    @pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
    def test_the_neurons_formula_has_no_numbers(self, table, coefficients):
        assert str(small(coefficients=coefficients).fit(*table).neuron_formula()) == "x**3 + x"


class TestWeights:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"coefficients": "per_feature"},
            {"coefficients": "shared"},
            {"coefficients": "shared", "refit_constants": False},
            {"function_set": ("add", "sin")},
        ],
        ids=["auto", "per feature", "shared", "own constants", "sin"],
    )
    def test_a_weight_of_two_is_two_rows(self, parameters, table):
        X, y = table
        X, y = X[:60], (y + np.random.default_rng(1).normal(size=len(y)))[:60]
        counts = np.random.default_rng(2).integers(0, 4, size=60)
        weighted = small(**parameters).fit(X, y, sample_weight=counts)
        repeated = small(**parameters).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_rows_of_next_to_no_weight_are_none(self, method):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1000, 3))
        y = X.sum(axis=1) + rng.normal(size=1000)
        models = []
        for little in (0.0, 1e-12):
            weight = np.where(np.arange(1000) < 40, 1.0, little)
            models.append(getattr(small(selection="bic"), method)(X, y, sample_weight=weight))
        assert models[0].formula_.degree == 1
        assert_allclose(models[1].predict(X), models[0].predict(X), rtol=1e-6)

    @pytest.mark.parametrize(("weights", "message"), [(np.zeros(200), "zero"), (-np.ones(200), "[Nn]egative")])
    def test_weights_that_mean_nothing_are_refused(self, weights, message, table):
        with pytest.raises(ValueError, match=message):
            small().fit(*table, sample_weight=weights)


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"refit_constants": False, "coefficients": "per_feature"}, "coefficients"),
            ({"method": "exhaustive", "function_set": ("add", "sin")}, "exhaustive"),
            ({"method": "exhaustive", "coefficients": "shared", "refit_constants": False}, "exhaustive"),
            ({"method": "exhaustive", "max_degree": 20}, "14"),
            ({"p_crossover": 0.9}, "add up to at most 1"),
            ({"function_set": ("add", "sine")}, "function_set"),
            ({"function_set": ["add", ["mul"]]}, "function_set must hold names"),
            ({"init_depth": (5, 2)}, "init_depth"),
            ({"const_range": (1, 1)}, "const_range"),
            ({"callbacks": ["print"]}, "callbacks must hold callables only"),
            ({"max_degree": 0}, "max_degree"),
            ({"selection": "luck"}, "selection"),
            ({"n_islands": 2, "n_jobs": 0}, "n_jobs"),
        ],
    )
    def test_wrong_ones_are_refused_by_name(self, parameters, message, table):
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(*table)

    def test_a_probability_can_be_searched_over_alone(self, table):
        shares = {"p_mutation": [0.0, 0.3]}
        search = GridSearchCV(small(generations=2), shares, cv=2, error_score="raise").fit(*table)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    @pytest.mark.parametrize("changes", [{"loss": "huber"}, {"optimizer_iterations": 1, "function_set": ("add", "mul", "sin")}])
    def test_reversed_views_are_tables(self, changes, table):
        X, y = table[0][::-1, ::-1], table[1][::-1]
        assert small(**changes).fit(X, y).formula_ == small(**changes).fit(X.copy(), y.copy()).formula_

    def test_pairs_may_be_arrays(self, table):
        pairs = {"init_depth": (1, 3), "const_range": (-2, 3)}
        arrays = {name: np.array(pair) for name, pair in pairs.items()}
        assert small(**arrays).fit(*table).formula_ == small(**pairs).fit(*table).formula_

    def test_labels_are_no_targets(self, table):
        with pytest.raises(ValueError, match="y must be numbers"):
            small().fit(table[0], ["a"] * 200)

    def test_several_outputs_need_constants_of_their_own(self, table):
        X, y = table
        with pytest.raises(ValueError, match="linear_scaling"):
            small(refit_constants=False, linear_scaling=False, coefficients="shared").fit(X, np.column_stack([y, -y]))

    def test_no_power_beyond_max_degree(self, table):
        X, y = table
        assert max(point.formula.degree for point in small(max_degree=2).fit(X, y).pareto_front_) <= 2


class TestSearch:
    @pytest.mark.parametrize("seed", [0, 4])
    def test_a_formula_that_fits_exactly_may_become_simpler(self, seed):
        X = np.random.default_rng(0).normal(size=(200, 3))
        how = {"function_set": ("add", "mul", "sqrt", "sum"), "optimizer_iterations": 10, "n_iter_no_change": None}
        model = VSRRegressor(population_size=300, generations=60, random_state=seed, **how).fit(X, np.sqrt((X**2).sum(axis=1)))
        assert str(model.formula_) == "sqrt(sum(x**2))"
        assert model.n_iter_ < 60

    @pytest.mark.parametrize("seed", range(4))
    def test_a_coefficient_that_is_whole_but_for_rounding_is_whole(self, seed):
        X = np.random.default_rng(seed).normal(size=(200, 3))
        assert str(small(random_state=seed).fit(X, (X**5).sum(axis=1)).formula_) == "x**5"

    def test_another_seed_is_another_search(self, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=len(y))
        parameters = {"coefficients": "shared", "refit_constants": False, "n_iter_no_change": None}
        first, second, third = (small(**parameters, random_state=seed).fit(X, y).history_ for seed in (0, 0, 1))
        losses = [[record["mean_loss"] for record in history] for history in (first, second, third)]
        assert losses[0] == losses[1] != losses[2]

    def test_history_has_a_record_for_each_generation(self, table):
        X, y = table
        model = small(n_iter_no_change=None).fit(X, y + np.random.default_rng(1).normal(size=len(y)))
        assert [record["generation"] for record in model.history_] == list(range(1, 16))
        assert model.n_iter_ == 15

    def test_a_callback_can_end_it(self, table):
        X, y = table
        model = small(callbacks=[lambda record: record["generation"] == 2]).fit(X, y + np.arange(len(y)))
        assert model.n_iter_ == 2

    def test_an_interrupt_leaves_the_best_so_far(self, table):
        def interrupt(record):
            if record["generation"] == 3:
                raise KeyboardInterrupt

        X, y = table
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            model = small(callbacks=[interrupt]).fit(X, y + np.random.default_rng(1).normal(size=len(y)))
        assert np.isfinite(model.predict(X)).all()
        assert model.n_iter_ == 3

    def test_max_time_ends_it(self, table, monkeypatch):
        clock = iter(range(10_000))
        monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
        X, y = table
        model = small(max_time=20.0, generations=1000, n_iter_no_change=None).fit(
            X, y + np.random.default_rng(1).normal(size=200)
        )
        assert model.n_iter_ < 25

    def test_warm_start_goes_on(self, table):
        X, y = table
        y = y + np.random.default_rng(1).normal(size=len(y))
        model = small(warm_start=True, generations=4, n_iter_no_change=None).fit(X, y)
        first = model.pareto_front_[-1].loss
        model.fit(X, y)
        assert model.n_iter_ == 8
        assert [record["generation"] for record in model.history_] == list(range(1, 9))
        assert model.pareto_front_[-1].loss <= first

    def test_verbose_writes_a_line(self, table, capsys):
        small(verbose=1, generations=2).fit(*table)
        captured = capsys.readouterr()
        assert "generation 1" in captured.err
        assert captured.out == ""

    def test_clones_share_nothing(self, table):
        model = small().fit(*table)
        assert not hasattr(clone(model), "formula_")


class TestIslandsAndCheckpoints:
    @pytest.mark.parametrize("interval", [2, None])
    def test_the_number_of_jobs_does_not_matter(self, interval):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(80, 3))
        y = (np.sin(X) + X**2).sum(axis=1)
        how = {"function_set": ("add", "mul", "sin"), "population_size": 30, "generations": 4, "random_state": 0}
        models = [VSRRegressor(**how, n_islands=2, migration_interval=interval, n_jobs=jobs).fit(X, y) for jobs in (1, 2)]
        assert models[0].pareto_front_ == models[1].pareto_front_
        assert models[0].n_iter_ == models[1].n_iter_ == 4
        alone = VSRRegressor(**how).fit(X, y)
        assert min(point.loss for point in models[0].pareto_front_) <= min(point.loss for point in alone.pareto_front_) * 1.001

    def test_a_checkpoint_ends_in_the_same_formula(self, tmp_path):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(80, 3))
        y = (X**3).sum(axis=1) + rng.normal(size=80)
        how = {"population_size": 30, "generations": 8, "n_iter_no_change": None, "random_state": 0}
        expected = VSRRegressor(**how).fit(X, y)
        path = tmp_path / "search.npz"
        # Numbers have the types of NumPy where they are drawn from an array, as a grid of parameters.
        how |= {"population_size": np.int64(30), "init_depth": (np.int64(2), 6), "p_mutation": np.float32(0.5)}
        calls = []
        stopping = VSRRegressor(**how, checkpoint=path, callbacks=[lambda record: calls.append(record) or len(calls) == 3])
        assert stopping.fit(X, y).n_iter_ == 3
        resumed = VSRRegressor(**how, checkpoint=path).fit(X, y)
        assert resumed.n_iter_ == 8
        assert resumed.pareto_front_ == expected.pareto_front_
        with pytest.raises(ValueError, match="checkpoint"):
            VSRRegressor(**how, checkpoint=path).fit(X[:60], y[:60])

    def test_where_there_is_nothing_to_keep_a_checkpoint_is_refused(self, tmp_path):
        X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
        with pytest.raises(ValueError, match="checkpoint must be None where method='exhaustive'"):
            VSRRegressor(method="exhaustive", checkpoint=tmp_path / "search.npz").fit(X, y)
        with pytest.raises(ValueError, match="checkpoint must be None for partial_fit"):
            VSRRegressor(checkpoint=tmp_path / "search.npz").partial_fit(X, y)


class TestScikitLearnsCallbacks:
    def test_they_are_told_of_every_generation_and_can_end_the_search(self):
        pytest.importorskip("sklearn.callback")

        class Recorder:
            def __init__(self):
                self.events, self.scores = [], []

            def setup(self, estimator, context):
                self.events.append("setup")

            def teardown(self, estimator, context):
                self.events.append("teardown")

            def on_fit_task_begin(self, estimator, context):
                self.events.append(f"begin {context.task_name}")

            def on_fit_task_end(self, estimator, context, *, fitted_estimator):
                self.events.append(f"end {context.task_name}")
                if context.task_name == "generation" and fitted_estimator is not None:
                    self.scores.append(fitted_estimator.score(X, y))
                return len(self.scores) == 3

        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 2))
        y = (X**3 - X).sum(axis=1) + rng.normal(size=60)
        recorder = Recorder()
        model = VSRRegressor(population_size=20, generations=10, n_iter_no_change=None, coefficients="shared", random_state=0)
        model.set_callbacks(recorder).fit(X, y)
        assert model.n_iter_ == 3
        assert recorder.scores[-1] == model.score(X, y)
        assert recorder.events[:3] == ["setup", "begin fit", "begin generation"]
        assert recorder.events[-2:] == ["end fit", "teardown"]
        begun, ended = ([event for event in recorder.events if event.startswith(what)] for what in ("begin", "end"))
        assert len(begun) == len(ended)
