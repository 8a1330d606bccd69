"""Formula as an object: text, equality, hashing, copies."""

import copy
import pickle

import joblib
import numpy as np
import pytest

from sklearn_taskneurons.formula import (
    ADD,
    DIV,
    DOT,
    MUL,
    NEG,
    NUMBER,
    POW,
    SUB,
    SUM,
    VECTOR,
    Formula,
    FormulaSyntaxError,
    Node,
    X,
)

x, w = Node(X), Node(VECTOR)


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([x], "x"),
        ([Node(NUMBER, 3.0)], "3"),
        ([Node(NUMBER, -0.5)], "-0.5"),
        ([Node(NUMBER, 1e-7)], "1e-07"),
        ([Node(NUMBER, 0.1)], "0.1"),
        ([Node(ADD), x, Node(ADD), x, x], "x + (x + x)"),
        ([Node(SUB), Node(SUB), x, x, Node(NUMBER, -2.0)], "x - x - -2"),
        ([Node(SUB), x, Node(SUB), x, x], "x - (x - x)"),
        ([Node(MUL), Node(ADD), x, x, x], "(x + x)*x"),
        ([Node(ADD), Node(MUL), x, x, x], "x*x + x"),
        ([Node(MUL), x, Node(DIV), x, x], "x*(x/x)"),
        ([Node(DIV), Node(MUL), x, x, x], "x*x/x"),
        ([Node(NEG), Node(MUL), x, x], "-(x*x)"),
        ([Node(MUL), Node(NEG), x, x], "-x*x"),
        ([Node(MUL), x, Node(NEG), x], "x*-x"),
        ([Node(NEG), Node(NEG), x], "--x"),
        ([Node(NEG), Node(NUMBER, 3.0)], "-(3)"),
        ([Node(NEG), Node(NUMBER, -3.0)], "--3"),
        ([Node(NEG), Node(POW, 2), Node(NUMBER, 3.0)], "-3**2"),
        ([Node(POW, 2), Node(NUMBER, -3.0)], "(-3)**2"),
        ([Node(POW, 2), Node(POW, 3), x], "(x**3)**2"),
        ([Node(POW, 2), Node(NEG), x], "(-x)**2"),
        ([Node(POW, 2), Node(SUM), x], "sum(x)**2"),
        ([Node(DOT), Node(VECTOR, (1.0, -2.5)), Node(SUB), x, w], "dot([1, -2.5], x - w)"),
    ],
)
def test_text_has_the_parentheses_it_needs_and_no_others(nodes, text):
    formula = Formula.from_expression(nodes)
    assert str(formula) == text
    assert repr(formula) == f"Formula({text!r})"
    assert Formula(text).expression == tuple(nodes)


@pytest.mark.parametrize("text", ["x**2 + 1", "dot(w, x)*dot([1, 2], x)", "sin(x)/x"])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, Formula, lambda f: pickle.loads(pickle.dumps(f))])
def test_copies_are_equal(text, duplicate):
    formula = Formula(text)
    assert duplicate(formula) == formula
    assert duplicate(formula).expression == formula.expression
    assert hash(duplicate(formula)) == hash(formula)


def test_pickles_as_text(tmp_path):
    formula = Formula.from_expression([Node(ADD), Node(NEG), Node(NUMBER, 3.0), x])
    assert formula.__reduce__() == (Formula, ("-(3) + x",))
    joblib.dump(formula, tmp_path / "formula")
    assert joblib.load(tmp_path / "formula").expression == formula.expression


