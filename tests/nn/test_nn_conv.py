import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from sklearn_taskneurons import nn
from sklearn_taskneurons.formula import Formula, evaluate
from sklearn_taskneurons.nn import TaskNeuronConv2d, TaskNeuronConvTranspose2d, TaskNeuronLinear

FORMULAS = [
    "x",
    "0.068*x**3 + 0.15*x + 0.76",
    "x**5 - x**4 + x**3 + x**2 + x",
    "sin(w*x) + x**2",
    "cos(x) + x",
    "dot(w, x)*dot(w, x)*dot(w, x**2) + x",
    "(dot(w, x) + 1)*(dot(w, x) + 2) + dot(w, x**2) + 3",
    "sin(dot(w, x) + 1)",
    "sin(dot(w, x)*x)*x",
    "exp(dot(w, x))*dot(w, x) + tanh(dot(w, x)*dot(w, x) + x)",
    "x/(1 + x**2)",
]
# Each with what torch knows it by; the sizes are chosen so that no two of them are equal.
CONVOLUTIONS = [
    (1, {}),
    (1, {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}),
    (1, {"padding": "same", "padding_mode": "circular"}),
    (2, {"padding": (0, 1)}),
    (2, {"stride": (1, 2), "padding": 2, "dilation": (2, 1), "groups": 2}),
    (2, {"groups": 4, "padding": "same"}),
    (2, {"kernel_size": (2, 4), "padding": "same", "padding_mode": "reflect", "dilation": (1, 2)}),
    (2, {"padding": (2, 1), "padding_mode": "replicate", "stride": 2, "groups": 2}),
    (2, {"padding": "valid", "padding_mode": "circular"}),
    (3, {"padding": 1, "stride": 2, "groups": 2}),
    (3, {"padding": (0, 1, 2), "padding_mode": "circular", "dilation": (1, 2, 1)}),
]
TRANSPOSED = [
    (1, {}),
    (1, {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2}),
    (2, {"stride": (2, 1), "padding": (1, 0), "output_padding": (1, 0), "dilation": (1, 2), "bias": False}),
    (2, {"stride": 2, "groups": 4}),
    (3, {"stride": 2, "padding": 1, "groups": 2, "kernel_size": (2, 3, 2)}),
]
LAYERS = [("Conv", *case) for case in CONVOLUTIONS] + [("ConvTranspose", *case) for case in TRANSPOSED]
in_every_shape = pytest.mark.parametrize(
    ("kind", "n_axes", "options"), LAYERS, ids=[f"{kind}{n}d{options}" for kind, n, options in LAYERS]
)


def torch_layer(kind, n_axes, options):
    torch.manual_seed(0)
    settings = {"kernel_size": 3, "dtype": torch.float64} | options
    return getattr(torch.nn, f"{kind}{n_axes}d")(4, 8, **settings), torch.randn(2, 4, 7, 6, 5, dtype=torch.float64)[
        (..., *(0,) * (3 - n_axes))
    ]


def task_layer(kind, n_axes, options, formula, **more):
    settings = {"kernel_size": 3, "dtype": torch.float64} | options | more
    return getattr(nn, f"TaskNeuron{kind}{n_axes}d")(4, 8, formula=formula, **settings)


def by_itself(reference, weight, x):
    """Return what torch's layer gives with another weight and no bias."""
    convolution = copy.deepcopy(reference)
    convolution.weight.data = weight
    convolution.bias = None
    return convolution(x)


def own_weights(layer, n_terms):
    """Return the raw weight of each term."""
    return layer.raw().weight.detach().chunk(n_terms, 0 if "Transpose" in type(layer).__name__ else 1)


@in_every_shape
@pytest.mark.parametrize("formula", ["x**3 + x + 1", "x**4 + x**3 + x**2", "cos(x) + tanh(x)"])
def test_sum_of_terms_is_a_sum_of_convolutions(kind, n_axes, options, formula):
    reference, x = torch_layer(kind, n_axes, options)
    layer = task_layer(kind, n_axes, options, formula).calibrate(x * 2)
    terms = [term for term in Formula(formula).terms if not term.is_constant]
    expected = 0 if layer.bias is None else layer.bias.detach().reshape(-1, *(1,) * n_axes)
    for term, weight in zip(terms, own_weights(layer, len(terms)), strict=True):
        values = torch.from_numpy(evaluate(term.factors[0].expression, x.numpy().reshape(-1, 1))).reshape(x.shape)
        expected = expected + by_itself(reference, weight, values)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


