"""From programs to formulas: all of them, or as many as there is time for."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer, SearchSettings, search
from sklearn_taskneurons._search._report import end_of_generations

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


def best(result, count):
    """Return the least losses of a search's programs, of which there are more."""
    assert len(result.state.front.loss) > count
    return np.sort(result.state.front.loss)[:count]


def test_it_is_that_of_all_programs_together(cubic):
    scorer = Reporter(cubic)
    result = run(scorer)
    assert result.front == RowScorer(Rows(*cubic)).report(result.state.front.programs, result.state.bank)
    assert len(scorer.losses) == len(result.state.front.loss)
    assert result.ended is None


def test_a_search_out_of_time_reports_its_best_program_alone(cubic):
    scorer = Reporter(cubic)
    result = run(scorer, deadline=time.monotonic() - 1.0)
    assert result.ended == "timed_out"
    assert_allclose(scorer.losses, best(result, 1))
    assert_allclose(result.front[-1].loss, best(result, 1)[0])


def test_it_ends_at_the_deadline_with_the_best_programs(cubic, monkeypatch):
    deadline = time.monotonic() + 1e6

    def pass_time():
        if len(scorer.losses) == 3:
            monkeypatch.setattr("time.monotonic", lambda: deadline)

    scorer = Reporter(cubic, pass_time)
    result = run(scorer, deadline)
    assert result.ended == "timed_out"
    assert len(result.history) == SETTINGS.generations
    assert_allclose(scorer.losses, best(result, 3))
    assert_allclose(result.front[-1].loss, best(result, 1)[0])


def test_a_tenth_of_the_time_is_kept_for_formulas_that_take_passes_over_the_rows(cubic, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    on_rows, on_moments = RowScorer(Rows(*cubic)), MomentScorer(Moments(3).update(*cubic))
    assert [end_of_generations(on_rows, deadline) for deadline in (None, 99.0, 110.0)] == [None, 99.0, 109.0]
    assert [end_of_generations(on_moments, deadline) for deadline in (None, 110.0)] == [None, 110.0]


@pytest.mark.parametrize(("interruptions", "n_tried", "of_front"), [({1}, 2, 1), ({1, 2}, 3, 2), ({4}, 4, 0)])
def test_an_interruption_keeps_what_there_is_and_one_program_at_least(cubic, interruptions, n_tried, of_front):
    def interrupt():
        if len(scorer.losses) in interruptions:
            raise KeyboardInterrupt

    scorer = Reporter(cubic, interrupt)
    result = run(scorer)
    assert result.ended == "interrupted"
    assert len(result.history) == SETTINGS.generations
    assert_allclose(scorer.losses, best(result, n_tried))
    assert_allclose(result.front[-1].loss, best(result, n_tried)[of_front])


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
    assert_allclose(result.front[-1].loss, best(result, 1)[0], rtol=1e-6)


def test_formulas_that_are_cross_validated_end_at_the_deadline_as_well(cubic):
    X, y = cubic
    moments = Moments(4).update(X, y)
    folds = [Moments(4).update(X[start::2], y[start::2]) for start in range(2)]
    past = time.monotonic() - 1.0
    plain, validated = run(RefitScorer(moments), deadline=past), run(RefitScorer(moments, folds), deadline=past)
    assert plain.state.front.loss.tolist() == validated.state.front.loss.tolist()
    assert len(plain.front) > len(validated.front) == 2  # the constant and the best program
    assert plain.front[-1].formulas == validated.front[-1].formulas
