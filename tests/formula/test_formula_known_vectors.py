"""Constant vectors in products, inside of functions and below the line: the expanded formula has the same values."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sklearn_taskneurons.formula import Formula, FormulaSyntaxError

X = np.random.default_rng(0).normal(size=(6, 2))

NUMBERS = st.sampled_from(["3", "-2", "0.5", "1", "0", "1234"])
VECTORS = st.tuples(NUMBERS, NUMBERS).map(lambda entries: f"[{', '.join(entries)}]")


def joined(template, *parts):
    return st.tuples(*parts).map(lambda texts: template.format(*texts))


def sums_and_products(*pairs):
    return [joined(f"({{}} {symbol} {{}})", *pair) for pair in pairs for symbol in "+-*"]


DOTS = joined("dot({}, {})", VECTORS, st.sampled_from(["x", "x", "x**2"]))
SCALARS = st.deferred(
    lambda: st.one_of(
        DOTS,
        DOTS,
        st.just("sum(x)"),
        NUMBERS.map("({})".format),
        *sums_and_products((SCALARS, SCALARS)),
        joined("abs({})", SCALARS),
        joined("sum({})", FEATUREWISE),
    )
)
FEATUREWISE = st.deferred(
    lambda: st.one_of(
        st.just("x"),
        VECTORS,
        joined("({}*{})", VECTORS, DOTS),
        *sums_and_products((FEATUREWISE, FEATUREWISE), (SCALARS, FEATUREWISE)),
        joined("abs({})", FEATUREWISE),
        joined("tanh({})", FEATUREWISE),
        joined("({}/(x + {}))", FEATUREWISE, SCALARS),
    )
)


def formula_of(text):
    try:
        return Formula(text)
    except FormulaSyntaxError as error:
        assume("must be vectors" in str(error))  # what exceeds a bound or divides by zero is skipped
        raise


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.one_of(SCALARS, FEATUREWISE))
@example("sin(x + [1, 3]*dot([1, -2], x))")
@example("sin(dot([1, -2], x)/[1, 3])")
@example("1/(x + [1, 3]*dot([1, -2], x))")
@example("abs([1, 3]*dot([1234, 5], x)*x)")
@example("sin([1, 3]*dot([0.1234, -2.5], x)*x)")
@example("abs([1234, 5]/dot([1234, 5], x)**2*x)")
@example("(x + dot([1, -2], x) - [1, 3])*sum(x)")
@example("-8/dot(abs(x) + tanh(x), [0.9092974268256817, -1.682941969615793])")
def test_expanding_keeps_the_values_and_is_done_once(text):
    formula = formula_of(text)
    expanded = formula.expand()
    values = formula(X)
    np.testing.assert_allclose(expanded(X), values, rtol=1e-9, atol=1e-9 * np.abs(values).max() + 1e-9)
    assert expanded == formula == Formula(str(expanded))
    assert str(expanded.expand()) == str(expanded)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SCALARS, VECTORS, VECTORS)
@example("dot([1, -2], x)", "[1, 3]", "[1, 1]")
@example("dot([1234, 5], x)", "[1, 3]", "[0.001, 0.003]")
def test_formulas_of_other_values_are_others(scalar, left, right):
    a, b = (formula_of(f"abs(x + {vector}*{scalar}) + 0*{vector}*x") for vector in (left, right))
    if not np.allclose(a(X), b(X)):
        assert a != b
        assert a.terms != b.terms


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("sin(x + [1,3]*dot([1,-2],x))", "sin([1, 3]*dot([1, -2], x) + x)"),
        ("sin([2,6]*dot([2,-4],x))", "sin([4, 12]*dot([1, -2], x))"),
        ("sin(dot([1,-2],x)/[1,2])", "sin([1, 0.5]*dot([1, -2], x))"),
        ("abs([1,3]*dot([1234,5],x)*x)", "abs([1000, 3000]*dot([1.234, 0.005], x)*x)"),
        ("(x + dot([1,-2],x) - [1,3])*sum(x)", "3*x*dot([1, -1], x) - 4*x"),
        # a free vector takes in what multiplies it, so that nothing can be taken out of it either
        ("1/(3*dot(w,x)*dot([1e4,2],x) - 6)", "1/(dot(w, x)*dot([5, 0.001], x) - 6)"),
        ("1/(dot(w,x)*dot([1e4,2],x) + dot(w,x))", "1/(dot(w, x)*dot([5, 0.001], x) + dot(w, x))"),
    ],
)
def test_known_vectors_are_written_where_they_stand(text, expanded):
    formula = Formula(text)
    assert str(formula.expand()) == str(formula.expand().expand()) == expanded
    assert formula.expand() == formula
