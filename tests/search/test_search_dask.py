"""Searches and moments on a cluster of processes, one of which is killed."""

import os
import signal

import numpy as np
import pytest
from joblib import parallel_config

from sklearn_taskneurons import VSRClassifier
from sklearn_taskneurons._search import (
    Form,
    Moments,
    RefitScorer,
    Rows,
    RowScorer,
    SearchSettings,
    make_moment_scorer,
    make_scorer,
    search,
)
from sklearn_taskneurons._search._block_moments import block_moments as moments_of_folds
from sklearn_taskneurons._search._folds import folds_of, joined

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

ISLANDS = {"n_islands": 4, "migration_interval": 2}
POLYNOMIALS, OTHERS = ("add", "sub", "mul", "neg"), ("add", "mul", "sin", "dot", "w")


# Dask warns where a busy machine takes more than a second to make a folder.
pytestmark = pytest.mark.filterwarnings("ignore:Creating scratch directories is taking a surprisingly long time:UserWarning")


def block_moments(*blocks, forms):
    """Of rows that are in no folds."""
    (moments,) = moments_of_folds(*blocks, forms=forms)
    return moments


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of two workers, each a process of its own, which is started again when it dies."""
    how = {"dashboard_address": "127.0.0.1:0", "local_directory": str(tmp_path_factory.mktemp("dask"))}
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "120s"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **how) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def workers(client):
    """Wait until both workers are there, and return their processes' numbers."""
    client.wait_for_workers(2, timeout=60)
    return set(client.run(os.getpid).values())


@pytest.fixture
def deadly(tmp_path):
    """A function that kills the first process but this one that calls it."""
    mark, here = tmp_path / "alive", os.getpid()
    mark.touch()

    def die():
        if os.getpid() == here:
            return
        try:
            os.unlink(mark)
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    die.mark = mark
    return die


def outcome(result):
    history = [{key: value for key, value in record.items() if key != "seconds"} for record in result.history]
    return result.front, history


def run(scorer, function_set, **changes):
    settings = SearchSettings(population_size=60, generations=6, function_set=function_set)
    return search(scorer, settings, np.random.default_rng(0), **ISLANDS, **changes)


def test_checkpoints_and_callbacks_stay_with_the_client(cubic, workers, tmp_path):
    settings = SearchSettings(population_size=60, function_set=POLYNOMIALS)
    scorer = make_scorer(*cubic, settings=settings)
    path = tmp_path / "search.npz"
    with parallel_config(backend="dask"):
        first = run(scorer, POLYNOMIALS, checkpoint=path, callback=lambda record: record["generation"] == 2)
        assert len(first.history) == 2
        second = run(scorer, POLYNOMIALS, checkpoint=path)
    assert outcome(second) == outcome(run(scorer, POLYNOMIALS))


def gram(moments):
    return moments.factor.T @ moments.factor


def check_equal(found, expected):
    assert (found.radius == expected.radius).all()
    assert (found.shift == expected.shift).all()
    assert (found.n_rows, found.n_features, found.n_outputs) == (expected.n_rows, expected.n_features, expected.n_outputs)
    assert found.total_weight == pytest.approx(expected.total_weight)
    scale = np.sqrt(np.diag(gram(expected)))
    np.testing.assert_allclose(gram(found) / np.outer(scale, scale), gram(expected) / np.outer(scale, scale), atol=1e-13)


@pytest.fixture
def table(rng):
    """Rows that reach further and further, and targets far from zero: X, Y, weight."""
    X = rng.normal(size=(400, 3)) * np.linspace(0.1, 30.0, 400)[:, None]
    Y = 1e6 + np.column_stack([np.sum(X**3 - X, axis=1), np.sin(X[:, 0])])
    return X, Y, rng.uniform(0.0, 2.0, 400)


