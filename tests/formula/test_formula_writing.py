"""LaTeX, reports by feature names and SymPy."""

import sys

import numpy as np
import pytest
import sympy
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from sklearn_taskneurons.formula import Formula

x = r"\mathbf{x}"


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x", x),
        ("0.068*x**3 + 0.15*x - 0.76", rf"0.068\,{x}^{{\circ 3}} + 0.15\,{x} - 0.76"),
        ("sum(x)**2", rf"\operatorname{{sum}}({x})^{{2}}"),
        ("x*x", rf"{x} \odot {x}"),
        ("(x + 1)*x", rf"\left({x} + 1\right) \odot {x}"),
        ("x - (x + 1)", rf"{x} - \left({x} + 1\right)"),
        ("x - -2", rf"{x} - \left(-2\right)"),
        ("-x**2", rf"-{x}^{{\circ 2}}"),
        ("-(x + x)", rf"-\left({x} + {x}\right)"),
        ("(-3)**2*x", rf"\left(-3\right)^{{2}}\,{x}"),
        ("2*3*x", rf"2 \cdot 3\,{x}"),
        ("x*3", rf"{x} \cdot 3"),
        ("1e-7*x", rf"10^{{-7}}\,{x}"),
        ("2.5e-7*x", rf"2.5 \cdot 10^{{-7}}\,{x}"),
        ("x*1e22**2", rf"{x}\,\left(10^{{22}}\right)^{{2}}"),
        ("(-1e22)**2*x", rf"\left(-1 \cdot 10^{{22}}\right)^{{2}}\,{x}"),
        ("-1e22 - 1e22", r"-1 \cdot 10^{22} - 10^{22}"),
        ("-(-3*x)", rf"-\left(-3\,{x}\right)"),
        ("-(-3e-7*x)", rf"-\left(-3 \cdot 10^{{-7}}\,{x}\right)"),
        ("-(3*x)", rf"-3\,{x}"),
        ("x/(x + 1)", rf"\frac{{{x}}}{{{x} + 1}}"),
        ("(x/2)**2", rf"\left(\frac{{{x}}}{{2}}\right)^{{\circ 2}}"),
        ("dot(w, x)*dot(w, x)", rf"\langle \mathbf{{w}}, {x} \rangle\,\langle \mathbf{{w}}, {x} \rangle"),
        ("dot([1, -2.5], x)", rf"\langle \left(1,\, -2.5\right), {x} \rangle"),
        ("sqrt(abs(x))", rf"\sqrt{{\lvert {x} \rvert}}"),
        ("sin(x)**2", rf"\sin({x})^{{\circ 2}}"),
        ("exp(-x)", rf"\exp(-{x})"),
    ],
)
def test_latex(text, latex):
    assert Formula(text).latex() == latex


def test_latex_rounds_and_shortens():
    assert Formula("0.123456*x").latex(digits=2) == rf"0.12\,{x}"
    long = Formula(f"dot({list(range(1, 21))}, x)").latex()
    assert r"1,\, 2,\, 3,\, \ldots,\, 20" in long
    assert Formula("0.123456*x")._repr_latex_() == rf"$0.123\,{x}$"


def test_latex_names_features():
    formula = Formula("dot([0.5, 0, -2], x) + dot([0, 1, 0], x**2) + 3")
    names = ["age", "n_rooms", "share of 50%"]
    assert formula.latex(names) == r"\mathrm{n\_rooms}^{2} - 2\,\mathrm{share\ of\ 50\%} + 0.5\,\mathrm{age} + 3"
    product = Formula("dot([0.5, 2], x*sin(x))*dot([1, 0], x)")
    assert product.latex(["a", "b"]) == (
        r"0.5\,\left(4\,\sin(\mathrm{b})\,\mathrm{b} + \sin(\mathrm{a})\,\mathrm{a}\right)\,\mathrm{a}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "0.068*x**3 - 0.15*x/(x^2 + 1)",
        "dot(w, x)**2*sqrt(abs(x))",
        "dot([1, -2e-9], sin(x))",
        "exp(-x)*sum(x*2)",
        "--(-3)**2",
        "1e22**2",
    ],
)
def test_latex_can_be_set(text):
    # matplotlib knows no \lvert; what it does know, it must be able to set
    latex = Formula(text).latex().replace(r"\lvert", "|").replace(r"\rvert", "|").replace(r"\operatorname", r"\mathrm")
    width, height, *_ = MathTextParser("path").parse(f"${latex}$")
    assert width > 0
    assert height > 0
    Figure().text(0, 0, f"${latex}$")


def test_report_of_known_vectors_names_the_features_largest_first():
    formula = Formula("dot([0.52, -0.31, 0], x) + dot([0.01, 0, -4], x**2) - 0.068*sum(x)*sum(x) + 1.5")
    assert formula.report(["income", "latitude", "age"]).splitlines() == [
        "  - 0.068*sum(x)**2",
        "  - 4*age**2 + 0.01*income**2",
        "  + 0.52*income - 0.31*latitude",
        "  + 1.5",
        "where x is each of income, latitude, age",
    ]


