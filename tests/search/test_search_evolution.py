"""The whole search: what it finds, what it repeats, and how it ends."""

import time
import tracemalloc
import warnings

import numpy as np
import pytest

from sklearn_taskneurons._search import (
    Moments,
    MomentScorer,
    RefitScorer,
    Rows,
    RowScorer,
    SearchSettings,
    make_scorer,
    search,
    search_exhaustively,
    selection_scores,
)
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._island import score_new
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scores, quantised
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula.functions import VECTOR

SMALL = {"population_size": 60, "generations": 8}
OFFSPRING = ("p_crossover", "p_mutation", "p_constant_mutation")
WAYS = [
    {"refit_constants": False, "linear_scaling": False},
    {"refit_constants": False},
    {"coefficients": "shared"},
    {"coefficients": "per_feature"},
]


def run(X, y, weight=None, *, seed=0, function_set=("add", "sub", "mul", "neg"), degree=5, changes=None, **how):
    settings = SearchSettings(function_set=function_set, **{**SMALL, **(changes or {})})
    scorer = make_scorer(X, y, weight, settings=settings, degree=degree, **how)
    return search(scorer, settings, np.random.default_rng(seed))


def without_time(history):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


def loss_of(entry, X, Y, weight=None):
    Y = Y.reshape(len(Y), -1)
    losses = []
    for formula, y in zip(entry.formulas, Y.T, strict=True):
        variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
        losses.append(np.average((y - formula(X)) ** 2, weights=weight) / variance)
    return np.mean(losses)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("function_set", [("add", "sub", "mul", "neg"), ("add", "mul", "sin", "dot", "w")])
def test_front_is_what_it_says(cubic, rng, how, function_set):
    X, y = cubic
    weight = rng.uniform(0.0, 2.0, len(X))
    front = run(X, y, weight, function_set=function_set, **how).front
    complexities = [entry.complexity for entry in front]
    losses = [entry.loss for entry in front]
    assert complexities == sorted(set(complexities))
    assert losses == sorted(set(losses), reverse=True)
    assert len({entry.formulas for entry in front}) == len(front)
    for entry in front:
        assert entry.complexity == max(
            sum(len(node.value) if node.opcode == VECTOR else 1 for node in formula.expression) for formula in entry.formulas
        )
        assert loss_of(entry, X, y, weight) == pytest.approx(entry.loss, rel=1e-6)


@pytest.mark.parametrize("how", WAYS[1:])
@pytest.mark.parametrize("function_set", [("add", "sub", "mul"), ("add", "mul", "sin")])
def test_several_outputs_share_a_structure(cubic, how, function_set):
    X, y = cubic
    Y = np.column_stack([y, 3.0 * y + 1.0, np.sum(X, axis=1)])
    for entry in run(X, Y, function_set=function_set, **how).front:
        assert len(entry.formulas) == 3
        assert loss_of(entry, X, Y) == pytest.approx(entry.loss, rel=1e-6)


@pytest.mark.parametrize("how", WAYS[1:3])
def test_the_cubic_is_found(cubic, how):
    X, y = cubic
    result = run(X, y, changes={"population_size": 200, "generations": 20}, **how)
    formula = result.front[np.argmax(selection_scores(result.front, len(y)))].formulas[0]
    coefficients = {term.degree: term.coefficient for term in formula.terms}
    assert coefficients[3] == pytest.approx(2.0, abs=0.1)
    assert coefficients[1] == pytest.approx(-1.0, abs=0.2)
    assert abs(coefficients.get(2, 0.0)) < 0.1


def test_an_inner_product_is_found_and_fitted(rng):
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 0.5] * 3.0 + 1.0
    changes = {"population_size": 100, "generations": 6}
    result = run(X, y, function_set=("add", "mul", "dot", "w"), changes=changes, coefficients="per_feature")
    best = result.front[-1]
    assert best.loss < 1e-20
    assert best.n_coefficients == 4
    np.testing.assert_allclose(best.formulas[0](X), y, rtol=1e-9)


@pytest.mark.parametrize("how", WAYS)
def test_the_same_seed_gives_the_same_search(cubic, how):
    first, second = run(*cubic, **how), run(*cubic, **how)
    assert first.front == second.front
    assert without_time(first.history) == without_time(second.history)
    assert without_time(run(*cubic, seed=1, **how).history) != without_time(first.history)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("function_set", [("add", "sub", "mul", "neg"), ("add", "mul", "sin", "dot", "w")])
