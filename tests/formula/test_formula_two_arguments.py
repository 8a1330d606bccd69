"""Functions of two arguments of the user's own: types, canonical form, writing, and neurons."""

import pickle

import numpy as np
import pytest
import sympy
import torch

from sklearn_taskneurons import Formula, FormulaSyntaxError, make_function
from sklearn_taskneurons.nn import TaskNeuronConv2d, TaskNeuronLinear, TaskNeuronMLP


def tempered(a, b):
    assert a.shape == b.shape  # which broadcasting has seen to
    return a / (1 + b * b)


def larger(a, b):
    return np.maximum(a, b)


@pytest.fixture(scope="module", autouse=True)
def functions():
    make_function(tempered, name="tempered", arity=2)
    make_function(larger, name="larger", arity=2, latex=r"\max({0}; {1})")


X = np.random.default_rng(0).normal(size=(7, 3))
TOTAL = X.sum(axis=1, keepdims=True) + np.zeros_like(X)
VECTOR = np.array([[1.0, -2.0, 0.5]]) + np.zeros_like(X)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tempered(x, x**2 + 1)", tempered(X, X**2 + 1).sum(1)),
        ("2*tempered(x, sum(x))*x", (2 * tempered(X, TOTAL) * X).sum(1)),
        ("tempered(sum(x), 3*x)", tempered(TOTAL, 3 * X).sum(1)),
        ("tempered(sum(x), sum(x))", tempered(TOTAL, TOTAL)[:, 0]),
        ("tempered(3, sum(x))", tempered(0 * TOTAL + 3, TOTAL)[:, 0]),
        ("tempered(x, 3)", tempered(X, 0 * X + 3).sum(1)),
        ("tempered([1, -2, 0.5], x)", tempered(VECTOR, X).sum(1)),
        ("tempered([1, -2, 0.5], sum(x))", tempered(VECTOR, TOTAL).sum(1)),
        ("larger(tempered(x, 1), tempered(1, x))**2", larger(tempered(X, 0 * X + 1), tempered(0 * X + 1, X)).__pow__(2).sum(1)),
        ("dot(tempered(x, 2), larger(x, 0)) + 1/larger(sum(x), 9)", (X / 5 * larger(X, 0)).sum(1) + 1 / larger(TOTAL, 9)[:, 0]),
    ],
)
def test_values_by_hand(text, expected):
    formula = Formula(text)
    for same in (formula, formula.expand(), pickle.loads(pickle.dumps(formula)), Formula(str(formula))):
        np.testing.assert_allclose(same(X), expected, rtol=1e-13)
        assert same == formula
    tensor = torch.from_numpy(X)
    if "larger" not in text:  # which knows arrays only
        np.testing.assert_allclose(formula(tensor), expected, rtol=1e-13)


def test_the_language_knows_that_they_are_functions_and_no_more():
    assert Formula("tempered(x + x, 2 - 1) - tempered(2*x, 1) + x") == Formula("x")
    assert Formula("tempered(x, 2)") != Formula("tempered(2, x)")
    assert Formula("larger(x, 2)") != Formula("larger(2, x)")
    assert Formula("tempered(2, 3)*x") == Formula("0.2*x")
    assert Formula("tempered([2, 4], 3)*x") == Formula("[0.2, 0.4]*x")
    assert Formula("tempered([2, 4], [3, 1])*x") == Formula("[0.2, 2]*x")
    assert Formula("tempered(w, 3)*x") == Formula("w*x")
    assert Formula("tempered(w, x)").is_free
    assert Formula("tempered(0*x, x)") == Formula("tempered(0, x)")
    assert Formula("1.00001*tempered(x/3, 1.23456*x)").round(3) == Formula("tempered(x/3, 1.23*x)")


