"""From text to expression: what is read, what is refused, and where the error points."""

import ast
import pickle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
    _atoms,
    _parser,
)
from sklearn_taskneurons.formula._limits import MAX_CHARACTERS, MAX_WORK

x, w = Node(X), Node(VECTOR)


def number(value):
    return Node(NUMBER, float(value))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("x", [x]),
        ("  x\n", [x]),
        ("0.5", [number(0.5)]),
        (".5", [number(0.5)]),
        ("007.", [number(7)]),
        ("1e-3*x", [Node(MUL), number(0.001), x]),
        ("-3", [number(-3)]),
        ("- 3", [number(-3)]),
        ("-(3)", [Node(NEG), number(3)]),
        ("--3", [Node(NEG), number(-3)]),
        ("+x", [x]),
        ("-x*x", [Node(MUL), Node(NEG), x, x]),
        ("-x**2", [Node(NEG), Node(POW, 2), x]),
        ("(-3)**2", [Node(POW, 2), number(-3)]),
        ("-3**2", [Node(NEG), Node(POW, 2), number(3)]),
        ("x^2", [Node(POW, 2), x]),
        ("x**2**2", [Node(POW, 4), x]),
        ("x**(1 + 4/2)", [Node(POW, 3), x]),
        ("x**+2", [Node(POW, 2), x]),
        ("x - x - x", [Node(SUB), Node(SUB), x, x, x]),
        ("x/x*x", [Node(MUL), Node(DIV), x, x, x]),
        ("x + x*x", [Node(ADD), x, Node(MUL), x, x]),
        ("dot(w, x)", [Node(DOT), w, x]),
        ("sum(x)", [Node(SUM), x]),
        ("w@x", [Node(DOT), w, x]),
        ("2@x@3", [Node(MUL), Node(MUL), number(2), x, number(3)]),
        ("x@x@x", [Node(MUL), Node(DOT), x, x, x]),
        ("[0.1, -2,3e1]*x", [Node(MUL), Node(VECTOR, (0.1, -2.0, 30.0)), x]),
        ("[ 1 ]@x", [Node(DOT), Node(VECTOR, (1.0,)), x]),
        ("sin(cos(x))", [Node(OPCODES["sin"]), Node(OPCODES["cos"]), x]),
        ("6@x**2 + 2@x - 3", [Node(SUB), Node(ADD), Node(MUL), number(6), Node(POW, 2), x, Node(MUL), number(2), x, number(3)]),
    ],
)
def test_text_is_read_as_the_expression_that_it_says(text, expression):
    assert Formula(text).expression == tuple(expression)


@pytest.mark.parametrize("text", ["x^2 + 3", "x+sin( x )", "((x))", "w@x + [1,2]@x", "x**2^2", "2 @ x"])
def test_spellings_of_the_same_formula_are_equal(text):
    other = {
        "x^2 + 3": "x**2 + 3",
        "x+sin( x )": "x + sin(x)",
        "((x))": "x",
        "w@x + [1,2]@x": "dot(w, x) + dot([1, 2], x)",
        "x**2^2": "x**4",
        "2 @ x": "2*x",
    }[text]
    assert Formula(text).expression == Formula(other).expression


