import copy
import pickle

import numpy as np
import pytest
import torch

from sklearn_taskneurons.formula import Formula, evaluate
from sklearn_taskneurons.nn import TaskNeuronLinear, TaskNeuronMLP

VECTOR = "[1.0, -2.0, 0.5, 3.0]"
# Each is finite, with all its derivatives, for every input.
FORMULAS = [
    "x",
    "0.068*x**3 + 0.15*x + 0.76",
    "x**7 + x**6 - x**5 + x**4 + x**3 + x**2 + x",
    "x**9 + x**4",
    "sin(x) + x**2",
    "sin(w*x) + x",
    f"tanh({VECTOR}*x + 0.5) + x",
    "dot(w, x)*dot(w, x)",
    "dot(w, x)*dot(w, x)*dot(w, x**2) + x",
    "(dot(w, x) + 1)*(dot(w, x) + 2) + dot(w, x**2) + 3",
    "sum(x)*dot(w, x**3)",
    "sin(dot(w, x) + 1)",
    "sin(dot(w, x)*x)*x",
    "exp(dot(w, x))*dot(w, x) + tanh(dot(w, x)*dot(w, x) + x)",
    "x/(1 + x**2)",
]


def layer_and_input(formula, bound=None, dtype=torch.float64):
    torch.manual_seed(0)
    layer = TaskNeuronLinear(4, 3, formula, bound=bound, dtype=dtype)
    return layer, torch.randn(7, 4, dtype=dtype)


@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("formula", FORMULAS)
def test_units_are_what_their_formula_says(formula, bound):
    layer, x = layer_and_input(formula, bound)
    layer.calibrate(torch.randn(50, 4, dtype=torch.float64) * 2)
    for unit in range(3):
        expected = layer.unit_formula(unit)(x.numpy())
        np.testing.assert_allclose(layer(x)[:, unit].detach(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("formula", ["x", "x**3 + x + 1", "sin(x) + x**2", "x**7 + x**6 + x**5 + x**4 + x**3"])
def test_sum_of_maps_is_one_weighted_sum(formula):
    # By hand: the terms' values from the formula, the raw weights from the layer.
    layer, x = layer_and_input(formula)
    raw = layer.raw()
    expected = raw.bias.detach().numpy().copy()
    terms = [term for term in Formula(formula).terms if not term.is_constant]
    weights = raw.weight.detach().unflatten(1, (len(terms), 4)).numpy()
    for index, term in enumerate(terms):
        expected = expected + evaluate(term.factors[0].expression, x.numpy()) @ weights[:, index].T
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-10, atol=1e-10)


def test_product_of_linear_maps_by_hand():
    layer, x = layer_and_input("dot(w, x)*dot(w, x)*dot(w, x**2) + x")
    raw = layer.raw()
    weights = {factor.plan.maps[0]: factor.weight for factor in raw.products[0].factors}
    powers = {len(weight): weight for weight in weights.values()}
    first, second = powers[6].split(3)
    expected = (x @ first.T) * (x @ second.T) * (x**2 @ powers[3].T) + x @ raw.weight.T + raw.bias
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_formula_x_is_torch_linear():
    linear = torch.nn.Linear(4, 3)
    layer = TaskNeuronLinear(4, 3, "x")
    layer.load_state_dict(linear.state_dict())
    x = torch.randn(2, 5, 4)
    assert torch.equal(layer(x), linear(x))
    assert layer.calibrate(x * 5).raw()(x).equal(linear(x))


@pytest.mark.parametrize("formula", FORMULAS)
def test_gradients(formula):
    layer, x = layer_and_input(formula, bound=3.0)
    parameters = dict(layer.named_parameters())

    def output(x, *values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x[:2].requires_grad_(), *parameters.values()))


@pytest.mark.parametrize(
    "formula", ["log(x) + x", "sqrt(x)", "1/x", "1/x**3", "tan(x)", "1/dot(w, x)", "exp(x**5)", "log(dot(w, x**2))"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_outside_the_domain_and_at_poles(formula, dtype):
    layer = TaskNeuronLinear(4, 3, formula, bound=3.0, dtype=dtype)
    special = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 0.03125, -1.0, np.pi / 2, 1e6, -1e30], dtype=dtype)
    x = special[:, None].repeat(1, 4).requires_grad_()
    y = layer(x)
    y.sum().backward()
    for values in (y, x.grad, *(parameter.grad for parameter in layer.parameters())):
        assert torch.isfinite(values).all()