def test_they_are_vectors_where_an_argument_is_one():
    kinds = {
        text: Formula(text).type for text in ("tempered(x, x)", "tempered(x, 1)", "tempered(sum(x), x)", "tempered(sum(x), 1)")
    }
    assert list(kinds.values()) == ["V", "V", "V", "S"]
    with pytest.raises(FormulaSyntaxError, match="must be vectors"):
        Formula("dot(x, tempered(sum(x), 1))")
    for text in ("tempered(x)", "tempered(x, x, x)"):
        with pytest.raises(FormulaSyntaxError, match="tempered must have two arguments"):
            Formula(text)


def test_text_latex_and_sympy_name_them():
    formula = Formula("tempered(x, x**2) + larger(sum(x), 1)")
    assert r"\operatorname{tempered}(\mathbf{x}, \mathbf{x}^{\circ 2})" in formula.latex()
    assert r"\max(" in formula.latex()
    x0 = sympy.Symbol("x0")
    assert formula.to_sympy(1) == sympy.Function("tempered")(x0, x0**2) + sympy.Function("larger")(x0, 1)
    assert "tempered(age, 2)" in Formula("dot([1, 3], tempered(x, 2))").report(["age", "rooms"])


def test_latex_reads_as_the_formula_that_it_is():
    make_function(lambda a, b: a / (2 + b * b), name="star", arity=2, latex=r"{0} \star {1}")
    x = r"\mathbf{x}"
    assert Formula("star(x, x)").latex() == rf"{{{x}}} \star {{{x}}}"
    assert Formula("star(x + 1, 2)**2*star(x, -x)").latex() == (
        rf"\left({{\left({x} + 1\right)}} \star {{2}}\right)^{{\circ 2}} \odot "
        rf"\left({{{x}}} \star {{\left(-{x}\right)}}\right)"
    )


def test_arguments_come_into_latex_all_at_once():
    make_function(lambda a, b: a / (3 + b * b), name="pair", arity=2, latex=r"({1}, {0})")
    assert Formula("pair(exp(dot([1, 0], x)), 2)").latex(["{1}", "{0}"]) == r"(2, \exp(\mathrm{\{1\}}))"
    assert Formula("pair(pair(x, 1), 2)").latex() == r"(2, (1, \mathbf{x}))"


@pytest.mark.parametrize("n_members", [None, 2])
def test_neurons_compute_them_of_the_input(n_members):
    layer = TaskNeuronLinear(3, 2, "tempered(x, 2) + tempered(x**2, sum(x))", n_members=n_members, dtype=torch.float64)
    x = torch.from_numpy(X).requires_grad_()
    raw = layer.raw()
    blocks = dict(zip([str(term) for term in layer.formula.terms], raw.weight.unflatten(-1, (2, 3)).unbind(-2), strict=True))
    first, second = blocks["sum(tempered(x, 2))"], blocks["sum(tempered(x**2, sum(x)))"]
    total = x.sum(-1, keepdim=True)
    expected = (x / 5) @ first.mT + (x**2 / (1 + total**2)) @ second.mT + raw.bias
    torch.testing.assert_close(layer(x), expected)
    assert torch.autograd.gradcheck(layer, x)


TEXTS = [
    "tempered(dot(w, x), dot(w, x**2) + 1)",
    "tempered(2, dot(w, x))",
    "tempered(dot(w, x), 0)*x",
    "tempered(1/dot(w, x), 3)",
]


@pytest.mark.parametrize("formula", TEXTS)
def test_neurons_compute_them_of_sums(formula):
    torch.manual_seed(0)
    layer = TaskNeuronLinear(3, 2, formula, dtype=torch.float64)
    x = torch.from_numpy(X).requires_grad_()
    for state in (layer, layer.calibrate(x.detach())):
        for unit in range(2):  # what is exported is evaluated by other code
            np.testing.assert_allclose(state(x)[:, unit].detach(), state.unit_formula(unit)(X), rtol=1e-9)
    assert torch.autograd.gradcheck(layer, x)
    other = TaskNeuronLinear(3, 2, formula, dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)


