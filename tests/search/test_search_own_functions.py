"""Functions of the user's own have other opcodes in other processes, which must not matter."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sklearn_taskneurons._search import SearchSettings, make_scorer, search
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._hashing import program_hashes
from sklearn_taskneurons._search._island import Task, advance
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._state import Island
from sklearn_taskneurons.formula.functions import OPCODES, opcodes_of

NAMES = ("order_hump", "order_bend")
MODULE = """
import numpy as np

from sklearn_taskneurons.formula import make_function


def order_hump(x):
    return x / (1.0 + x * x)


def order_bend(x):
    return x * np.abs(x)


def define(names):
    for name in names:
        make_function(globals()[name], name=name)
"""
ELSEWHERE = """
import pickle
import sys

import functions_in_order
from sklearn_taskneurons._search._island import advance
from sklearn_taskneurons.formula.functions import opcodes_of

functions_in_order.define(["order_bend", "order_hump"])
with open(sys.argv[1], "rb") as file:
    work, arguments, options = pickle.load(file)
result = work(*arguments, **options)
with open(sys.argv[2], "wb") as file:
    pickle.dump((opcodes_of(["order_bend", "order_hump"]), result), file)
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return what calls a function in another process, in which the functions were defined in another order."""
    (tmp_path / "functions_in_order.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import functions_in_order

    functions_in_order.define(NAMES)

    def call(work, *arguments, **options):
        given, returned = tmp_path / "given.pickle", tmp_path / "returned.pickle"
        given.write_bytes(pickle.dumps((work, arguments, options)))
        program = f"import sys; sys.path[:0] = {[str(tmp_path), *sys.path]!r}\n{ELSEWHERE}"
        subprocess.run([sys.executable, "-c", program, given, returned], check=True, timeout=300)
        opcodes, result = pickle.loads(returned.read_bytes())
        assert opcodes != opcodes_of(opcodes)
        return result

    return call


@pytest.fixture
def problem():
    X = np.random.default_rng(0).uniform(-2, 2, size=(50, 3))
    settings = SearchSettings(population_size=60, generations=9, function_set=("add", "mul", *NAMES))
    return X, (X * np.abs(X)).sum(axis=1) + X[:, 0], settings


def outcome(result):
    return result.front, [{**record, "seconds": 0} for record in result.history], result.ended


def test_an_island_is_advanced_by_a_worker_that_knows_them_in_another_order(elsewhere, problem):
    X, y, settings = problem
    grammar, rng = Grammar(settings), np.random.default_rng(0)
    island = Island(grammar.ramped(rng, settings.population_size, settings.init_depth), rng)
    task = Task(make_scorer(X, y, settings=settings), grammar, np.zeros((0, 3)), Front(), island, 4, 3, Clock(None))
    here, there = advance(task), elsewhere(advance, task)
    pairs = (
        (here.island.population, there.island.population),
        (here.emigrants, there.emigrants),
        (here.front.programs, there.front.programs),
    )
    for ours, theirs in pairs:
        assert [ours.expression(row) for row in range(len(ours))] == [theirs.expression(row) for row in range(len(theirs))]
    assert np.isin([OPCODES[name] for name in NAMES], here.island.population.opcode).all()
    assert np.array_equal(program_hashes(here.island.population), program_hashes(there.island.population))
    assert np.array_equal(here.island.known[0], there.island.known[0])
    assert np.array_equal(here.front.loss, there.front.loss)


@pytest.mark.parametrize("n_islands", [1, 2])
def test_a_checkpoint_goes_on_where_they_are_in_another_order(elsewhere, problem, tmp_path, n_islands):
    X, y, settings = problem
    scorer, path = make_scorer(X, y, settings=settings), tmp_path / "search.npz"
    how = {"n_islands": n_islands, "migration_interval": 3}
    elsewhere(search, scorer, replace(settings, generations=6), np.random.default_rng(0), checkpoint=path, **how)
    told = []
    resumed = search(scorer, settings, np.random.default_rng(1), checkpoint=path, callback=told.append, **how)
    assert [record["generation"] for record in told] == [7, 8, 9]
    assert outcome(resumed) == outcome(search(scorer, settings, np.random.default_rng(0), **how))