@pytest.mark.parametrize("per_feature", [False, True])
def test_moments_of_arrays(table, workers, per_feature):
    X, Y, weight = table
    how = {"degree": 4, "per_feature": per_feature}
    expected = Moments(**how).update(X, Y, weight)
    blocks = da.from_array(X, chunks=(90, 2)), da.from_array(Y, chunks=(150, 1)), da.from_array(weight, chunks=400)
    forms = [Form(per_feature, 4), Form(False, 2)]
    moments, of_other_form = block_moments(*blocks, forms=forms)
    check_equal(moments, expected)
    check_equal(of_other_form, Moments(2).update(X, Y, weight))
    check_equal(block_moments(blocks[0], blocks[1][:, 0], forms=forms)[0], Moments(**how).update(X, Y[:, 0]))
    found = make_moment_scorer([[moments]]).entry(0b1010)
    assert found.loss == pytest.approx(RefitScorer(expected).entry(0b1010).loss, rel=1e-9)


def test_moments_of_dataframes(table, workers):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    X, Y, weight = table
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": Y[:, 0], "weight": weight})
    frame["integer"] = np.arange(400) % 7
    parts = dd.from_pandas(frame, npartitions=5)
    few = parts[parts["a"] > -1e9]  # of unknown sizes
    names = ["a", "b", "integer"]
    expected = Moments(4).update(frame[names].to_numpy(float), frame["y"].to_numpy(), weight)
    check_equal(block_moments(few[names], few["y"], few["weight"], forms=[Form(False, 4)])[0], expected)
    arrays = [few[name].to_dask_array() for name in (names, "y", "weight")]
    check_equal(block_moments(*arrays, forms=[Form(False, 4)])[0], expected)
    (mixed,) = block_moments(
        parts[names], da.from_array(Y[:, 0], chunks=parts.map_partitions(len).compute().tolist()), forms=[Form(False, 4)]
    )
    check_equal(mixed, Moments(4).update(frame[names].to_numpy(float), frame["y"].to_numpy()))


def test_partitions_without_rows_add_nothing(table, workers):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    X, Y, _ = table
    frame = pd.DataFrame({"a": X[:, 0], "y": Y[:, 0], "row": np.arange(400)})
    parts = dd.from_pandas(frame, npartitions=4)
    some = parts[(parts["row"] >= 110) & (parts["row"] < 130)]
    check_equal(
        block_moments(some[["a"]], some["y"], forms=[Form(False, 3)])[0], Moments(3).update(X[110:130, :1], Y[110:130, 0])
    )
    none = parts[parts["row"] < 0]
    with pytest.raises(ValueError, match="at least one row of positive weight; got none in any block"):
        block_moments(none[["a"]], none["y"], forms=[Form(False, 3)])


@pytest.mark.parametrize("size", [80, 7])
@pytest.mark.parametrize("weighted", [True, False])
def test_folds_are_those_of_all_rows_one_after_the_other(table, size, weighted):
    X, Y, weight = table
    weight = np.where(np.arange(len(X)) % 3 == 0, 0.0, weight)
    blocks = [da.from_array(array, chunks=(size, *array.shape[1:])) for array in (X, Y, weight)]
    weight, blocks = (weight, blocks) if weighted else (np.ones(len(X)), blocks[:2])
    folds = moments_of_folds(*blocks, forms=[Form(True, 2)], n_folds=5)
    for (moments,), rows in zip(folds, rows_of_folds(weight), strict=True):
        check_equal(moments, Moments(2, per_feature=True).update(X[rows], Y[rows], weight[rows]))


def test_lengths_that_are_not_known_are_counted(table):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    X, Y, _ = table
    parts = dd.from_pandas(pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y[:, 0]}), npartitions=7)
    few = parts[parts["b"] < 1.0]
    kept = X[:, 1] < 1.0
    expected = [Moments(2).update(X[rows, :2], Y[rows, 0]) for rows in rows_of_folds(kept.astype(float))]
    arrays = few[["a", "b"]].to_dask_array(), few["y"].to_dask_array()
    for data in ((few[["a", "b"]], few["y"]), arrays):
        for (moments,), one in zip(moments_of_folds(*data, forms=[Form(False, 2)], n_folds=5), expected, strict=True):
            check_equal(moments, one)


def rows_of_folds(weight):
    return [(folds_of(weight, 5) == fold) & (weight > 0.0) for fold in range(5)]


