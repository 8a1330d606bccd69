"""Superfluous terms are dropped at the end of a search: against brute force by NumPy's least squares, and exact laws."""

import time

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose

from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer, SearchSettings, search
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._report import reported
from sklearn_taskneurons.formula import Formula

NO_BANK = np.zeros((0, 2))
FUNCTIONS = (np.reciprocal, np.square, np.sin, np.log)
TEXT = "1/x + x**2 + sin(x) + log(x)"


@pytest.fixture
def data(rng):
    """A law of two of the terms, the others fit the noise: X, y and weights."""
    X = rng.uniform(0.5, 3.0, size=(60, 2))
    return X, (1 / X + X**2).sum(axis=1) + 0.3 * rng.normal(size=60), rng.uniform(0.5, 2.0, size=60)


def programs(*texts):
    return Population.from_expressions([Formula(text).expression for text in texts])


def report(scorer, *texts, clock=None):
    loss = np.linspace(0.1, 0.2, len(texts))
    return reported(scorer, programs(*texts), loss, NO_BANK, Clock(None) if clock is None else clock)


def fitted_loss(columns, Y, weights):
    """Return the loss of the best coefficients of some columns and a constant."""
    root = np.sqrt(weights)[:, None]
    design = np.column_stack([np.ones(len(Y)), *columns])
    residuals = Y - design @ np.linalg.lstsq(root * design, root * Y, rcond=None)[0]
    mean = np.average(Y, axis=0, weights=weights)
    return np.mean((weights @ residuals**2) / (weights @ (Y - mean) ** 2))


def path(loss_of, places):
    """Return the losses on the way down from all terms to one, by trying all."""
    losses = []
    while len(places) > 1:
        places = min(([place for place in places if place != dropped] for dropped in places), key=loss_of)
        losses.append(loss_of(places))
    return losses


