"""Islands: the same result wherever they are computed, and what they exchange."""

import pickle
import time

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config

from sklearn_taskneurons._search import Moments, RefitScorer, Rows, RowScorer, SearchSettings, make_scorer, search
from sklearn_taskneurons._search import _refit_scorer as refit_scorer
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._island import Generation, Round, Task, advance
from sklearn_taskneurons._search._islands import following, merged, migrated, round_length
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import FrontEntry, Scores
from sklearn_taskneurons._search._state import Island, SearchState, copied, generators
from sklearn_taskneurons.formula import Formula, make_function

SMALL = {"population_size": 60, "generations": 7}
POLYNOMIALS = {"function_set": ("add", "sub", "mul", "neg")}
OTHERS = {"function_set": ("add", "mul", "sin", "dot", "w")}


def parts(data, **changes):
    settings = SearchSettings(**{**SMALL, **changes})
    return make_scorer(*data, settings=settings, coefficients="per_feature"), settings


def run(data, *, seed=0, n_islands=3, migration_interval=3, changes=None, **how):
    scorer, settings = parts(data, **(changes or {}))
    rng = np.random.default_rng(seed)
    return search(scorer, settings, rng, n_islands=n_islands, migration_interval=migration_interval, **how)


def outcome(result):
    history = [{key: value for key, value in record.items() if key != "seconds"} for record in result.history]
    return result.front, history, result.ended


@pytest.mark.parametrize("functions", [POLYNOMIALS, OTHERS])
def test_where_islands_are_computed_changes_nothing(cubic, functions):
    expected = outcome(run(cubic, changes=functions))
    for backend, n_jobs in (("threading", 2), ("threading", 3), ("loky", 2)):
        with parallel_config(backend=backend):
            assert outcome(run(cubic, changes=functions, n_jobs=n_jobs)) == expected
    assert outcome(run(cubic, changes=functions, seed=1)) != expected


def test_own_functions_go_with_their_opcodes(cubic):
    # The first of them has no part in the search, but an opcode.
    for name in ("islands_first", "islands_second"):
        make_function(lambda x: x / (1.0 + x * x), name=name)

    class ByOpcode:
        """A program is the better the more often it calls the second one."""

        n_features, n_outputs, optimizer = 4, 1, None
        reports_at_once = True

        def score(self, population, bank):
            from sklearn_taskneurons.formula.functions import OPCODES  # of the process that this runs in

            calls = (population.opcode == OPCODES["islands_second"]) & (population.size > 0)
            return Scores(1.0 / (1.0 + calls.sum(axis=1)), population.length)

        def report(self, population, bank):
            return []

        def split(self, count):
            return [self] * count

        def constant(self):
            return FrontEntry(1, 1.0, 1, (Formula("1"),))

    settings = SearchSettings(**SMALL, function_set=("add", "mul", "islands_second"))
    expected = outcome(search(ByOpcode(), settings, np.random.default_rng(0), n_islands=3))
    assert expected[1][-1]["best_loss"] < expected[1][0]["best_loss"]
    with parallel_config(backend="loky"):
        found = outcome(search(ByOpcode(), settings, np.random.default_rng(0), n_islands=3, n_jobs=2))
    assert found == expected


def test_islands_without_migration_are_searches_of_their_own(cubic):
    together = run(cubic, n_islands=2, migration_interval=None)
    alone = [search(*parts(cubic), rng).history for rng in generators(np.random.default_rng(0), 2)]
    assert [record["best_loss"] for record in alone[0]] != [record["best_loss"] for record in alone[1]]
    for record, *records in zip(together.history, *alone, strict=True):
        assert record["best_loss"] == min(one["best_loss"] for one in records)
        assert record["mean_length"] == pytest.approx(np.mean([one["mean_length"] for one in records]))
        assert record["generation"] == records[0]["generation"]


def test_migration_begins_after_its_interval(cubic):
    changes = {"p_mutation": 0.9, "p_crossover": 0.0, "p_constant_mutation": 0.0, "elite_fraction": 0.0}
    _, apart, _ = outcome(run(cubic, migration_interval=None, changes=changes))
    _, together, _ = outcome(run(cubic, migration_interval=3, changes=changes))
    assert together[:3] == apart[:3]
    assert together[3] != apart[3]


