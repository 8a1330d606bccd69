"""Scoring by rows: what is remembered, in what precision, and with how much memory."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search import Rows, RowScorer, SearchSettings, make_scorer
from sklearn_taskneurons._search import _row_scorer as row_scorer
from sklearn_taskneurons._search._canonical import Canonical
from sklearn_taskneurons._search._combinations import Combinations
from sklearn_taskneurons._search._errors import PlainErrors, ScaledErrors
from sklearn_taskneurons._search._graph import Graph
from sklearn_taskneurons._search._kept_columns import KeptColumns
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._sums import Algebra
from sklearn_taskneurons._search._tensor_rows import TensorRows
from sklearn_taskneurons._search._workspace import Workspace
from sklearn_taskneurons.formula import Formula, evaluate
from sklearn_taskneurons.formula.functions import OPCODES

GENERAL = ("add", "sub", "mul", "neg", "sin", "cos", "tanh", "search_sines", "dot", "w")
CPU = torch.device("cpu")
few = hypothesis_settings(deadline=None, max_examples=15, derandomize=True)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(150, 3))
    return X, np.sum(np.sin(2.0 * X) + X**2, axis=1) + rng.normal(size=150)


@pytest.fixture
def bank():
    return np.random.default_rng(5).standard_normal((256, 3))


def generations(count=4, size=80):
    grammar = Grammar(SearchSettings(function_set=GENERAL, max_length=25))
    rng = np.random.default_rng(2)
    drawn = [grammar.ramped(rng, size, (0, 4)) for _ in range(count)]
    halves = [Population.concatenate([one.take(slice(size // 2)), other]) for one, other in pairwise(drawn)]
    return [drawn[0], *halves]


def columns_of(n_columns, n_rows):
    return n_columns * n_rows * 8


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_losses_are_those_of_least_squares_on_the_formula_s_values(seed, n_features, n_outputs, weighted):
    rng = np.random.default_rng(seed)
    population = Grammar(SearchSettings(function_set=GENERAL, const_range=(-3, 4), max_length=20)).ramped(rng, 40, (0, 4))
    bank = rng.standard_normal((256, n_features))
    X, Y = rng.standard_normal((30, n_features)), rng.standard_normal((30, n_outputs)) + 5.0
    weight = rng.uniform(0.1, 3.0, 30) if weighted else np.ones(30)
    scorer = RowScorer(Rows(X, Y, weight if weighted else None), budget=int(rng.integers(1, 100_000)))
    root = np.sqrt(weight)[:, None]
    spread = np.sum((root * (Y - np.average(Y, axis=0, weights=weight))) ** 2, axis=0)
    compared = 0
    for row, loss in enumerate(scorer.score(population, bank).loss.tolist()):
        value = evaluate(population.expression(row, bank), X)
        prediction = np.broadcast_to(value.sum(axis=1), 30)
        if np.ptp(prediction) <= 1e-3 * np.abs(prediction).max():
            continue  # digits are lost, whoever computes
        design = np.column_stack([np.ones(30), prediction])
        residuals = root * (Y - design @ np.linalg.lstsq(root * design, root * Y, rcond=None)[0])
        assert loss == pytest.approx(np.mean(np.sum(residuals**2, axis=0) / spread), rel=1e-7)
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("scaling", [False, True])
@pytest.mark.parametrize("n_columns", [0, 1, 7, 60])
def test_what_is_remembered_changes_no_loss(data, bank, scaling, n_columns):
    X, y = data
    scorer = RowScorer(Rows(X, y), linear_scaling=scaling, column_budget=columns_of(n_columns, 150))
    for population in generations():
        fresh = RowScorer(Rows(X, y), linear_scaling=scaling).score(population, bank).loss
        np.testing.assert_allclose(scorer.score(population, bank).loss, fresh, rtol=1e-11)
    assert len(scorer._columns._slots) == n_columns


def test_losses_do_not_depend_on_the_company(data, bank):
    population = generations()[0]
    together = RowScorer(Rows(*data)).score(population, bank).loss
    alone = [RowScorer(Rows(*data)).score(population.take(np.array([row])), bank).loss[0] for row in range(0, 80, 9)]
    np.testing.assert_allclose(alone, together[::9], rtol=1e-11)


def test_nothing_is_scored_twice(data, bank, monkeypatch):
    scorer = RowScorer(Rows(*data))
    first, second, *_ = generations()
    expected = [scorer.score(population, bank).loss for population in (first, second)]
    computed = []
    run = RowScorer._run
    monkeypatch.setattr(
        RowScorer, "_run", lambda self, graph, sums, size: computed.extend(sums) or run(self, graph, sums, size)
    )
    for population, loss in zip((first, second), expected, strict=True):
        np.testing.assert_array_equal(scorer.score(population, bank).loss, loss)
    assert not computed
    texts = ["x + sin(x)*cos(x)", "cos(x)*sin(x) + x", "3*x + 3*sin(x)*cos(x) - 7"]
    losses = scorer.score(Population.from_expressions([Formula(text).expression for text in texts]), bank).loss
    assert len(computed) == 1  # slope and intercept are fitted
    assert len(set(losses.tolist())) == 1


def test_columns_of_earlier_programs_are_not_computed_again(data, bank, monkeypatch):
    scorer = RowScorer(Rows(*data))
    graphs = []
    graph = row_scorer.Graph
    monkeypatch.setattr(row_scorer, "Graph", lambda *arguments: graphs.append(graph(*arguments)) or graphs[-1])
    for text in ("sin(x)*x + cos(x)", "sin(x)*x - 2*cos(x) + tanh(x)"):
        scorer.score(Population.from_expressions([Formula(text).expression]), bank)
    assert [len(one.computed) for one in graphs] == [2, 1]
    assert len(graphs[1].given) == 2


def test_other_constant_vectors_give_other_losses(data, bank):
    scorer = RowScorer(Rows(*data))
    population = Population.from_expressions([Formula("dot(w, x)").expression, Formula("sin(x)").expression])
    first, second = (scorer.score(population, vectors).loss for vectors in (bank, -bank[::-1]))
    assert first[0] != second[0]
    assert first[1] == second[1]
    np.testing.assert_array_equal(scorer.score(population, bank).loss, first)


def test_an_interrupted_score_leaves_nothing_wrong(data, bank, monkeypatch):
    first, second, *_ = generations()
    scorer = RowScorer(Rows(*data), column_budget=columns_of(20, 150))
    scorer.score(first, bank)
    with monkeypatch.context() as patch:
        patch.setattr(ScaledErrors, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scorer.score(second, bank)
    for population in (second, first):
        fresh = RowScorer(Rows(*data)).score(population, bank).loss
        np.testing.assert_allclose(scorer.score(population, bank).loss, fresh, rtol=1e-11)


def test_the_columns_used_longest_ago_go_first():
    algebra = Algebra(1)
    a, b, c, d = (next(iter(algebra.apply(OPCODES[name], [algebra.variable()]).terms)) for name in ("sin", "cos", "tan", "exp"))
    columns = KeptColumns(4, columns_of(2, 4), CPU)
    columns.keep([a, b], columns.make_room([a, b], 0))
    columns.use([a])
    slots = columns.make_room([c, d], 1)  # a is in use: there is room for one
    assert len(slots) == 1
    columns.write(slots, slice(0, 4), torch.arange(8.0, dtype=torch.float64).reshape(2, 4))
    columns.keep([c, d], slots)
    assert [term in columns for term in (a, b, c, d)] == [True, False, True, False]
    np.testing.assert_array_equal(columns.read(columns.use([c]), slice(1, 3)), [[1.0, 2.0]])
    assert "sin" not in columns


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("noise", [1.0, 1e-9])
def test_errors_keep_their_digits(rng, size, noise):
    """Residuals of a billionth of the target's size, below means a thousand times as large, from hundreds of blocks."""
    X = rng.normal(size=(500, 2))
    Y = 1000.0 + np.column_stack([X[:, 0], X[:, 0] - X[:, 1]])
    weight = rng.uniform(0.5, 2.0, 500)
    predictions = np.stack([5.0 - 2.0 * X[:, 0] + noise * rng.normal(size=500), X[:, 1], np.full(500, 3.0)])
    rows = Rows(X, Y, weight)
    tensors = TensorRows(rows, CPU)
    scaled, plain = ScaledErrors(1e-9), PlainErrors()
    one = TensorRows(Rows(X, Y[:, 0], weight), CPU)
    for start in range(0, 500, size):
        part = slice(start, start + size)
        scaled.add(tensors.targets(part), torch.from_numpy(predictions[:, part].copy()))
        plain.add(one.targets(part), torch.from_numpy(predictions[:, part].copy()))
    root = np.sqrt(weight)[:, None]
    for prediction, squares in zip(predictions, scaled.totals(), strict=True):
        centred = prediction - np.average(prediction, weights=weight)
        residuals = Y - np.average(Y, axis=0, weights=weight)
        if centred.any():
            residuals = residuals - np.outer(centred, (weight * centred) @ residuals / ((weight * centred) @ centred))
        np.testing.assert_allclose(squares, np.sum((root * residuals) ** 2, axis=0), rtol=1e-5)
    expected = np.sum(weight * (Y[:, 0] - predictions) ** 2, axis=1)
    np.testing.assert_allclose(plain.totals()[:, 0], expected, rtol=1e-12)


