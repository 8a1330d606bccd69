"""Networks of task-based neurons as estimators: what they promise beyond scikit-learn's checks."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

from sklearn_taskneurons import (
    Formula,
    FormulaSyntaxError,
    TaskNeuronClassifier,
    TaskNeuronRegressor,
    VSRClassifier,
    VSRRegressor,
)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    return X, X[:, 0] ** 3 - X[:, 1] + 0.1 * rng.normal(size=120)


def small(**parameters):
    return TaskNeuronRegressor(**{"formula": "x**3 + x", "max_epochs": 10, "random_state": 0} | parameters)


class TestFormula:
    def test_text_and_formula_are_the_same(self, table):
        X, y = table
        assert_array_equal(small().fit(X, y).predict(X), small(formula=Formula("x**3 + x")).fit(X, y).predict(X))

    def test_constants_do_not_matter(self, table):
        X, y = table
        assert_array_equal(small().fit(X, y).predict(X), small(formula="0.3*x**3 - 7*x + 2").fit(X, y).predict(X))

    def test_a_given_formula_needs_no_search(self, table):
        model = small().fit(*table)
        assert not hasattr(model, "search_")
        assert model.formula_ == Formula("x**3 + x")

    def test_auto_finds_the_terms(self):
        rng = np.random.default_rng(0)
        X = rng.uniform(-1, 1, size=(200, 3))
        y = (X**3).sum(axis=1)
        search = VSRRegressor(population_size=100, generations=10, coefficients="shared")
        model = small(formula="auto", search=search, scaling=None).fit(X, y)
        assert [term.degree for term in model.formula_.terms if term.degree] == [3]
        assert model.search_.neuron_formula() == model.formula_
        with pytest.raises(ValueError, match="keep nothing to add rows to"):
            model.search_.partial_fit(X, y)

    def test_auto_searches_on_all_rows_with_a_weight(self, table):
        X, y = table
        seen = []

        class Recording(VSRRegressor):
            def fit(self, X, y, sample_weight=None):
                seen.append(len(X))
                return super().fit(X, y, sample_weight)

        model = small(
            formula="auto",
            search=Recording(population_size=20, generations=2),
            early_stopping=True,
            validation_fraction=0.25,
        ).fit(X, y, sample_weight=np.r_[np.zeros(20), np.ones(100)])
        assert seen == [100]
        assert len(model.validation_loss_curve_) == model.n_iter_

    def test_the_search_that_is_given_is_not_touched(self, table):
        search = VSRRegressor(population_size=20, generations=2)
        small(formula="auto", search=search).fit(*table)
        assert not hasattr(search, "formula_")
        assert search.random_state is None

    def test_a_constant_target_gets_linear_neurons(self, table):
        X, _ = table
        model = small(formula="auto", search=VSRRegressor(population_size=20, generations=2)).fit(X, np.full(len(X), 4.2))
        assert model.formula_ == Formula("x")
        assert_allclose(model.predict(X), 4.2, rtol=1e-12)

    @pytest.mark.parametrize("formula", ["x +", "__import__('os')", "y**2"])
    def test_a_wrong_formula_is_refused(self, formula, table):
        with pytest.raises(FormulaSyntaxError):
            small(formula=formula).fit(*table)

    def test_a_formula_without_x_is_refused(self, table):
        with pytest.raises(ValueError, match="depend on x"):
            small(formula="3").fit(*table)

    def test_a_vector_of_the_wrong_length_is_refused(self, table):
        with pytest.raises(ValueError, match="3 features"):
            small(formula="sin([1, 2]*x)").fit(*table)

    def test_a_regressor_takes_no_classifier_for_a_search(self, table):
        with pytest.raises(ValueError, match="'search'"):
            small(formula="auto", search=VSRClassifier()).fit(*table)


class TestTraining:
    def test_it_learns(self):
        X, y = load_diabetes(return_X_y=True)
        assert small(max_epochs=60).fit(X, y).score(X, y) > 0.5

    def test_early_stopping_restores_the_best_epoch(self, table):
        X, y = table
        noise = np.random.default_rng(1).normal(size=len(y))
        options = {"max_epochs": 300, "n_iter_no_change": 5, "lr": 0.02, "validation_fraction": 0.3, "n_members": 1}
        model = small(early_stopping=True, **options).fit(X, noise)
        assert model.n_iter_ < 300
        curve = model.validation_loss_curve_
        held_out = model._split(noise, 1, np.random.RandomState(0).randint(2**31 - 1, size=3)[0])[1][:, 0].numpy()
        loss = np.mean((model.predict(X[held_out]) - noise[held_out]) ** 2) / model.target_scaler_.scale**2
        assert_allclose(loss, min(curve), rtol=1e-4)
        assert curve[-1] > min(curve)

    def test_predictions_stay_in_the_range_of_the_targets(self, table):
        X, y = table
        model = small(max_epochs=60).fit(X, y)
        assert model.predict(1e3 * X).min() >= y.min()
        assert model.predict(1e3 * X).max() <= y.max()
        model.partial_fit(X, 3 * y)
        assert model.target_scaler_.upper == 3 * y.max()

    def test_time_that_is_up_leaves_a_network(self, table):
        X, y = table
        model = small(formula="auto", max_epochs=10**6, max_time=0.5).fit(X, y)
        assert model.n_iter_ < 10**6
        assert np.isfinite(model.predict(X)).all()

    def test_scikit_learns_callbacks_are_told_of_every_epoch_and_can_end_the_training(self, table):
        pytest.importorskip("sklearn.callback")
        X, y = table

        class Recorder:
            def __init__(self):
                self.names, self.predictions = [], []

            def setup(self, estimator, context):
                pass

            def teardown(self, estimator, context):
                pass

            def on_fit_task_begin(self, estimator, context):
                self.names.append(context.task_name)

            def on_fit_task_end(self, estimator, context, *, fitted_estimator):
                if context.task_name == "epoch" and fitted_estimator is not None:
                    self.predictions.append(fitted_estimator.predict(X))
                return len(self.predictions) == 4

        recorder = Recorder()
        model = small(early_stopping=False).set_callbacks(recorder).fit(X, y)
        assert model.n_iter_ == 4
        assert recorder.names[:3] == ["fit", "epoch", "epoch"]
        expected = [small(early_stopping=False, max_epochs=epochs).fit(X, y).predict(X) for epochs in (1, 3, 4)]
        assert_allclose([recorder.predictions[index] for index in (0, 2, 3)], expected, rtol=1e-6)
        assert_allclose(model.predict(X), expected[-1], rtol=1e-6)

    def test_members_differ_and_their_mean_is_predicted(self, table):
        X, y = table
        model = small(max_epochs=30, n_members=3).fit(X, y)
        outputs = model.net_.module_(torch.tensor(model.scaler_.transform(X), dtype=torch.float32)).detach().numpy()[..., 0]
        assert np.abs(np.diff(outputs, axis=1)).max() > 1e-3
        scaler = model.target_scaler_
        expected = np.clip(outputs * scaler.scale + scaler.center, scaler.lower, scaler.upper).mean(axis=1)
        assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-4)

    def test_several_outputs(self, table):
        X, y = table
        Y = np.column_stack([y, -2 * y + 1, X[:, 2]])
        model = small(max_epochs=60).fit(X, Y)
        assert model.predict(X).shape == Y.shape
        assert model.n_outputs_ == 3
        assert model.score(X, Y) > 0.8

    def test_rows_without_weight_do_not_matter(self, table):
        X, y = table
        weights = (np.arange(len(X)) < 60).astype(float)
        other = np.where(weights > 0, y, 1e6)
        assert_array_equal(small().fit(X, other, weights).predict(X), small().fit(X, y, weights).predict(X))

    @pytest.mark.parametrize("unit", [2.0**-1000, 2.0**1023])
    @pytest.mark.parametrize("formula", ["x", "auto"])
    def test_only_the_ratios_of_weights_matter(self, formula, unit, table):
        X, y = table
        weights = np.where(np.arange(len(X)) < 60, 1.0, 0.5)
        for model, targets in ((small(), y), (TaskNeuronClassifier(max_epochs=2, class_weight={False: 1e5}), y > 0)):
            model.set_params(formula=formula, random_state=0)
            expected = model.fit(X, targets, weights).predict(X)
            assert_array_equal(model.fit(X, targets, weights * unit).predict(X), expected)

    def test_equal_weights_make_no_rows_for_a_search(self, table):
        X, y = table
        model = TaskNeuronRegressor(hidden_layer_sizes=(3,), n_members=1, max_epochs=2, random_state=0)
        fronts = [model.fit(X, y, np.full(len(X), weight)).search_.pareto_front_ for weight in (1.0, 1.99)]
        assert_allclose(*[[point.score for point in front] for front in fronts], rtol=1e-9)

    def test_weights_pull(self, table):
        X, y = table
        X, y = np.vstack([X, X]), np.concatenate([y, y + 10])
        weights = np.repeat([1.0, 9.0], len(X) // 2)
        difference = small(max_epochs=60).fit(X, y, weights).predict(X).mean() - y[:120].mean()
        assert 8 < difference < 10

    @pytest.mark.parametrize("batch_size", [16, 256])
    def test_balanced_classes_are_equally_probable_whatever_the_batch(self, batch_size):
        X, y = np.random.default_rng(0).normal(size=(1000, 2)), np.arange(1000) % 40 == 0
        model = TaskNeuronClassifier(
            "x", hidden_layer_sizes=(), n_members=1, batch_size=batch_size, class_weight="balanced", label_smoothing=0.0,
            early_stopping=False, weight_decay=0.0, max_epochs=20, random_state=0,
        )  # fmt: skip
        assert 0.45 < model.fit(X, y).predict_proba(X)[:, 1].mean() < 0.55

    def test_warm_start_goes_on(self, table):
        X, y = table
        model = small(warm_start=True).fit(X, y)
        first = model.loss_curve_[-1]
        model.fit(X, y)
        assert len(model.net_.history) == 20
        assert model.n_iter_ == len(model.loss_curve_) == 20
        assert model.loss_curve_[-1] < first

    @pytest.mark.parametrize(
        ("solver", "hidden_layer_sizes", "epochs"),
        [("muon", 8, 143), ("muon", (8, 7), 286), ("muon", (), 286), ("adamw", (8,), 286)],
    )
    def test_epochs_make_as_many_steps_as_the_solver_needs(self, solver, hidden_layer_sizes, epochs):
        X = np.random.default_rng(0).normal(size=(1700, 2))  # 7 steps of an epoch
        model = TaskNeuronRegressor("x", solver=solver, n_members=1, hidden_layer_sizes=hidden_layer_sizes, tol=0.0)
        model.set_params(early_stopping=False, n_iter_no_change=1000)
        assert model.fit(X, X[:, 0]).n_iter_ == epochs

    def test_fit_without_warm_start_begins_again(self, table):
        X, y = table
        model = small().fit(X, y)
        first = model.predict(X)
        assert_array_equal(model.fit(X, y).predict(X), first)
        assert model.n_iter_ == 10

    def test_partial_fit_refuses_what_fit_refuses(self, table):
        model = small().fit(*table)
        with pytest.raises(ValueError, match="'solver' parameter"):
            model.set_params(solver="no solver").partial_fit(*table)

    def test_partial_fit_learns_block_by_block(self, table):
        X, y = table
        model = small()
        for _ in range(40):
            for block in np.array_split(np.arange(len(X)), 3):
                model.partial_fit(X[block], y[block])
        assert model.n_iter_ == 120
        assert model.score(X, y) > 0.8

    def test_partial_fit_takes_single_rows(self, table):
        X, y = table
        model = small().partial_fit(X[:20], y[:20])
        before = model.predict(X)
        for row in range(20, 60):
            model.partial_fit(X[row : row + 1], y[row : row + 1])
        assert model.n_iter_ == 41
        assert np.mean((model.predict(X) - y) ** 2) < np.mean((before - y) ** 2)

    def test_time_that_is_up_ends_partial_fit(self, table):
        X, y = table
        with pytest.warns(ConvergenceWarning, match="max_time=1e-09 ended the training before its first epoch"):
            model = small(max_time=1e-9, batch_size=10).partial_fit(X, y)
        assert model.n_iter_ == 0
        assert model.set_params(max_time=None).partial_fit(X, y).n_iter_ == 1

    def test_partial_fit_after_a_block_with_a_constant_target(self, table):
        X, y = table
        model = small().partial_fit(X, np.zeros(len(X)))
        assert not model.predict(X).any()
        for _ in range(100):
            model.partial_fit(X, y)
        assert model.score(X, y) > 0.8

    def test_outputs_cannot_change_their_number(self, table):
        X, y = table
        model = small().partial_fit(X, y)
        with pytest.raises(ValueError, match="y must have the shape"):
            model.partial_fit(X, np.column_stack([y, y]))

    def test_a_training_that_diverges_is_told(self, table):
        X, y = table
        with pytest.warns(ConvergenceWarning, match="a smaller lr may help"):
            model = small(formula="x**8", activation="identity", lr=1e30).fit(X, y)
        assert np.isfinite(model.predict(X)).all()

    def test_autocast_of_the_caller_changes_nothing(self, table):
        X, y = table
        expected = small().fit(X, y).predict(X)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_array_equal(small().fit(X, y).predict(X), expected)

    @pytest.mark.usefixtures("tenth_step_interrupted")
    def test_an_interrupted_fit_leaves_a_model(self, table):
        X, y = table
        with pytest.warns(UserWarning, match="interrupted"):
            model = small().fit(X, y)
        assert np.isfinite(model.predict(X)).all()