# the caret stands below the first character of what is at fault
REFUSED = [
    ("", None, "must not be empty"),
    ("  \n", None, "must not be empty"),
    ("x + y", 4, "unknown name 'y'"),
    ("sine(x)", 0, "did you mean sin"),
    ("2*ln(x)", 2, "did you mean log"),
    ("x + x3", 4, "x stands for all features"),
    ("add(x, x)", 0, "operator +"),
    ("x.y", 1, "'.' is not part of the language"),
    ("x.__class__", 1, "'.'"),
    ("__import__('os')", 0, "unknown name '__import__'"),
    ("x +", 3, "text ends"),
    ("x + ", 3, "text ends"),
    ("x * / x", 4, "must stand before /"),
    ("*x", 0, "must stand before *"),
    ("x x", 2, "operator must stand before 'x'"),
    ("3x", 1, "followed by an operator"),
    ("x*1_000", 3, "followed by an operator"),
    ("0x10", 1, "followed by an operator"),
    ("2j", 1, "followed by an operator"),
    ("1.2.3", 3, "followed by an operator"),
    ("2(x)", 1, "operator must stand before the parenthesis"),
    ("x[1]", 1, "operator must stand before '[1]'"),
    ("(x", 0, "must be closed"),
    ("sin((x)", 3, "must be closed"),
    ("x)", 1, "must be open"),
    ("x, x", 1, "must be open"),
    ("(x, x)", 2, "arguments of a function"),
    ("()", 1, "must stand before )"),
    ("sin()", 4, "must stand before )"),
    ("sin x", 4, "followed by its arguments"),
    ("2*sin", 5, "followed by its arguments"),
    ("sin(x, x)", 0, "sin must have one argument, given 2"),
    ("2*dot(x)", 2, "dot must have two arguments, given 1"),
    ("dot(*x)", 4, "must stand before *"),
    ("dot(x, **x)", 7, "must stand before **"),
    ("dot(x, 2)", 7, "must be vectors"),
    ("dot(dot(x, x), x)", 4, "must be vectors"),
    ("sum(3)", 4, "must be vectors"),
    ("x**-1", 3, "write 1/x"),
    ("x**-3", 3, "write 1/x**3"),
    ("x**0.5", 3, "write sqrt(x)"),
    ("x^0.5", 2, "write sqrt(x)"),
    ("x**1.5", 3, "write sqrt(x)**3"),
    ("x**33", 3, "from 0 to 32, given 33"),
    ("x**x", 3, "must not depend on x"),
    ("x**w", 3, "must not depend on x or w"),
    ("2**x", 3, "write exp(log(2)*x)"),
    ("2**sum(x)", 3, "write exp(log(2)*(...))"),
    ("(x + 1)**0.5", 9, "write sqrt(...)"),
    ("sin(x)**-2", 8, "write 1/(...)**2"),
    ("x**(1/0)", 4, "divided by zero"),
    ("x**(1e308*10)", 4, "given"),
    ("9**9**9**9", 6, "from 0 to 32"),
    ("x**(9**32**32)", 7, "from 0 to 32"),
    ("[x]", 0, "list of numbers"),
    ("[[1]]", 0, "list of numbers"),
    ("[1, 2", 0, "list of numbers"),
    ("1]", 1, "list of numbers"),
    ("[]*x", 1, "must be numbers"),
    ("[1,]*x", 3, "must be numbers"),
    ("[1, 2-3]*x", 4, "must be numbers"),
    ("[1, 1e999]*x", 4, "range of floating-point numbers"),
    ("[1, 2]*x + [1, 2, 3]*x", 11, "equal lengths, given 2 and 3"),
    ("1e999", 0, "range of floating-point numbers"),
    ("x/(2 - 2)", 3, "divided by zero"),
    ("x/0", 2, "divided by zero"),
    ("x/[1, 0]", 2, "an entry of the divisor is zero"),
    ("2 + log(0)", 4, "real and finite"),
    ("sqrt(-1)", 0, "real and finite"),
    ("exp(1000)", 0, "real and finite"),
    ("x\0", 1, "not part of the language"),
    ("x − 1", 2, "write - for the minus sign"),
    ("x²", 1, "write x**2"),
    ("x\u0662", 1, "not part of the language"),
    ("\ud800", 0, "not part of the language"),
    ("lambda: x", 0, "unknown name 'lambda'"),
    ("f'{x}'", 0, "unknown name 'f'"),
    ("x if x else x", 2, "unknown name 'if'"),
    ("[x for x in x]", 0, "list of numbers"),
    ("(x for x in x)", 3, "unknown name 'for'"),
    ("x := 1", 2, "':'"),
    ("x == x", 2, "'='"),
    ("not x", 0, "unknown name 'not'"),
    ("True", 0, "unknown name 'True'"),
    ("x # x", 2, "'#'"),
    ("x; x", 1, "';'"),
    ("x \\\n + x", 2, "not part"),
    ("x\nx", 2, "operator must stand before"),
]


@pytest.mark.parametrize(("text", "position", "message"), REFUSED)
def test_what_is_no_formula_is_refused_where_it_goes_wrong(text, position, message):
    with pytest.raises(FormulaSyntaxError) as caught:
        Formula(text)
    assert message in caught.value.message
    assert caught.value.position == position
    assert caught.value.text == text


def test_the_message_shows_the_place():
    with pytest.raises(FormulaSyntaxError) as caught:
        Formula("x + 3*y")
    first, second, third = str(caught.value).splitlines()
    assert first.startswith("unknown name 'y'; the names are x, w, dot")
    assert second[third.index("^")] == "y"


def test_the_message_of_a_long_text_shows_a_part_of_it():
    text = "x + " * 100 + "y*x" + " + x" * 100
    with pytest.raises(FormulaSyntaxError) as caught:
        Formula(text)
    _, second, third = str(caught.value).splitlines()
    assert len(second) < 80
    assert second[third.index("^")] == "y"
    assert caught.value.position == 400


def test_odd_characters_take_one_column_in_the_message():
    with pytest.raises(FormulaSyntaxError) as caught:
        Formula("x +\t\n \U0001d431")
    _, second, third = str(caught.value).splitlines()
    assert second == "  x +   ?"
    assert third.index("^") == second.index("?")


