"""What the tests of training share."""

import numpy as np
import pytest


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, X[:, :1] ** 2 - X[:, 1:2]
