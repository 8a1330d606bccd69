"""The entries of a vector for single features, as text: they mean what the vector means there."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons.formula import Formula, evaluate
from sklearn_taskneurons.formula._entries import entry_texts

NAMES = ["a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", ["a", "b"]),
        ("x**3", ["a**3", "b**3"]),
        ("sin([1, 2]*x)", ["sin(a)", "sin(2*b)"]),
        ("sin([-1, 0.5]*x + 1)", ["sin(-1*a + 1)", "sin(0.5*b + 1)"]),
        ("x*exp(dot([3, 4], x))", ["a*exp(dot([3, 4], x))", "b*exp(dot([3, 4], x))"]),
        ("exp(x)/x**2", ["exp(a)/a**2", "exp(b)/b**2"]),
        ("abs(x - [1, 2])**2", ["abs(a - 1)**2", "abs(b - 2)**2"]),
    ],
)
def test_names_stand_where_x_is_an_entry(text, expected):
    assert entry_texts(Formula(text).expression, NAMES) == expected


@pytest.mark.parametrize("text", ["x*sin([0.3, 2]*x)/sum(x)", "log([1, 2]*x + [3, 4])*x**2", "-x*dot([1, 2], x**2)"])
def test_the_text_is_the_entry(text):
    X = np.random.default_rng(0).uniform(1, 2, size=(20, 2))
    expected = evaluate(Formula(text).expression, X)
    features = ["dot([1, 0], x)", "dot([0, 1], x)"]
    for column, entry in enumerate(entry_texts(Formula(text).expression, features)):
        # such names stand between backticks
        assert_allclose(Formula(entry.replace("`", ""))(X), expected[:, column])


def test_other_names_are_quoted_and_numbers_rounded():
    (text,) = entry_texts(Formula("sin([0.123456]*x)").expression, ["rooms per head"], digits=2)
    assert text == "sin(0.12*`rooms per head`)"