@pytest.mark.parametrize("formula", ["log(x)", "sqrt(x)", "1/x", "tan(x)", "1/dot(w, x)", "exp(x)"])
def test_exact_inside_the_domain(formula):
    layer, _ = layer_and_input(formula)
    if layer.products:
        layer.products[0].functions[0].arguments[0].weight.data.abs_()
    x = torch.rand(20, 4, dtype=torch.float64) + 0.1
    np.testing.assert_allclose(layer(x)[:, 0].detach(), layer.unit_formula(0)(x.numpy()), rtol=1e-10)


def test_continuation_has_no_jump():
    edge = 2.0**-5
    x = torch.tensor([[edge * (1 - 1e-12)], [edge * (1 + 1e-12)]], dtype=torch.float64)
    for formula in ("1/x", "log(x)", "sqrt(x)"):
        low, high = TaskNeuronLinear(1, 1, formula, dtype=torch.float64)(x)
        torch.testing.assert_close(low, high, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("formula", ["x**3 + x", "dot(w, x)*dot(w, x)", "sin(dot(w, x))"])
def test_any_leading_axes_and_dtype(formula, leading, dtype):
    layer = TaskNeuronLinear(4, 3, formula, dtype=dtype)
    x = torch.randn(*leading, 4, dtype=dtype)
    y = layer(x)
    assert y.shape == (*leading, 3)
    assert y.dtype == dtype
    torch.testing.assert_close(y.reshape(-1, 3), layer(x.reshape(-1, 4)))


@pytest.mark.parametrize("formula", FORMULAS)
def test_copies_and_state(formula):
    layer, x = layer_and_input(formula, bound=3.0)
    layer.calibrate(x)
    expected = layer(x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), expected)
        assert other.formula == layer.formula
    fresh = TaskNeuronLinear(4, 3, formula, bound=3.0, dtype=torch.float64)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(x), expected)


@pytest.mark.parametrize(
    "formula", ["x**3 + x", "exp(dot(w, x))*dot(w, x) + x**2", "tanh(dot(w, x))", "sin(w*x) + dot(w, x)*dot(w, x)"]
)
def test_raw_computes_the_same_with_scales_of_one(formula):
    layer, x = layer_and_input(formula)
    layer.calibrate(x * 3)
    raw = layer.raw()
    torch.testing.assert_close(raw(x), layer(x), rtol=1e-12, atol=1e-12)
    scales = [value for name, value in raw.state_dict().items() if name.endswith("scale")]
    assert scales
    assert all((scale == 1).all() for scale in scales)
    assert any((value != 1).any() for name, value in layer.state_dict().items() if name.endswith("scale"))


@pytest.mark.parametrize(
    "formula", ["x", "x**3 + x", "x**7 + x**6 + x**5 + x**4 + x**3", "dot(w, x)*dot(w, x) + x", "sin(x) + x**2"]
)
@pytest.mark.parametrize("bound", [None, 3.0])
@torch.no_grad()
def test_every_term_starts_with_an_equal_share_of_unit_variance(formula, bound):
    # Second moment over 400 units and a sample of inputs: 1, and 1/T for each term with one weight matrix.
    torch.manual_seed(0)
    layer = TaskNeuronLinear(50, 400, formula, bias=False, bound=bound, dtype=torch.float64)
    x = torch.randn(2000, 50, dtype=torch.float64)
    # High powers of unbounded inputs have tails that no sample has; there the scales are checked on the sample's own.
    layer.calibrate(x)
    assert layer(x).square().mean() == pytest.approx(1.0, rel=0.15)
    n_terms = layer.plan.n_terms
    for index in range(len(layer.plan.maps)):
        alone = copy.deepcopy(layer)
        alone.products = torch.nn.ModuleList()
        mask = torch.zeros(len(layer.plan.maps), 50)
        mask[index] = 1
        alone.weight.data *= mask.flatten()
        assert alone(x).square().mean() == pytest.approx(1 / n_terms, rel=0.15)


@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("power", [1, 2, 3, 5])
def test_scales_before_calibration_are_those_of_a_normal_input(power, bound):
    layer = TaskNeuronLinear(1, 1, f"x**{power}", bound=bound, dtype=torch.float64)
    if power == 1 and bound is None:
        assert layer.scale is None
        return
    if bound is None:
        second_moment = np.prod(np.arange(2 * power - 1, 0, -2, dtype=float))
    else:
        z, weights = np.polynomial.hermite_e.hermegauss(200)
        second_moment = (z / np.sqrt(1 + (z / bound) ** 2)) ** (2 * power) @ weights / np.sqrt(2 * np.pi)
    assert layer.scale.item() == pytest.approx(second_moment**-0.5, rel=1e-6)


