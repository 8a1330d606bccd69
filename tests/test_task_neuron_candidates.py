"""The choice of the formula: which candidates there are, and that the one that is right is taken."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sklearn_taskneurons import Formula, TaskNeuronClassifier, TaskNeuronRegressor, VSRRegressor
from sklearn_taskneurons._network._split import hold_out
from sklearn_taskneurons._training import held_out_losses

N_ROWS, N_FEATURES = 200, 4


@pytest.fixture
def X():
    return np.random.default_rng(0).uniform(-2, 2, size=(N_ROWS, N_FEATURES))


def noise(scale=0.05):
    return scale * np.random.default_rng(1).standard_normal(N_ROWS)


def found(X, y, estimator=TaskNeuronRegressor, sample_weight=None, **parameters):
    parameters = {"hidden_layer_sizes": (4,), "n_members": 1, "max_epochs": 1, "random_state": 0} | parameters
    return estimator(**parameters).fit(X, y, sample_weight)


def powers(formula):
    """Return the degrees of the terms that depend on x, those of products left out."""
    return {term.degree for term in formula.terms if len(term.maps) == 1}


def has_product(formula):
    return any(len(term.maps) == 2 for term in formula.terms)


def chosen(model):
    (only,) = [candidate for candidate in model.formula_candidates_ if candidate.chosen]
    return only


def test_a_given_formula_leaves_nothing_of_an_earlier_search(X):
    model = found(X, X[:, 0])
    assert hasattr(model, "search_")
    model.set_params(formula="x").fit(X, X[:, 0])
    assert not hasattr(model, "search_")
    assert not hasattr(model, "formula_candidates_")


class TestChoice:
    def test_a_cubic_task_gets_a_cubic_neuron(self, X):
        model = found(X, (X**3) @ [1.0, -2.0, 1.5, 0.5] - 4 * X[:, 0] + noise())
        assert 3 in powers(model.formula_)

    def test_a_linear_task_gets_the_linear_neuron(self):
        linear = 0
        for seed in range(3):
            rng = np.random.default_rng(seed)
            X = rng.uniform(-2, 2, size=(N_ROWS, N_FEATURES))
            y = X @ [1.0, -2.0, 1.5, 0.5] + 2 * rng.standard_normal(N_ROWS)
            # Without a bound: it would bend the line, and powers would mend it.
            search = VSRRegressor(method="exhaustive", max_degree=4)
            model = found(X, y, search=search, scaling=None, elementwise_affine=False)
            assert len(model.formula_candidates_) > 1
            linear += powers(model.formula_) == {1}
        assert linear >= 2  # of so much noise one sample may look like a curve

    def test_features_that_act_together_get_a_product(self, X):
        model = found(X, (X @ [1.0, -1.0, 0.5, 0.0]) * (X @ [0.0, 1.0, 1.0, -1.0]) + noise())
        assert has_product(model.formula_)
        assert not has_product(model.search_.formula_)

    def test_sines_are_found_where_the_search_has_them(self, X):
        search = VSRRegressor(function_set=("add", "mul", "sin"), population_size=60, generations=8, coefficients="shared")
        model = found(X, np.sin(4 * X).sum(axis=1) + noise(), search=search, scaling=None)
        assert "sin" in str(model.formula_)

    def test_classes_with_a_quadratic_border(self, X):
        y = np.where((X**2).sum(axis=1) > 5, "outside", "inside")
        assert 2 in powers(found(X, y, TaskNeuronClassifier).formula_)

    def test_three_classes_and_several_outputs(self, X):
        labels = np.digitize((X**2).sum(axis=1), [4, 6])
        assert 2 in powers(found(X, labels, TaskNeuronClassifier).formula_)
        assert 2 in powers(found(X, np.stack([X[:, 0], (X**2).sum(axis=1)], axis=1)).formula_)

    def test_weights_decide_which_rows_count(self, X):
        is_linear = np.arange(N_ROWS) % 2 == 0
        y = np.where(is_linear, X.sum(axis=1), 3 * (X**2).sum(axis=1))
        search = VSRRegressor(method="exhaustive", max_degree=2)
        losses = []
        for weights in (np.where(is_linear, 1.0, 1e-9), np.where(is_linear, 1e-9, 1.0)):
            pool = found(X, y, search=search, sample_weight=weights).formula_candidates_
            losses += [candidate.loss for candidate in pool if powers(candidate.formula) == {1}]
        assert losses[0] < 0.1
        assert losses[1] > 0.5


class TestTable:
    def test_it_shows_what_was_compared(self, X):
        model = found(X, (X**3).sum(axis=1) + noise())
        table = pd.DataFrame(model.formula_candidates_)
        assert list(table) == ["formula", "complexity", "score", "loss", "chosen"]
        assert table["chosen"].sum() == 1
        assert table["loss"][table["chosen"]].item() <= 1.02 * table["loss"].min()
        assert chosen(model).formula == model.formula_
        assert {Formula("x"), Formula("x**3 + x**2 + x")} <= {formula.expand() for formula in table["formula"]}
        by_score = {point.score for point in model.search_.pareto_front_}
        assert set(table["score"].dropna()) <= by_score

    def test_a_search_that_is_given_decides_what_is_tried(self, X):
        search = VSRRegressor(method="exhaustive", max_degree=2)
        model = found(X, (X**2).sum(axis=1) + noise(), search=search)
        assert all(powers(candidate.formula) <= {1, 2} for candidate in model.formula_candidates_)
        assert not any(has_product(candidate.formula) for candidate in model.formula_candidates_)
        assert any(powers(candidate.formula) == {1} for candidate in model.formula_candidates_)

    def test_each_neuron_is_tried_once(self, X):
        model = found(X, X.sum(axis=1) + noise())
        forms = [(frozenset(powers(c.formula)), has_product(c.formula)) for c in model.formula_candidates_]
        assert len(set(forms)) == len(forms)

    def test_there_is_none_where_the_formula_is_given(self, X):
        assert not hasattr(found(X, X[:, 0], formula="x"), "formula_candidates_")

    @pytest.mark.filterwarnings("ignore:max_time=0.001 ended the training before its first epoch")
    @pytest.mark.parametrize("reason", ["few rows", "no time"])
    def test_without_a_comparison_the_search_decides(self, reason, X):
        X, options = (X[:60], {}) if reason == "few rows" else (X, {"max_time": 1e-3})
        model = found(X, (X**3).sum(axis=1), **options)
        assert np.isnan([candidate.loss for candidate in model.formula_candidates_]).all()
        assert powers(model.formula_) == powers(model.search_.neuron_formula())


class TestRepetition:
    def test_the_same_seed_gives_the_same_table(self, X):
        y = (X**2) @ [1.0, 0.5, 0.0, 0.0] + X[:, 1] * X[:, 2] + noise()
        first, second = (found(X, y).formula_candidates_ for _ in range(2))
        assert [str(c.formula) for c in first] == [str(c.formula) for c in second]
        assert_array_equal([c.loss for c in first], [c.loss for c in second])

    def test_the_size_of_the_network_and_its_epochs_do_not_matter(self, X):
        y = (X**2) @ [1.0, 0.5, 0.0, 0.0] + X[:, 1] * X[:, 2] + noise()
        first, second = found(X, y), found(X, y, hidden_layer_sizes=(8, 4), max_epochs=2, n_members=2)
        assert_array_equal([c.loss for c in first.formula_candidates_], [c.loss for c in second.formula_candidates_])

    def test_warm_start_and_further_blocks_keep_it(self, X):
        y = (X**2).sum(axis=1) + noise()
        model = found(X, y, warm_start=True)
        table = model.formula_candidates_
        assert model.fit(X, -y).formula_candidates_ is table
        model = TaskNeuronRegressor(hidden_layer_sizes=(4,), n_members=1, random_state=0).partial_fit(X, y)
        table, formula = model.formula_candidates_, model.formula_
        assert chosen(model).formula == formula
        assert model.partial_fit(X, X[:, 0]).formula_candidates_ is table
        assert model.formula_ is formula


class TestHeldOutLosses:
    def test_a_formula_alone_is_as_good_as_among_others(self):
        # The term that it has not must not help: x**2 tells what x cannot.
        X = np.random.default_rng(0).normal(size=(200, 2))
        y = (X**2).sum(axis=1, keepdims=True) / 2
        parts = hold_out(None, 200, 0.25, 2, 0)
        options = {"out_features": 1, "bound_input": True, "elementwise_affine": False, "activation": "identity"}
        alone = held_out_losses([Formula("x")], X, y, None, parts, **options)
        together = held_out_losses([Formula("x"), Formula("x**2")], X, y, None, parts, **options)
        assert 0.8 < alone[0] / together[0] < 1.25
        assert together[1] < 0.1 * together[0]

    def test_a_time_that_is_over_leaves_no_loss(self):
        X, y = np.zeros((40, 2)), np.zeros((40, 1))
        parts = hold_out(None, 40, 0.25, 1, 0)
        losses = held_out_losses([Formula("x"), Formula("x**2")], X, y, None, parts, out_features=1, deadline=0.0)
        assert_array_equal(losses, [np.inf, np.inf])