def assert_reached(front, losses):
    """Assert that the formulas have these losses, all of which are on the front as fewer terms fit worse."""
    found = np.array([entry.loss for entry in front])
    assert_allclose([found[np.argmin(np.abs(found - loss))] for loss in losses], losses, rtol=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
def test_refitted_terms_are_dropped_in_the_order_that_brute_force_finds(data, rng, coefficients, n_outputs):
    X, y, weights = data
    Y = np.column_stack([y, np.sin(X).sum(axis=1) + 0.1 * rng.normal(size=60)])[:, :n_outputs]
    columns = [function(X) for function in FUNCTIONS]
    if coefficients == "shared":
        columns = [column.sum(axis=1) for column in columns]
    expected = path(lambda places: fitted_loss([columns[place] for place in places], Y, weights), [0, 1, 2, 3])
    scorer = RowScorer(Rows(X, Y, weights), coefficients=coefficients)
    assert len(scorer.report(programs(TEXT), NO_BANK)) < 4
    front = report(scorer, TEXT).front
    assert_reached(front, expected)
    for entry in front:
        residuals = Y - np.column_stack([formula(X) for formula in entry.formulas])
        mean = np.average(Y, axis=0, weights=weights)
        own = np.mean((weights @ residuals**2) / (weights @ (Y - mean) ** 2))
        assert entry.loss == pytest.approx(own, rel=1e-9)


@pytest.mark.parametrize("scaling", [False, True])
def test_terms_with_their_own_constants_are_dropped_as_well(data, scaling):
    X, y, weights = data
    y = y - 40.0  # a constant of the program's own stands for it, or an intercept
    columns = [coefficient * f(X).sum(axis=1) for coefficient, f in zip((1.1, 0.9, 0.2, -0.1), FUNCTIONS, strict=True)]
    places = [0, 1, 2, 3]
    if not scaling:
        columns.append(np.full(60, -40.1))
        places.append(4)

    def loss_of(places):
        total = sum(columns[place] for place in places)
        if scaling:
            return fitted_loss([total], y[:, None], weights)
        return weights @ (y - total) ** 2 / (weights @ (y - np.average(y, weights=weights)) ** 2)

    expected = np.minimum.accumulate(path(loss_of, places)[::-1])[::-1]  # where fewer terms are better, more are not reported
    scorer = RowScorer(Rows(X, y, weights), linear_scaling=scaling)
    text = "1.1/x + 0.9*x**2 + 0.2*sin(x) - 0.1*log(x)" + ("" if scaling else " - 20.05")
    front = report(scorer, text).front
    assert_reached(front, expected)
    assert len(front) > len(scorer.report(programs(text), NO_BANK))


def test_vectors_that_are_not_fitted_anew_count_by_their_length_as_well(data):
    X, _, _ = data
    scorer = RowScorer(Rows(X, X @ [4.0, 2.0]), linear_scaling=False)
    # Of both formulas the same is left, but for the length of the vector.
    texts = "[2, 1]*x + sin(x)", "[4, 2]*x + 0.1*sin(x)*log(x)"
    front = [entry for text in texts for entry in scorer._fitter.entries(Formula(text).expression)]
    left = [str(entry.formulas[0]) for step in scorer.eliminated(front) for entry in step]
    assert left == ["dot([2, 1], x)", "dot([4, 2], x)"]


def test_an_exact_law_loses_the_terms_that_only_rounding_has_kept(rng):
    X = rng.uniform(0.5, 3.0, size=(400, 3))
    y = 1 / X[:, 0] + X[:, 1] ** 2
    scorer = RowScorer(Rows(X, y), coefficients="auto")
    text = "1/x + x**2 + x + sqrt(x) + log(x) + sin(x) + exp(x) + exp(-x)"
    assert all(entry.complexity > 40 for entry in scorer.report(programs(text), NO_BANK) if entry.loss < 1e-18)
    exact = report(scorer, text).front[-1]
    assert exact.loss < 1e-18
    assert str(exact.formulas[0]) == "dot([0, 1, 0], x**2) + dot([1, 0, 0], 1/x)"


def test_jobs_and_islands_do_not_matter_to_it(data):
    X, y, _ = data
    settings = SearchSettings(function_set=("add", "mul", "div", "sin", "log"), population_size=60, generations=6)
    scorer = RowScorer(Rows(X, y), coefficients="auto")
    with parallel_config("threading"):
        one, two = (search(scorer, settings, np.random.default_rng(0), n_islands=2, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.front == two.front
    assert one.front != scorer.report(one.state.front.programs, one.state.bank)


def test_what_is_left_of_a_law_is_chosen_on_the_folds_as_well(data):
    X, y, _ = data
    folds = [Rows(X[start::5], y[start::5]) for start in range(5)]
    front = report(RowScorer(Rows(X, y), coefficients="shared", folds=folds), TEXT).front
    columns = np.column_stack([np.ones(60), (1 / X).sum(axis=1), (X**2).sum(axis=1)])
    (law,) = [
        entry for entry in front if [str(term.factors[0]) for term in entry.formulas[0].terms[:-1]] == ["sum(x**2)", "sum(1/x)"]
    ]
    for start, loss in enumerate(law.fold_losses):
        held_out = np.arange(60) % 5 == start
        solution = np.linalg.lstsq(columns[~held_out], y[~held_out], rcond=None)[0]
        residuals = y[held_out] - columns[held_out] @ solution
        assert loss == pytest.approx(residuals @ residuals / 60 / y.var())


def test_what_is_as_good_and_as_simple_already_is_not_fitted_again(data, monkeypatch):
    X, y, _ = data
    scorer = RowScorer(Rows(X, y), coefficients="shared")
    known = ["1/x + x**2 + log(x)", "1/x + x**2 + sin(x)", "1/x + x**2", "x**2"]
    front = report(scorer, TEXT).front
    before = scorer.report(programs(TEXT, *known), NO_BANK)
    assert [entry.formulas for entry in before] == [entry.formulas for entry in front]
    monkeypatch.setattr(type(scorer._fitter), "refitted", lambda *_: pytest.fail("fitted again"))
    assert report(scorer, TEXT, *known).front == before


class Stepping(RowScorer):
    """Calls a function after each step of the elimination."""

    def __init__(self, *args, after, **how):
        super().__init__(*args, **how)
        self.after = after
        self.n_steps = 0

    def eliminated(self, front):
        for found in super().eliminated(front):
            self.n_steps += 1
            self.after(self.n_steps)
            yield found


def test_it_ends_when_the_time_is_up(data, monkeypatch):
    deadline = time.monotonic() + 1e6

    def pass_time(step):
        if step == 3:  # a look at the clock, three terms, two terms
            monkeypatch.setattr("time.monotonic", lambda: deadline)

    X, y, _ = data
    scorer = Stepping(Rows(X, y), coefficients="shared", after=pass_time)
    found = report(scorer, TEXT, clock=Clock(deadline))
    assert found.ended == "timed_out"
    assert scorer.n_steps == 3
    terms = [[term for term in entry.formulas[0].terms if not term.is_constant] for entry in found.front]
    assert [len(each) for each in terms] == [0, 2, 3, 4]
    late = report(scorer, TEXT, clock=Clock(deadline))
    assert late.ended == "timed_out"
    assert scorer.n_steps == 4  # another look at the clock
    assert late.front == scorer.report(programs(TEXT), NO_BANK)


def test_an_interruption_keeps_what_has_been_found(data):
    def interrupt(step):
        if step == 3:
            raise KeyboardInterrupt

    X, y, _ = data
    found = report(Stepping(Rows(X, y), coefficients="shared", after=interrupt), TEXT)
    assert found.ended == "interrupted"
    before, whole = (report(RowScorer(Rows(X, y), coefficients="shared"), TEXT).front for _ in range(2))
    assert before == whole
    assert len(found.front) < len(whole)
    assert found.front[-1] == whole[-1]


def test_nothing_is_dropped_where_all_sets_have_been_tried_or_the_loss_is_another(cubic):
    X, y = cubic
    absolute = RowScorer(Rows(X, y), coefficients="shared", loss=Loss("absolute_error"))
    for scorer in (RefitScorer(Moments(4).update(X, y)), MomentScorer(Moments(4).update(X, y)), absolute):
        front = scorer.report(programs("x + x**2 + x**3"), np.zeros((0, 4)))
        assert [*scorer.eliminated(front)] == []


def test_terms_of_more_columns_than_rows_allow_stay(rng):
    X = rng.uniform(0.5, 3.0, size=(700, 200))
    y = (1 / X + X**2).sum(axis=1) + 0.1 * rng.normal(size=700)
    scorer = RowScorer(Rows(X, y), coefficients="per_feature")
    front = scorer.report(programs("1/x + x**2 + sin(x)"), np.zeros((0, 200)))
    assert [found for step in scorer.eliminated(front) for found in step] == []


def test_terms_of_more_columns_than_are_ever_fitted_stay(data, monkeypatch):
    for module in ("_refit", "_elimination"):
        monkeypatch.setattr(f"sklearn_taskneurons._search.{module}.MAX_COLUMNS", 6)
    X, y, _ = data
    scorer = RowScorer(Rows(X, y), coefficients="per_feature")
    front = scorer.report(programs("1/x + x**2 + sin(x)"), NO_BANK)
    assert "[" not in str(front[-1].formulas[0])  # seven columns with that of ones: no vector is fitted
    monkeypatch.setattr(type(scorer._fitter), "least_squares", lambda *_: pytest.fail("all columns were read"))
    assert [found for step in scorer.eliminated(front) for found in step] == []
