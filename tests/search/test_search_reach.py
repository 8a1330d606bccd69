"""How uncertain polynomials are beyond the rows, against the textbook's standard error of a prediction."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import Moments, RefitScorer

SUPPORT, POWERS = 0b10110, (1, 2, 4)


def reach(X, y, weight=None, *, per_feature, n_parts=1):
    weight = np.ones(len(X)) if weight is None else weight
    parts = [
        [
            Moments(4, per_feature=per_feature).update(X[rows][fold::5], y[rows][fold::5], weight[rows][fold::5])
            for rows in np.array_split(np.arange(len(X)), n_parts)
        ]
        for fold in range(5)
    ]
    folds = [Moments.merged(of_fold) for of_fold in parts]
    return RefitScorer(Moments.merged(folds), folds).entry(SUPPORT).reach


def by_hand(X, y, per_feature):
    """Return the largest of the standard errors where one feature is half its range beyond its values."""
    powers = [X**power for power in POWERS]
    if not per_feature:
        powers = [values.sum(axis=1, keepdims=True) for values in powers]
    matrix = np.concatenate([np.ones((len(X), 1)), *powers], axis=1)
    inverse = np.linalg.inv(matrix.T @ matrix)
    residuals = y - matrix @ inverse @ matrix.T @ y
    variance = np.sum(residuals**2) / (len(X) - matrix.shape[1])
    errors = []
    for feature, (low, high) in enumerate(zip(X.min(axis=0), X.max(axis=0), strict=True)):
        for value in (low - (high - low) / 2, high + (high - low) / 2):
            there = np.array([value**power for power in POWERS])
            if per_feature:  # the others are as the rows say by least squares
                own = matrix[:, [0, *range(1 + feature, matrix.shape[1], X.shape[1])]]
                row = np.array([1.0, *there]) @ np.linalg.lstsq(own, matrix, rcond=None)[0]
            else:
                row = matrix.mean(axis=0) * (1 - 1 / X.shape[1])
                row += [1 / X.shape[1], *there]
            errors.append(np.sqrt(variance * row @ inverse @ row))
    return max(errors) / y.std()


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1.0, 3.0, 0.1] + [0.0, 1.0, 0.0]
    return X, (X**2).sum(axis=1) + rng.normal(size=200)


@pytest.mark.parametrize("per_feature", [True, False])
@pytest.mark.parametrize("n_parts", [1, 4])
def test_it_is_the_largest_standard_error_of_a_prediction(table, per_feature, n_parts):
    assert_allclose(reach(*table, per_feature=per_feature, n_parts=n_parts), by_hand(*table, per_feature), rtol=1e-7)


def test_a_weight_of_two_is_two_rows_and_the_size_of_all_does_not_matter(table):
    X, y = table
    weight = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    expected = by_hand(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int)), True)
    assert_allclose(reach(X, y, weight, per_feature=True), expected, rtol=1e-7)
    small = (reach(X, y, np.full(200, scale), per_feature=True) for scale in (1e-6, 1.0))
    assert_allclose(*small, rtol=1e-7)


def test_columns_that_others_make_up_have_no_part(table):
    X, y = table
    doubled = reach(np.column_stack([X, X[:, 0]]), y, per_feature=True)
    assert_allclose(doubled, by_hand(X, y, True), rtol=1e-6)


@pytest.mark.parametrize("noise", [1e-9, 1e-3, 0.1])
def test_of_two_columns_that_nearly_are_the_same_neither_goes_there_alone(table, noise):
    X, y = table
    twin = X[:, :1] + noise * np.random.default_rng(1).normal(size=(len(X), 1))
    both = reach(np.column_stack([X, twin]), y, per_feature=True)
    assert_allclose(both, reach(X, y, per_feature=True), rtol=0.1)


def test_as_many_numbers_as_rows_leave_nothing_certain(table):
    X, y = (part[:9] for part in table)
    folds = [Moments(4, per_feature=True).update(X[fold::3], y[fold::3]) for fold in range(3)]
    assert RefitScorer(Moments.merged(folds), folds).entry(SUPPORT).reach == np.inf


def test_lines_and_constants_have_none(table):
    X, y = table
    folds = [Moments(4).update(X[fold::5], y[fold::5]) for fold in range(5)]
    scorer = RefitScorer(Moments.merged(folds), folds)
    assert scorer.entry(0b10).reach == scorer.constant().reach == 0.0


class TestSelection:
    def test_a_steep_law_is_found(self):
        X = np.random.default_rng(0).uniform(-1, 1, size=(150, 3))
        y = (X**7).sum(axis=1)
        model = VSRRegressor(method="exhaustive", max_degree=8, coefficients="shared").fit(X, y)
        assert str(model.formula_) == "x**7"

    def test_powers_that_a_few_rows_determine_are_left_out(self):
        lost = 0
        for seed in range(10):
            rng = np.random.default_rng(seed)
            X = rng.standard_t(3, size=(1500, 2))
            y = np.tanh(X).sum(axis=1) + 0.3 * rng.normal(size=1500)
            model = VSRRegressor(method="exhaustive", selection="cv").fit(X[:300], y[:300])
            lost += model.score(X[300:], y[300:]) < 0
        assert lost <= 1
