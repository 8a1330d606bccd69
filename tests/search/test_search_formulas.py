import math

import numpy as np
import pytest

from sklearn_taskneurons._search import make_scorer, selection_scores
from sklearn_taskneurons._search._formulas import simplified
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons.formula import Formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3*sum(x**3) - 2*x + 0.5", "1.2*x**3 - 2*x + 0.5"),
        ("0.5*sum(x**0)*sum(x**5) - sum(x**0)*sum(x**2)", "2*x**5 - 4*x**2"),
        ("-x - 0.1*sum(x)", "-1.4*x"),
        ("sum(x)*x + sum(x)", "x*sum(x) + 4*x"),
        ("0.25*sum(x) - x", "0"),
        ("sum(x) + 3", "sum(x) + 3"),
        ("dot([1, 2, 3, 4], x) + x", "dot([2, 3, 4, 5], x)"),
    ],
)
def test_formulas_of_known_width_have_no_sums_of_ones(text, expected):
    formula, X = Formula(text), np.random.default_rng(0).normal(size=(5, 4))
    found = simplified(formula.expression, 4)
    np.testing.assert_allclose(found(X), formula(X), atol=1e-12)
    if "dot" not in text:  # which is longer where a vector is added to
        assert found == Formula(expected)


def test_a_term_must_be_worth_the_choice_among_symbols():
    simple = FrontEntry(3, 0.50, 2, (Formula("x"),), choices=1 * math.log(10))
    complex_ = FrontEntry(9, 0.48, 3, (Formula("sin(cos(x)) + x"),), choices=5 * math.log(10))
    gain = -200 * math.log(0.48 / 0.50)
    assert math.log(200) < gain < math.log(200) + 2 * 4 * math.log(10)
    free = [entry._replace(choices=0.0) for entry in (simple, complex_)]
    assert [np.argmax(selection_scores(front, 200)) for front in ([simple, complex_], free)] == [0, 1]
    scores = selection_scores([simple, complex_], 200)
    assert scores[1] - scores[0] == pytest.approx(gain - math.log(200) - 8 * math.log(10))


@pytest.mark.parametrize(("function_set", "n_symbols"), [(("add", "mul", "sin"), 5), (("add", "mul", "sin", "cos", "tanh"), 7)])
def test_nodes_and_inner_numbers_count(function_set, n_symbols):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    settings = SearchSettings(function_set=function_set)
    scorer = make_scorer(X, np.sin(2 * X).sum(axis=1) + rng.normal(size=50), None, settings=settings, coefficients="shared")
    entries = scorer._fitter.entries(Formula("sin(2*x) + x").expression)
    refitted = entries[-1]
    nodes = sum(node.value is None for node in refitted.formulas[0].expression)  # neither numbers nor powers
    assert refitted.choices == pytest.approx(nodes * math.log(n_symbols))
    assert refitted.n_coefficients == 3 + 1  # two terms and a constant, and the 2 inside