@pytest.mark.parametrize(
    ("text", "names", "lines"),
    [
        ("0", None, ["    0"]),
        ("3.14159", None, ["    3.14"]),
        ("x - x**2", None, ["the sum over the features x of", "  - x**2", "  + x"]),
        (
            "0.068*x**3 - 1.5*x",
            ["a", "b"],
            ["the sum over the features x of", "    0.068*x**3", "  - 1.5*x", "where x is each of a, b"],
        ),
        ("dot([1, -2], x)", None, ["  - 2*x1 + x0"]),
        ("dot([1, -2], x)", ["a b", "c"], ["  - 2*c + `a b`"]),
        # a feature x is not the row x, nor a feature w a free vector
        (
            "dot([1, -2], x) + sum(x**3)",
            ["x", "w"],
            ["    sum(x**3)", "  - 2*`w` + `x`", "where x is each of `x`, `w`"],
        ),
        ("dot([3, 2], x)*dot([1, -1], x**2)", ["a", "b"], ["    (3*a + 2*b)*(a**2 - b**2)"]),
        ("sin(dot([3, 2], x) + 1)", ["a", "b"], ["    sin(3*a + 2*b + 1)"]),
        ("dot([3, 2], sin(x + 1))", ["a", "b"], ["    3*sin(a + 1) + 2*sin(b + 1)"]),
        ("dot([3, 2], x/(x + 1))", ["a", "b"], ["    3*a/(a + 1) + 2*b/(b + 1)"]),
        ("dot(w, x)", None, ["    dot(w, x)", "where each w is a free constant vector"]),
        (
            "dot(w, x)*dot([1, 2], x)",
            ["a", "b"],
            ["    dot(w, x)*(2*b + a)", "where x is each of a, b", "where each w is a free constant vector"],
        ),
        ("dot([0, -2], x)**2*dot([1, 0], x)", ["a", "b"], ["    4*a*b**2"]),
        ("dot([0, 0.5], sin(x))**2", ["a", "b"], ["    0.25*sin(b)**2"]),
        ("sin([3, 2]*x)", ["a", "b"], ["the sum over the features x of", "    sin([3, 2]*x)", "where x is each of a, b"]),
    ],
)
def test_report(text, names, lines):
    assert Formula(text).report(names).splitlines() == lines


def test_numbers_that_round_to_one_are_not_written():
    formula = Formula("0.9999999999999999*x**2 + 1.00001*x*dot([0.99999, 2], x)")
    assert formula.report(["a", "b"], digits=3).split("\n")[1:3] == ["    x**2", "  + x*(2*b + a)"]
    assert str(formula).startswith("0.9999999999999999*x**2")
    assert formula.latex(digits=3).startswith(r"\mathbf{x}^{\circ 2} + \mathbf{x}\,\langle")


def test_report_rounds():
    formula = Formula("dot([0.123456789, 2], x)")
    assert formula.report(["a", "b"], digits=2) == "    2*b + 0.12*a"
    assert formula.report(["a", "b"], digits=None) == "    2*b + 0.123456789*a"


@pytest.mark.parametrize("method", ["report", "latex"])
def test_there_must_be_a_name_for_each_feature(method):
    with pytest.raises(ValueError, match="must have the formula's 2 entries, given 3"):
        getattr(Formula("dot([1, 2], x)"), method)(["a", "b", "c"])
    assert getattr(Formula("x"), method)(np.array(["a", "b", "c"]))


def test_the_report_of_a_per_feature_polynomial_has_the_value_of_the_formula():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 4)).round(2)
    formula = Formula(" + ".join(f"dot({list(map(float, v))}, x**{k})" for k, v in enumerate(vectors, start=1)))
    names = ["a", "b", "c", "d"]
    point = rng.normal(size=4)
    lines = " ".join(formula.report(names, digits=None).split())
    value = sympy.sympify(lines).subs(dict(zip(names, point, strict=True)))
    np.testing.assert_allclose(float(value), formula(point[None])[0], rtol=1e-12)


def test_sympy_takes_symbols_and_needs_a_number_of_features():
    a, b = sympy.symbols("a b", positive=True)
    assert Formula("dot([1, 2], x**2)").to_sympy() == sympy.Symbol("x0") ** 2 + 2 * sympy.Symbol("x1") ** 2
    assert Formula("sqrt(x**2)").to_sympy(2, [a, b]) == a + b
    assert Formula("0.1*x").to_sympy(1, "z") == sympy.Symbol("z0") / 10
    with pytest.raises(TypeError, match=r"n_features must be a whole number or None, names are for symbols=; given \['a'\]"):
        Formula("x").to_sympy(["a"])
    assert Formula("dot([1, 2], x)").to_sympy(symbols=np.array(["age", "rooms"])) == sympy.Symbol("age") + 2 * sympy.Symbol(
        "rooms"
    )
    assert Formula("3").to_sympy(2) == 3
    with pytest.raises(ValueError, match="at least 1 where the formula demands no number, given None"):
        Formula("x").to_sympy()
    with pytest.raises(ValueError, match="at least 1 where the formula demands no number, given 0"):
        Formula("x").to_sympy(0)
    with pytest.raises(ValueError, match="the formula's 2, given 3"):
        Formula("dot([1, 2], x)").to_sympy(3)
    with pytest.raises(ValueError, match="each of the 2 features, given 1"):
        Formula("x").to_sympy(2, [a])


@pytest.mark.parametrize("symbols", ["w1_", ["a", "w0_1"], [sympy.Symbol("a"), 2 * sympy.Symbol("w0_1", positive=True)]])
def test_sympy_keeps_features_and_free_vectors_apart(symbols):
    with pytest.raises(ValueError, match=r"other names than the free vectors' w[01]_"):
        Formula("w*x + dot(w, x**2)").to_sympy(2, symbols)
    assert Formula("2*x").to_sympy(2, ["w0_0", "w0_1"]) == 2 * sympy.Symbol("w0_0") + 2 * sympy.Symbol("w0_1")
    assert Formula("w*x").to_sympy(1, ["w1_0"]) == sympy.Symbol("w0_0") * sympy.Symbol("w1_0")


def test_without_sympy_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"sklearn_taskneurons\[sympy\]"):
        Formula("x").to_sympy(2)
