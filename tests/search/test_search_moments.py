from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from sklearn_taskneurons._search._least_squares import LeastSquares, Targets
from sklearn_taskneurons._search._moments import MAX_COLUMNS, Moments
from sklearn_taskneurons._search._polynomials import (
    chebyshev_in_monomials,
    chebyshev_points,
    covering_radius,
    interpolation_matrix,
)

few = hypothesis_settings(deadline=None, max_examples=25, derandomize=True)


def gram(moments):
    return moments.factor.T @ moments.factor


def columns_by_hand(X, degree, radius, per_feature):
    """The columns whose factor the moments keep."""
    powers = [(X / radius) ** k for k in range(1, degree + 1)]
    if per_feature:
        return np.column_stack([np.ones(len(X)), *powers])
    return np.column_stack([np.ones(len(X)), *(power.sum(axis=1) for power in powers)])


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_factor_is_that_of_the_columns(rng, per_feature, weighted):
    X = rng.normal(size=(200, 3)) * [1.0, 10.0, 0.01]
    Y = rng.normal(size=(200, 2))
    weight = rng.uniform(0.0, 3.0, 200) if weighted else None
    moments = Moments(5, per_feature=per_feature).update(X, Y, weight)
    assert (moments.radius >= np.abs(X).max(axis=0 if per_feature else None)).all()
    columns = np.column_stack([columns_by_hand(X, 5, moments.radius, per_feature), Y - Y[0]])
    expected = columns.T @ (columns if weight is None else columns * weight[:, None])
    np.testing.assert_allclose(gram(moments), expected, rtol=1e-12, atol=1e-10)
    assert np.allclose(moments.factor, np.triu(moments.factor))
    assert moments.total_weight == pytest.approx(200 if weight is None else weight.sum())
    assert moments.n_rows == 200


