from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search._hashing import program_hashes
from sklearn_taskneurons._search._kinds import SCALAR, WRONG, kinds
from sklearn_taskneurons._search._kinds import VECTOR as VECTOR_KIND
from sklearn_taskneurons._search._operators import crossover
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._schedule import Schedule
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons._search._supports import PRIME, degrees, residues, supports
from sklearn_taskneurons.formula import ADD, MUL, NEG, NUMBER, POW, SUB, Formula, Node, X
from sklearn_taskneurons.formula._expression import expression_type, fold

seeds = st.integers(0, 2**32 - 1)
few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)


def random_population(seed, function_set, count=30):
    rng = np.random.default_rng(seed)
    return Grammar(SearchSettings(function_set=function_set, max_length=40)).ramped(rng, count, (0, 5))


@few
@given(seeds)
def test_leaves_and_functions_are_computed_in_order(seed):
    population = random_population(seed, ("add", "sub", "mul", "neg"))
    schedule = Schedule(population)
    values = np.empty(schedule.n_nodes)
    values[schedule.variables] = 0.7
    values[schedule.numbers] = schedule.value[schedule.numbers]
    found = schedule.run(values, {ADD: np.add, SUB: np.subtract, MUL: np.multiply, NEG: np.negative})
    expected = [_value(population.expression(row), 0.7) for row in range(len(population))]
    assert found.tolist() == expected  # the same operations in the same order: not a digit differs


def _value(expression, x):
    functions = {
        X: lambda node: x,
        NUMBER: lambda node: node.value,
        ADD: lambda node, a, b: a + b,
        SUB: lambda node, a, b: a - b,
        MUL: lambda node, a, b: a * b,
        NEG: lambda node, a: -a,
    }
    return fold(expression, lambda node, *arguments: functions[node.opcode](node, *arguments))


def test_hashes_tell_programs_apart_and_know_equal_ones():
    rng = np.random.default_rng(0)
    population = Grammar(SearchSettings(const_range=(-1_000_000, 1_000_000))).ramped(rng, 3000, (1, 5))
    rows = rng.integers(3000, size=(2, 3000))
    population = Population.concatenate([population, crossover(rng, population, rows[0], rows[1], 64)])
    distinct = {population.expression(row) for row in range(len(population))}
    assert len(np.unique(program_hashes(population))) == len(distinct)
    wide = population.resize(population.width + 9)
    assert (program_hashes(wide) == program_hashes(population)).all()


@few
@given(seeds)
def test_kinds_are_the_types_of_expressions(seed):
    population = random_population(seed, ("add", "dot", "sum", "mul", "sin", "pow", "search_wave"))
    # Without regard to types, so that some programs are wrong.
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(population), size=(2, 60))
    mixed = crossover(rng, population, rows[0], rows[1], 40)
    for row, kind in enumerate(kinds(Schedule(mixed)).tolist()):
        try:
            expected = {"S": SCALAR, "V": VECTOR_KIND}[expression_type(mixed.expression(row))]
        except TypeError:
            expected = WRONG
        assert kind == expected


@few
@given(seeds)
def test_supports_are_the_powers_of_the_expanded_formula(seed):
    population = random_population(seed, ("add", "sub", "mul", "neg", "pow"), 15)
    schedule = Schedule(population)
    low = degrees(schedule) <= 12
    for row in np.flatnonzero(low).tolist():
        formula = Formula.from_expression(population.expression(row))
        expected = sum(1 << term.degree for term in formula.terms)
        assert supports(schedule, 12)[row] == expected
        assert degrees(schedule)[row] >= (formula.degree or 0)


@pytest.mark.parametrize("text", ["(x + 0.1)*(x - 0.1) - x*x", "x*(0.3 + x) - 0.3*x", "(x - 1e-9)**3 - x**3"])
def test_supports_see_through_cancellation(text):
    formula = Formula(text)
    schedule = Schedule(Population.from_expressions([formula.expression]))
    assert supports(schedule, 5).tolist() == [sum(1 << term.degree for term in formula.terms)]


def test_degrees_of_nested_powers_do_not_overflow():
    population = Population.from_expressions([(*(Node(POW, 32),) * 20, Node(X))])
    assert degrees(Schedule(population))[0] > 10**6


@few
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_residues_are_exact(numbers):
    found = residues(np.array(numbers))
    for number, residue in zip(numbers, found.tolist(), strict=True):
        exact = Fraction(number)
        assert residue == exact.numerator * pow(exact.denominator, -1, PRIME) % PRIME
