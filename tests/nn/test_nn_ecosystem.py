"""Layers under what PyTorch has for modules: graphs, checkpoints, hooks, parametrizations, precisions."""

import functools
import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, remove_weight_norm, weight_norm
from torch.utils import checkpoint

from sklearn_taskneurons.nn import TaskNeuronCNN, TaskNeuronConv2d, TaskNeuronConvTranspose2d, TaskNeuronLinear, TaskNeuronMLP
from sklearn_taskneurons.nn._functions import bound
from sklearn_taskneurons.nn._powers import LARGE

# What torch says of itself when it traces.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def depthwise(kind=TaskNeuronConv2d):
    torch.manual_seed(0)
    return kind(4, 8, 3, "x**3 + x**2 + x", groups=4)


@pytest.mark.parametrize("kind", [TaskNeuronConv2d, TaskNeuronConvTranspose2d])
def test_a_channel_a_group_compiles_without_a_graph_break(kind):
    layer, x = depthwise(kind), torch.randn(2, 4, 5, 5, requires_grad=True)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x))
    (gradient,) = torch.autograd.grad(compiled(x).square().sum(), x)
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_large_inputs_compile_without_a_graph_break():
    network = TaskNeuronMLP(8, (4,), 1, "x**3 + x")
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    for n_rows in (10, LARGE // 8 + 1):
        x = torch.randn(n_rows, 8, requires_grad=True)
        torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.parametrize(
    ("network", "shape"),
    [(TaskNeuronMLP(8, (4,), 1, "x**3 + x"), (8,)), (TaskNeuronCNN((1, 8, 8), (2,), 3, "x**2 + x"), (1, 8, 8))],
)
def test_an_exported_network_takes_any_batch(network, shape):
    network = network.eval()
    program = torch.export.export(network, (torch.randn(10, *shape),), dynamic_shapes=({0: torch.export.Dim("rows")},))
    x = torch.randn(LARGE // 8 + 1, *shape)
    torch.testing.assert_close(program.module()(x), network(x), rtol=1e-4, atol=1e-5)


class Bounded(nn.Module):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        return bound(x, self.limit)


@pytest.mark.parametrize("limit", [1.0, 3.0, 30.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_graph_bounds_by_operations_that_onnx_has(dtype, limit):
    largest = torch.finfo(dtype).max
    x = torch.tensor([0, -1e-4, 0.3, -3, 50, 6e4, largest, -largest], dtype=torch.float64).clamp(-largest, largest).to(dtype)
    program = torch.export.export(Bounded(limit), (x,))
    assert not any("hypot" in str(node.target) for node in program.graph.nodes)
    expected = x.double() / torch.hypot(x.double() / limit, torch.ones((), dtype=torch.float64))
    for result in (program.module()(x), bound(x, limit)):
        torch.testing.assert_close(result.double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (depthwise(), (4, 5, 5)),
        (depthwise(TaskNeuronConvTranspose2d), (4, 5, 5)),
        (TaskNeuronConv2d(1, 1, 3, "x**2 + dot(w, x)*dot(w, x)", padding=1, padding_mode="reflect", bound=3.0), (1, 5, 5)),
        (TaskNeuronCNN((1, 8, 8), (2,), 3, "x**2 + x").eval(), (1, 8, 8)),
        (TaskNeuronCNN((3, 8, 8), (2,), 3, "x**2 + x", global_pooling=True).eval(), (3, 8, 8)),
    ],
)
def test_a_traced_layer_is_saved_and_loaded(layer, shape):
    with torch.no_grad():
        traced = torch.jit.trace(layer, torch.randn(2, *shape))
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    x = torch.randn(5, *shape)
    torch.testing.assert_close(torch.jit.load(file)(x), layer(x))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of sizes that are taken for numbers
@pytest.mark.parametrize("n_members", [None, 3])
def test_a_traced_network_is_the_same_with_gradients_and_without(n_members):
    network = TaskNeuronMLP(4, (6,), 2, "x**2 + x", "mixed", elementwise_affine=True, embedding_size=2, n_members=n_members)
    x = torch.randn(5, 4)
    traced = torch.jit.trace(network, x)  # which tries the trace without
    torch.testing.assert_close(traced(x), network(x))


@pytest.mark.parametrize("shape", [(4, 5, 5), (2, 4, 3, 3), (2, 4, 5, 5), (0, 4, 5, 5)])
def test_what_follows_may_work_in_place(shape):
    layer, x = depthwise(), torch.randn(shape)
    torch.testing.assert_close(nn.Sequential(layer, nn.ReLU(inplace=True))(x), torch.relu(layer(x)))


@pytest.mark.skipif(not hasattr(checkpoint, "create_selective_checkpoint_contexts"), reason="this torch selects none")
def test_selective_checkpoints():
    layer, x = depthwise(), torch.randn(2, 4, 5, 5, requires_grad=True)
    contexts = functools.partial(checkpoint.create_selective_checkpoint_contexts, [torch.ops.aten.convolution.default])
    checkpoint.checkpoint(layer, x, use_reentrant=False, context_fn=contexts).square().sum().backward()
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(x.grad, expected)


def test_many_vectors_at_once():
    layer, x = TaskNeuronConv2d(4, 4, 3, "x + sin(w*x)", groups=4), torch.randn(2, 4, 5, 5)
    vectors = torch.randn(3, 4)
    call = functools.partial(torch.func.functional_call, layer)
    outputs = torch.vmap(lambda vector: call({"maps.vectors.0": vector}, (x,)))(vectors)
    for vector, output in zip(vectors, outputs, strict=True):
        torch.testing.assert_close(output, call({"maps.vectors.0": vector}, (x,)))


@pytest.mark.parametrize("activation", ["tanh", "mixed"])
def test_what_a_hook_keeps_stays_as_it_is(activation):
    network, kept, x = TaskNeuronMLP(4, (6,), 1, "x**2 + x", activation, embedding_size=2), [], torch.randn(6, 4)
    network.layers[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
    network(x)
    with torch.no_grad():
        network(x)
    torch.testing.assert_close(kept[0], kept[1])


def test_what_a_hook_of_the_only_product_keeps_stays_as_it_is():
    network, kept = TaskNeuronMLP(4, (6,), 1, "dot(w, x)*dot(w, x)", elementwise_affine=False), []
    network.layers[0].bias = None  # so that the sum is the product
    network.layers[0].products[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
    x = torch.randn(6, 4)
    network(x)
    with torch.no_grad():
        network(x)
    torch.testing.assert_close(kept[0], kept[1])


@pytest.mark.parametrize(
    "parametrized", [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal]
)
def test_weights_that_are_computed_are_not_scaled(parametrized):
    torch.manual_seed(0)
    layer = parametrized(TaskNeuronLinear(3, 2, "x**2 + x", dtype=torch.float64)).eval()
    for call in (layer.raw, functools.partial(layer.unit_formula, 1)):
        with pytest.raises(ValueError, match="must be parameters to be scaled"):
            call()
    x = torch.randn(5, 3, dtype=torch.float64)
    outputs = layer(x)
    parametrize.remove_parametrizations(layer, "weight")
    torch.testing.assert_close(layer.raw()(x), outputs)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("compute", "finish"),
    [
        (functools.partial(prune.l1_unstructured, name="weight", amount=0.5), functools.partial(prune.remove, name="weight")),
        (weight_norm, remove_weight_norm),
    ],
    ids=["pruned", "by a hook"],
)
def test_weights_that_hooks_compute_are_not_scaled(compute, finish):
    torch.manual_seed(0)
    layer, x = TaskNeuronLinear(3, 2, "x**2 + x", dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    compute(layer)
    with torch.no_grad():
        outputs = layer(x)
        with pytest.raises(ValueError, match="must be parameters to be scaled"):
            layer.raw()
    finish(layer)
    torch.testing.assert_close(layer.raw()(x), outputs)


def test_a_state_of_other_neurons_is_refused():
    layer = TaskNeuronLinear(3, 2, "x**2 + x")
    file = io.BytesIO()
    torch.save(nn.Sequential(layer).state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    same = nn.Sequential(TaskNeuronLinear(3, 2, "5*x**2 + 2*x + 1"))
    same.load_state_dict(state)
    torch.testing.assert_close(same[0](torch.ones(1, 3)), layer(torch.ones(1, 3)))
    for options in ({"formula": "sin(x) + cos(x)"}, {"formula": "x**2 + x", "bound": 3.0}):
        other = nn.Sequential(TaskNeuronLinear(3, 2, **options))
        with pytest.raises(RuntimeError, match=r"0\.formula: the state is one of formula='x\*\*2 \+ x', bound=None"):
            other.load_state_dict(state)
        other.load_state_dict(dict(state))  # which says nothing of a formula
    with pytest.raises(RuntimeError, match="the layer has formula='x', bound=None"):
        TaskNeuronConv2d(3, 2, 1, "x").load_state_dict(TaskNeuronConv2d(3, 2, 1, "x**2").state_dict())


def test_the_formula_of_torchs_own_layers_has_their_state():
    layer, linear = TaskNeuronLinear(3, 2, "x"), nn.Linear(3, 2)
    layer.load_state_dict(linear.state_dict())
    nn.Linear(3, 2).load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(torch.ones(1, 3)), linear(torch.ones(1, 3)))


@pytest.mark.parametrize("formula", ["x**5 + x", "x**7 + x**2", "sin(x**4)*x"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scales_of_short_floats(formula, dtype):
    scale = TaskNeuronLinear(4, 2, formula, dtype=dtype).scale
    torch.testing.assert_close(scale, TaskNeuronLinear(4, 2, formula).scale, rtol=2e-2, atol=0, check_dtype=False)


def test_vectors_of_the_formula_come_with_the_state():
    layer = TaskNeuronLinear(2, 3, "sin([1, 2]*x)")
    other = TaskNeuronLinear(2, 3, "sin([1, 2]*x)", device="meta").to_empty(device="cpu")
    other.load_state_dict(layer.state_dict())
    x = torch.randn(4, 2)
    torch.testing.assert_close(other(x), layer(x))
    for buffer in other.buffers():
        buffer.fill_(torch.nan)
    other.reset_parameters()
    assert torch.isfinite(other(x)).all()


def test_the_mode_reaches_what_was_put_in_later():
    network = TaskNeuronMLP(4, (5,), 1, "x**2 + x").eval()
    network.layers[0].dropout = nn.Dropout()
    assert not network.eval().layers[0].dropout.training


@pytest.mark.parametrize("options", [{"embedding_size": 2}, {"n_scalings": 2}, {"embedding_size": 2, "n_members": 3}])
def test_no_rows(options):
    network = TaskNeuronMLP(3, (4,), 1, "x**2 + x", **options)
    members = (3,) if "n_members" in options else ()
    assert network(torch.randn(0, 3 * options.get("n_scalings", 1))).shape == (0, *members, 1)


def test_numpy_integers_are_sizes():
    one = np.int64(1)
    assert TaskNeuronConv2d(1, 2, np.int64(3), "x", padding=one)(torch.zeros(1, 1, 4, 4)).shape == (1, 2, 4, 4)
    assert TaskNeuronMLP(3, np.int64(4), 1, "x")(torch.zeros(5, 3)).shape == (5, 1)
    assert TaskNeuronCNN((1, 8, 8), (2,), 3, "x", kernel_size=np.int64(3))(torch.zeros(1, 1, 8, 8)).shape == (1, 3)
    with pytest.raises(TypeError, match="integer"):
        TaskNeuronConv2d(1, 2, 2.5, "x")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("n_members", [None, 3])
def test_a_network_exported_without_gradients_runs_with_them(n_members, strict):
    network, x = TaskNeuronMLP(4, (6,), 1, "x**2 + x", "mixed", n_members=n_members, embedding_size=2), torch.randn(5, 4)
    with torch.no_grad():
        exported = torch.export.export(network, (x,), strict=strict).module()
    torch.testing.assert_close(exported(x), network(x))


@torch.no_grad()
def test_what_has_been_put_in_the_place_of_a_layer():
    network, x = TaskNeuronMLP(4, (6,), 1, "x**2 + x"), torch.randn(5, 4)
    expected = network(x)
    network.layers[0] = nn.Sequential(network.layers[0], nn.Identity())
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), 3])
def test_a_state_holds_nothing_that_torch_takes_from_nobody(number):
    file = io.BytesIO()
    torch.save(TaskNeuronLinear(3, 2, "x**2 + x", bound=number).state_dict(), file)
    file.seek(0)
    TaskNeuronLinear(3, 2, "x**2 + x", bound=3.0).load_state_dict(torch.load(file, weights_only=True))


@pytest.mark.filterwarnings("ignore")  # of what torch and onnx use of their own
@pytest.mark.parametrize("network", [TaskNeuronMLP(8, (4,), 1, "x**3 + sin(x)"), TaskNeuronCNN((1, 8, 8), (2,), 3, "x**2 + x")])
def test_onnx_has_what_networks_compute(network, tmp_path):
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    x = torch.randn(5, *getattr(network, "image_shape", (8,)))
    torch.onnx.export(network.eval(), (x,), tmp_path / "network.onnx", dynamo=True, verbose=False)
    session = reference.ReferenceEvaluator(str(tmp_path / "network.onnx"))
    (outputs,) = session.run(None, {session.input_names[0]: x.numpy()})
    np.testing.assert_allclose(outputs, network(x).detach(), rtol=1e-4, atol=1e-5)