@few
@given(st.integers(0, 2**32 - 1), st.booleans(), st.lists(st.integers(1, 199), max_size=4))
def test_blocks_in_any_number_and_range_are_one(seed, per_feature, cuts):
    rng = np.random.default_rng(seed)
    # Later blocks reach further, so that the intervals must grow.
    X = rng.normal(size=(200, 3)) * np.linspace(0.1, 30.0, 200)[:, None]
    Y = rng.normal(size=(200, 1))
    weight = rng.uniform(0.0, 2.0, 200)
    whole = Moments(4, per_feature=per_feature).update(X, Y, weight)
    pieces = Moments(4, per_feature=per_feature)
    merged = Moments(4, per_feature=per_feature)
    bounds = sorted({0, 200, *cuts})
    for start, stop in pairwise(bounds):
        block = X[start:stop], Y[start:stop], weight[start:stop]
        pieces.update(*block)
        merged.merge(Moments(4, per_feature=per_feature).update(*block))
    for found in (pieces, merged):
        assert (found.radius == whole.radius).all()
        assert found.total_weight == pytest.approx(whole.total_weight)
        assert found.n_rows == 200
        assert (found.shift == whole.shift).all()
        np.testing.assert_allclose(gram(found), gram(whole), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("n_rows", [3, 100])
def test_a_smaller_degree_needs_no_rows(rng, per_feature, n_rows):
    X, Y = rng.normal(size=(n_rows, 3)), rng.normal(size=(n_rows, 2))
    moments = Moments(5, per_feature=per_feature).update(X, Y)
    before = moments.factor.copy()
    for degree in (1, 3, 5):
        expected = Moments(degree, per_feature=per_feature).update(X, Y)
        smaller = moments.truncated(degree)
        assert (smaller.degree, smaller.n_columns, smaller.n_rows) == (degree, expected.n_columns, n_rows)
        assert smaller.factor.shape == expected.factor.shape
        np.testing.assert_allclose(gram(smaller), gram(expected), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(moments.factor, before)
    for degree in (0, 6):
        with pytest.raises(ValueError, match=r"degree must be in \[1, 5\]"):
            moments.truncated(degree)


def test_many_blocks_of_rows_are_read_in_one_update(rng, monkeypatch):
    X, Y = rng.normal(size=(1000, 2)), rng.normal(size=1000)
    whole = Moments(3).update(X, Y)
    monkeypatch.setattr("sklearn_taskneurons._search._moments._BLOCK_BYTES", 1)
    np.testing.assert_allclose(gram(Moments(3).update(X, Y)), gram(whole), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("per_feature", [False, True])
def test_monomials_are_fitted_as_lstsq_fits_them(rng, per_feature):
    X = rng.uniform(-3.0, 3.0, size=(150, 3))
    Y = np.column_stack([np.sin(X).sum(axis=1), np.exp(X[:, 0])])
    moments = Moments(5, per_feature=per_feature).update(X, Y)
    factor = moments.factor[:, : moments.n_columns]
    powers = np.stack([(X / moments.radius) ** k for k in range(1, 6)], axis=1)
    columns = powers.reshape(150, -1) if per_feature else powers.sum(axis=2)
    targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
    chosen = np.array([0, 2, 4])
    solution = LeastSquares(factor, targets).solve(chosen)
    design = np.column_stack([np.ones(150), columns[:, chosen]])
    expected, *_ = np.linalg.lstsq(design, Y, rcond=None)
    np.testing.assert_allclose(solution.intercept, expected[0], rtol=1e-9)
    np.testing.assert_allclose(solution.coefficients, expected[1:], rtol=1e-9)
    errors = np.mean((Y - design @ expected) ** 2, axis=0) / Y.var(axis=0)
    assert solution.loss == pytest.approx(errors.mean(), rel=1e-10)
    assert solution.rank == 3


@few
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 3), st.floats(-16.0, 0.0))
def test_columns_however_alike_are_fitted_as_by_singular_values(seed, n_columns, n_outputs, exponent):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(40, n_columns))
    columns[:, -1] = columns[:, :-1] @ rng.normal(size=n_columns - 1) + 10.0**exponent * rng.normal(size=40)
    factor = np.linalg.qr(np.column_stack([np.ones(40), columns, rng.normal(size=(40, n_outputs))]), mode="r")
    targets = Targets(factor, n_columns + 1, 40.0, np.zeros(n_outputs))
    solution = LeastSquares(factor[:, : n_columns + 1], targets).solve(np.arange(n_columns))

    centred = factor[1 : n_columns + 1, 1 : n_columns + 1]
    unit = centred / np.linalg.norm(centred, axis=0)
    values = np.linalg.svd(unit, compute_uv=False)
    smallest = values[-1] / values[0]
    if not 1e-13 < smallest < 1e-11:  # where rounding decides
        assert solution.rank == np.sum(values > 4e-12 * values[0])
        expected = np.linalg.lstsq(unit, targets.centred, rcond=4e-12)[0]
        lost = 1e-15 / (smallest if smallest > 1e-11 else 1.0)
        assert solution.loss == pytest.approx(targets.loss(targets.centred - unit @ expected), abs=1e4 * lost)
        if solution.rank == n_columns:
            scale = np.abs(expected).max()
            found = solution.coefficients * np.linalg.norm(centred, axis=0)[:, None]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e3 * lost * scale + 1e-13)
        elif exponent < -15:
            assert (solution.coefficients[-1] == 0).all()


@pytest.mark.parametrize("coefficients", [(3.0, 0.0, 1.0), (0.0, 2.0, 1.0)])
def test_what_two_values_leave_of_powers_belongs_to_the_lowest(rng, coefficients):
    X = np.column_stack([rng.integers(0, 2, 60), rng.normal(size=60)])
    linear, square, other = coefficients
    y = linear * X[:, 0] + square * X[:, 0] ** 2 + other * X[:, 1] ** 3
    moments = Moments(3, per_feature=True).update(X, y)
    targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
    solution = LeastSquares(moments.factor[:, : moments.n_columns], targets).solve(np.arange(6))
    scaled = solution.coefficients[:, 0] / np.concatenate([moments.radius**power for power in (1, 2, 3)])
    np.testing.assert_allclose(scaled, [linear + square, 0, 0, 0, 0, other], atol=1e-10)
    assert solution.rank == 4


def test_columns_that_are_all_constant_explain_nothing():
    factor = np.linalg.qr(np.column_stack([np.ones((9, 3)), np.arange(9.0)]), mode="r")
    solution = LeastSquares(factor[:, :3], Targets(factor, 3, 9.0, np.zeros(1))).solve(np.arange(2))
    assert (solution.rank, solution.loss) == (0, pytest.approx(1.0))
    np.testing.assert_array_equal(solution.coefficients, np.zeros((2, 1)))


