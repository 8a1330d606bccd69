"""The algebra against SymPy, against evaluation, and against its own laws, on random formulas."""

import pickle

import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sklearn_taskneurons import make_function
from sklearn_taskneurons.formula import (
    ADD,
    DIV,
    DOT,
    MUL,
    NEG,
    NUMBER,
    OPCODES,
    POW,
    SUB,
    SUM,
    VECTOR,
    Formula,
    FormulaSyntaxError,
    Node,
    X,
    evaluate,
)
from sklearn_taskneurons.formula._expression import expression_type
from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS

D = 2


def damped(a, b):
    return a / (1 + b * b)


OWN = OPCODES[make_function(damped, name="properties_damped", arity=2).name]
SMOOTH = [OPCODES[name] for name in ("sin", "cos", "tanh")]
# halves and small whole numbers: their products are exact in floating point, so that nothing is ever rounded
NUMBERS = st.sampled_from([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
ANY_NUMBER = st.one_of(NUMBERS, st.floats(allow_nan=False, allow_infinity=False))


def prefix(opcode, value, *arguments):
    return (Node(opcode, value), *(node for argument in arguments for node in argument))


@st.composite
def expressions(draw, kind=None, functions=(), division=False, free=False, numbers=NUMBERS, depth=3):
    """Return random expressions of a type; `depth` bounds their nesting."""
    binary = [ADD, SUB, MUL, DIV] if division else [ADD, SUB, MUL]

    def leaf(kind):
        if kind == "S":
            return prefix(NUMBER, draw(numbers))
        opcode = draw(st.sampled_from([X, X, VECTOR]))
        known = opcode == VECTOR and not (free and draw(st.booleans()))
        return prefix(opcode, tuple(draw(numbers) for _ in range(D)) if known else None)

    def two(opcode, kind, depth):
        left, right = ("S", "S") if kind == "S" else draw(st.sampled_from([("V", "V"), ("S", "V"), ("V", "S")]))
        return prefix(opcode, None, tree(left, depth - 1), tree(right, depth - 1))

    def tree(kind, depth):
        choices = ["leaf", *["binary"] * 3, "unary", *(["function"] if functions else []), *(["sum"] if kind == "S" else [])]
        choice = draw(st.sampled_from(choices)) if depth else "leaf"
        if choice == "leaf":
            return leaf(kind)
        if choice == "binary":
            return two(draw(st.sampled_from(binary)), kind, depth)
        if choice == "sum":
            if draw(st.booleans()):
                return prefix(SUM, None, tree("V", depth - 1))
            return prefix(DOT, None, tree("V", depth - 1), tree("V", depth - 1))
        opcode = draw(st.sampled_from([NEG, POW] if choice == "unary" else functions))
        if ARITIES[opcode] == 2:
            return two(opcode, kind, depth)
        return prefix(opcode, draw(st.integers(0, 3)) if opcode == POW else None, tree(kind, depth - 1))

    return tree(kind or draw(st.sampled_from("SV")), depth)


@st.composite
def formulas(draw, **options):
    """Return random formulas within the bounds, of either type."""
    try:
        return Formula.from_expression(draw(expressions(**options)))
    except FormulaSyntaxError:
        assume(False)


POLYNOMIALS = formulas()
GENERAL = formulas(functions=SMOOTH, division=True)
ANYTHING = formulas(functions=[*range(SUM + 1, SUM + 9), OWN], division=True, free=True, numbers=ANY_NUMBER)


def combined(template, *parts):
    """Return the formula that a template makes of the texts of others; skip what exceeds the bounds."""
    try:
        return Formula(template.format(*(f"({part})" for part in parts)))
    except FormulaSyntaxError:
        assume(False)
        raise


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_text_parses_back_to_the_same_expression(formula):
    again = Formula(str(formula))
    assert again.expression == formula.expression
    assert again == formula
    assert hash(again) == hash(formula)
    assert str(again) == str(formula)
    assert pickle.loads(pickle.dumps(formula)).expression == formula.expression


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
# whose free vectors merge only once the sums are written out
@example(Formula("x + sum(x)*w"))
@example(Formula("sum(x)*dot(w, x) + dot(w, x)*sum(x)"))
def test_expanding_changes_nothing_but_the_form(formula):
    expanded = formula.expand()
    assert expanded == formula
    assert hash(expanded) == hash(formula)
    assert expanded.terms == formula.terms
    assert str(expanded.expand()) == str(expanded)
    assert expanded.degree == formula.degree
    assert expanded.n_features == formula.n_features


@settings(max_examples=100, deadline=None)
@given(POLYNOMIALS)
def test_polynomials_expand_as_sympy_expands_them(formula):
    written, expanded = formula.to_sympy(D), formula.expand().to_sympy(D)
    assert sympy.expand(written - expanded) == 0
    assert formula.degree is not None


@settings(max_examples=100, deadline=None)
@given(POLYNOMIALS)
def test_the_degree_is_that_of_the_polynomial_at_most(formula):
    polynomial = sympy.Poly(sympy.expand(formula.to_sympy(3 if formula.n_features is None else D)), sympy.Dummy())
    symbols = sorted(polynomial.as_expr().free_symbols, key=str)
    degree = sympy.Poly(polynomial.as_expr(), *symbols).total_degree() if symbols else 0
    # with few features different terms can cancel, as sum(x)**2 and sum(x**2) do with one
    assert degree <= formula.degree


@settings(max_examples=100, deadline=None, derandomize=True)
@given(GENERAL, st.tuples(*[st.integers(1, 40)] * D))
def test_general_formulas_keep_their_value(formula, point):
    substitution = {sympy.Symbol(f"x{j}"): sympy.Rational(p, 16) for j, p in enumerate(point)}
    written = sympy.N(formula.to_sympy(D).subs(substitution), 60)
    terms = [sympy.N(Formula.from_expression(term.expression).to_sympy(D).subs(substitution), 60) for term in formula.terms]
    assume(all(value.is_finite for value in [written, *terms]))
    # functions of numbers are rounded to floating-point numbers
    size = sum(map(abs, terms)) + abs(written)
    assert abs(written - sum(terms)) <= 1e-11 * size * (1 + size)


@settings(max_examples=100, deadline=None)
@given(POLYNOMIALS, st.integers(0, 2**32 - 1))
def test_evaluation_agrees_with_sympy_and_with_the_terms(formula, seed):
    data = np.random.default_rng(seed).integers(-8, 9, size=(3, D)) / 4
    values = formula(data)
    terms = [np.broadcast_to(evaluate(term.expression, data), (3, 1))[:, 0] for term in formula.terms]
    size = sum((np.abs(value) for value in terms), start=np.ones(3))
    for row, value, scale in zip(data, values, size, strict=True):
        exact = formula.to_sympy(D, [sympy.Rational(float(entry)) for entry in row])
        assert abs(value - float(exact)) <= 1e-12 * scale * 1e3
    np.testing.assert_allclose(sum(terms, start=np.zeros(3)), formula.expand()(data), rtol=0, atol=1e-12 * size.max())


def direct(nodes, data):
    """The value of an expression by recursion, from an iterator over its nodes."""
    node = next(nodes)
    arguments = [direct(nodes, data) for _ in range(ARITIES[node.opcode])]
    if node.opcode == X:
        return data
    if node.opcode in (NUMBER, VECTOR):
        return np.atleast_2d(node.value)
    if node.opcode == POW:
        return arguments[0] ** node.value
    if node.opcode in (DOT, SUM):
        return np.broadcast_to(np.prod(np.broadcast_arrays(*arguments), axis=0), data.shape).sum(axis=1, keepdims=True)
    return damped(*arguments) if node.opcode == OWN else getattr(np, FUNCTIONS[node.opcode].array_name)(*arguments)


@settings(max_examples=200, deadline=None)
@given(formulas(functions=[OWN, OWN, OPCODES["sin"]]), st.integers(0, 2**32 - 1))
def test_functions_of_two_arguments_have_their_values(formula, seed):
    data = np.random.default_rng(seed).normal(size=(5, D))
    value = direct(iter(formula.expression), data)
    expected = np.broadcast_to(value, data.shape).sum(axis=1) if formula.type == "V" else np.broadcast_to(value, (5, 1))[:, 0]
    np.testing.assert_allclose(formula(data), expected, rtol=1e-10, atol=1e-10)
    terms = [np.broadcast_to(evaluate(term.expression, data), (5, 1))[:, 0] for term in formula.terms]
    size = sum(map(np.abs, terms), start=np.ones(5)).max()
    # what is inside of a sine may be large
    np.testing.assert_allclose(sum(terms, start=np.zeros(5)), expected, rtol=0, atol=1e-8 * size)


@settings(max_examples=60, deadline=None)
@given(formulas(functions=SMOOTH, division=True, depth=2), formulas(functions=SMOOTH, division=True, depth=2))
def test_addition_and_multiplication_commute(a, b):
    assert combined("{} + {}", a, b) == combined("{} + {}", b, a)
    assert combined("{}*{}", a, b) == combined("{}*{}", b, a)
    assert combined("{} - {}", a, b) == combined("-({} - {})", b, a)


@settings(max_examples=60, deadline=None)
@given(*[formulas(depth=2)] * 3)
def test_addition_and_multiplication_associate(a, b, c):
    assert combined("({} + {}) + {}", a, b, c) == combined("{} + ({} + {})", a, b, c)
    assert combined("({}*{})*{}", a, b, c) == combined("{}*({}*{})", a, b, c)


@settings(max_examples=60, deadline=None)
@given(*[formulas(depth=2)] * 3)
def test_multiplication_distributes_over_addition(a, b, c):
    assert combined("{}*({} + {})", a, b, c) == combined("{0}*{1} + {0}*{2}", a, b, c)
    assert combined("({} - {})*{}", a, b, c) == combined("{0}*{2} - {1}*{2}", a, b, c)


@settings(max_examples=60, deadline=None)
@given(formulas(functions=SMOOTH, depth=2))
def test_neutral_and_inverse_elements(a):
    assert combined("--{}", a) == a
    assert combined("{} + 0", a) == a
    assert combined("1*{}", a) == a
    assert combined("{0} - {0}", a).terms == ()
    assert combined("0*{}", a).terms == ()
    assert combined("{}**2", a) == combined("{0}*{0}", a)
    assert combined("{}**3", a) == combined("{0}*{0}**2", a)
    assert combined("sin({})", a) == combined("sin({} + 0)", a)


@settings(max_examples=60, deadline=None)
@given(expressions("V", depth=2), expressions("V", depth=2))
def test_the_inner_product_is_the_sum_of_the_elementwise_product(a, b):
    try:
        inner = Formula.from_expression(prefix(DOT, None, a, b))
        total = Formula.from_expression(prefix(SUM, None, prefix(MUL, None, a, b)))
        summed = Formula.from_expression(prefix(MUL, None, a, b))
    except FormulaSyntaxError:
        assume(False)
        raise
    assert expression_type(summed.expression) == "V"
    assert inner == total == summed


@settings(max_examples=100, deadline=None)
@given(formulas(depth=2), formulas(depth=2), st.integers(0, 2**32 - 1))
def test_equal_formulas_have_equal_values(a, b, seed):
    data = np.random.default_rng(seed).normal(size=(4, D))
    if a == b:
        np.testing.assert_allclose(a(data), b(data), rtol=1e-9, atol=1e-9)
    else:
        # they differ somewhere: exactly, or in what they demand of the data
        differ = sympy.expand(a.to_sympy(D) - b.to_sympy(D)) != 0
        assert differ or a.n_features != b.n_features or a.n_features is None


def test_the_strategies_make_what_they_promise():
    kinds = set()

    @settings(max_examples=200, deadline=None, database=None)
    @given(ANYTHING)
    def collect(formula):
        kinds.update(node.opcode for node in formula.expression)
        kinds.update({"free"} if formula.is_free else set())

    collect()
    assert kinds >= {X, NUMBER, VECTOR, ADD, SUB, MUL, DIV, NEG, POW, DOT, SUM, OWN, "free"}


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_sympy_agrees_with_a_direct_translation(n_features):
    symbols = sympy.symbols(f"x:{n_features}")
    weights = sympy.symbols(f"w0_:{n_features}")
    second = sympy.symbols(f"w1_:{n_features}")
    formula = Formula("0.1*x**3 - sin(x)/2 + dot(w, x)*sum(abs(w)) + exp(sqrt(sum(x**2)))")
    scalar = sum(a * b for a, b in zip(weights, symbols, strict=True)) * sum(map(sympy.Abs, second))
    scalar += sympy.exp(sympy.sqrt(sum(s**2 for s in symbols)))
    expected = sum(s**3 / 10 - sympy.sin(s) / 2 for s in symbols) + n_features * scalar
    assert sympy.expand(sympy.expand(formula.to_sympy(n_features)) - sympy.expand(expected)) == 0