def test_one_value_that_is_not_finite_is_enough(rng):
    X, y = rng.uniform(1.0, 2.0, size=(100, 2)), rng.normal(size=100)
    X[73, 1] = -1.0
    texts = ["log(x)", "log(x) - log(x) + x", "0*log(x) + sin(x)", "sin(x)", "dot(log(x), x) + x", "exp(200*x)*exp(200*x)"]
    texts.append("exp(400 + x)")  # too large to be squared
    expected = [text == "sin(x)" for text in texts]
    population = Population.from_expressions([Formula(text).expression for text in texts])
    for scaling in (False, True):
        for budget in (1000, 1 << 20):
            scorer = RowScorer(Rows(X, y), linear_scaling=scaling, budget=budget)
            for _ in range(2):
                assert np.isfinite(scorer.score(population, np.zeros((0, 2))).loss).tolist() == expected


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_terms_are_fitted_to_many_blocks_as_to_all_rows(rng, n_outputs):
    X, Y, weight = rng.uniform(1.0, 2.0, (2501, 2)), rng.normal(size=(2501, n_outputs)) + 5.0, rng.uniform(0.1, 3.0, 2501)
    X[1700, 1] = -1.0
    terms = [["sin(x)", "x"], ["x**2", "exp(x)"], ["cos(x)", "cos(x)*sum(x)", "x**3"], ["log(x)", "x"]]
    population = Population.from_expressions([Formula(" + ".join(own)).expression for own in terms])
    losses = RowScorer(Rows(X, Y, weight), coefficients="shared", budget=1 << 16).score(population, np.zeros((0, 2))).loss
    root = np.sqrt(weight)[:, None]
    spread = np.sum((root * (Y - np.average(Y, axis=0, weights=weight))) ** 2, axis=0)
    for own, loss in zip(terms[:-1], losses, strict=False):
        design = root * np.column_stack([np.ones(2501), *(Formula(text)(X) for text in own)])
        residuals = root * Y - design @ np.linalg.lstsq(design, root * Y, rcond=None)[0]
        assert loss == pytest.approx(np.mean(np.sum(residuals**2, axis=0) / spread), rel=1e-9)
    assert losses[-1] == np.inf