def test_errors_are_value_errors_and_pickle():
    with pytest.raises(ValueError, match="unknown name") as caught:
        Formula("y")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.message, copy.text, copy.position) == (caught.value.message, "y", 0)
    assert str(copy) == str(caught.value)


@pytest.mark.parametrize("value", [None, 3, b"x", ["x"], Formula])
def test_what_is_no_text_is_a_type_error(value):
    with pytest.raises(TypeError, match="must be a str or a Formula, given"):
        Formula(value)


HUGE = {
    "a megabyte": "x" * 1_000_000,
    "parentheses": "(" * 100_000 + "x" + ")" * 100_000,
    "parentheses below the limit of characters": "(" * 49_000 + "x" + ")" * 49_000,
    "brackets": "[" * 99_999,
    "signs": "-" * 99_999 + "x",
    "a sum": "x" + "+x" * 40_000,
    "calls": "sin(" * 10_000,
    "powers": "x" + "**x" * 30_000,
    "a number": "1" * 99_999,
    "names": "_" * 99_999,
    "dots": "." * 99_999,
    "attributes": "x" + ".x" * 40_000,
    "commas": "dot(" + "x," * 40_000,
    "strings": "'" * 99_999,
    "comparisons": "x" + "<x" * 40_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_texts_are_refused_before_they_are_parsed(text, monkeypatch):
    def parse(*arguments, **keywords):
        raise AssertionError("a text beyond the bounds must not reach the parser")

    monkeypatch.setattr(_parser.ast, "parse", parse)
    with pytest.raises(FormulaSyntaxError) as caught:
        Formula(text)
    assert len(str(caught.value)) < 500
    assert len(caught.value.text) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    "text",
    [
        "(x + dot(w, x) + sin(x) + 1)**32",
        "*".join(["(x + 1)"] * 200),
        "*".join(f"(x + sin({k}*x))" for k in range(1, 30)),
        "(" * 15 + "(x + sum(x) + 1)" + "**2 + x)" * 15,
        "((((9**32)**32)**32)**32)**32",
        "1e300*" * 400 + "x",
        "+".join(f"1/(x + {k})" for k in range(150)) + "**2",
    ],
)
def test_what_would_take_long_to_expand_is_stopped(text, monkeypatch):
    spent = []
    spend = _atoms.Atoms.spend

    def counted(self, work):
        spent.append(work)
        spend(self, work)

    monkeypatch.setattr(_atoms.Atoms, "spend", counted)
    with pytest.raises(FormulaSyntaxError):
        Formula(text)
    assert sum(spent) <= 1.1 * MAX_WORK


def assert_formula_or_syntax_error(text):
    """Nothing but a FormulaSyntaxError may come out, and what is accepted must print and parse back."""
    try:
        formula = Formula(text)
    except FormulaSyntaxError as error:
        refusal = error
    else:
        assert Formula(str(formula)).expression == formula.expression
        return
    assert str(refusal)
    assert refusal.position is None or 0 <= refusal.position <= len(text)


TOKENS = ["x", "w", "1", "2.5", "-", "+", "*", "/", "**", "^", "@", "(", ")", ",", "[", "]", "[1, 2]", "dot(", "sin(", "sum("]
TOKENS += ["sqrt(", "e", ".", " ", "3", "0", "1e5", "\n", "exp", "_", "**2", "\0", "'", "λ", "=", ":"]
VALID = [
    "0.068*x**3 + 0.15*x + 0.76",
    "dot(w, x)*dot(w, x) + sin(x)/(x^2 + 1)",
    "dot([1, -2.5], x)**2 - sqrt(abs(sum(x**3)))",
    "6@x**2 + 2@x - 3",
]


@settings(max_examples=4000, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_formula_or_a_syntax_error(text):
    assert_formula_or_syntax_error(text)


@settings(max_examples=4000, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
@example("x**2**")
def test_any_text_of_the_languages_own_pieces_is_a_formula_or_a_syntax_error(text):
    assert_formula_or_syntax_error(text)


@settings(max_examples=2000, deadline=None)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.sampled_from([*TOKENS, ""])), min_size=1, max_size=4),
)
def test_any_formula_with_pieces_replaced_is_a_formula_or_a_syntax_error(text, changes):
    for start, length, piece in changes:
        text = text[:start] + piece + text[start + length :]
    assert_formula_or_syntax_error(text)


def test_nothing_of_the_language_is_evaluated_as_python():
    called = {
        node.func.id
        for path in Path(_parser.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "fold" in called
    assert not called & {"eval", "exec", "compile", "__import__"}
