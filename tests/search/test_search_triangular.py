"""Triangular factors: against NumPy's, and by what defines them."""

import numpy as np
import pytest

from sklearn_taskneurons._search._triangular import packed, triangular, unpacked

SHAPES = [(1, 1), (3, 1), (1, 4), (3, 7), (7, 7), (600, 10), (5000, 10), (400, 82), (82, 400), (300, 300)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES)
def test_triangular_is_numpys_factor_but_for_signs(shape, order):
    matrix = np.random.default_rng(0).standard_normal(shape)
    factor = triangular(np.array(matrix, order=order))
    n_rows, n_columns = shape
    assert factor.shape == (n_columns, n_columns)
    assert not np.tril(factor, -1).any()
    assert not factor[n_rows:].any()
    expected = np.linalg.qr(matrix, mode="r")
    np.testing.assert_allclose(np.abs(factor[: len(expected)]), np.abs(expected), rtol=0, atol=1e-12 * np.sqrt(n_rows))


@pytest.mark.parametrize("n_rows", [200, 20_000])
def test_triangular_keeps_what_products_would_lose(n_rows):
    """Columns alike to ten digits: the last number is the length of what is left, whose square is below rounding."""
    rng = np.random.default_rng(1)
    column, other = rng.standard_normal((2, n_rows))
    other -= column * (column @ other) / (column @ column)
    matrix = np.column_stack([column, column + 1e-10 * other])
    assert abs(triangular(matrix)[1, 1]) == pytest.approx(1e-10 * np.linalg.norm(other), rel=1e-5)


def test_triangular_of_columns_of_zeros():
    factor = triangular(np.zeros((50, 3)))
    assert np.isfinite(factor).all()
    assert not factor.any()


@pytest.mark.parametrize("shape", [(0, 0), *SHAPES])
def test_a_packed_factor_has_the_numbers_that_are_not_zero_by_definition(shape):
    n_rows, n_columns = shape
    factor = triangular(np.random.default_rng(0).standard_normal(shape)) if n_columns else np.zeros(shape)
    numbers = packed(factor)[-1]
    n_rows = min(n_rows, n_columns)
    assert len(numbers) == sum(n_columns - row for row in range(n_rows))
    np.testing.assert_array_equal(unpacked(*packed(factor)), factor)
