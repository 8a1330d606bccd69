from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest, norm, rankdata
from sklearn.preprocessing import RobustScaler, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_taskneurons._training.scaling import LEVELS, SEARCHED_ROWS, fit_column_scaler, fit_normal_scores, fit_scaler
from sklearn_taskneurons._training.target_scaling import fit_target_scaler
from sklearn_taskneurons._training.weighted import weighted_quantiles

SCALINGS = ["robust", "standard"]


@pytest.fixture
def X():
    return np.random.default_rng(0).lognormal(size=(401, 5))


def test_standard_is_standard_scaler(X):
    peer = StandardScaler().fit(X)
    scaler = fit_column_scaler(X, scaling="standard")
    np.testing.assert_allclose(scaler.center, peer.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaler.scale, peer.scale_, rtol=1e-12)


def test_robust_is_robust_scaler_with_unit_variance(X):
    # 401 rows: the quartiles are rows, so that all definitions of quantiles agree.
    peer = RobustScaler(unit_variance=True).fit(X)
    scaler = fit_column_scaler(X, scaling="robust")
    np.testing.assert_allclose(scaler.center, peer.center_, rtol=1e-12)
    np.testing.assert_allclose(scaler.scale, peer.scale_, rtol=1e-12)


@pytest.mark.parametrize("limit", [None, 3.0])
def test_inverse_transform(X, limit):
    scaler = replace(fit_column_scaler(X, scaling="standard"), limit=limit)
    inner = np.abs(X - scaler.center) < 5 * scaler.scale
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X))[inner], X[inner], rtol=1e-12)
    beyond = scaler.inverse_transform(np.full((1, 5), 4.0))
    assert np.isfinite(beyond).all()
    assert (beyond > scaler.center + 4 * scaler.scale * (limit is not None)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
def test_transform(X, scaling):
    scaler = fit_column_scaler(X, scaling=scaling)
    z = (X - scaler.center) / scaler.scale
    np.testing.assert_allclose(scaler.transform(X), z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-12)
    assert np.abs(scaler.transform(X)).max() < 3


def test_what_there_is_not_is_refused(X):
    with pytest.raises(ValueError, match="must be 'robust', 'standard' or None, got 'no scaling'"):
        fit_scaler(X, None, "no scaling")


def test_none_leaves_everything_as_it_is(X):
    np.testing.assert_array_equal(fit_column_scaler(X, scaling=None).transform(X), X)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_transform_leaves_its_argument_alone(X, scaling):
    before = X.copy()
    assert fit_column_scaler(X, scaling=scaling).transform(X) is not X
    fit_column_scaler(X, np.ones(len(X)), scaling=scaling)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1.0, 1e8, 1e300])
def test_units_do_not_matter(X, scaling, scale):
    # To 1e-9, since numbers below 1e-300 have fewer digits.
    expected = fit_column_scaler(X, scaling=scaling).transform(X)
    np.testing.assert_allclose(
        fit_column_scaler(X * scale, scaling=scaling).transform(X * scale), expected, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e8])
def test_offsets_do_not_matter(X, scaling, scale):
    shifted = (X + 1e8) * scale
    expected = fit_column_scaler(X, scaling=scaling).transform(X)
    np.testing.assert_allclose(fit_column_scaler(shifted, scaling=scaling).transform(shifted), expected, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1.0, 1e8, 1e300])
def test_constant_columns_become_zero(scaling, scale):
    # The second differs from a constant by rounding only.
    X = np.full((50, 2), 0.1) * scale
    X[::2, 1] = np.nextafter(0.1 * scale, np.inf)
    scaler = fit_column_scaler(X, scaling=scaling)
    np.testing.assert_array_equal(scaler.scale, 1.0)
    np.testing.assert_allclose(scaler.transform(X), 0.0, atol=1e-15 * scale)


def test_constant_column_at_an_offset():
    X = np.column_stack([np.full(20, 1e8), 1e8 + np.arange(20.0)])
    assert fit_column_scaler(X).scale[0] == 1.0
    assert fit_column_scaler(X).scale[1] == pytest.approx(10 / 1.3489795, rel=1e-6)