def test_no_digits_are_lost_where_the_normal_equations_lose_all(rng):
    X = rng.uniform(0.9, 1.0, size=(400, 2))
    coefficients = np.array([3.0, -2.0, 1.0, 0.5])
    y = sum(c * np.sum(X**k, axis=1) for k, c in enumerate(coefficients, start=1))
    moments = Moments(4).update(X, y)
    targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
    loss = LeastSquares(moments.factor[:, : moments.n_columns], targets).solve(np.arange(4)).loss
    assert loss < 1e-20


def test_few_rows_are_enough(rng):
    X, y = rng.normal(size=(2, 3)), np.array([1.0, 5.0])
    moments = Moments(7, per_feature=True).update(X, y)
    targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
    solution = LeastSquares(moments.factor[:, : moments.n_columns], targets).solve(np.arange(21))
    assert solution.rank == 1
    assert solution.loss < 1e-20


def test_interpolation_gives_the_coefficients(rng):
    coefficients = rng.normal(size=7)
    values = chebyshev.chebval(chebyshev_points(6), coefficients)
    np.testing.assert_allclose(interpolation_matrix(6) @ values, coefficients, atol=1e-14)


def test_chebyshev_polynomials_are_what_their_coefficients_say(rng):
    points = rng.uniform(-1.0, 1.0, 50)
    ours = np.vander(points, 10, increasing=True) @ chebyshev_in_monomials(9)
    np.testing.assert_allclose(ours, chebyshev.chebvander(points, 9), atol=1e-13)


@pytest.mark.parametrize(
    ("largest", "radius"),
    [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (50.0, 64.0), (64.0, 64.0), (0.3, 0.5), (5e-324, 2.0**-1022), (1.7e308, 2.0**1023)],
)
def test_radius_is_the_power_of_two_that_covers(largest, radius):
    assert covering_radius(largest) == radius
    assert 0.0 < 1.0 / radius < np.inf


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e308])
@pytest.mark.parametrize("per_feature", [False, True])
def test_units_that_are_hardly_numbers_any_more_lose_nothing(rng, scale, per_feature):
    X, Y = scale * rng.uniform(-1.0, 1.0, size=(50, 2)), rng.normal(size=50)
    moments = Moments(4, per_feature=per_feature).update(X, Y)
    columns = np.column_stack([columns_by_hand(X, 4, moments.radius, per_feature), Y - Y[0]])
    np.testing.assert_allclose(gram(moments), columns.T @ columns, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.ones((2, 2)), np.ones(3), "X must have shape"),
        (np.ones(2), np.ones(2), "X must have shape"),
        (np.ones((0, 2)), np.ones(0), "X must have shape"),
        (np.array([[1.0], [np.nan]]), np.ones(2), "must be finite"),
        (np.ones((2, 1)), np.array([1.0, np.inf]), "must be finite"),
    ],
)
def test_rows_that_cannot_be_taken_in_are_refused(X, Y, message):
    with pytest.raises(ValueError, match=message):
        Moments(3).update(X, Y)


def test_columns_that_change_or_are_too_many_are_refused():
    moments = Moments(2).update(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="must have 2 and 1 columns as before; got 3 and 1"):
        moments.update(np.ones((3, 3)), np.ones(3))
    with pytest.raises(ValueError, match=f"at most {MAX_COLUMNS} .* got 1 \\+ 1024 \\* 4 = 4097"):
        Moments(4, per_feature=True).update(np.ones((1, 1024)), np.ones(1))
    for degree in (0, 33):
        with pytest.raises(ValueError, match=f"degree must be in \\[1, 32\\]; got {degree}"):
            Moments(degree)
    with pytest.raises(ValueError, match="must agree in degree"):
        moments.merge(Moments(3).update(np.ones((3, 2)), np.ones(3)))
    with pytest.raises(ValueError, match="must agree in features"):
        moments.merge(Moments(2).update(np.ones((3, 3)), np.ones(3)))


def test_moments_of_no_rows_add_nothing(cubic):
    moments = Moments(3).update(*cubic)
    factor = moments.factor.copy()
    moments.merge(Moments(3))
    assert (moments.factor == factor).all()


def test_weights_must_not_all_be_zero():
    moments = Moments(2).update(np.ones((3, 2)), np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="sum of the weights must be positive; got 0"):
        Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
