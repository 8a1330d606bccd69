"""From programs to formulas: all of them, or as many as there is time for."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer, SearchSettings, search
from sklearn_taskneurons._search._report import by_promise, end_of_generations

SETTINGS = SearchSettings(population_size=200, generations=12)


class Reporter(RowScorer):
    """Scores on the rows, and calls a function each time that it is to report a program."""

    def __init__(self, data, before=lambda: None):
        super().__init__(Rows(*data))
        self.before = before
        self.losses = []

    def report(self, population, bank):
        self.losses += self.score(population, bank).loss.tolist()
        self.before()
        return super().report(population, bank)


def run(scorer, deadline=None):
    return search(scorer, SETTINGS, np.random.default_rng(0), deadline=deadline)


def first(result, count):
    """Return the losses of the most promising programs of a search, of which there are more."""
    length, loss = result.state.front.programs.length, result.state.front.loss
    assert len(loss) > count
    return loss[by_promise(length, loss)[:count]]


def test_the_promise_of_programs_is_how_far_they_lie_below_the_line():
    length, loss = np.array([9, 1, 3, 5, 2, 7, 21, 30]), np.array([0.02, 2.0, 0.5, 0.3, np.inf, 0.3, 0.01, 0.01])
    line = np.log(0.01) * (np.minimum(length, 21) - 1) / 20
    distance = line - np.log(loss)
    assert by_promise(length, loss).tolist() == np.argsort(-distance, kind="stable").tolist() == [0, 3, 2, 6, 7, 5, 1, 4]
    # An exact law has no other one below its line; it comes before the constant, where the line begins.
    assert by_promise(np.array([1, 5, 9]), np.array([1.0, 0.9, 0.0])).tolist() == [2, 0, 1]
    assert by_promise(np.array([1]), np.array([np.inf])).tolist() == [0]
    assert by_promise(np.array([3, 5]), np.full(2, np.inf)).tolist() == [0, 1]  # without a warning


def test_a_law_is_reported_before_what_follows_the_noise(monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.uniform(0.5, 3, size=(200, 2))
    y = (1 / X).sum(axis=1)
    y += 0.05 * y.std() * rng.normal(size=200)
    settings = SearchSettings(function_set=("add", "mul", "div", "sin", "exp"), population_size=300, generations=15)
    deadline = time.monotonic() + 1e6

    def pass_time():
        if len(scorer.losses) == 2:
            monkeypatch.setattr("time.monotonic", lambda: deadline)

    scorer = Reporter((X, y), pass_time)
    result = search(scorer, settings, np.random.default_rng(0), deadline=deadline)
    assert any(str(formula.round(1)).startswith("1/x") for entry in result.front for formula in entry.formulas)


def test_it_is_that_of_all_programs_together(cubic):
    scorer = Reporter(cubic)
    result = run(scorer)
    assert result.front == RowScorer(Rows(*cubic)).report(result.state.front.programs, result.state.bank)
    assert len(scorer.losses) == len(result.state.front.loss)
    assert result.ended is None


def test_a_search_out_of_time_reports_its_most_promising_program_alone(cubic):
    scorer = Reporter(cubic)
    result = run(scorer, deadline=time.monotonic() - 1.0)
    assert result.ended == "timed_out"
    assert_allclose(scorer.losses, first(result, 1))
    assert_allclose(result.front[-1].loss, first(result, 1)[0])


def test_it_ends_at_the_deadline_with_the_most_promising_programs(cubic, monkeypatch):
    deadline = time.monotonic() + 1e6

    def pass_time():
        if len(scorer.losses) == 3:
            monkeypatch.setattr("time.monotonic", lambda: deadline)

    scorer = Reporter(cubic, pass_time)
    result = run(scorer, deadline)
    assert result.ended == "timed_out"
    assert len(result.history) == SETTINGS.generations
    assert_allclose(scorer.losses, first(result, 3))
    assert_allclose(result.front[-1].loss, first(result, 3).min())


def test_a_tenth_of_the_time_is_kept_for_formulas_that_take_passes_over_the_rows(cubic, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    on_rows, on_moments = RowScorer(Rows(*cubic)), MomentScorer(Moments(3).update(*cubic))
    assert [end_of_generations(on_rows, deadline) for deadline in (None, 99.0, 110.0)] == [None, 99.0, 109.0]
    assert [end_of_generations(on_moments, deadline) for deadline in (None, 110.0)] == [None, 110.0]


@pytest.mark.parametrize(
    ("interruptions", "n_tried", "of_front"), [({1}, 2, slice(1, 2)), ({1, 2}, 3, slice(2, 3)), ({4}, 4, slice(0, 3))]
)
def test_an_interruption_keeps_what_there_is_and_one_program_at_least(cubic, interruptions, n_tried, of_front):
    def interrupt():
        if len(scorer.losses) in interruptions:
            raise KeyboardInterrupt

    scorer = Reporter(cubic, interrupt)
    result = run(scorer)
    assert result.ended == "interrupted"
    assert len(result.history) == SETTINGS.generations
    assert_allclose(scorer.losses, first(result, n_tried))
    assert_allclose(result.front[-1].loss, first(result, n_tried)[of_front].min())


def test_one_of_all_programs_at_once_goes_program_by_program_when_it_is_interrupted(cubic):
    class Interrupted(MomentScorer):
        sizes = ()

        def report(self, population, bank):
            self.sizes = *self.sizes, len(population)
            if len(self.sizes) == 1:
                raise KeyboardInterrupt
            return super().report(population, bank)

    scorer = Interrupted(Moments(5).update(*cubic))
    result = run(scorer)
    assert result.ended == "interrupted"
    assert scorer.sizes == (len(result.state.front.loss), 1)
    assert_allclose(result.front[-1].loss, first(result, 1)[0], rtol=1e-6)


def test_formulas_that_are_cross_validated_end_at_the_deadline_as_well(cubic):
    X, y = cubic
    moments = Moments(4).update(X, y)
    folds = [Moments(4).update(X[start::2], y[start::2]) for start in range(2)]
    past = time.monotonic() - 1.0
    plain, validated = run(RefitScorer(moments), deadline=past), run(RefitScorer(moments, folds), deadline=past)
    assert plain.state.front.loss.tolist() == validated.state.front.loss.tolist()
    assert len(plain.front) > len(validated.front) == 2  # the constant and the most promising program
    assert validated.front[-1].formulas in [entry.formulas for entry in plain.front]
