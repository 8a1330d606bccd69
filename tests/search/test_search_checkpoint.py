"""Checkpoints: a search that was killed ends as if it had not been."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import traceback

import numpy as np
import pytest

from sklearn_taskneurons import make_function
from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer, SearchSettings, make_scorer, search
from sklearn_taskneurons._search import _checkpoint as checkpoint
from sklearn_taskneurons._search import _island as island
from sklearn_taskneurons._search._fingerprint import differences, fingerprint
from sklearn_taskneurons.formula.functions import FUNCTIONS

ISLANDS = {"n_islands": 2, "migration_interval": 3}
FUNCTION_SETS = [("add", "sub", "mul", "neg"), ("add", "mul", "sin", "dot", "w")]


def parts(X, y, weight=None, *, function_set=FUNCTION_SETS[0], generations=9, **changes):
    settings = SearchSettings(**{"population_size": 60, **changes}, function_set=function_set, generations=generations)
    return make_scorer(X, y, weight, settings=settings, coefficients="per_feature"), settings


def run(data, path=None, *, seed=0, islands=ISLANDS, callback=None, deadline=None, state=None, **changes):
    scorer, settings = parts(*data, **changes)
    how = {"checkpoint": path, "callback": callback, "deadline": deadline, "state": state}
    return search(scorer, settings, np.random.default_rng(seed), **islands, **how)


def without_time(history):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


def outcome(result):
    return result.front, without_time(result.history)


@pytest.fixture
def always(monkeypatch):
    """Write after every round."""
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)


class KilledError(Exception):
    pass


def kill_at(generation):
    def callback(record):
        if record["generation"] == generation:
            raise KilledError

    return callback


PROGRAM = """
    import sys

    import numpy as np

    from sklearn_taskneurons._search import SearchSettings, make_scorer, search
    from sklearn_taskneurons._search import _checkpoint as checkpoint

    def tell_and_wait(record):
        if record["generation"] == 6:
            sys.stdout.write("six\\n")
            sys.stdout.flush()
            sys.stdin.read()

    checkpoint._SECONDS, checkpoint._SHARE = 0.0, 1e9
    data = np.load(sys.argv[1])
    settings = SearchSettings(population_size=60, generations=9, function_set=tuple(sys.argv[3].split(",")))
    scorer = make_scorer(data["X"], data["y"], settings=settings, coefficients="per_feature")
    rng = np.random.default_rng(0)
    how = {"n_islands": int(sys.argv[4]), "migration_interval": 3, "checkpoint": sys.argv[2]}
    search(scorer, settings, rng, callback=tell_and_wait, **how)
