import numpy as np
import pytest
import torch

from sklearn_taskneurons.formula import FUNCTIONS, OPCODES
from sklearn_taskneurons.formula.functions import SUM
from sklearn_taskneurons.nn._functions import bound, torch_function

ELEMENTWISE = [function.name for function in FUNCTIONS[SUM + 1 :] if not function.is_own]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bound_is_monotone_finite_and_nearly_the_identity_at_zero(dtype):
    largest = torch.finfo(dtype).max
    x = torch.tensor([-largest, -1e30, -1e6, -3.0, -1e-3, 0.0, 1e-3, 3.0, 1e6, 1e30, largest], dtype=dtype, requires_grad=True)
    y = bound(x, 3.0)
    y.sum().backward()
    assert (y.diff() >= 0).all()
    assert (y.abs() <= 3.0).all()
    assert torch.isfinite(x.grad).all()
    assert x.grad[5] == 1.0
    np.testing.assert_allclose(y[3:8].detach(), [-3 / 2**0.5, -1e-3, 0, 1e-3, 3 / 2**0.5], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_functions_are_finite_with_finite_gradients(name, dtype):
    special = [-1e30, -1e6, -200.0, -1.0, -0.03125, -1e-30, -0.0, 0.0, 1e-30, 0.03125, 1.0, np.pi / 2, 200.0, 1e6, 1e30]
    x = torch.tensor(special, dtype=dtype, requires_grad=True)
    y = torch_function(OPCODES[name])(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