def test_rare_values_are_scaled_by_the_standard_deviation():
    X = np.zeros((100, 1))
    X[:10] = 1.0
    scaler = fit_column_scaler(X, scaling="robust")
    assert scaler.scale[0] == pytest.approx(0.3)
    assert scaler.center[0] == pytest.approx(0.1)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_huge_inputs_stay_finite_in_order(X, scaling):
    scaler = fit_column_scaler(X, scaling=scaling)
    extreme = np.array([-np.finfo(float).max, -1e300, -1e10, 0.0, 1e10, 1e300, np.finfo(float).max])
    z = scaler.transform(np.tile(extreme[:, None], 5))
    assert np.isfinite(z).all()
    assert (np.diff(z, axis=0) >= -1e-12).all()
    assert np.abs(z).max() <= 3 * (1 + 1e-15)
    wide = np.array([[-1e308], [0.0], [1e308]])
    assert np.isfinite(fit_column_scaler(wide, scaling=scaling).transform(wide)).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@given(
    X=arrays(float, (12, 2), elements=st.floats(-100, 100).map(lambda value: round(value, 2))),
    weights=arrays(np.int64, 12, elements=st.integers(0, 3)).filter(lambda weights: weights.sum() > 0),
)
def test_whole_weights_are_repetitions(scaling, X, weights):
    repeated = np.repeat(X, weights, axis=0)
    weighted, plain = fit_column_scaler(X, weights, scaling), fit_column_scaler(repeated, None, scaling)
    np.testing.assert_allclose(weighted.transform(X), plain.transform(X), rtol=1e-7, atol=1e-7)
    target, peer = fit_target_scaler(X, weights), fit_target_scaler(repeated)
    np.testing.assert_allclose(target.transform(X), peer.transform(X), rtol=1e-7, atol=1e-7)


@given(
    values=arrays(float, 9, elements=st.integers(-5, 5)),
    weights=arrays(np.int64, 9, elements=st.integers(0, 3)).filter(lambda weights: weights.sum() > 0),
)
def test_weighted_quantiles_are_those_of_repeated_rows(values, weights):
    levels = (0.25, 0.5, 0.75)
    expected = np.quantile(np.repeat(values, weights), levels, method="averaged_inverted_cdf")
    np.testing.assert_array_equal(weighted_quantiles(values[:, None], weights.astype(float), levels)[:, 0], expected)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_size_of_weights_does_not_matter(X, scaling):
    weights = np.random.default_rng(1).integers(1, 5, len(X)).astype(float)
    expected = fit_column_scaler(X, weights, scaling)
    for factor in (2.0**-1000, 2.0**900, 0.1, 0.7):
        scaler = fit_column_scaler(X, weights * factor, scaling)
        np.testing.assert_allclose(scaler.center, expected.center, rtol=1e-12)
        np.testing.assert_allclose(scaler.scale, expected.scale, rtol=1e-12)


def test_equal_weights_leave_a_median_between_two_rows():
    X = np.r_[np.arange(50.0), 1000 + np.arange(50.0)][:, None]
    assert [fit_column_scaler(X, np.full(100, weight)).center[0] for weight in (1.0, 0.1, 0.7)] == [524.5] * 3


def test_targets():
    y = np.random.default_rng(0).normal(7.0, 3.0, size=(100, 2))
    scaler = fit_target_scaler(y)
    z = scaler.transform(y)
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1.0)
    np.testing.assert_allclose(scaler.inverse_transform(z), y)


def test_threads_change_no_bit_of_the_targets():
    y = np.random.default_rng(0).normal(size=(30_000, 1))
    scalers = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            scalers.append(fit_target_scaler(y))
    np.testing.assert_array_equal(scalers[0].transform(y), scalers[1].transform(y))


@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-300])
def test_constant_target(value):
    scaler = fit_target_scaler(np.full((30, 1), value))
    np.testing.assert_array_equal(scaler.transform(np.full((2, 1), value)), 0.0)
    np.testing.assert_array_equal(scaler.inverse_transform(np.array([[0.0], [7.0]])), value)


def test_one_row():
    for scaling in SCALINGS:
        np.testing.assert_array_equal(fit_column_scaler(np.array([[3.0, -2.0]]), scaling=scaling).transform([[3.0, -2.0]]), 0.0)