def test_a_function_of_two_sums_by_hand():
    torch.manual_seed(0)
    layer = TaskNeuronLinear(3, 2, "tempered(dot(w, x), dot(w, x**2) + 1)", dtype=torch.float64)
    x = torch.from_numpy(X)
    raw = layer.raw()
    function = raw.products[0].functions[0]
    first, second = function.arguments
    assert first.bias is None  # the formula has no constant there
    inner = tempered(x @ first.weight.T, x**2 @ second.weight.T + second.bias)
    torch.testing.assert_close(raw(x), raw.products[0].amplitude * inner + raw.bias)


def test_a_constant_argument_is_learned():
    torch.manual_seed(0)
    layer = TaskNeuronLinear(3, 4000, "tempered(2, dot(w, x))", dtype=torch.float64)
    constant, _ = layer.products[0].functions[0].arguments
    assert constant.weight is None
    assert constant.bias.shape == (4000,)
    # drawn as any argument is, with a variance of 1
    assert constant.bias.var().item() == pytest.approx(1.0, rel=0.1)
    layer(torch.from_numpy(X)).sum().backward()
    assert constant.bias.grad.abs().min() > 0


def test_its_scale_is_that_of_independent_normal_arguments():
    layer = TaskNeuronLinear(3, 2, "tempered(dot(w, x), dot(w, x**2))", dtype=torch.float64)
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    expected = weights @ tempered(*np.meshgrid(z, z, indexing="ij")) ** 2 @ weights
    assert layer.products[0].functions[0].scale.item() == pytest.approx(expected**-0.5, rel=1e-4)


def test_convolutions_and_networks_have_them():
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(1, 2, 1, "tempered(x, 2) + tempered(dot(w, x), 1)", dtype=torch.float64)
    images = torch.randn(5, 1, 4, 3, dtype=torch.float64)
    pixels = TaskNeuronLinear(1, 2, "tempered(x, 2) + tempered(dot(w, x), 1)", dtype=torch.float64)
    pixels.load_state_dict({name: value.reshape(pixels.state_dict()[name].shape) for name, value in layer.state_dict().items()})
    torch.testing.assert_close(layer(images), pixels(images.movedim(1, -1)).movedim(-1, 1))
    assert TaskNeuronMLP(3, (4,), 1, "tempered(x, 1) + x")(torch.randn(6, 3)).shape == (6, 1)


def test_neurons_refuse_what_does_not_take_tensors():
    with pytest.raises(ValueError, match="larger must take tensors"):
        TaskNeuronLinear(3, 2, "larger(x, 1)")
    own = make_function(np.hypot, name="hypot_two", arity=2, torch_function=torch.hypot)
    layer = TaskNeuronLinear(3, 2, f"{own.name}(x, 1)")
    np.testing.assert_allclose(layer.unit_formula(0)(X), layer(torch.from_numpy(X).float())[:, 0].detach(), rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (tempered, {"arity": 3}, ValueError, "arity must be 1 or 2, given 3"),
        (tempered, {"arity": 0}, ValueError, "arity must be 1 or 2"),
        (tempered, {}, TypeError, "must take 1 float64 array, its arity"),
        (lambda a: a, {"arity": 2}, TypeError, "must take 2 float64 arrays"),
        (np.sin, {"arity": 2}, ValueError, "must leave its arguments as they are"),  # the second one is its output
        (lambda a, b: a > b, {"arity": 2}, ValueError, "bool"),
        (lambda a, b: a[0] + b[0], {"arity": 2}, ValueError, "shape"),
        (tempered, {"arity": 2, "latex": "({0})"}, ValueError, r"\{0\} and \{1\}"),
        (tempered, {"arity": 2, "name": "sin"}, ValueError, "no other function"),
    ],
)
def test_what_is_no_function_is_refused(function, options, error, message):
    with pytest.raises(error, match=message):
        make_function(function, **{"name": "refused"} | options)
