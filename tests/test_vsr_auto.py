"""Coefficients of both kinds in one search: one number a term, and one a term and feature."""

import itertools
import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import r2_score

from sklearn_taskneurons import Formula, VSRClassifier, VSRRegressor, VSRTransformer
from sklearn_taskneurons._search import Form, JointScorer, Moments, RefitScorer, forms_of
from sklearn_taskneurons._search._population import Population


def rows(coefficients, n_rows=300, noise=0.3, seed=1):
    """Return rows whose target has the powers that a dict gives coefficients, numbers or one for each of 4 features."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n_rows, 4))
    y = 1.0 + sum(np.sum(np.asarray(c) * X**power, axis=1) for power, c in coefficients.items())
    return X, y + noise * rng.normal(size=n_rows)


SHARED = {3: 0.5, 1: -2.0}
OWN = {2: [3.0, 0.0, -1.0, 2.0], 1: [-1.0, 2.0, 0.5, -3.0]}
MIXED = {3: [1.0, 1.1, 0.9, 1.0], 1: -2.0}


def small(**parameters):
    return VSRRegressor(**{"population_size": 100, "generations": 15, "random_state": 0} | parameters)


def has_vectors(formula):
    return "[" in str(formula)


def degrees(formula):
    return [term.degree for term in formula.terms if term.degree]


@pytest.mark.parametrize("estimator", [VSRRegressor, VSRClassifier, VSRTransformer])
def test_a_weight_of_two_is_two_rows_where_there_are_few(estimator):
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(30, 6)), rng.integers(1, 4, 30)
    target = X[:, 0] ** 2 - 2 * X[:, 1] + 0.3 * rng.normal(size=30)
    y = target > 0 if estimator is VSRClassifier else target
    model = estimator(generations=5, random_state=0)
    weighted, repeated = clone(model).fit(X, y, weights), clone(model).fit(X.repeat(weights, 0), y.repeat(weights))
    assert degrees(weighted.pareto_front_[-1].formula) == degrees(repeated.pareto_front_[-1].formula)
    for one, other in zip(weighted.pareto_front_, repeated.pareto_front_, strict=True):
        assert one.complexity == other.complexity
        assert one.loss == pytest.approx(other.loss, rel=1e-9)


class TestKind:
    @pytest.mark.parametrize("method", ["genetic", "exhaustive"])
    @pytest.mark.parametrize("selection", ["bic", "cv"])
    def test_the_data_decide(self, method, selection):
        for coefficients in (SHARED, OWN):
            X, y = rows(coefficients)
            model = small(method=method, selection=selection, max_degree=4).fit(X, y)
            assert has_vectors(model.formula_) == (coefficients is OWN)
            assert set(coefficients) <= set(degrees(model.formula_))
            if selection == "cv":  # which takes a term too many where the folds have it so
                continue
            assert degrees(model.formula_) == list(coefficients)
            for term, expected in zip(model.formula_.terms, coefficients.values(), strict=False):
                found = np.asarray(term.factors[0].weights or 1.0) * term.coefficient
                assert_allclose(found, expected, atol=0.15)

    def test_the_front_holds_both(self):
        front = small(max_degree=4).fit(*rows(MIXED)).pareto_front_
        assert {has_vectors(point.formula) for point in front if point.formula.degree} == {True, False}
        for point in front:
            nodes = point.formula.expression
            assert point.complexity == sum(len(node.value) if isinstance(node.value, tuple) else 1 for node in nodes)

    def test_more_features_than_own_powers_can_be_fitted_to(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1400, 500))
        y = (0.7 * X**3 - 1.5 * X**2).sum(axis=1)
        y += 0.1 * y.std() * rng.normal(size=1400)
        model = small(method="exhaustive", max_degree=4).fit(X[:1000], y[:1000])
        assert degrees(model.formula_)[:2] == [3, 2]
        assert model.score(X[1000:], y[1000:]) > 0.98
        assert small(method="exhaustive", coefficients="per_feature").fit(X[:1000], y[:1000]).formula_.degree == 0
        found = small().fit(X[:1000], y[:1000])
        assert found.score(X[1000:], y[1000:]) > 0.98

    def test_as_many_features_as_rows_are_not_fitted_one_by_one(self):
        X = np.random.default_rng(0).normal(size=(30, 40))
        model = small(selection="loss", max_degree=3).fit(X, np.arange(30.0))
        assert not any(has_vectors(point.formula) for point in model.pareto_front_)
        assert model.pareto_front_[-1].loss > 0.1

    def test_own_constants_are_shared(self):
        X, y = rows(SHARED, n_rows=100)
        first, second = (small(refit_constants=False, coefficients=kind).fit(X, y) for kind in ("auto", "shared"))
        assert first.formula_ == second.formula_

    def test_functions_that_are_no_polynomials(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 3))
        how = {"function_set": ("add", "sin"), "max_length": 8}
        for weights in ([2.0, 2.0, 2.0], [2.0, 1.0, 3.0]):
            model = small(**how).fit(X, np.sin(X) @ weights + 0.1 * rng.normal(size=200))
            assert has_vectors(model.formula_) == (weights[0] != weights[1])
            assert model.score(X, np.sin(X) @ weights) > 0.99

    def test_columns_of_a_transformer(self):
        for coefficients, names in (
            (SHARED, ["sum(x**3)", "sum(x)"]),
            (OWN, [f"x{j}{p}" for p in ("**2", "") for j in range(4)]),
        ):
            transformer = VSRTransformer(method="exhaustive", max_degree=4).fit(*rows(coefficients))
            assert_array_equal(transformer.get_feature_names_out(), names)

    def test_logits(self):
        for coefficients in (SHARED, OWN):
            X, y = rows(coefficients)
            model = VSRClassifier(method="exhaustive", max_degree=3).fit(X, y > np.median(y))
            assert has_vectors(model.formula_) == (coefficients is OWN)
            assert model.score(X, y > np.median(y)) > 0.9


class TestFront:
    @pytest.mark.parametrize("target", [SHARED, OWN, MIXED], ids=["shared", "own", "mixed"])
    def test_it_is_what_is_best_of_both_kinds(self, target):
        X, y = rows(target)
        how = {"method": "exhaustive", "max_degree": 5}
        single = [small(coefficients=kind, **how).fit(X, y).pareto_front_ for kind in ("shared", "per_feature")]
        points = sorted({(point.complexity, round(point.loss, 12)) for front in single for point in front})
        expected = [point for place, point in enumerate(points) if all(point[1] < other[1] for other in points[:place])]
        found = [(point.complexity, round(point.loss, 12)) for point in small(**how).fit(X, y).pareto_front_]
        assert found == expected

    @pytest.mark.parametrize("target", [SHARED, OWN, MIXED], ids=["shared", "own", "mixed"])
    def test_exhaustive_search_is_brute_force(self, target):
        X, y = rows(target, n_rows=80)
        best = {1: np.var(y)}
        for count, own in itertools.product(range(1, 4), (False, True)):
            for powers in itertools.combinations(range(1, 4), count):
                columns = [X**power if own else np.sum(X**power, axis=1, keepdims=True) for power in powers]
                matrix = np.column_stack([np.ones(80), *columns])
                residuals = y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]
                # c, x, * and +, a power for all but x itself, and the constant.
                complexity = 1 + sum((4 if own else 1) + 3 + (power > 1) for power in powers)
                best[complexity] = min(best.get(complexity, np.inf), np.mean(residuals**2))
        losses = [(complexity, best[complexity] / np.var(y)) for complexity in sorted(best)]
        expected = [point for place, point in enumerate(losses) if all(point[1] < other[1] for other in losses[:place])]
        for method in ("exhaustive", "genetic"):
            front = small(method=method, max_degree=3).fit(X, y).pareto_front_
            assert [point.complexity for point in front] == [complexity for complexity, _ in expected]
            assert_allclose([point.loss for point in front], [loss for _, loss in expected], rtol=1e-8)

    def test_of_equal_losses_the_shared_one_stays(self):
        X, y = rows(SHARED, noise=0.0)
        front = small(method="exhaustive", max_degree=4).fit(X, y).pareto_front_
        assert front[-1].formula.round(6) == Formula("0.5*x**3 - 2*x + 0.25")


class TestScorer:
    def test_every_form_has_the_scores_of_its_own_scorer(self):
        X, y = rows(MIXED)
        forms = [RefitScorer(Moments(5).update(X, y)), RefitScorer(Moments(2, per_feature=True).update(X, y))]
        scorer = JointScorer(forms)
        population = Population.from_expressions([Formula(text).expression for text in ("x", "x**2 + x", "x**5", "x**6")])
        bank = np.zeros((0, 4))
        scores = scorer.score(population, bank)
        for place, form in enumerate(forms):
            alone = form.score(population, bank)
            assert_array_equal(scores.loss[:, place], alone.loss)
            assert_array_equal(scores.complexity[:, place], alone.complexity)
        assert np.isfinite(scores.loss).tolist() == [[True, True], [True, True], [True, False], [False, False]]
        restored = pickle.loads(pickle.dumps(scorer))
        assert_array_equal(restored.score(population, bank).loss, scores.loss)
        assert scorer.fingerprint() == restored.fingerprint() != JointScorer(forms[::-1]).fingerprint()
        assert scorer.constant() == forms[0].constant()

    @pytest.mark.parametrize(
        ("n_features", "n_rows", "expected"),
        [
            (4, 300, [Form(False, 6), Form(True, 6)]),
            (20, 180, [Form(False, 6), Form(True, 3)]),
            (500, 1000, [Form(False, 6), Form(True, 1)]),
            (500, 501, [Form(False, 6)]),
            (1, 100, [Form(False, 6)]),
            (300, None, [Form(False, 6), Form(True, 3)]),
            (5000, None, [Form(False, 6)]),
        ],
    )
    def test_forms_and_their_degrees(self, n_features, n_rows, expected):
        assert list(forms_of("auto", 6, n_features, n_rows)) == expected


class TestSearch:
    def test_islands_in_any_number_of_jobs(self):
        X, y = rows(MIXED)
        with parallel_config(backend="threading"):
            models = [small(n_islands=2, migration_interval=3, n_jobs=n_jobs, generations=8).fit(X, y) for n_jobs in (1, 2)]
        assert models[0].pareto_front_ == models[1].pareto_front_

    def test_a_checkpoint_goes_on(self, tmp_path):
        X, y = rows(MIXED)
        path = tmp_path / "search"
        how = {"generations": 8, "n_iter_no_change": None}
        small(checkpoint=path, **how | {"generations": 3}).fit(X, y)
        resumed = small(checkpoint=path, **how).fit(X, y)
        assert resumed.pareto_front_ == small(**how).fit(X, y).pareto_front_
        with pytest.raises(ValueError, match="scored by"):
            small(checkpoint=path, coefficients="shared", **how).fit(X, y)

    def test_time_that_is_up_leaves_formulas(self):
        model = small(max_time=1e-9, generations=50).fit(*rows(MIXED))
        assert model.n_iter_ == 1
        assert np.isfinite(model.pareto_front_[-1].loss)

    def test_a_warm_start_goes_on(self):
        X, y = rows(MIXED)
        model = small(warm_start=True, generations=3, n_iter_no_change=None).fit(X, y)
        first = model.pareto_front_
        assert model.fit(X, y).n_iter_ == 6
        assert model.pareto_front_[-1].loss <= first[-1].loss


@pytest.mark.parametrize("n_rows", [6, 8, 10, 12])
def test_noise_on_a_handful_of_rows_is_not_fitted(n_rows):
    scores = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, X_test = rng.normal(size=(n_rows, 3)), rng.normal(size=(300, 3))
        y = 2 * X[:, 0] + 0.5 * rng.normal(size=n_rows)
        scores.append(r2_score(2 * X_test[:, 0], VSRRegressor(random_state=0).fit(X, y).predict(X_test)))
    assert np.median(scores) > -1.5  # without a correction for so few rows it is below -50


@pytest.mark.parametrize("formula", ["x", "x**2", "x**3 + x"])
def test_a_law_without_noise_needs_a_handful_of_rows(formula):
    X = np.arange(6.0)[:, None]
    assert VSRRegressor(random_state=0).fit(X, Formula(formula)(X)).formula_ == Formula(formula)


def test_a_column_of_two_values_has_a_coefficient_for_its_lowest_power_alone():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.random(500) > 0.5, rng.normal(size=500)])
    formula = VSRRegressor(random_state=0).fit(X, 3 * X[:, 0] + X[:, 1] ** 4 - X[:, 1] ** 3).formula_
    assert formula.round(6) == Formula("[0, 1]*x**4 + [3, -1]*x**3")