def programs(*texts):
    return Population.from_expressions([Formula(text).expression for text in texts])


def test_the_best_go_one_island_on_and_replace_the_last():
    islands = [Island(programs("x", "x + 1", f"x + {2 + index}"), np.random.default_rng(index)) for index in range(3)]
    found = migrated(islands, [programs("x*x*x + 7"), programs("x*x"), programs("x")])
    expected = [("x", "x + 1", "x"), ("x", "x + 1", "x*x*x + 7"), ("x", "x + 1", "x*x")]
    for before, island, texts in zip(islands, found, expected, strict=True):
        assert [island.population.expression(row) for row in range(3)] == [Formula(text).expression for text in texts]
        assert island.rng is before.rng


def test_emigrants_are_the_best_of_the_last_generation(cubic):
    scorer, settings = parts(cubic)
    grammar = Grammar(settings)
    rng = np.random.default_rng(0)
    island = Island(grammar.ramped(rng, 60, (2, 6)), rng)
    bank = np.zeros((0, 4))
    round_ = advance(Task(scorer, grammar, bank, Front(), island, 2, 3, Clock(None)))
    losses = np.unique(round_.generations[-1].scores.loss.astype(np.float32))
    found = scorer.score(round_.emigrants, bank).loss
    assert len(found) == 3
    assert found[0].astype(np.float32) == losses[0]
    assert found.max() <= np.sort(losses)[3]


def test_a_task_can_be_done_again(cubic):
    scorer, settings = parts(cubic, **OTHERS)
    grammar = Grammar(settings)
    rng = np.random.default_rng(0)
    island = Island(grammar.ramped(rng, 60, (2, 6)), rng)
    task = Task(scorer, grammar, rng.standard_normal((256, 4)), Front(), island, 3, 2, Clock(None))
    first, again, elsewhere = advance(task), advance(task), advance(pickle.loads(pickle.dumps(task)))
    for other in (again, elsewhere):
        assert (other.island.population.value == first.island.population.value).all()
        assert other.island.rng.bit_generator.state == first.island.rng.bit_generator.state
        for ours, theirs in zip(first.generations, other.generations, strict=True):
            assert (ours.scores.loss == theirs.scores.loss).all()


def test_fronts_are_merged_to_the_best_of_each_complexity():
    fronts = [Front(), Front(), Front()]
    fronts[1].update(programs("x", "x + 1"), Scores(np.array([0.9, 0.5]), np.array([1, 3])))
    fronts[2].update(programs("x", "x + 2", "x*x*x"), Scores(np.array([0.9, 0.4, 0.3]), np.array([1, 3, 5])))
    front = merged([fronts[1], fronts[0], fronts[2]])
    assert front.loss.tolist() == [0.9, 0.4, 0.3]
    assert [front.programs.expression(row) for row in range(3)] == [
        Formula(text).expression for text in ("x", "x + 2", "x*x*x")
    ]
    assert fronts[1].loss.tolist() == [0.9, 0.5]


def round_of(*generations):
    """A round in which the front improved or did not, and what the losses, the lengths and the seconds were."""
    parts = [
        Generation(Scores(np.array(losses), np.arange(len(losses)) + 3), length, improved, seconds)
        for losses, length, improved, seconds in generations
    ]
    nobody = programs("x").take(slice(0))
    return Round(Island(programs("x"), np.random.default_rng(0)), Front(), parts, nobody, False)