@in_every_shape
def test_formula_x_is_torchs_layer(kind, n_axes, options):
    reference, x = torch_layer(kind, n_axes, options)
    layer = task_layer(kind, n_axes, options, "x")
    assert list(layer.state_dict()) == list(reference.state_dict())
    layer.load_state_dict(reference.state_dict())
    assert torch.equal(layer(x), reference(x))
    assert torch.equal(layer(x[0]), reference(x[0]))  # without the axis of the batch
    reference.load_state_dict(layer.state_dict())
    layer(x).square().sum().backward()
    reference(x).square().sum().backward()
    assert torch.equal(layer.weight.grad, reference.weight.grad)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_kernel_of_one_position_is_a_matrix(formula):
    # The whole language, against the layer whose units are checked against their formulas.
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(4, 3, 1, formula, bound=3.0, dtype=torch.float64)
    linear = TaskNeuronLinear(4, 3, formula, bound=3.0, dtype=torch.float64)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    layer.calibrate(x)
    state = layer.state_dict()
    linear.load_state_dict({name: state[name].reshape(value.shape) for name, value in linear.state_dict().items()})
    torch.testing.assert_close(layer(x), linear(x.movedim(1, -1)).movedim(-1, 1), rtol=1e-10, atol=1e-10)
    for name, value in linear.calibrate(x.movedim(1, -1)).state_dict().items():
        torch.testing.assert_close(value.flatten(), state[name].flatten(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2])
def test_product_of_convolutions_by_hand(groups):
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(
        4, 6, 3, "dot(w, x)*dot(w, x)*dot(w, x**2) + x", stride=2, padding=1, groups=groups, dtype=torch.float64
    )
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    layer.calibrate(x)
    raw = layer.raw()
    weights = {len(factor.weight): factor.weight for factor in raw.products[0].factors}

    def convolved(values, weight):
        return functional.conv2d(values, weight, stride=2, padding=1, groups=groups)

    # Of a factor that occurs twice each group has the units of the first time, then those of the second.
    twice = convolved(x, weights[12])
    size = 6 // groups
    first, second = (
        torch.cat([twice[:, group * 2 * size + block * size :][:, :size] for group in range(groups)], 1) for block in (0, 1)
    )
    expected = first * second * convolved(x**2, weights[6]) + convolved(x, raw.weight) + raw.bias[:, None, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


def test_function_of_a_convolution_by_hand():
    torch.manual_seed(0)
    layer = TaskNeuronConvTranspose2d(4, 6, 3, "sin(dot(w, x**2) + dot(w, x) + 1)", stride=2, groups=2, dtype=torch.float64)
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    raw = layer.calibrate(x).raw()
    function = raw.products[0].functions[0]
    square, linear = function.arguments[0].weight.chunk(2)

    def convolved(values, weight):
        return functional.conv_transpose2d(values, weight, stride=2, groups=2)

    inner = convolved(x**2, square) + convolved(x, linear) + function.arguments[0].bias[:, None, None]
    expected = raw.products[0].amplitude[:, None, None] * torch.sin(inner) + raw.bias[:, None, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


def test_free_vectors_have_an_entry_for_each_channel():
    layer = TaskNeuronConv2d(4, 3, 3, "sin(w*x)", dtype=torch.float64)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    (vector,) = layer.maps.vectors
    assert vector.shape == (4,)
    expected = functional.conv2d(torch.sin(vector[:, None, None] * x), layer.raw().weight, layer.bias)
    torch.testing.assert_close(layer(x), expected)
    with pytest.raises(ValueError, match="must be 3, the length of a vector"):
        TaskNeuronConv2d(4, 3, 3, "sin([1, 2, 3]*x)")


@in_every_shape
def test_gradients(kind, n_axes, options):
    layer = task_layer(kind, n_axes, options, "x**3 + dot(w, x)*dot(w, x) + x*sin(dot(w, x) + 1)", bound=3.0)
    x = torch_layer(kind, n_axes, options)[1][:1, :, :4].requires_grad_()
    parameters = dict(layer.named_parameters())

    def output(x, *values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x, *parameters.values()), fast_mode=True)


@pytest.mark.parametrize("formula", FORMULAS)
def test_copies_and_state(formula):
    layer = TaskNeuronConv2d(4, 6, 3, formula, groups=2, padding=1, padding_mode="reflect", bound=3.0)
    x = torch.randn(2, 4, 6, 5)
    expected = layer.calibrate(x)(x)
    fresh = TaskNeuronConv2d(4, 6, 3, formula, groups=2, padding=1, padding_mode="reflect", bound=3.0)
    fresh.load_state_dict(layer.state_dict())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), fresh):
        assert torch.equal(other(x), expected)
        assert repr(other) == repr(layer)


