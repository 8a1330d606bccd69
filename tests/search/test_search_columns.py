"""Terms as columns: which are the same, what values they have, and the formula that coefficients make of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons._search import TermColumns, distinct_terms
from sklearn_taskneurons.formula import Formula


def columns_of(*texts, per_feature, n_features=2):
    terms = distinct_terms(map(Formula, texts), per_feature=per_feature)
    return TermColumns(terms, n_features, per_feature=per_feature)


@pytest.mark.parametrize(
    ("texts", "per_feature", "count"),
    [
        (["3*x**2 - x + 1", "0.5*x"], False, 2),
        (["3*x**2 - x + 1", "0.5*x"], True, 4),
        (["[1, 2]*x", "x"], False, 2),
        (["[1, 2]*x", "x"], True, 2),
        (["[0.1, 0.2]*x", f"{1 / 3}*[-0.1, -0.2]*x"], False, 1),
        (["[0, 0.7]*x", "[0, -0.1]*x"], False, 1),
        (["sum(x)*dot([1, 2], x)", "3*sum(x)*dot([1, 2], x)"], True, 1),
        (["sin(sum(x)) + sin(x)"], True, 3),
        (["2"], True, 0),
    ],
)
def test_terms_that_differ_in_coefficients_are_the_same(texts, per_feature, count):
    assert columns_of(*texts, per_feature=per_feature).count == count


@pytest.mark.parametrize("per_feature", [False, True])
def test_values_and_formulas_agree(per_feature, rng):
    X = rng.normal(size=(50, 2))
    columns = columns_of("x**3 + [1, 2]*sin(x) + 2*sum(x)*sum(x**2)", "exp(sum(x)) - 4", per_feature=per_feature)
    coefficients = rng.normal(size=columns.count)
    formula = Formula.from_expression(columns.expression(coefficients, 0.5))
    assert_allclose(formula(X), columns.values(X) @ coefficients + 0.5)


def test_the_columns_of_each_feature():
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert_allclose(columns_of("[5, 6]*x**2 + sum(x)**2", per_feature=True).values(X), [[9, 1, 4], [49, 9, 16]])
    assert_allclose(columns_of("[5, 6]*x**2 + sum(x)**2", per_feature=False).values(X), [[9, 29], [49, 141]])
