import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(20240611)


@pytest.fixture
def cubic(rng):
    """Rows whose target is sum_j(2 x_j**3 - x_j) and some noise: X, y."""
    X = rng.normal(size=(300, 4))
    return X, np.sum(2.0 * X**3 - X, axis=1) + rng.normal(size=300)