def test_a_round_is_told_as_one_search():
    first = round_of(([0.5, 0.25], 4.0, True, 1.0), ([0.5, np.inf], 4.0, False, 2.0), ([0.5, 0.5], 4.0, False, 3.0))
    second = round_of(([0.75, 0.5], 8.0, False, 4.0), ([0.1, 0.3], 8.0, True, 5.0))  # its time was up
    before = SearchState([first.island, second.island], np.zeros((0, 1)), Front(), generation=10, unimproved=7)
    state, records = following(before, [first, second], 4.5)
    assert (state.generation, state.unimproved) == (13, 1)
    assert [record["generation"] for record in records] == [11, 12, 13]
    assert [record["best_loss"] for record in records] == [0.25, 0.1, 0.5]
    assert [record["best_complexity"] for record in records] == [4, 3, 3]
    assert [record["mean_loss"] for record in records] == pytest.approx([0.5, 0.3, 0.5])
    assert [record["median_loss"] for record in records] == pytest.approx([0.5, 0.4, 0.5])
    assert [record["mean_length"] for record in records] == [6.0, 6.0, 4.0]
    assert [record["seconds"] for record in records] == [4.5, 5.0, 5.0]
    assert following(before, [round_of(([0.5], 1.0, False, 0.0))], 0.0)[0].unimproved == 8


def test_rounds_end_at_migrations_and_with_the_search():
    assert [round_length(4, 5, done, 12) for done in (0, 3, 5, 10, 11)] == [5, 2, 5, 2, 1]
    assert [round_length(1, 5, done, 12) for done in (0, 11)] == [1, 1]
    assert round_length(4, None, 0, 80) > 1


def test_a_callback_is_told_every_generation_and_ends_the_search_after_its_round(cubic):
    told = []

    def stop(record):
        told.append(record["generation"])
        return record["generation"] == 2

    result = run(cubic, callback=stop)
    assert told == [record["generation"] for record in result.history] == [1, 2, 3]
    assert result.ended == "stopped"
    assert outcome(result)[:2] == outcome(run(cubic, changes={"generations": 3}))[:2]


def test_an_interruption_keeps_the_rounds_that_are_done(cubic):

    def interrupt(record):
        if record["generation"] == 4:
            raise KeyboardInterrupt

    result = run(cubic, callback=interrupt)
    assert result.ended == "interrupted"
    front, history, _ = outcome(run(cubic, changes={"generations": 6}))
    assert outcome(result)[:2] == (front, history)


def test_an_island_that_is_interrupted_keeps_the_rounds_that_are_done(cubic):
    scorer, settings = parts(cubic)

    class Interrupted(RefitScorer):
        calls = 0

        def score(self, population, bank):
            self.calls += 1
            if self.calls == 14:  # in the second round, by the second island
                raise KeyboardInterrupt
            return super().score(population, bank)

    scorer = Interrupted(Moments(7, per_feature=True).update(*cubic))
    result = search(scorer, settings, np.random.default_rng(0), n_islands=3, migration_interval=3)
    assert result.ended == "interrupted"
    assert outcome(result)[:2] == outcome(run(cubic, changes={"generations": 3}))[:2]


def test_a_deadline_ends_all_islands(cubic):
    for n_jobs in (1, 2):
        with parallel_config(backend="threading"):
            result = run(cubic, deadline=time.monotonic() - 1.0, changes={"population_size": 200}, n_jobs=n_jobs)
        assert result.ended == "timed_out"
        assert len(result.history) == 1
        assert np.isinf(result.history[0]["median_loss"])
        assert len(result.front) > 1
        assert all(island.known is None for island in result.state.islands)


def test_a_clock_goes_on_in_another_process(monkeypatch):
    clock = Clock(time.monotonic() + 50.0, seconds=100.0)
    sent = pickle.dumps(clock)
    now, today = time.monotonic(), time.time()
    # The other machine has been up for longer, and the clock was under way for 20 seconds.
    monkeypatch.setattr("time.monotonic", lambda: now + 1e6)
    monkeypatch.setattr("time.time", lambda: today + 20.0)
    arrived = pickle.loads(sent)
    assert arrived.seconds == pytest.approx(120.0, abs=1.0)
    assert not arrived.is_over
    monkeypatch.setattr("time.monotonic", lambda: now + 1e6 + 31.0)
    assert arrived.is_over


def test_generations_without_gain_are_counted_over_all_islands(rng):
    X = rng.normal(size=(100, 2))
    changes = {"generations": 200, "n_iter_no_change": 8, "max_length": 5, "init_depth": (0, 2)}
    result = run((X, rng.normal(size=100)), migration_interval=4, changes=changes)
    assert result.ended == "converged"
    assert len(result.history) % 4 == 0
    assert len(result.history) < 100
    best = [record["best_loss"] for record in result.history]
    assert best[-8] == best[-1]


