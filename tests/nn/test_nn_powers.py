"""Powers of large tensors: the gradient by Horner's scheme against that of products."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn import TaskNeuronConv2d, TaskNeuronLinear
from sklearn_taskneurons.nn._plan import make_plan
from sklearn_taskneurons.nn._powers import LARGE, exponents_of, powers

# What torch says of itself when it first takes a forward derivative.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
EXPONENTS = [(2,), (3,), (2, 1), (3, 1), (3, 2), (5, 3, 1), (4, 3, 2, 1), (7, 4, 2)]


def products(exponents):
    return lambda x: [x if exponent == 1 else x**exponent for exponent in exponents]


@pytest.mark.parametrize("exponents", EXPONENTS)
def test_gradients_are_those_of_a_polynomial(exponents):
    x = torch.linspace(-1.5, 1.5, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    assert gradcheck(lambda x: powers(x, exponents, products(exponents)), (x,), check_forward_ad=True)
    assert gradgradcheck(lambda x: powers(x, exponents, products(exponents)), (x,))


def test_function_transforms():
    x = torch.linspace(-1.5, 1.5, 5, dtype=torch.float64)

    def polynomial(x):
        cube, itself = powers(x, (3, 1), products((3, 1)))
        return (2.0 * cube + itself).sum()

    torch.testing.assert_close(torch.func.grad(polynomial)(x), 6.0 * x**2 + 1.0)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(polynomial))(x[:, None]), (6.0 * x**2 + 1.0)[:, None])
    torch.testing.assert_close(torch.func.hessian(polynomial)(x), torch.diag(12.0 * x))


@pytest.mark.parametrize(
    ("formula", "exponents"),
    [
        ("x**3 + x", (3, 1)),
        ("x**2", (2,)),
        ("x", None),
        ("x**9 + x", None),  # the products are fewer
        ("sin(x) + x", None),
        ("x**2 + sum(x)*sum(x**3)", None),
    ],
)
def test_which_maps_are_powers(formula, exponents):
    expressions, _ = make_plan(Formula(formula).terms)
    assert exponents_of(expressions) == exponents


@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("formula", ["x**3 + x", "x**5 + x**4 + x**3 + x**2 + x"])
def test_large_inputs_have_the_gradients_of_small_ones(formula, bound):
    torch.manual_seed(0)
    layer = TaskNeuronLinear(8, 3, formula, bound=bound, dtype=torch.float64)
    x = torch.randn(LARGE // 8, 8, dtype=torch.float64, requires_grad=True)
    outputs = layer(x)
    outputs.square().sum().backward()
    part = x.detach()[:10].requires_grad_()
    torch.testing.assert_close(layer(part), outputs[:10])
    (gradient,) = torch.autograd.grad(layer(part).square().sum(), part)
    torch.testing.assert_close(x.grad[:10], gradient)


def test_a_convolution_of_a_large_input():
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(4, 5, 3, "x**3 + x", dtype=torch.float64)
    x = torch.randn(LARGE // 1024, 4, 16, 16, dtype=torch.float64, requires_grad=True)
    layer(x).square().sum().backward()
    part = x.detach()[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(layer(part).square().sum(), part)
    torch.testing.assert_close(x.grad[:1], gradient)
