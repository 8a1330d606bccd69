import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search import _breeding
from sklearn_taskneurons._search._operators import (
    Cut,
    constant_mutation,
    crossover,
    keep_valid,
    point_mutation,
    splice,
    subtree_mutation,
)
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import N_VECTORS, Grammar
from sklearn_taskneurons._search._scores import Scores
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons.formula import ARITIES, NUMBER, VECTOR, Formula
from sklearn_taskneurons.formula._expression import depth, expression_type

function_sets = st.sampled_from(
    [
        ("add", "sub", "mul", "neg"),
        ("add", "mul", "pow", "sin"),
        ("add", "mul", "div", "dot", "w"),
        ("sum", "mul", "sub", "neg"),
        ("search_wave", "sin", "dot"),
    ]
)
seeds = st.integers(0, 2**32 - 1)
few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)
BANK = np.arange(512.0).reshape(256, 2)


def end_of(expression, position):
    """Where the subtree at a position ends."""
    missing, end = 1, position
    while missing:
        missing += ARITIES[expression[end].opcode] - 1
        end += 1
    return end


def check_sizes(population):
    for row in range(len(population)):
        expression = population.expression(row, BANK)
        assert end_of(expression, 0) == len(expression)
        assert population.size[row, : len(expression)].tolist() == [
            end_of(expression, position) - position for position in range(len(expression))
        ]
        assert not population.size[row, len(expression) :].any()


@few
@given(seeds, st.integers(5, 40))
def test_splice_is_what_slices_of_lists_do(seed, max_length):
    rng = np.random.default_rng(seed)
    grammar = Grammar(SearchSettings(max_length=max_length))
    receivers = grammar.ramped(rng, 20, (0, 5))
    donors = grammar.ramped(rng, 30, (0, 4))
    at_rows = rng.integers(20, size=50)
    at = Cut(at_rows, (rng.random(50) * receivers.length[at_rows]).astype(int))
    of_rows = rng.integers(30, size=50)
    of = Cut(of_rows, (rng.random(50) * donors.length[of_rows]).astype(int))
    children = splice(receivers, at, donors, of, max_length)
    check_sizes(children)
    for row in range(50):
        ours, theirs = receivers.expression(at.rows[row]), donors.expression(of.rows[row])
        i, j = at.positions[row], of.positions[row]
        expected = ours[:i] + theirs[j : end_of(theirs, j)] + ours[end_of(ours, i) :]
        assert children.expression(row) == (expected if len(expected) <= max_length else ours)


@few
@given(function_sets, seeds)
def test_offspring_is_valid(function_set, seed):
    rng = np.random.default_rng(seed)
    settings = SearchSettings(function_set=function_set, max_length=24, max_depth=7)
    grammar = Grammar(settings)
    population = grammar.ramped(rng, 40, (0, 5))
    rows, others = rng.integers(40, size=30), rng.integers(40, size=30)
    for children in (
        crossover(rng, population, rows, others, settings.max_length),
        subtree_mutation(rng, population, rows, grammar),
        point_mutation(rng, population, rows, grammar),
        constant_mutation(rng, population, rows, grammar),
    ):
        check_sizes(children)
        kept = keep_valid(children, population.take(rows), grammar)
        check_sizes(kept)
        for row in range(30):
            expression = kept.expression(row, BANK)
            expression_type(expression)
            assert len(expression) <= 24
            assert depth(expression) - 1 <= 7
            child = children.expression(row, BANK)
            try:
                expression_type(child)
                fine = depth(child) - 1 <= 7
            except TypeError:
                fine = False
            assert expression == (child if fine else population.expression(rows[row], BANK))


@few
@given(seeds)
def test_point_mutation_changes_one_node_and_no_shape(seed):
    rng = np.random.default_rng(seed)
    grammar = Grammar(SearchSettings(function_set=("add", "mul", "neg", "sin", "pow")))
    population = grammar.ramped(rng, 30, (1, 4))
    before = [array.copy() for array in (population.opcode, population.value, population.size)]
    children = point_mutation(rng, population, np.arange(30), grammar)
    changed = (children.opcode != population.opcode) | (children.value != population.value)
    assert (changed.sum(axis=1) <= 1).all()
    assert changed.any()
    assert (children.size == population.size).all()
    for array, copy in zip((population.opcode, population.value, population.size), before, strict=True):
        assert (array == copy).all()  # parents stay