@pytest.mark.parametrize("formula", ["x**3 + x", "exp(dot(w, x))*dot(w, x)*dot(w, x) + x**2", "tanh(dot(w, x))"])
@pytest.mark.parametrize("layer_type", [TaskNeuronConv2d, TaskNeuronConvTranspose2d])
def test_raw_computes_the_same_with_scales_of_one(formula, layer_type):
    layer = layer_type(4, 6, 3, formula, groups=2, dtype=torch.float64)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    raw = layer.calibrate(x * 3).raw()
    torch.testing.assert_close(raw(x), layer(x), rtol=1e-12, atol=1e-12)
    scales = [value for name, value in raw.state_dict().items() if name.endswith("scale")]
    assert scales
    assert all((scale == 1).all() for scale in scales)


@pytest.mark.parametrize(
    "formula", ["x**3 + x", "x**5 + x**4 + x**3", "dot(w, x)*dot(w, x) + x", "sin(dot(w, x)) + x**2", "dot(w, x)*dot(w, x**2)"]
)
@pytest.mark.parametrize("options", [{}, {"groups": 4, "stride": 2}, {"padding": 2, "padding_mode": "circular"}])
@torch.no_grad()
def test_calibrated_output_has_unit_mean_square(formula, options):
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(4, 800, 3, formula, bias=False, **options)
    x = 0.5 + 2 * torch.rand(30, 4, 8, 8)
    assert layer.calibrate(x)(x).square().mean() == pytest.approx(1.0, rel=0.15)


@torch.no_grad()
def test_transposed_output_has_unit_mean_square():
    torch.manual_seed(0)
    layer = TaskNeuronConvTranspose2d(4, 400, 4, "x**3 + dot(w, x)*dot(w, x)", stride=2, padding=3, bias=False)
    x = torch.randn(10, 4, 12, 12)
    assert layer.calibrate(x)(x).square().mean() == pytest.approx(1.0, rel=0.2)


