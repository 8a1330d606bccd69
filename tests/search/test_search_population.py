import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search._population import Population, subtree_sizes
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._schedule import depths
from sklearn_taskneurons._search._settings import MAX_DEPTH, MAX_LENGTH, SearchSettings
from sklearn_taskneurons.formula import ARITIES, VECTOR, Formula
from sklearn_taskneurons.formula._expression import depth, expression_type

function_sets = st.sampled_from(
    [
        ("add", "sub", "mul", "neg"),
        ("add", "mul", "pow"),
        ("add", "mul", "div", "sin", "dot", "w"),
        ("dot",),
        ("sum", "mul"),
        ("neg",),
    ]
)
seeds = st.integers(0, 2**32 - 1)
few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)
BANK = np.arange(512.0).reshape(256, 2)


def sizes_by_recursion(expression):
    """Sizes of all subtrees, as the definition of prefix order says."""
    sizes = [0] * len(expression)

    def end_of(position):
        end = position + 1
        for _ in range(ARITIES[expression[position].opcode]):
            end = end_of(end)
        sizes[position] = end - position
        return end

    assert end_of(0) == len(expression)  # every argument is there, and nothing stands behind the program
    return sizes


def check_valid(population, settings):
    """Every program is a well-typed expression of the settings' functions, and the arrays agree."""
    opcodes = {0, 1, *settings.opcodes} | ({VECTOR} if settings.has_vectors else set())
    for row in range(len(population)):
        expression = population.expression(row, BANK)
        length = len(expression)
        expression_type(expression)  # raises TypeError where a vector is missing
        assert length <= settings.max_length
        assert {node.opcode for node in expression} <= opcodes
        assert population.size[row, :length].tolist() == sizes_by_recursion(expression)
        for array in (population.opcode, population.value, population.size):
            assert not array[row, length:].any()


@few
@given(function_sets, seeds)
def test_random_programs_are_valid(function_set, seed):
    settings = SearchSettings(function_set=function_set, max_length=20)
    population = Grammar(settings).ramped(np.random.default_rng(seed), 30, (0, 5))
    check_valid(population, settings)


@few
@given(seeds)
def test_full_programs_reach_their_depth_and_no_program_exceeds_it(seed):
    grammar = Grammar(SearchSettings(max_length=MAX_LENGTH))
    wanted = np.arange(40) % 6
    full = np.arange(40) % 2 == 0
    population = grammar.trees(np.random.default_rng(seed), wanted, full)
    found = depths(population)
    assert (found[full] == wanted[full]).all()
    assert (found <= wanted).all()
    assert found.tolist() == [depth(population.expression(row)) - 1 for row in range(40)]


def test_ramped_programs_have_all_depths():
    grammar = Grammar(SearchSettings(function_set=("neg",)))
    population = grammar.ramped(np.random.default_rng(0), 100, (2, 6))
    full = population.take(slice(0, None, 2))
    assert np.bincount(depths(full)).tolist() == [0, 0, 10, 10, 10, 10, 10]


def test_leaves_are_drawn_as_the_settings_say():
    settings = SearchSettings(const_range=(-3, 5))
    opcode, value = Grammar(settings).leaves(np.random.default_rng(0), np.zeros(20_000, dtype=bool))
    assert np.mean(opcode == 0) == pytest.approx(0.7, abs=0.02)
    assert set(value[opcode == 1]) == set(range(-3, 5))
    between = Grammar(SearchSettings(const_range=(0.5, 3.75)))
    assert set(between.numbers(np.random.default_rng(0), 1000)) == {1.0, 2.0, 3.0}


def test_expressions_and_programs_are_the_same():
    texts = ["x", "2*x**3 - x", "-(x + 1)*(x - 4.5)", "7"]
    expressions = [Formula(text).expression for text in texts]
    population = Population.from_expressions(expressions)
    assert [population.expression(row) for row in range(4)] == expressions
    assert population.length.tolist() == [len(expression) for expression in expressions]
    assert (subtree_sizes(population.opcode, population.length) == population.size).all()


def test_widths_change_and_programs_do_not():
    short = Population.from_expressions([Formula("x + 1").expression])
    long = Population.from_expressions([Formula("x*x*x - 3").expression])
    both = Population.concatenate([short, long])
    assert both.width == 7
    assert both.expression(0) == short.expression(0)
    assert both.expression(1) == long.expression(0)
    assert both.take(slice(0, 1)).resize(3).expression(0) == short.expression(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function_set": ("add", "nothing")}, "function_set must hold names of"),
        ({"function_set": ("w",)}, "one function at least"),
        ({"function_set": ("x", "add")}, "function_set must hold names of"),
        ({"p_crossover": 0.8}, "must add up to at most 1"),
        ({"init_depth": (3, 2)}, "init_depth must be"),
        ({"init_depth": (0, MAX_DEPTH + 1)}, "init_depth must be"),
        ({"const_range": (1.0, 1.0)}, "const_range must be"),
        ({"const_range": (float("nan"), 1.0)}, "const_range must be"),
        ({"const_range": (0.2, 0.8)}, "a whole number from low on below it; got"),
        ({"const_range": (-1e200, 1e200)}, "const_range must be"),
        ({"max_length": MAX_LENGTH + 1}, r"max_length must be in \[1, 500\]; got 501"),
    ],
)
def test_settings_that_no_search_can_follow_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SearchSettings(**changes)