"""


@pytest.mark.parametrize(("function_set", "n_islands"), [(FUNCTION_SETS[0], 1), (FUNCTION_SETS[1], 2)])
def test_a_killed_process_is_resumed_to_the_same_end(cubic, tmp_path, function_set, n_islands):
    X, y = cubic
    np.savez(tmp_path / "data.npz", X=X, y=y)
    path = tmp_path / "search.npz"
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(PROGRAM),
        tmp_path / "data.npz",
        path,
        ",".join(function_set),
        str(n_islands),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "six\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    known = len(checkpoint.load(path).history)
    assert 0 < known < 9
    islands = {"n_islands": n_islands, "migration_interval": 3}
    told = []
    # The seed of the new process does not matter: the generators are in the file.
    resumed = run(cubic, path, seed=1, islands=islands, function_set=function_set, callback=told.append)
    assert [record["generation"] for record in told] == list(range(known + 1, 10))
    assert outcome(resumed) == outcome(run(cubic, islands=islands, function_set=function_set))
    seconds = [record["seconds"] for record in resumed.history]
    assert seconds == sorted(seconds)
    assert seconds[-1] > seconds[known - 1]


@pytest.mark.parametrize("kind", [np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_generator_of_numpy_goes_on(cubic, tmp_path, always, kind):
    path = tmp_path / "search.npz"
    scorer, settings = parts(*cubic)
    with pytest.raises(KilledError):
        search(scorer, settings, np.random.Generator(kind(3)), checkpoint=path, callback=kill_at(4))
    resumed = search(scorer, settings, np.random.default_rng(0), checkpoint=path)
    assert outcome(resumed) == outcome(search(scorer, settings, np.random.Generator(kind(3))))


def test_what_is_read_is_what_was_written(cubic, tmp_path):
    path = tmp_path / "search.npz"
    result = run(cubic, path, function_set=FUNCTION_SETS[1])
    saved = checkpoint.load(path)
    assert saved.history == result.history
    assert (saved.state.generation, saved.state.unimproved) == (result.state.generation, result.state.unimproved)
    for ours, theirs in [(saved.state.bank, result.state.bank), (saved.state.front.loss, result.state.front.loss)]:
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(saved.state.islands, result.state.islands, strict=True):
        assert ours.rng.bit_generator.state == theirs.rng.bit_generator.state
        for name in ("opcode", "value", "size"):
            np.testing.assert_array_equal(getattr(ours.population, name), getattr(theirs.population, name))
        np.testing.assert_array_equal(ours.known[0], theirs.known[0])
        np.testing.assert_array_equal(ours.known[1].loss, theirs.known[1].loss)


def test_a_search_that_is_done_stays_done_and_goes_further_when_told_to(cubic, tmp_path):
    path = tmp_path / "search.npz"
    first = run(cubic, path, generations=5)

    def refuse(record):
        raise AssertionError

    assert outcome(run(cubic, path, generations=5, callback=refuse)) == outcome(first)
    assert outcome(run(cubic, path, generations=11)) == outcome(run(cubic, generations=11))


def test_a_search_that_converged_stays_so(rng, tmp_path):
    X = rng.normal(size=(60, 2))
    path = tmp_path / "search.npz"
    first = run((X, np.sum(X**2, axis=1)), path, generations=50)
    again = run((X, np.sum(X**2, axis=1)), path, generations=50)
    assert first.ended == "converged"
    assert again.ended == "converged"
    assert outcome(again) == outcome(first)


def test_a_search_out_of_time_goes_on_from_its_last_whole_round(cubic, tmp_path):
    path = tmp_path / "search.npz"
    clock = {"deadline": None}

    class Slow(RefitScorer):
        calls = 0

        def score(self, population, bank):
            self.calls += 1
            if self.calls == 15:  # a round has 6: one for each island and generation
                monkeypatch.setattr("time.monotonic", lambda: clock["deadline"] + 1.0)
            return super().score(population, bank)

    settings = SearchSettings(population_size=60, generations=9)
    moments = Moments(7, per_feature=True).update(*cubic)
    clock["deadline"] = time.monotonic() + 1000.0
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(island, "_FIRST_PART", 60)  # a generation in one part, however long it takes
        stopped = search(
            Slow(moments), settings, np.random.default_rng(0), **ISLANDS, checkpoint=path, deadline=clock["deadline"]
        )
    assert stopped.ended == "timed_out"
    assert len(checkpoint.load(path).history) == (len(stopped.history) - 1) // 3 * 3 > 0
    assert outcome(run(cubic, path)) == outcome(run(cubic))


def test_an_interrupted_search_is_written(cubic, tmp_path):

    def interrupt(record):
        if record["generation"] == 4:
            raise KeyboardInterrupt

    path = tmp_path / "search.npz"
    assert run(cubic, path, callback=interrupt).ended == "interrupted"
    assert len(checkpoint.load(path).history) == 6
    assert outcome(run(cubic, path, seed=7)) == outcome(run(cubic))  # with the generators of the file


def test_a_search_from_a_state_does_not_read_the_file_but_writes_it(cubic, tmp_path):
    path = tmp_path / "search.npz"
    first = run(cubic, path)
    second = run(cubic, path, seed=1, state=first.state)
    assert [record["generation"] for record in second.history] == list(range(10, 19))
    assert checkpoint.load(path).history == second.history


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population_size": 61}, "population_size: 60 then, 61 now"),
        ({"p_mutation": 0.4}, r"p_mutation: 0\.5 then, 0\.4 now"),
        ({"islands": {"n_islands": 3}}, "n_islands: 2 then, 3 now; migration_interval: 3 then, 10 now"),
        ({"function_set": ("add", "mul", "sin")}, "scored by: 'refitted moments' then, 'rows' now"),
    ],
)
def test_other_settings_are_refused(cubic, tmp_path, changes, message):
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        run(cubic, path, **changes)
    assert path.read_bytes() == before


def test_another_function_of_the_same_name_is_refused(cubic, tmp_path, monkeypatch):
    own = make_function(lambda a: np.exp(-a * a), name="checkpoint_own")
    how = {"path": tmp_path / "search.npz", "function_set": ("add", "mul", own.name)}
    first = run(cubic, **how, generations=3)
    assert outcome(run(cubic, **how, generations=3)) == outcome(first)
    # As in another process, in which the name and the place in the table are those of another function.
    other = dataclasses.replace(own, numpy_function=lambda a: np.exp(-a * a / 2))
    table = [other if function is own else function for function in FUNCTIONS]
    monkeypatch.setattr("sklearn_taskneurons._search._fingerprint.FUNCTIONS", table)
    with pytest.raises(ValueError, match=r"code of own functions: {'checkpoint_own': .* then, .* now"):
        run(cubic, **how)


@pytest.mark.parametrize("function_set", FUNCTION_SETS)
def test_other_data_are_refused(cubic, tmp_path, function_set):
    X, y = cubic
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3, function_set=function_set)
    other = X.copy()
    other[7, 2] += 0.001
    with pytest.raises(ValueError, match="the data and the settings that it began with") as error:
        run((other, y), path, function_set=function_set)
    assert "population_size" not in str(error.value)
    assert str(path) in str(error.value)
    with pytest.raises(ValueError, match="number of rows: 300 then, 299 now"):
        run((X[1:], y[1:]), path, function_set=function_set)
    with pytest.raises(ValueError, match="n_features: 4 then, 3 now"):
        run((X[:, :3], y), path, function_set=function_set)
    with pytest.raises(ValueError, match=r"sum of the weights: .* then, 600\.0 now"):
        run((X, y, np.full(300, 2.0)), path, function_set=function_set)


def test_each_scorer_knows_its_data_and_itself(cubic):
    X, y = cubic
    settings = SearchSettings()
    scorers = [
        MomentScorer(Moments(5).update(X, y)),
        MomentScorer(Moments(5).update(X, y), linear_scaling=False),
        MomentScorer(Moments(5).update(X, 2.0 * y)),
        RefitScorer(Moments(5).update(X, y)),
        RefitScorer(Moments(6).update(X, y)),
        RefitScorer(Moments(5, per_feature=True).update(X, y)),
        RefitScorer(Moments(5).update(X, y, np.linspace(0.0, 2.0, 300))),
        RowScorer(Rows(X, y)),
        RowScorer(Rows(X, -y)),
        RowScorer(Rows(X, y), coefficients="shared"),
        RowScorer(Rows(X, y, np.linspace(0.0, 2.0, 300))),
    ]
    prints = [fingerprint(scorer, settings, 1, None) for scorer in scorers]
    for index, one in enumerate(prints):
        for other in prints[:index]:
            assert differences(one, other)
        assert not differences(one, json.loads(json.dumps(one)))


def test_the_same_rows_in_blocks_are_the_same_data(cubic):
    X, y = cubic
    whole = RefitScorer(Moments(5).update(X, y))
    blocks = Moments(5)
    for rows in (slice(0, 10), slice(10, 200), slice(200, None)):
        blocks.update(X[rows], y[rows])
    settings = SearchSettings()
    assert not differences(fingerprint(whole, settings, 1, None), fingerprint(RefitScorer(blocks), settings, 1, None))


def test_stopping_rules_are_no_difference():
    one, other = SearchSettings(), dataclasses.replace(SearchSettings(), generations=3, n_iter_no_change=2)
    scorer = RefitScorer(Moments(2).update(np.ones((2, 1)), np.array([1.0, 2.0])))
    assert not differences(fingerprint(scorer, one, 1, 5), fingerprint(scorer, other, 1, 7))
    assert differences(fingerprint(scorer, one, 2, 5), fingerprint(scorer, other, 2, 7))


def test_damaged_files_are_refused(cubic, tmp_path):
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3)
    whole = path.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "pickled.npz", text=np.array([{}], dtype=object), allow_pickle=True)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    others = [(tmp_path / name).read_bytes() for name in ("array.npy", "pickled.npz")]
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:-1], bytes(flipped), *others):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"search.npz' must be a whole checkpoint, .* got another file") as error:
            run(cubic, path, generations=3)
        assert "pickle" not in "".join(traceback.format_exception(error.value))
        assert path.read_bytes() == content


def change(path, **changes):
    with np.load(path) as archive:
        arrays = dict(archive)
    text = json.loads(arrays["text"].tobytes())
    text.update({name: value for name, value in changes.items() if not isinstance(value, np.ndarray)})
    arrays.update({name: value for name, value in changes.items() if isinstance(value, np.ndarray)})
    arrays["text"] = np.frombuffer(json.dumps(text).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


def test_files_of_another_version_or_with_wrong_arrays_are_refused(cubic, tmp_path):
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3)
    change(path, format=99)
    with pytest.raises(ValueError, match="must have the format 3; got 99"):
        checkpoint.load(path)
    for wrong in (np.zeros((3, 2), dtype=np.uint8), np.zeros((60, 64)), np.full((60, 64), 255, dtype=np.uint8)):
        change(path, format=3, **{"0.opcode": wrong})
        with pytest.raises(ValueError, match="arrays of the population '0' do not fit"):
            checkpoint.load(path)


def test_a_missing_folder_is_refused_before_the_search(cubic, tmp_path):
    def refuse(record):
        raise AssertionError

    with pytest.raises(FileNotFoundError, match="folder that exists"):
        run(cubic, tmp_path / "none" / "search.npz", callback=refuse)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(cubic, tmp_path, monkeypatch):
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3)
    before = path.read_bytes()
    saved = checkpoint.load(path)

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(path, saved)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["search.npz"]


def test_the_file_is_replaced_in_one_step_after_it_is_on_the_disk(cubic, tmp_path, monkeypatch):
    path = tmp_path / "search.npz"
    run(cubic, path, generations=3)
    saved = checkpoint.load(path)
    steps = []
    fsync, replace = os.fsync, os.replace

    def tell_replace(source, target):
        steps.append("replace")
        assert os.path.dirname(source) == str(tmp_path)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: (steps.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", tell_replace)
    checkpoint.save(path, saved)
    assert steps == ["fsync", "replace"]


def test_little_time_goes_into_writing(monkeypatch, tmp_path):
    now, written = [0.0], []

    def slow(path, saved):
        written.append(now[0])
        now[0] += 0.5

    monkeypatch.setattr(checkpoint, "save", slow)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    keeper = checkpoint.Checkpoint(tmp_path / "search.npz", {})
    for _ in range(300):
        now[0] += 0.1
        keeper.offer(None, [])
    assert written == pytest.approx([1.0, 11.5, 22.0], abs=0.3)
    keeper.write()
    keeper.write()
    assert len(written) == 4