def test_normal_scores_are_those_of_the_ranks(X):
    X = np.round(X, 1)  # with ties, and columns of few values
    scores = fit_normal_scores(X).transform(X)
    expected = norm.ppf((rankdata(X, axis=0) - 0.5) / len(X))
    inside = np.abs(expected) < 2.9
    assert np.abs(scores - expected)[inside].max() < 0.15  # levels are at distances of 0.1
    assert np.abs(scores).max() <= 3.0
    for column, known in zip(X.T, scores.T, strict=True):
        assert (np.diff(known[np.argsort(column)]) >= 0.0).all()


def test_normal_scores_of_many_rows_are_normal():
    X = np.random.default_rng(0).exponential(size=(100_000, 1))
    scores = fit_normal_scores(X).transform(X)
    assert kstest(scores[:, 0], "norm").statistic < 0.002


def test_normal_scores_of_two_values_are_the_middles_of_their_shares():
    X = np.repeat([0.0, 7.0], [750, 250])[:, None]
    scores = fit_normal_scores(X).transform(np.array([[-1.0, 0.0, 3.5, 7.0, 9.0]]).T)[:, 0]
    low, high = norm.ppf(0.375), norm.ppf(0.875)
    np.testing.assert_allclose(scores, [low, low, (low + high) / 2, high, high], atol=0.06)


@pytest.mark.parametrize("unit", [1.0, 1e300, 4e307, 1e-300, 1e-307])
def test_normal_scores_do_not_depend_on_units_and_take_rounding_for_nothing(unit):
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[:, 1] = 0.1 + 1e-17 * X[:, 0]
    scores = fit_normal_scores(X * unit).transform(X * unit)
    np.testing.assert_allclose(scores[:, 0], fit_normal_scores(X).transform(X)[:, 0], atol=1e-9)
    np.testing.assert_allclose(scores[:, 1], 0.0, atol=1e-12)


@given(
    X=arrays(float, (12, 2), elements=st.floats(-100, 100).map(lambda value: round(value, 2))),
    weights=arrays(np.int64, 12, elements=st.integers(0, 3)).filter(lambda weights: weights.sum() > 0),
)
def test_normal_scores_with_whole_weights_are_those_of_repetitions(X, weights):
    expected = fit_normal_scores(np.repeat(X, weights, axis=0)).transform(X)
    np.testing.assert_allclose(fit_normal_scores(X, weights).transform(X), expected, atol=1e-12)


@given(
    X=arrays(float, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.integers(-9, 9).map(lambda k: k**3 / 7)),
    others=arrays(float, 20, elements=st.floats(-150, 150)),
)
def test_normal_scores_are_linear_between_quantiles(X, others):
    scores = fit_normal_scores(X)
    rows = np.vstack([X, np.tile(others[:, None], X.shape[1])])  # at the points and between them
    for column in range(X.shape[1]):
        quantiles = weighted_quantiles(X, np.ones(len(X)), LEVELS)[:, column]
        points = np.unique(quantiles)
        known = [norm.ppf(np.mean(LEVELS[quantiles == point][[0, -1]])) for point in points]
        expected = np.interp(rows[:, column], points, known)
        np.testing.assert_allclose(scores.transform(rows)[:, column], expected, rtol=1e-12, atol=1e-12)


def test_normal_scores_of_many_rows_are_those_of_each():
    X = np.random.default_rng(0).lognormal(sigma=3.0, size=(2 * SEARCHED_ROWS + 7, 2))
    scores = fit_normal_scores(X)
    np.testing.assert_array_equal(scores.transform(X)[::97], [scores.transform(row[None])[0] for row in X[::97]])


def test_mixed_is_robust_and_normal_scores_side_by_side(X):
    scaler = fit_scaler(X, None, "mixed")
    sides = [fit_column_scaler(X).transform(X), fit_normal_scores(X).transform(X)]
    np.testing.assert_array_equal(scaler.transform(X), np.hstack(sides))
    assert (scaler.n_scalings, fit_scaler(X, None, "robust").n_scalings) == (2, 1)
