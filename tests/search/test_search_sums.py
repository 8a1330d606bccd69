"""Programs as sums of terms: what they mean, and which of them are one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search._canonical import Canonical, forget
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._sums import direction
from sklearn_taskneurons.formula import Formula, Node, evaluate
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, FUNCTIONS, MUL, NUMBER, OPCODES, POW, SUM, X

few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)
BANK = np.array([[1.0, 2.0, -1.0]])


def sums(*texts):
    return Canonical(BANK).sums(Population.from_expressions([Formula(text).expression for text in texts]))


def value_of_term(term, x):
    """The value of a term on rows, shape (N, D) or (N, 1), from its definition."""
    if term.opcode == X:
        return x
    arguments = [value_of_sum(argument, x) for argument in term.arguments]
    if term.opcode == POW:
        return arguments[0] ** term.exponent
    if term.opcode == MUL:
        return arguments[0] * arguments[1]
    if term.opcode == DIV:
        return arguments[0] / arguments[1]
    if term.opcode == DOT:
        return (arguments[0] * arguments[1] + np.zeros_like(x)).sum(axis=1, keepdims=True)
    if term.opcode == SUM:
        return (arguments[0] + np.zeros_like(x)).sum(axis=1, keepdims=True)
    function = FUNCTIONS[term.opcode]
    return function.numpy_function(*arguments) if function.array_name is None else getattr(np, function.array_name)(*arguments)


def value_of_sum(value, x):
    return value.constant + sum(coefficient * value_of_term(term, x) for term, coefficient in value.terms.items())


def nearby(population, row, bank, x):
    """Return the sums for numbers moved by rounding: those of a sine of 1e29 are any."""
    return evaluate(population.expression(row, bank * (1 + 1e-14)), x * (1 + 1e-14)).sum(axis=1)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_sums_have_the_values_of_the_formulas(grammar, seed, n_features):
    rng = np.random.default_rng(seed)
    population = grammar.ramped(rng, 80, (0, 5))
    bank = rng.standard_normal((256, n_features))
    x = rng.standard_normal((5, n_features))
    compared = 0
    with np.errstate(all="ignore"):
        for row, value in enumerate(Canonical(bank).sums(population)):
            result = evaluate(population.expression(row, bank), x)
            expected = np.broadcast_to(result.sum(axis=1), 5)
            found = np.broadcast_to(np.asarray(value_of_sum(value, x)).ravel(), 5)
            assert not value.is_vector
            assert not any(term.varies for term in value.terms)
            scale = np.abs(expected).max()
            if not np.isfinite(expected).all():
                assert not np.isfinite(found).all()
            elif not np.isfinite(found).any():
                continue  # what divides by zero on the way, and then by that, loses, although it has a value in the end
            elif scale < 1e6 and np.allclose(nearby(population, row, bank, x), expected, rtol=1e-9):
                np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * (1 + scale))
                compared += 1
    assert compared > 20


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + sin(x)", "sin(x) + x"),
        ("3*x*x + 2", "2 + x*(3*x)"),
        ("x + x - 4*x", "-2*x"),
        ("sin(2*x + 1)", "sin(1 + x + x)"),
        ("dot(x, sin(x))", "sum(sin(x)*x)"),
        ("dot(w, 2*x)", "2*dot(x, w)"),
        ("dot(x, x)*x", "sum(x)*dot(x, x)"),
        ("sum(x) + 5", "x + 5/3"),
        ("x/4", "0.25*x"),
        ("4*w", "dot(w, w)*2 - 4"),
        ("x/dot(x, x)", "sum(x)/sum(x*x)"),
    ],
)
def test_what_is_equal_has_one_key(one, other):
    first, second = sums(one, other)
    assert first.key == second.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + sin(x)", "x - sin(x)"),
        ("sin(-1*x)", "sin(-2*x)"),
        ("x**2", "x**3"),
        ("x/sin(x)", "sin(x)/x"),
        ("sin(x)", "sin(sum(x))"),
        ("w*x", "x"),
        ("exp(x)*0", "0"),  # the first may not be finite
    ],
)
def test_what_differs_has_two_keys(one, other):
    first, second = sums(one, other)
    assert first.key != second.key


def test_a_direction_is_what_slope_and_intercept_leave():
    first, second, third, constant = sums("4*x + 2*sin(x) + 7", "-2*x - sin(x)", "2*x + 4*sin(x)", "3")
    assert direction(first).key == direction(second).key != direction(third).key
    assert sorted(direction(third).terms.values())[0] in (0.5, 1.0)
    assert not direction(constant).terms
    infinite = Population.from_expressions([(Node(ADD), Node(X), Node(OPCODES["exp"]), Node(NUMBER, 800.0))])
    with np.errstate(all="ignore"):
        assert direction(Canonical(BANK).sums(infinite)[0]).constant == np.inf


def test_terms_do_not_depend_on_what_came_before():
    texts = ["sin(x)*x + cos(x*x)", "x + dot(w, x)*sin(x)"]
    alone = [sums(text)[0].key for text in texts]
    together = [value.key for value in sums("cos(x)", *reversed(texts))]
    assert together[1:] == alone[::-1]


def test_the_older_half_is_forgotten():
    known = dict.fromkeys(range(10))
    forget(known, 10)
    assert len(known) == 10
    forget(known, 8)
    assert list(known) == [6, 7, 8, 9]


def test_equal_terms_are_one_object():
    canonical = Canonical(BANK)
    population = Population.from_expressions([Formula(text).expression for text in ("x*x + x", "3*(x*x)")])
    first, second = canonical.sums(population)
    again = canonical.sums(population)
    assert set(second.terms) < set(first.terms)
    assert set(again[0].terms) == set(first.terms)
    assert {term.opcode for term in first.terms} == {DOT, OPCODES["sum"]}
    assert ADD not in {term.opcode for term in first.terms}