def test_calibration_gives_every_term_unit_second_moment():
    layer, _ = layer_and_input("x**5 + x**2 + x")
    x = torch.rand(3, 40, 4, dtype=torch.float64) * 5
    assert layer.calibrate(x) is layer
    for scale, power in zip(layer.scale.unflatten(0, (3, 4)), (5, 2, 1), strict=True):
        torch.testing.assert_close(scale, (x**power).square().mean().rsqrt().expand(4))


def test_calibration_on_zeros_keeps_weights():
    layer = TaskNeuronLinear(4, 3, "x**7 + x").calibrate(torch.zeros(5, 4))
    assert (layer.scale == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("number", [torch.nan, torch.inf, 1e4])
def test_calibration_on_numbers_or_terms_that_are_not_finite_is_refused(dtype, number):
    layer = TaskNeuronLinear(4, 3, "x**11 + x", dtype=dtype)
    before = layer.scale.clone()
    x = torch.ones(5, 4, dtype=dtype)
    x[1, 2] = number
    with pytest.raises(ValueError, match=r"x and the terms of the formula must be finite in torch.float"):
        layer.calibrate(x)
    torch.testing.assert_close(layer.scale, before, rtol=0, atol=0)


def test_a_layer_of_many_features_takes_no_more_than_its_parameters():
    layer = TaskNeuronLinear(100_000, 1, "x**2 + x")
    few = TaskNeuronLinear(1, 1, "x**2 + x")
    torch.testing.assert_close(layer.scale.view(2, -1)[:, 99_999], few.scale, rtol=0, atol=0)
    assert layer.scale.shape == (200_000,)


@pytest.mark.parametrize("formula", ["sin([1, 3]*x)", "tanh([2, 0.1]*x)"])
def test_features_whose_terms_differ_have_the_scale_of_all(formula):
    layer = TaskNeuronLinear(2, 1, formula)
    x = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    expected = layer.maps(x)[0].square().mean().rsqrt()
    torch.testing.assert_close(layer.scale[0], expected, rtol=0.01, atol=0)


def test_a_member_is_frozen_and_in_the_mode_of_its_layer_and_draws_nothing():
    layer = TaskNeuronLinear(3, 2, "sin(w*x) + x", n_members=2).eval()
    layer.weight.requires_grad_(False)
    before = torch.get_rng_state()
    member = layer.member(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert not member.training
    assert not member.maps.training
    frozen = {name for name, parameter in member.named_parameters() if not parameter.requires_grad}
    assert frozen == {"weight"}
    member.bias.data.zero_()
    assert (layer.bias != 0).all()


def test_equal_maps_share_features_and_weights():
    # 2*x, and the factor x of the product, need the same map; sum(1) is a constant.
    layer = TaskNeuronLinear(4, 3, "2*x + dot(w, x)*dot(w, x) + sum(x**0)*dot(w, x)")
    assert len(layer.maps.expressions) == 1
    assert layer.weight.shape == (3, 4)
    assert len(layer.products) == 1


def test_free_vectors_inside_functions_are_learned_and_given_ones_are_not():
    layer = TaskNeuronLinear(4, 3, f"sin(w*x) + cos({VECTOR}*x)")
    assert {name: tuple(value.shape) for name, value in layer.named_parameters()} == {
        "weight": (3, 8),
        "bias": (3,),
        "maps.vectors.0": (4,),
    }
    with pytest.raises(ValueError, match=r"in_features must be 4, .* got 5"):
        TaskNeuronLinear(5, 3, f"cos({VECTOR}*x)")
    # Outside a function the vector is a weight, and goes the way of all constants.
    assert TaskNeuronLinear(5, 3, f"{VECTOR}*x").weight.shape == (3, 5)


def test_free_vectors_are_exported_in_their_order():
    layer = TaskNeuronLinear(2, 1, "sin(w*x + 2*w)*x**2 + cos(w*x)", dtype=torch.float64)
    x = torch.randn(5, 2, dtype=torch.float64)
    np.testing.assert_allclose(layer(x)[:, 0].detach(), layer.unit_formula(0)(x.numpy()), rtol=1e-10, atol=1e-12)


def test_bias():
    for formula in ("x + 1", "x"):
        assert TaskNeuronLinear(4, 3, formula).bias.shape == (3,)
        assert TaskNeuronLinear(4, 3, formula, bias=False).bias is None
    # A constant inside a function is a bias there, and only there.
    assert TaskNeuronLinear(4, 3, "sin(dot(w, x))", bias=False).products[0].functions[0].arguments[0].bias is None
    assert TaskNeuronLinear(4, 3, "sin(dot(w, x) + 1)", bias=False).products[0].functions[0].arguments[0].bias.shape == (3,)


@pytest.mark.parametrize("formula", ["1", "0*x", "w", "sum(w) + 2", "x - x"])
def test_formula_without_x(formula):
    with pytest.raises(ValueError, match="formula must depend on x, got"):
        TaskNeuronLinear(4, 3, formula)


@pytest.mark.parametrize("formula", ["x**2 + x", "sin(w*x)"])
@pytest.mark.parametrize("width", [1, 8])
def test_inputs_of_another_width_are_refused(formula, width):
    layers = TaskNeuronLinear(4, 3, formula), TaskNeuronMLP(4, (), 1, formula, elementwise_affine=True)
    for layer in layers:
        with pytest.raises(ValueError, match=rf"x must have 4 features along its last axis, got the shape \(2, {width}\)"):
            layer(torch.randn(2, width))


@pytest.mark.parametrize(
    "parameter", [{"in_features": 0}, {"out_features": 0}, {"bound": 0.0}, {"bound": -3.0}, {"n_members": 0}]
)
def test_sizes_and_bounds_are_positive(parameter):
    with pytest.raises(ValueError, match=f"{next(iter(parameter))} must be larger than 0"):
        TaskNeuronLinear(**{"in_features": 2, "out_features": 2, "formula": "x**2"} | parameter)


def test_unit_out_of_range():
    layer = TaskNeuronLinear(4, 3, "x")
    for unit in (-1, 3):
        with pytest.raises(IndexError, match=f"unit must be from 0 to 2, got {unit}"):
            layer.unit_formula(unit)


def test_reset_parameters_starts_anew():
    formula = "x**3 + sin(w*x) + dot(w, x)*sin(dot(w, x) + 1)"
    layer = TaskNeuronLinear(4, 3, formula)
    for parameter in layer.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    layer.calibrate(torch.randn(9, 4) * 4)
    torch.manual_seed(3)
    layer.reset_parameters()
    first = {name: value.clone() for name, value in layer.state_dict().items()}
    torch.manual_seed(3)
    layer.reset_parameters()
    assert all(torch.equal(value, first[name]) for name, value in layer.state_dict().items())
    assert not any((parameter == 7.0).any() for parameter in layer.parameters())


def test_powers_are_successive_products():
    # x to x^7 takes six products, and x^32 five.
    assert len(TaskNeuronLinear(1, 1, "+".join(f"x**{k}" for k in range(1, 8))).maps.steps) == 7
    assert len(TaskNeuronLinear(1, 1, "x**32").maps.steps) == 6


def test_repr():
    layer = TaskNeuronLinear(4, 3, "x**2 + x", bias=False, bound=3.0)
    assert repr(layer) == "TaskNeuronLinear(in_features=4, out_features=3, formula='x**2 + x', bias=False, bound=3.0)"


def test_compiles_without_a_graph_break():
    layer, x = layer_and_input("x**3 + dot(w, x)*sin(dot(w, x) + 1) + log(x)", bound=3.0)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x))