def test_weights_steer_the_search_as_repetitions_do(cubic, rng, how, function_set):
    X, y = cubic
    weight = rng.integers(0, 3, len(X))
    repeated = np.repeat(np.arange(len(X)), weight)
    weighted = run(X, y, weight.astype(float), function_set=function_set, **how)
    plain = run(X[repeated], y[repeated], function_set=function_set, **how)
    assert [entry.complexity for entry in weighted.front] == [entry.complexity for entry in plain.front]
    for ours, theirs in zip(weighted.front, plain.front, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
        np.testing.assert_allclose(ours.formulas[0](X), theirs.formulas[0](X), rtol=1e-5, atol=1e-6)


def test_global_randomness_is_left_alone(cubic):
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        filters = list(warnings.filters)
        run(*cubic)
        assert warnings.filters == filters
    assert (np.random.get_state()[1] == before).all()


def test_history_tells_each_generation(cubic):
    result = run(*cubic)
    assert [record["generation"] for record in result.history] == list(range(1, 9))
    best = [record["best_loss"] for record in result.history]
    assert best == sorted(best, reverse=True)  # the elite is never lost
    assert result.history[-1]["best_loss"] == pytest.approx(min(entry.loss for entry in result.front))
    seconds = [record["seconds"] for record in result.history]
    assert seconds == sorted(seconds)
    assert result.ended is None


def scorer_and_settings(cubic, **changes):
    settings = SearchSettings(**{**SMALL, **changes})
    return make_scorer(*cubic, settings=settings, refit_constants=False), settings


def test_an_interruption_keeps_the_best_so_far(cubic):
    scorer, settings = scorer_and_settings(cubic)

    def interrupt(record):
        if record["generation"] == 3:
            raise KeyboardInterrupt

    result = search(scorer, settings, np.random.default_rng(0), callback=interrupt)
    assert result.ended == "interrupted"
    assert len(result.history) == 3
    assert result.front == search(scorer, SearchSettings(**{**SMALL, "generations": 3}), np.random.default_rng(0)).front


def test_an_interruption_before_anything_is_known_is_passed_on():
    class Interrupted:
        n_features, n_outputs = 4, 1

        def score(self, population, bank):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(Interrupted(), SearchSettings(**SMALL), np.random.default_rng(0))


def test_a_callback_ends_the_search(cubic):
    scorer, settings = scorer_and_settings(cubic)
    result = search(scorer, settings, np.random.default_rng(0), callback=lambda record: record["generation"] == 2)
    assert len(result.history) == 2
    assert result.ended == "stopped"


def test_a_deadline_ends_the_search_within_a_generation(cubic):
    scorer, settings = scorer_and_settings(cubic, population_size=200)
    result = search(scorer, settings, np.random.default_rng(0), deadline=time.monotonic() - 1.0)
    assert result.ended == "timed_out"
    assert len(result.history) == 1
    assert len(result.front) > 1
    assert np.isinf(result.history[0]["median_loss"])  # most programs were not scored any more
    far = search(scorer, settings, np.random.default_rng(0), deadline=time.monotonic() + 1e6)
    assert far.ended is None
    assert far.front == search(scorer, settings, np.random.default_rng(0)).front


def test_a_search_that_gains_nothing_stops(rng):
    X = rng.normal(size=(100, 2))
    result = run(X, rng.normal(size=100), changes={"generations": 200, "n_iter_no_change": 5}, degree=2)
    assert result.ended == "converged"
    assert len(result.history) < 100


@pytest.mark.parametrize("how", WAYS[2:])
@pytest.mark.parametrize("function_set", [("add", "sub", "mul"), ("add", "mul", "exp")])
def test_rounding_errors_are_no_terms(rng, how, function_set):
    X = rng.normal(size=(100, 3))
    changes = {"population_size": 200, "generations": 10}
    result = run(X, 2.0 * np.sum(X**2 + X, axis=1), function_set=function_set, changes=changes, degree=3, **how)
    assert [term.degree for term in result.front[-1].formulas[0].terms] == [2, 1]


def test_a_perfect_formula_ends_the_search(rng):
    X = rng.normal(size=(100, 3))
    result = run(X, np.sum(X**2, axis=1), changes={"generations": 200})
    assert result.ended == "converged"
    assert len(result.history) < 50
    assert result.front[-1].loss < 1e-12


def test_a_search_goes_on_where_it_stopped(cubic):
    scorer, settings = scorer_and_settings(cubic)
    first = search(scorer, settings, np.random.default_rng(0))
    second = search(scorer, settings, np.random.default_rng(1), state=first.state)
    assert [record["generation"] for record in second.history] == list(range(9, 17))
    assert second.front[-1].loss <= first.front[-1].loss
    assert second.history[0]["best_loss"] <= first.history[-1]["best_loss"]


def test_a_resumed_search_judges_by_the_new_rows(cubic):
    X, y = cubic
    scorer, settings = scorer_and_settings(cubic)
    first = search(scorer, settings, np.random.default_rng(0))
    other = np.sum(X**2, axis=1)
    rescored, _ = scorer_and_settings((X, other))
    second = search(rescored, settings, np.random.default_rng(0), state=first.state)
    for entry in second.front:
        assert loss_of(entry, X, other) == pytest.approx(entry.loss, rel=1e-6)
    fewer, _ = scorer_and_settings((X[:, :2], y))
    with pytest.raises(ValueError, match="the state is of a search on 4 features; the data has 2"):
        search(fewer, settings, np.random.default_rng(0), state=first.state)


def test_a_constant_target_gives_its_constant(rng):
    X = rng.normal(size=(40, 3))
    for how in WAYS[1:]:
        result = run(X, np.full(40, 2.5), **how)
        assert [entry.formulas[0] for entry in result.front] == [Formula("2.5")]
        assert result.front[0].loss == 0.0


def test_a_front_is_never_empty(rng):
    X = rng.uniform(-2.0, -1.0, size=(30, 2))  # no logarithm of it is real, nor of a constant
    for scaling in (False, True):
        changes = {"const_range": (-9, 0), "init_depth": (1, 2), **dict.fromkeys(OFFSPRING, 0.0)}
        how = {"refit_constants": False, "linear_scaling": scaling}
        (entry,) = run(X, X.sum(axis=1), function_set=("log",), changes=changes, **how).front
        assert entry.formulas[0](X) == pytest.approx(np.full(30, np.mean(X.sum(axis=1))))
        assert entry.loss == 1.0


@pytest.mark.parametrize("per_feature", [False, True])
def test_no_search_beats_all_powers(cubic, per_feature):
    X, y = cubic
    scorer = RefitScorer(Moments(4, per_feature=per_feature).update(X, y))
    result = search_exhaustively(scorer)
    found = {entry.complexity: entry.loss for entry in result.front}
    for support in range(16):
        powers = [k for k in range(1, 5) if support >> (k - 1) & 1]
        columns = [X**k if per_feature else np.sum(X**k, axis=1, keepdims=True) for k in powers]
        design = np.column_stack([np.ones(len(X)), *columns])
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        loss = residual @ residual / len(y) / y.var()
        complexity = scorer.complexity(sum(1 << k for k in powers))
        assert min(value for size, value in found.items() if size <= complexity) <= loss * (1 + 1e-9)
    assert result.ended == "converged"
    late = search_exhaustively(scorer, deadline=time.monotonic() - 1.0)
    assert late.ended == "timed_out"
    assert [entry.complexity for entry in late.front] == [1]
    with pytest.raises(ValueError, match="degree must be at most 14"):
        search_exhaustively(RefitScorer(Moments(15).update(X, y)))


@pytest.mark.parametrize("scale", [1e-90, 1e90, 1e-300, 1e300])
@pytest.mark.parametrize("per_feature", [False, True])
def test_features_at_the_ends_of_the_range_of_numbers(rng, scale, per_feature):
    X = rng.normal(size=(50, 2))
    y = X.sum(axis=1) + 0.1 * rng.normal(size=50)
    scorer = RefitScorer(Moments(7, per_feature=per_feature).update(scale * X, y))
    largest = 3 if scale in (1e-90, 1e90) else 1
    for result in (search_exhaustively(scorer), search(scorer, SearchSettings(**SMALL), np.random.default_rng(0))):
        assert result.front[1].loss < 0.1
        for entry in result.front:
            assert entry.formulas[0].degree <= largest
            assert loss_of(entry, scale * X, y) == pytest.approx(entry.loss, rel=1e-6)


def test_memory_does_not_grow_with_the_rows(rng):
    settings = SearchSettings(function_set=("add", "mul", "sin"), population_size=100, generations=1)
    X = rng.normal(size=(8_000, 5))
    scorer = RowScorer(Rows(X, X.sum(axis=1)), budget=1 << 20)
    moments = MomentScorer(Moments(5).update(X, X.sum(axis=1)))
    tracemalloc.start()
    try:
        assert search(scorer, settings, np.random.default_rng(0)).front
        by_rows = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        search(moments, SearchSettings(**SMALL), np.random.default_rng(0))
        by_moments = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The values of all nodes would take 8000 * 5 * 8 bytes for each of some hundred nodes.
    assert by_rows < 3 * 2**20
    assert by_moments < 2**22


def test_losses_are_compared_without_their_last_digits():
    close = quantised(np.array([0.3, 0.3 * (1 + 1e-9), 0.3 * (1 + 1e-6)]))
    assert close[0] == close[1] < close[2]
    assert quantised(np.array([1e-19, 0.0, -1e-20])).tolist() == [0.0, 0.0, 0.0]
    assert quantised(np.array([np.inf, 1e300, np.nan])).tolist() == [np.inf] * 3


def scores(losses, complexities):
    return Scores(np.array(losses), np.array(complexities))


def test_front_keeps_the_best_of_each_complexity():
    programs = Population.from_expressions([Formula(text).expression for text in ("x", "x + 1", "x*x*x", "x + 2")])
    front = Front()
    assert not front.update(programs, scores([np.inf] * 4, [1, 3, 5, 3]))
    assert front.programs is None
    assert front.update(programs, scores([0.9, 0.5, 0.6, 0.5], [1, 3, 5, 3]))
    assert front.loss[:2].tolist() == [0.9, 0.5]
    assert front.programs.expression(1) == programs.expression(1)  # the first among equals
    assert not front.update(programs, scores([0.9, 0.5 * (1 + 1e-9), 0.5, 0.7], [1, 3, 5, 3]))
    assert front.update(programs, scores([1.0, 1.0, 0.1, 0.4], [1, 3, 5, 3]))
    assert front.complexity.tolist() == [1, 3, 5]
    assert front.loss.tolist() == [0.9, 0.4, 0.1]
    assert front.programs.expression(1) == programs.expression(3)


def test_a_vector_that_is_constant_is_reported_as_its_sum(cubic):
    X, y = cubic
    scorer = MomentScorer(Moments(3).update(X, y), linear_scaling=False)
    programs = Population.from_expressions([Formula("x - x + 5").expression])
    (found,) = scorer.report(programs, np.zeros((0, 4)))
    assert found.formulas == (Formula("20"),)
    assert found.loss == pytest.approx(np.mean((y - 20.0) ** 2) / y.var())
    (found,) = RowScorer(Rows(X, y), linear_scaling=False).report(programs, np.zeros((0, 4)))
    assert found.formulas == (Formula("20"),)


def test_nothing_is_scored_twice_and_every_score_is_right(cubic):
    counted = []

    class Counting(MomentScorer):
        def score(self, population, bank):
            counted.append(len(population))
            return super().score(population, bank)

    scorer = Counting(Moments(5).update(*cubic))
    settings = SearchSettings(**SMALL)
    grammar = Grammar(settings)
    population, bank, known = grammar.ramped(np.random.default_rng(0), 60, (0, 2)), np.zeros((0, 4)), None
    for _ in range(2):
        expected = MomentScorer(Moments(5).update(*cubic)).score(population, bank)
        found, known = score_new(scorer, population, bank, known, Clock(None))
        np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
        assert (found.complexity == expected.complexity).all()
        population = population.take(np.arange(60)[::-1])
    distinct = {population.expression(row) for row in range(60)}
    assert counted == [len(distinct)]


def test_too_many_columns_are_shared(rng):
    X = rng.normal(size=(20, 2100))
    y = np.sum(X + np.sin(X), axis=1)
    scorer = RowScorer(Rows(X, y), coefficients="per_feature")
    programs = Population.from_expressions([Formula("x + 3*sin(x)").expression])
    best = scorer.report(programs, np.zeros((0, 2100)))[-1]
    assert best.n_coefficients == 3
    assert best.loss < 1e-20