@few
@given(seeds)
def test_constant_mutation_changes_one_constant(seed):
    rng = np.random.default_rng(seed)
    settings = SearchSettings(function_set=("add", "dot", "w", "mul"))
    grammar = Grammar(settings)
    population = grammar.ramped(rng, 40, (0, 3))
    children = constant_mutation(rng, population, np.arange(40), grammar)
    assert (children.opcode == population.opcode).all()
    changed = children.value != population.value
    is_constant = ((population.opcode == NUMBER) | (population.opcode == VECTOR)) & (population.size > 0)
    assert not (changed & ~is_constant).any()
    assert (changed.sum(axis=1) <= 1).all()
    vectors = children.value[is_constant & (children.opcode == VECTOR)]
    assert ((vectors >= 0) & (vectors < N_VECTORS) & (vectors % 1 == 0)).all()


def test_constant_mutation_reaches_every_constant():
    population = Population.from_expressions([Formula("1*x + 2*x + 3").expression] * 300)
    grammar = Grammar(SearchSettings())
    children = constant_mutation(np.random.default_rng(0), population, np.arange(300), grammar)
    changed = (children.value != population.value).sum(axis=0)
    assert (changed[population.opcode[0] == NUMBER] > 70).all()


def test_every_node_is_crossed_over():
    population = Population.from_expressions([Formula("x*x + 2").expression, Formula("sin(x)").expression])
    zeros = np.zeros(500, dtype=int)
    children = crossover(np.random.default_rng(0), population, zeros, zeros + 1, 20)
    distinct = {children.expression(row) for row in range(500)}
    # Each of five nodes is replaced by either of two subtrees; two ways to put x for x give the same.
    assert len(distinct) == 9


def test_a_tournament_is_won_by_the_best_of_those_drawn():
    order = np.random.default_rng(0).permutation(50)
    winners = _breeding._winners(np.random.default_rng(1), order, 200_000, 4)
    counts = np.bincount(np.argsort(order)[winners], minlength=50)
    ranks = np.arange(51)
    expected = -np.diff(((50 - ranks) / 50) ** 4) * 200_000
    assert counts == pytest.approx(expected, abs=6 * np.sqrt(200_000 * 0.08))
    assert counts[0] == pytest.approx(expected[0], rel=0.05)


def test_the_elite_is_the_best_and_has_no_equals():
    loss = np.array([0.5, 0.1, 0.1, 0.3, np.inf, 0.1], dtype=np.float32)
    complexity = np.array([1, 7, 7, 2, 1, 9])
    order = np.lexsort((complexity, loss))
    scores = Scores(loss, complexity)
    assert _breeding._elite(order, scores, 3).tolist() == [1, 5, 3]
    assert _breeding._elite(order, scores, 10).tolist() == [1, 5, 3, 0]


def test_the_best_of_each_form_take_turns():
    texts = ("x", "x*x", "x*x*x", "x + 1", "x*x")
    population = Population.from_expressions([Formula(text).expression for text in texts])
    inf = np.inf
    loss = np.array([[0.5, 0.1], [0.2, 0.2], [0.1, inf], [inf, inf], [0.2, 0.2]])
    complexity = np.array([[4, 9], [5, 12], [5, 12], [1, 1], [5, 12]])
    scores = Scores(loss, complexity)
    order = _breeding._ranked(population, scores, SearchSettings())
    assert order.tolist() == [2, 0, 1, 4, 3]
    assert _breeding._elite(order, scores, 10).tolist() == [2, 0, 1]  # the fifth says what the second does
    assert scores.best.loss.tolist() == [0.1, 0.2, 0.1, inf, 0.2]
    assert scores.best.complexity.tolist() == [9, 5, 5, 1, 5]


def test_offspring_is_shared_out_in_full():
    settings = SearchSettings(p_crossover=0.3, p_mutation=0.5, p_constant_mutation=0.1)
    assert _breeding._counts(settings, 475).sum() == 475
    assert _breeding._counts(settings, 100).tolist() == [30, 25, 25, 10, 10]