def test_islands_go_on_where_they_stopped(cubic):
    scorer, settings = parts(cubic)
    islands = {"n_islands": 3, "migration_interval": 3}
    first = search(scorer, settings, np.random.default_rng(0), **islands)
    second = search(scorer, settings, np.random.default_rng(1), state=first.state, **islands)
    assert [record["generation"] for record in second.history] == list(range(8, 15))
    assert second.history[-1]["best_loss"] <= first.history[-1]["best_loss"]
    with pytest.raises(ValueError, match="state is of a search on 3 islands; got n_islands=2"):
        search(scorer, settings, np.random.default_rng(1), state=first.state, n_islands=2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_islands": 0}, "n_islands must be at least 1; got 0"),
        ({"migration_interval": 0}, "migration_interval must be at least 1, or None for no migration; got 0"),
    ],
)
def test_islands_that_cannot_be_are_refused(cubic, wrong, message):
    with pytest.raises(ValueError, match=message):
        run(cubic, **wrong)


def test_the_generator_stays_as_it_is(cubic):
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    search(*parts(cubic), rng, n_islands=2)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_the_state_of_a_generator_decides_on_those_of_all_islands(kind):
    rng = np.random.Generator(kind(5))
    rng.random(3)
    expected = copied(rng).random(5)
    first, second, third = generators(rng, 3)
    again = generators(pickle.loads(pickle.dumps(rng)), 4)
    assert (rng.random(5) == expected).all()
    draws = [generator.random(1000) for generator in (first, second, third)]
    assert (draws[0][:5] == expected).all()
    for one, other in zip(draws, again, strict=False):
        assert (other.random(1000) == one).all()
    correlations = np.corrcoef(draws)
    assert np.abs(correlations - np.eye(3)).max() < 0.15


def test_no_process_is_started_for_one_job_or_one_island(cubic, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("an executor was asked for")

    monkeypatch.setattr("joblib._parallel_backends.get_memmapping_executor", refuse)
    run(cubic, n_islands=3, n_jobs=1)
    run(cubic, n_islands=1, n_jobs=2)
    with pytest.raises(RuntimeError, match="executor was asked for"):
        run(cubic, n_islands=3, n_jobs=2)


def test_rows_are_written_once_for_all_processes_and_read_there(rng):
    X = rng.normal(size=(50_000, 3))
    scorer = RowScorer(Rows(X, X.sum(axis=1)))

    def where(scorer):
        return getattr(scorer._rows._X, "filename", None)

    with Parallel(n_jobs=2, batch_size=1) as parallel:
        files = [name for _ in range(2) for name in parallel(delayed(where)(scorer) for _ in range(2))]
    assert None not in files
    assert len(set(files)) == 1
    settings = SearchSettings(**OTHERS, population_size=10, generations=2, init_depth=(1, 2))
    expected = outcome(search(scorer, settings, np.random.default_rng(0), n_islands=2))
    with parallel_config(backend="loky"):
        assert outcome(search(scorer, settings, np.random.default_rng(0), n_islands=2, n_jobs=2)) == expected


def test_copies_of_a_scorer_share_what_they_solved(cubic, monkeypatch):
    monkeypatch.setattr(refit_scorer, "_KEPT", {})
    scorer = RefitScorer(Moments(5).update(*cubic))
    solved = scorer.fit(0b1010)
    sent = pickle.dumps(scorer)
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert not first._fits
    fit = first.fit(0b1010)
    assert fit.loss == solved.loss
    assert second.fit(0b1010) is fit
    other = pickle.loads(pickle.dumps(RefitScorer(Moments(5).update(cubic[0], -cubic[1]))))
    assert not other._fits
    assert len(refit_scorer._KEPT) == 2  # as many as a search has forms
    pickle.loads(pickle.dumps(RefitScorer(Moments(4).update(*cubic))))
    assert scorer._key not in refit_scorer._KEPT
