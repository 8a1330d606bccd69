"""To which fold a row belongs: each to one as often as to others, whatever the order of the rows follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import chi2

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import folds_of

weights = st.lists(st.sampled_from([0.0, 0.5, 2.0]), max_size=60).map(lambda entries: np.array(entries, dtype=float))


@pytest.mark.parametrize("n_folds", [2, 5, 7])
def test_of_as_many_rows_as_there_are_folds_each_belongs_to_another_one(n_folds):
    folds = folds_of(np.ones(40 * n_folds), n_folds).reshape(40, n_folds)
    assert_array_equal(np.sort(folds, axis=1), np.tile(np.arange(n_folds), (40, 1)))


@pytest.mark.parametrize("period", [2, 3, 4, 5, 7, 10, 12, 25, 30])
def test_rows_that_take_turns_are_spread_over_all_folds(period):
    counts = np.stack([np.bincount(folds_of(np.ones(30_000), 5)[first::period], minlength=5) for first in range(period)])
    expected = counts.sum(axis=1, keepdims=True) / 5
    assert np.sum((counts - expected) ** 2 / expected) < chi2.ppf(0.9999, 4 * period)


@given(weights, weights)
def test_rows_that_come_later_go_on(first, second):
    both = folds_of(np.concatenate([first, second]), 5)
    used = np.concatenate([first, second]) > 0.0
    apart = np.concatenate([folds_of(first, 5), folds_of(second, 5, np.count_nonzero(first))])
    assert_array_equal(apart[used], both[used])


@given(weights)
def test_rows_of_weight_0_move_no_other(weight):
    used = weight > 0.0
    assert_array_equal(folds_of(weight, 5)[used], folds_of(weight[used], 5))


@pytest.mark.parametrize("period", [5, 10])
def test_groups_that_take_turns_are_found(period):
    rng = np.random.default_rng(0)
    group = np.arange(500) % period
    X, y = np.eye(period)[group][:, 1:], 3 * rng.normal(size=period)[group] + rng.normal(size=500)
    explained = 1 - np.var(y - np.array([y[group == g].mean() for g in range(period)])[group]) / np.var(y)
    assert VSRRegressor(population_size=100, generations=10, random_state=0).fit(X, y).score(X, y) > 0.95 * explained