def test_parts_that_are_merged_stay_as_they_are(table):
    X, Y, _ = table
    parts = [Moments(3).update(X[rows], Y[rows]) for rows in (slice(0, 50), slice(50, 400))]
    factors = [part.factor.copy() for part in parts]
    ((moments,),) = joined([[[part]] for part in parts])
    check_equal(moments, Moments(3).update(X, Y))
    for part, factor in zip(parts, factors, strict=True):
        assert (part.factor == factor).all()
    assert parts[0].n_rows == 50


def test_classes_are_found_on_workers(table, workers):
    X, Y, weight = table
    labels = np.array(["low", "middle", "high"])[np.searchsorted(np.quantile(Y[:, 0], [0.3, 0.6]), Y[:, 0])]
    how = {"population_size": 60, "generations": 4, "max_degree": 3, "class_weight": "balanced", "random_state": 0}
    model = VSRClassifier(**how).fit(*(da.from_array(array, chunks=(90, *array.shape[1:])) for array in (X, labels, weight)))
    expected = VSRClassifier(**how).fit(X, labels, weight)
    assert model.classes_.tolist() == expected.classes_.tolist()
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-6)


def test_blocks_that_do_not_fit_are_refused(table, workers):
    X, Y, weight = (da.from_array(array, chunks=(100, *array.shape[1:])) for array in table)
    with pytest.raises(TypeError, match="X must be an array or a dataframe of dask; got ndarray"):
        block_moments(table[0], Y, forms=[Form(False, 3)])
    with pytest.raises(ValueError, match="y must have as many rows as X, 400; got 300"):
        block_moments(X, Y[:300], forms=[Form(False, 3)])
    with pytest.raises(ValueError, match="degree must be in"):
        block_moments(X, Y, forms=[Form(False, 33)])
    with pytest.raises(ValueError, match="at least 0 for each of the 100 rows of a block; got 100 numbers from -"):
        block_moments(X, Y, weight - 1.0, forms=[Form(False, 3)])
    with pytest.raises(ValueError, match="X and y must be finite"):
        block_moments(X, Y / 0.0, forms=[Form(False, 3)])
    dd = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    pd = pytest.importorskip("pandas")
    frame = dd.from_pandas(pd.DataFrame(table[0], columns=list("abc")), npartitions=3)
    with pytest.raises(
        ValueError, match=r"X, y and sample_weight must have the same number of blocks of rows; got \[3, 4, 3\]"
    ):
        block_moments(frame, Y, forms=[Form(False, 3)])
    with pytest.raises(ValueError, match=r"X and y must have the same number of rows in each block; got 13. and 1[05]0"):
        block_moments(frame, da.from_array(table[1], chunks=((100, 150, 150), 2)), forms=[Form(False, 3)])


@pytest.mark.parametrize("function_set", [POLYNOMIALS, OTHERS])
def test_a_worker_that_is_killed_changes_nothing(cubic, workers, deadly, tmp_path, function_set):
    base = RefitScorer if function_set is POLYNOMIALS else RowScorer
    data = Moments(5).update(*cubic) if function_set is POLYNOMIALS else Rows(*cubic)
    pids = tmp_path / "pids"
    pids.mkdir()

    class Deadly(base):
        calls = 0

        def score(self, population, bank):
            (pids / str(os.getpid())).touch()
            self.calls += 1
            if self.calls == 2:  # in the middle of a task
                deadly()
            return super().score(population, bank)

    with parallel_config(backend="dask"):
        found = run(Deadly(data), function_set)
    assert not deadly.mark.exists()
    used = {int(path.name) for path in pids.iterdir()} - {os.getpid()}
    assert used & workers
    assert len(used) > 1  # another process did again what the killed one had begun
    assert outcome(found) == outcome(run(base(data), function_set))


def test_moments_outlive_a_worker(table, workers, deadly):
    X, Y, weight = table
    blocks = [da.from_array(array, chunks=(80, *array.shape[1:])) for array in (X, Y, weight)]

    def through(block):
        deadly()
        return block

    risky = blocks[0].map_blocks(through, dtype=float, meta=np.zeros((0, 0)))
    (found,) = block_moments(risky, *blocks[1:], forms=[Form(False, 4)])
    assert not deadly.mark.exists()
    assert (found.factor == block_moments(*blocks, forms=[Form(False, 4)])[0].factor).all()
