"""Sets of powers for other losses than squares: the best coefficients of each against linear programming."""

import itertools
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import Loss, SearchSettings, make_scorer
from sklearn_taskneurons._search import _loss_refit_scorer as module
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._refit_scorer import _KEPT
from sklearn_taskneurons.formula import Formula
from tests.search.test_search_losses import least_absolute_error

NO_BANK = np.zeros((0, 2))
TEXTS = ("x", "x**2", "x**3 + x", "x**3 + x**2 + x")


@pytest.fixture(params=["shared", "per_feature"])
def coefficients(request):
    return request.param


@pytest.fixture(scope="module")
def data():
    """Rows with whole weights, and a target with errors of heavy tails: X, y, weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = (X**3 - 2 * X).sum(axis=1) + 5.0 + rng.standard_t(1, size=80)
    return X, y, rng.integers(0, 3, 80).astype(float)


def scorer_of(data, coefficients, loss="absolute_error", degree=3, **how):
    how = {"settings": SearchSettings(), "degree": degree, "coefficients": coefficients, "loss": Loss(loss)} | how
    return make_scorer(*data, **how)


def programs(*texts):
    return Population.from_expressions([Formula(text).expression for text in texts])


def support(text):
    return sum(1 << term.degree for term in Formula(text).terms)


def matrix_of(X, text, coefficients):
    powers = [X**term.degree for term in Formula(text).terms]
    if coefficients == "shared":
        powers = [power.sum(axis=1, keepdims=True) for power in powers]
    return np.concatenate([np.ones((len(X), 1)), *powers], axis=1)


def mean_absolute_error(data, text, coefficients):
    X, y, weights = data
    return least_absolute_error(matrix_of(X, text, coefficients), y, weights) / weights.sum()


def weighted_median(y, weights):
    return np.median(np.repeat(y, weights.astype(int)))


def test_formulas_have_the_least_loss_of_their_powers(data, coefficients):
    X, y, weights = data
    scorer = scorer_of(data, coefficients)
    constant = np.average(np.abs(y - weighted_median(y, weights)), weights=weights)
    for text in TEXTS:
        entry = scorer.entry(support(text))
        least = mean_absolute_error(data, text, coefficients)
        assert_allclose(entry.loss * constant, least, rtol=1e-3)
        assert_allclose(np.average(np.abs(entry.formulas[0](X) - y), weights=weights), entry.loss * constant, rtol=1e-6)
        assert {term.degree for term in entry.formulas[0].terms if not term.is_constant} <= {
            term.degree for term in Formula(text).terms
        }


def test_programs_are_compared_by_nearly_that(data, coefficients):
    scorer = scorer_of(data, coefficients)
    losses = scorer.score(programs(*TEXTS), NO_BANK).loss
    best = np.array([scorer.best_fit(support(text)).loss for text in TEXTS])
    assert (losses >= best * (1 - 1e-12)).all()
    X, y, weights = data
    squares = []
    for text in TEXTS:
        matrix, root = matrix_of(X, text, coefficients), np.sqrt(weights)
        solution = np.linalg.lstsq(matrix * root[:, None], y * root, rcond=None)[0]
        squares.append(np.average(np.abs(matrix @ solution - y), weights=weights))
    squares = np.array(squares) / np.average(np.abs(y - weighted_median(y, weights)), weights=weights)
    assert np.sum(losses - best) < 0.3 * np.sum(squares - best)


def test_squares_are_those_of_moments(data, coefficients):
    expected = make_scorer(*data, settings=SearchSettings(), degree=3, coefficients=coefficients)
    found = scorer_of(data, coefficients, loss=torch.square)
    for text in TEXTS:
        assert_allclose(found.fit(support(text)).loss, expected.fit(support(text)).loss, rtol=1e-9)
        assert found.entry(support(text)).complexity == expected.entry(support(text)).complexity


def test_blocks_of_rows_change_nothing(data, coefficients, monkeypatch):
    expected = scorer_of(data, coefficients).score(programs(*TEXTS), NO_BANK).loss
    monkeypatch.setattr(module, "_BUDGET", 1000)
    assert_allclose(scorer_of(data, coefficients).score(programs(*TEXTS), NO_BANK).loss, expected, rtol=1e-6)


def test_a_loss_without_a_slope_near_0_leaves_weights(coefficients):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X**3).sum(axis=1) + rng.uniform(-0.5, 0.5, 60)  # nothing beyond the tube
    scorer = scorer_of((X, y), coefficients, loss=lambda r: torch.relu(r.abs() - 1.0))
    losses = scorer.score(programs("x", "x**3"), NO_BANK).loss
    assert losses[1] == 0.0
    assert 0.0 < losses[0] < 1.0


def test_more_terms_than_a_third_of_the_rows_are_not_taken():
    X = np.random.default_rng(0).normal(size=(8, 1))
    losses = scorer_of((X, X[:, 0]), "shared").score(programs("x", "x**2 + x", "x**3 + x**2 + x"), np.zeros((0, 1))).loss
    assert np.isfinite(losses).tolist() == [True, True, False]


@pytest.mark.parametrize("method", ["genetic", "exhaustive"])
@pytest.mark.parametrize("n_rows", [2, 3, 8])
def test_few_rows(method, n_rows):
    X = np.random.default_rng(n_rows).normal(size=(n_rows, 2))
    model = VSRRegressor(method=method, loss="huber", generations=2, population_size=30, random_state=0).fit(X, 3 * X[:, 0])
    assert np.isfinite(model.predict(X)).all()
    assert all(np.isfinite(point.loss) for point in model.pareto_front_)


def test_without_time_the_powers_of_the_least_squared_error_count(data, coefficients):
    X, y, weights = data
    scorer = scorer_of(data, coefficients, deadline=0.0)
    losses = scorer.score(programs(*TEXTS), NO_BANK).loss
    assert np.isfinite(losses).tolist() == [False, False, False, True]
    matrix, root = matrix_of(X, TEXTS[-1], coefficients), np.sqrt(weights)
    solution = np.linalg.lstsq(matrix * root[:, None], y * root, rcond=None)[0]
    error, constant = (np.abs(part - y) @ weights for part in (matrix @ solution, np.average(y, weights=weights)))
    assert_allclose(losses[-1], error / constant, rtol=1e-9)
    front = scorer.report(programs(*TEXTS), NO_BANK)
    assert all(np.isfinite(entry.loss) for entry in front)
    if losses[-1] < 1.0:
        assert_allclose(front[-1].formulas[0](X), matrix @ solution, rtol=1e-6)


def test_when_the_time_is_up_what_is_known_counts(data, coefficients):
    scorer = scorer_of(data, coefficients, deadline=np.inf)
    loss = scorer.fit(support("x**3 + x")).loss
    best = scorer.best_fit(support("x")).loss
    scorer._fitter.clock.deadline = 0.0
    assert scorer.best_fit(support("x**3 + x")).loss == loss
    assert scorer.best_fit(support("x")).loss == best
    assert scorer.best_fit(support("x**2")).loss == np.inf


def test_a_limit_that_is_not_met_changes_nothing(data, coefficients):
    expected, found = scorer_of(data, coefficients), scorer_of(data, coefficients, deadline=np.inf)
    assert_array_equal(found.score(programs(*TEXTS), NO_BANK).loss, expected.score(programs(*TEXTS), NO_BANK).loss)
    assert found.report(programs(*TEXTS), NO_BANK) == expected.report(programs(*TEXTS), NO_BANK)


def test_another_process_scores_alike(data, coefficients):
    scorer = scorer_of(data, coefficients)
    expected = scorer.score(programs(*TEXTS), NO_BANK).loss
    _KEPT.clear()  # as in a process that has solved nothing yet
    assert_array_equal(pickle.loads(pickle.dumps(scorer)).score(programs(*TEXTS), NO_BANK).loss, expected)


def test_checkpoints_know_the_loss(data, coefficients):
    assert [scorer_of(data, coefficients, loss=loss).fingerprint()["loss"] for loss in ("huber", "absolute_error")] == [
        "huber",
        "absolute_error",
    ]


def test_every_set_of_powers_is_tried(data):
    X, y, weights = data
    model = VSRRegressor(method="exhaustive", loss="absolute_error", coefficients="shared", max_degree=4, selection="loss")
    front = model.fit(X, y, sample_weight=weights).pareto_front_
    constant = np.average(np.abs(y - weighted_median(y, weights)), weights=weights)
    best = {
        size: min(
            mean_absolute_error(data, " + ".join(f"x**{power}" for power in powers), "shared") / constant
            for powers in itertools.combinations(range(1, 5), size)
        )
        for size in range(1, 5)
    }
    found = {sum(not term.is_constant for term in point.formula.terms): point.loss for point in front[1:]}
    assert len(found) > 2
    for size, loss in found.items():
        assert_allclose(loss, best[size], rtol=1e-3)
    assert len(model.history_) == 1