@torch.no_grad()
def test_calibrated_product_of_equal_maps_has_unit_second_moment():
    # Of one feature, whose square has the mean square 3, not 1 as that of many would.
    torch.manual_seed(0)
    layer = TaskNeuronLinear(1, 4000, "dot(w, x)*dot(w, x)", bias=False, dtype=torch.float64)
    x = torch.randn(500, 1, dtype=torch.float64)
    assert layer.calibrate(x)(x).square().mean() == pytest.approx(1.0, rel=0.15)


def test_nothing_is_calibrated_by_no_rows():
    with pytest.raises(ValueError, match=r"at least one row, got the shape \(0, 3\)"):
        TaskNeuronLinear(3, 2, "x**2 + x").calibrate(torch.empty(0, 3))


@pytest.mark.parametrize("n_features", [4, 100])
@pytest.mark.parametrize("formula", ["abs(x*sum(x))", "abs(x*dot(w, x))", "tanh(x*dot(w, x))", "sin(x + sum(x))"])
def test_units_with_sums_inside_of_functions_have_unit_mean_square(formula, n_features):
    torch.manual_seed(0)
    layers = [TaskNeuronLinear(n_features, 50, formula, bias=False) for _ in range(10)]
    squares = [layer(torch.randn(500, n_features)).square().mean().item() for layer in layers]
    assert np.mean(squares) == pytest.approx(1, abs=0.2)


def test_exp_is_finite_in_half_precision():
    x = torch.tensor([[12.0], [100.0]], dtype=torch.float16, requires_grad=True)
    y = TaskNeuronLinear(1, 1, "exp(x)", dtype=torch.float16)(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_a_single_number_is_no_row():
    with pytest.raises(ValueError, match=r"1 features along its last axis, got the shape \(\)"):
        TaskNeuronLinear(1, 1, "x**2 + x")(torch.tensor(1.0))