def test_cannot_be_changed():
    formula = Formula("x")
    with pytest.raises(AttributeError, match="must not be changed"):
        formula._contents = "y"
    with pytest.raises(AttributeError):
        formula.degree = 3
    with pytest.raises(AttributeError):
        formula.anything = 3
    with pytest.raises(AttributeError, match="must not be changed"):
        del formula._contents
    assert str(formula) == "x"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x*(x + 1)", "x**2 + x"),
        ("(x + 1)**3", "1 + 3*x + 3*x**2 + x**3"),
        ("x + x", "2*x"),
        ("x - x", "0*x"),
        ("--x", "x"),
        ("x/4*4", "x"),
        ("0.1*x + 0.2*x", "0.3*x"),  # which floating-point numbers would not say
        ("x**3/x", "x**2"),
        ("x/x", "x**0"),
        ("dot(x, x)", "x**2"),
        ("sum(x)", "x"),
        ("sum(x) + 1 - 1", "x"),
        ("dot(x, x + 1)", "x**2 + x"),
        ("sum(x*sum(x))", "sum(x)**2"),
        ("x*sum(x)", "sum(x)*sum(x)"),
        ("sin(2*x + 1)", "sin(1 + x + x)"),
        ("sin(dot(x, x))", "sin(sum(x**2))"),
        ("exp(0)*x", "x"),
        ("1/(2*x + 4)", "0.5/(2 + x)"),
        ("(x**2 - 1)/(x**2 - 1)", "x**0"),
        ("1/(1/(x + 1))", "x + 1"),
        ("1/(2/(x + 1))", "0.5*x + 0.5"),
        ("dot([1, 2], x) + dot([3, -2], x)", "[4, 0]*x"),
        ("dot([2, 2], x)", "dot([1, 1], 2*x)"),
        ("dot([3, 4], x)*2", "dot([6, 8], x)"),
        ("[1, 2]*x + 1", "[1, 2]@x + 2"),
        ("(dot([1, 2], x) + dot([3, 4], x))*sum(x)", "dot([1, 2], x)*sum(x) + dot([3, 4], x)*sum(x)"),
        ("dot([1, 0], x)*sum(x) + dot([0, 1], x)*sum(x)", "sum(x)**2 + 0*sum([1, 2])"),
        ("dot([0.3, 0.7], x)*dot([1, 2], x)", "0.1*dot([3, 7], x)*dot([1, 2], x)"),
        ("sin((dot([1, 2], x) + sum(x))*sum(x))", "sin(dot([1, 2], x)*sum(x) + sum(x)**2)"),
        ("dot(w, x) - dot(w, x)", "dot(w, x)"),
        ("3*w*x + 2*x", "dot(w, x)"),
        ("sum(w) + 3", "w"),
        ("2*dot(w, x)*dot(w, x)", "dot(w, x)**2"),
    ],
)
def test_formulas_that_are_the_same_are_equal(one, other):
    assert Formula(one) == Formula(other)
    assert hash(Formula(one)) == hash(Formula(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x", "x**2"),
        ("x", "2*x"),
        ("sum(x)**2", "x**2"),
        ("x + 1", "sum(x) + 1"),  # the first adds 1 for each feature
        ("sin(x)", "sin(sum(x))"),
        ("sin(x)", "cos(x)"),
        ("dot(w, x)", "x"),
        ("sin(w*x) - sin(w*x)", "0"),  # two vectors, which need not be equal
        ("dot(w, x)**2 - dot(w, x)**2", "0"),
        ("dot([1, 2], x)", "dot([2, 1], x)"),
        ("dot([1, 1], x)", "x"),  # the first takes two features, the second any
        ("dot([1, 1], x)", "dot([1, 1, 1], x)"),
        ("dot([1, 2], x)**2", "dot([1, 4], x**2)"),
        ("0.1*x", "0.10000000000000002*x"),
    ],
)
def test_formulas_that_differ_are_not_equal(one, other):
    assert Formula(one) != Formula(other)


def test_is_not_equal_to_its_text():
    assert Formula("x") != "x"
    assert len({Formula("x + 1"), Formula("1 + x"), Formula("x")}) == 2


def test_from_expression_takes_what_a_search_has():
    formula = Formula.from_expression(
        [
            (np.int8(MUL), np.nan),
            (np.int8(NUMBER), np.float32(0.5)),
            (np.int8(DOT), np.nan),
            (np.int8(VECTOR), np.array([1.0, 2.0])),
            (np.int8(POW), np.float64(3.0)),
            (np.int8(X), np.nan),
        ]
    )
    assert str(formula) == "0.5*dot([1, 2], x**3)"
    assert all(type(node.opcode) is int for node in formula.expression)
    assert Formula(str(formula)).expression == formula.expression


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "1 are missing"),
        ([(ADD, None), (X, None)], "1 are missing"),
        ([(X, None), (X, None)], "more nodes follow"),
        ([(99, None)], "opcode must be from 0"),
        ([(-1, None)], "opcode must be from 0"),
        ([(NUMBER, float("nan"))], "must be finite"),
        ([(NUMBER, float("inf"))], "must be finite"),
        ([(VECTOR, ())], "at least one entry"),
        ([(VECTOR, (1.0, float("inf")))], "must be finite"),
        ([(POW, 0.5), (X, None)], "whole number from 0 to 32"),
        ([(POW, -1), (X, None)], "whole number from 0 to 32"),
        ([(POW, 33), (X, None)], "whole number from 0 to 32"),
    ],
)
def test_from_expression_refuses_what_is_no_expression(nodes, message):
    with pytest.raises(ValueError, match=message):
        Formula.from_expression(nodes)


def test_from_expression_refuses_what_exceeds_the_bounds_without_a_position():
    with pytest.raises(FormulaSyntaxError, match="degree") as caught:
        Formula.from_expression([(POW, 32), (POW, 32), (X, None)])
    assert caught.value.position is None
    assert caught.value.text == "(x**32)**32"
    with pytest.raises(FormulaSyntaxError, match="must be vectors"):
        Formula.from_expression([(SUM, None), (NUMBER, 1.0)])


