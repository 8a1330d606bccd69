"""Limits of nesting, against a count along every way from an outer function to a leaf."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import MAX_DEPTH, SearchSettings
from sklearn_taskneurons._search._breeding import breed
from sklearn_taskneurons._search._nesting import Nesting
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scores
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula._expression import depth, fold
from sklearn_taskneurons.formula.functions import FUNCTIONS

FUNCTION_SET = ("add", "mul", "sin", "cos", "exp", "dot", "w")
CONSTRAINTS = {"sin": {"sin": 0, "cos": 1}, "exp": {"exp": 1, "sin": 0, "mul": 2}, "dot": {"dot": 0}}


def nestings(expression, outer, inner):
    """The largest number of inner functions on a way from each outer function to a leaf."""
    found = []

    def node(node, *below):
        most = max(below, default=0)
        if FUNCTIONS[node.opcode].name == outer:
            found.append(most)
        return most + (FUNCTIONS[node.opcode].name == inner)

    fold(expression, node)
    return found


def is_met(expression, constraints):
    return all(
        nesting <= most
        for outer, limits in constraints.items()
        for inner, most in limits.items()
        for nesting in nestings(expression, outer, inner)
    )


@pytest.mark.parametrize(
    ("text", "constraints", "expected"),
    [
        ("sin(sin(x))", {"sin": {"sin": 0}}, False),
        ("sin(sin(x))", {"sin": {"sin": 1}}, True),
        ("sin(x) + sin(x)", {"sin": {"sin": 0}}, True),
        ("sin(x + cos(x)*cos(x))", {"sin": {"cos": 1}}, True),
        ("sin(x + cos(x + cos(x)))", {"sin": {"cos": 1}}, False),
        ("cos(sin(x))", {"sin": {"cos": 0}}, True),
        ("cos(cos(cos(cos(x))))", {"cos": {"cos": 2}}, False),
        ("cos(cos(cos(x)))", {"cos": {"cos": 2}}, True),
    ],
)
def test_what_is_allowed(text, constraints, expected):
    population = Population.from_expressions([Formula("x").expression, Formula(text).expression, Formula("sin(x)").expression])
    assert Nesting(constraints).is_met(population).tolist() == [True, expected, True]


@hypothesis_settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_limits_are_told_as_by_hand(seed):
    population = Grammar(SearchSettings(function_set=FUNCTION_SET)).ramped(np.random.default_rng(seed), 60, (1, 5))
    bank = np.zeros((256, 2))
    expected = [is_met(population.expression(row, bank), CONSTRAINTS) for row in range(60)]
    assert Nesting(CONSTRAINTS).is_met(population).tolist() == expected
    assert 0 < sum(expected) < 60


@pytest.mark.parametrize("constraints", [{}, CONSTRAINTS])
def test_no_generation_is_beyond_a_limit(constraints):
    settings = SearchSettings(
        function_set=FUNCTION_SET, population_size=100, max_depth=5, init_depth=(1, 5), nested_constraints=constraints
    )
    grammar, rng, bank = Grammar(settings), np.random.default_rng(0), np.zeros((256, 2))
    population = grammar.ramped(rng, 100, settings.init_depth)
    found = []
    for _ in range(5):
        expressions = [population.expression(row, bank) for row in range(100)]
        assert max(depth(expression) - 1 for expression in expressions) == 5
        found += [is_met(expression, CONSTRAINTS) for expression in expressions]
        population = breed(population, Scores(rng.random(100), population.length), grammar, rng)
    assert all(found) == bool(constraints)


def test_a_search_keeps_to_them(rng):
    X = rng.normal(size=(80, 2))
    y = np.sin(2 * np.sin(X)).sum(axis=1)
    how = {"function_set": ("add", "mul", "sin"), "population_size": 60, "generations": 4, "coefficients": "shared"}
    deepest = []
    for constraints in (None, {"sin": {"sin": 0}}):
        model = VSRRegressor(**how, max_depth=6, nested_constraints=constraints, random_state=0).fit(X, y)
        nested = [nestings(point.formula.expression, "sin", "sin") for point in model.pareto_front_]
        deepest.append(max(number for numbers in nested for number in [0, *numbers]))
    assert deepest[0] > 0 == deepest[1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nested_constraints": {"sin": {"cos": 0}}}, "nested_constraints must map functions"),
        ({"nested_constraints": {"mul": {"mul": -1}}}, "at least 0"),
        ({"nested_constraints": {"mul": {"mul": 0.5}}}, "whole numbers"),
        ({"nested_constraints": {"mul": 2}}, "nested_constraints"),
        ({"max_depth": 3}, "init_depth must be 0 <= low <= high <= 3"),
        ({"max_depth": MAX_DEPTH + 1}, "max_depth"),
    ],
)
def test_wrong_limits_are_refused_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        VSRRegressor(**parameters).fit(np.ones((9, 2)), np.arange(9.0))