@torch.no_grad()
def test_every_term_has_the_scale_of_a_normal_input_and_an_equal_share():
    torch.manual_seed(0)
    layer = TaskNeuronConv2d(4, 500, 3, "x**3 + x**2 + x", bias=False, dtype=torch.float64)
    assert layer.scale.shape == (12, 1, 1)
    second_moments = torch.tensor([15.0, 3.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(layer.scale.flatten(), second_moments.rsqrt().repeat_interleave(4))
    x = torch.randn(200, 4, 3, 3, dtype=torch.float64)
    layer.calibrate(x)
    for scaled, weight, power in zip(layer.scale.unflatten(0, (3, 4)), own_weights(layer, 3), (3, 2, 1), strict=True):
        torch.testing.assert_close(scaled.flatten(), (x**power).square().mean().rsqrt().expand(4))
        assert functional.conv2d(x**power, weight).square().mean() == pytest.approx(1 / 3, rel=0.15)


def test_reset_parameters_starts_anew():
    layer = TaskNeuronConv2d(4, 3, 3, "x**3 + sin(w*x) + dot(w, x)*sin(dot(w, x) + 1)")
    layer.calibrate(torch.randn(9, 4, 5, 5) * 4)
    torch.manual_seed(3)
    layer.reset_parameters()
    first = copy.deepcopy(layer.state_dict())
    for parameter in layer.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    torch.manual_seed(3)
    layer.reset_parameters()
    assert all(torch.equal(value, first[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("formula", ["x**3 + x", "x**2 + dot(w, x)*dot(w, x)"])
def test_channels_last_and_the_memory_format_of_the_output(formula):
    layer = TaskNeuronConv2d(4, 6, 3, formula, dtype=torch.float64)
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    assert layer(x).is_contiguous()
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_a_channel_a_group_keeps_the_order_in_memory(kind, n_axes, padding_mode):
    """Whatever order such layers work in, what they give has that of their input."""
    if kind == "ConvTranspose" and padding_mode != "zeros":
        return
    options = {"groups": 4, "padding": 1} | ({"padding_mode": padding_mode} if kind == "Conv" else {})
    torch.manual_seed(0)
    layer = task_layer(kind, n_axes, options, "x**3 + x**2 + x")
    x = torch.randn(2, 4, *(6,) * n_axes, dtype=torch.float64, requires_grad=True)
    last = x.detach().movedim(1, -1).contiguous().movedim(-1, 1).requires_grad_()
    outputs, of_last = layer(x), layer(last)
    assert outputs.is_contiguous()
    if n_axes == 2:  # with three torch gives its usual order in float64
        assert of_last.movedim(1, -1).is_contiguous()
    torch.testing.assert_close(outputs, of_last)
    torch.testing.assert_close(layer(x[0]), outputs[0])
    weights = torch.randn_like(outputs)
    gradients = torch.autograd.grad((weights * outputs).sum(), [x, layer.weight], create_graph=True)
    of_last = torch.autograd.grad((weights * of_last).sum(), [last, layer.weight])
    torch.testing.assert_close(gradients, of_last)
    # The three terms one by one, by torch's own convolution.
    reference = getattr(torch.nn, f"{kind}{n_axes}d")(
        4, 8, 3, groups=4, padding=1, dtype=torch.float64, **({"padding_mode": padding_mode} if kind == "Conv" else {})
    )
    total = layer.bias.reshape(-1, *(1,) * n_axes)
    for power, weight in zip((3, 2, 1), own_weights(layer, 3), strict=True):
        total = total + by_itself(reference, weight, x**power)
    torch.testing.assert_close(outputs, total)
    assert torch.autograd.gradgradcheck(layer, (x,), fast_mode=True)


def test_compiles_without_a_graph_break():
    layer = TaskNeuronConv2d(4, 6, 3, "x**3 + dot(w, x)*sin(dot(w, x) + 1)", padding="same", padding_mode="reflect", bound=3.0)
    x = torch.randn(2, 4, 6, 5)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))


def test_repr():
    layer = TaskNeuronConv2d(4, 6, 3, "x**2 + x", 2, 1, groups=2, bias=False, padding_mode="reflect", bound=3.0)
    assert repr(layer) == (
        "TaskNeuronConv2d(4, 6, kernel_size=(3, 3), formula='x**2 + x', stride=(2, 2), padding=(1, 1), groups=2, bias=False, "
        "padding_mode='reflect', bound=3.0)"
    )
    transposed = TaskNeuronConvTranspose2d(4, 6, 3, "x**2 + x", 2, 1, 1)
    assert "stride=(2, 2), padding=(1, 1), output_padding=(1, 1)" in repr(transposed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formula": "1"}, "formula must depend on x, got '1'"),
        ({"groups": 3}, "in_channels must be a multiple of groups, got in_channels=4, groups=3"),
        ({"groups": 4}, "out_channels must be a multiple of groups, got out_channels=6, groups=4"),
        ({"groups": 0}, "in_channels must be a multiple of groups, .* groups=0"),
        ({"kernel_size": 0}, "kernel_size must be a number from 1, or 2 of them, got 0"),
        ({"stride": (1, 2, 3)}, r"stride must be a number from 1, or 2 of them, got \(1, 2, 3\)"),
        ({"padding": -1}, "padding must be a number from 0, or 2 of them, got -1"),
        ({"padding": "full"}, "padding must be numbers, 'valid', or 'same' for stride 1, got 'full'"),
        ({"padding": "same", "stride": 2}, "'same' for stride 1, got 'same', stride=2"),
        ({"padding_mode": "ones"}, "padding_mode must be one of .* got 'ones'"),
    ],
)
def test_what_does_not_go_together(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaskNeuronConv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "formula": "x**2 + x"} | arguments)


@pytest.mark.parametrize("arguments", [{"padding": "same"}, {"padding_mode": "reflect"}, {"output_padding": -1}])
def test_what_a_transposed_convolution_has_not(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        TaskNeuronConvTranspose2d(4, 6, 3, "x**2 + x", **arguments)


@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (4, 5), (1, 2, 4, 5, 5)])
def test_shape_of_the_input(shape):
    with pytest.raises(ValueError, match=r"x must have the shape \(\(N\), 4, H, W\)"):
        TaskNeuronConv2d(4, 6, 3, "x**2 + x")(torch.zeros(shape))


def test_numpy_agrees_on_a_single_output():
    layer = TaskNeuronConv2d(2, 1, 2, "x**3 + x", dtype=torch.float64)
    x = np.random.default_rng(0).normal(size=(2, 2, 2))
    cubic, linear = (weight.numpy()[0] for weight in own_weights(layer, 2))
    expected = (cubic * x**3).sum() + (linear * x).sum() + layer.bias.item()
    assert layer(torch.from_numpy(x)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 1), (1, 3), (2, 1), (2, 3)])
@torch.no_grad()
def test_the_order_in_memory_is_that_of_torchs_layer(kind, n_axes, bound, in_channels, out_channels):
    """Also of one channel, where only the stride of an axis of one number tells which it is."""
    reference = getattr(torch.nn, f"{kind}{n_axes}d")(in_channels, out_channels, 3, padding=1)
    first = torch.randn(2, in_channels, *(6,) * n_axes)
    inputs = [first, first[0]]
    if n_axes > 1:
        inputs.append(first.to(memory_format=torch.channels_last if n_axes == 2 else torch.channels_last_3d))
    for formula in ("x", "x**2 + x", "sin(w*x)", "dot(w, x)*dot(w, x)", "sin(dot(w, x) + 1) + x**2"):
        layer = getattr(nn, f"TaskNeuron{kind}{n_axes}d")(in_channels, out_channels, 3, formula, padding=1, bound=bound)
        assert layer(first).is_contiguous()
        for x in inputs:
            assert layer(x).stride() == reference(x).stride()