def test_bounds_are_those_of_the_documentation():
    assert Formula("x" + " + x" * 499).length == 999
    with pytest.raises(FormulaSyntaxError, match="at most 1000 nodes, given 1001"):
        Formula("x" + " + x" * 500)
    assert Formula("sin(" * 99 + "x" + ")" * 99).depth == 100
    with pytest.raises(FormulaSyntaxError, match="at most 100 levels deep, given 101"):
        Formula("sin(" * 50 + "-(" * 50 + "x" + "))" * 50)
    assert Formula("x**16*x**16").degree == 32
    with pytest.raises(FormulaSyntaxError, match="degree of a term must be at most 32, given 33"):
        Formula("x**16*x**17")
    with pytest.raises(FormulaSyntaxError, match="degree of a term must be at most 32, given 33"):
        Formula("dot(w, x**11)**3")
    with pytest.raises(FormulaSyntaxError, match="at most 256 terms"):
        Formula("*".join(f"(1 + sin({k}*x))" for k in range(1, 10)))
    with pytest.raises(FormulaSyntaxError, match="expand to at most 1000 nodes"):
        Formula("*".join(f"(1 + sin({k}*x))" for k in range(1, 9)))
    with pytest.raises(FormulaSyntaxError, match="so many digits"):
        Formula("((((9**32)**32)**32)**32)**32")
    with pytest.raises(FormulaSyntaxError, match="range of floating-point numbers"):
        Formula("1e200*x*1e200")


def test_what_can_be_made_can_be_pickled():
    formula = Formula(f"[0{',0.125' * 14_284},1]*x**3")
    assert len(str(formula)) == 100_000 - 1
    assert pickle.loads(pickle.dumps(formula)) == Formula(str(formula)) == formula
    # a comma alone is enough where a text is read, and a formula prints a space after it
    longer = Formula(f"[0{',0.125' * 14_285},1]*x**3")
    assert len(str(longer)) > 100_000
    assert pickle.loads(pickle.dumps(longer)) == longer
    wide = Formula.from_expression([(MUL, None), (VECTOR, [0.5, 0.25] * 20_000), (POW, 3), (X, None)])
    assert pickle.loads(pickle.dumps(wide)) == wide


def test_a_coefficient_too_small_for_a_number_is_nothing():
    assert Formula("1e-200*x*1e-200 + x") == Formula("x")
    assert Formula("1e-200*x*1e-200").terms == ()


@pytest.mark.parametrize(
    ("text", "length", "depth", "kind", "n_features", "free"),
    [
        ("x", 1, 1, "V", None, False),
        ("3", 1, 1, "S", None, False),
        ("0.5*x**3 + sin(x)", 7, 4, "V", None, False),
        ("dot(w, x)", 3, 2, "S", None, True),
        ("dot(w, x) + x", 5, 3, "V", None, True),
        ("sum([1, 2]*x)", 4, 3, "S", 2, False),
        ("[1, 2]*w + x", 5, 3, "V", 2, True),
    ],
)
def test_measures_of_the_formula_as_written(text, length, depth, kind, n_features, free):
    formula = Formula(text)
    assert (formula.length, formula.depth, formula.type) == (length, depth, kind)
    assert (formula.n_features, formula.is_free) == (n_features, free)


@pytest.mark.parametrize(
    ("text", "digits", "rounded"),
    [
        ("0.068123*x**3 + 1234.5", 3, "0.0681*x**3 + 1230"),
        ("dot([0.12345, -9.99], x) - 1e-10", 2, "dot([0.12, -10], x) - 1e-10"),
        ("x**32 + 0", 1, "x**32 + 0"),
        ("w*x", 3, "w*x"),
        ("0.9999*x**2 + 1.0001*x - 0.9999*sin(1.0001*x)", 3, "x**2 + x - sin(x)"),
        ("-0.9999*x*dot(w, x)*1.0001", 3, "-x*dot(w, x)"),
        ("x/1.0001 - x*-0.9999 + dot(w, x)/-0.9999", 3, "x - -x + -dot(w, x)"),
        ("0.9999*1.0001 + x", 3, "1 + x"),
        ("-0.9999*3*x + 2*-1.0001", 3, "-3*x + -2"),
    ],
)
def test_round(text, digits, rounded):
    formula = Formula(text).round(digits)
    assert str(formula) == rounded
    assert Formula(rounded).expression == formula.expression


@pytest.mark.parametrize(
    ("text", "digits", "reason"),
    [
        ("x/(1.2345*x - 1.2312*x)", 2, "nothing may be divided by zero"),
        ("x/(sum(x) - 1.001*sum(x))", 3, "nothing may be divided by zero"),
        ("log(1.004 - 1)*x", 2, "real and finite"),
        ("1.7976931348623157e308*x", 2, "must be finite"),
    ],
)
def test_what_has_no_value_once_rounded_says_so_and_can_be_shown(text, digits, reason):
    formula = Formula(text)
    with pytest.raises(ValueError, match=f"rounded to {digits} significant digits the formula has no value, .*{reason}"):
        formula.round(digits)
    assert formula.round(17) == formula
    assert formula.report(digits=digits)
    assert formula.latex(digits=digits)
    assert formula._repr_latex_()


@pytest.mark.parametrize("digits", [0, -1, 1.5, True, "3"])
@pytest.mark.parametrize("method", ["round", "report", "latex"])
def test_digits_are_counted(method, digits):
    with pytest.raises(ValueError, match=rf"digits must be a whole number of at least 1, given {digits!r}"):
        getattr(Formula("0.5*x"), method)(digits=digits)