def test_what_the_scorer_refuses(data):
    with pytest.raises(ValueError, match="device must be 'auto' or a device that torch can use here"):
        RowScorer(Rows(*data), device="nowhere")


def test_everything_is_computed_on_the_device(data, bank):
    """The meta device computes nothing, but refuses tensors that are elsewhere."""
    device = torch.device("meta")
    sums = sorted(Canonical(bank).sums(generations()[0]), key=lambda value: -len(value.terms))
    columns, workspace = KeptColumns(150, columns_of(9, 150), device), Workspace(device)
    graph = Graph(dict.fromkeys(term for value in sums for term in value.terms), columns, 3, device)
    tensors = TensorRows(Rows(*data, np.arange(1.0, 151.0)), device)
    part = slice(20, 70)
    found = graph.run(tensors.X[:, part], columns.read(columns.use(graph.given), part), workspace)
    columns.write(columns.make_room(graph.computed, 0), part, found)
    for errors in (ScaledErrors(1e-9), PlainErrors()):
        predictions = Combinations(sums, graph.row, device).of(found, workspace)
        assert (predictions.device, predictions.shape) == (device, (80, 50))
        errors.add(tensors.targets(part), predictions)
    with pytest.raises(RuntimeError):
        graph.run(torch.zeros((3, 40), dtype=torch.float64), torch.zeros((0, 40)), Workspace(CPU))


def test_the_device_reaches_the_scorer(data):
    settings = SearchSettings(function_set=GENERAL)
    assert make_scorer(*data, settings=settings).device == CPU
    assert make_scorer(*data, settings=settings, device="cpu:0").device.index == 0


def test_threads_of_torch_are_left_as_they_were(data, bank):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        scorer = RowScorer(Rows(*data))
        scorer.score(generations()[0], bank)
        scorer.report(generations()[0].take(slice(3)), bank)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
