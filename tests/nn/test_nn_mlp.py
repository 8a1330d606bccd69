import copy
import pickle

import pytest
import torch

from sklearn_taskneurons.nn import TaskNeuronLinear, TaskNeuronMLP, count_parameters

FUNCTIONS = {"identity": lambda y: y, "logistic": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
DEGREES = ["x**7 + x**6 + x**5 + x**4 + x**3 + x**2 + x", "x**7", "x**3 + x", "dot(w, x)*dot(w, x)*dot(w, x**2) + x", "x"]


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("formula", DEGREES)
def test_values_and_gradients_are_finite(formula, activation):
    torch.manual_seed(0)
    network = TaskNeuronMLP(6, (32, 16, 8), 2, formula, activation=activation)
    for magnitude in (0.0, 1.0, 1e6):
        x = (torch.randn(50, 6) * magnitude).requires_grad_()
        network.zero_grad()
        y = network(x)
        y.square().mean().backward()
        assert torch.isfinite(y).all()
        assert torch.isfinite(x.grad).all()
        assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("formula", DEGREES)
@torch.no_grad()
def test_variance_stays_one_from_layer_to_layer(formula, activation):
    # The mean over 20 draws of a layer's second moment, whatever the powers and the activation.
    moments = torch.zeros(4)
    for seed in range(20):
        torch.manual_seed(seed)
        network = TaskNeuronMLP(20, (30, 30, 30), 10, formula, activation=activation, bias=False)
        x = torch.randn(200, 20)
        for index, layer in enumerate(network.layers):
            moments[index] += layer(x).square().mean() / 20
            x = FUNCTIONS[activation](layer(x))
    torch.testing.assert_close(moments, torch.ones(4), rtol=0, atol=0.5)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_formula_x_is_a_network_of_torch_linear(activation):
    network = TaskNeuronMLP(5, (7, 6), 2, "x", activation=activation)
    functions = {"identity": torch.nn.Identity, "logistic": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
    modules = []
    for layer in network.layers:
        linear = torch.nn.Linear(layer.in_features, layer.out_features)
        linear.load_state_dict(layer.state_dict())
        modules += [linear, functions[activation]()]
    peer = torch.nn.Sequential(*modules[:-1])
    x = torch.randn(20, 5) * 100
    assert torch.equal(network(x), peer(x))
    assert count_parameters(network) == sum(parameter.numel() for parameter in peer.parameters())


def bounds(*arguments, **options):
    return [layer.bound for layer in TaskNeuronMLP(*arguments, **options).layers]


def test_bounds_are_where_inputs_have_none():
    for activation in ("identity", "relu"):
        assert bounds(3, (4, 4), 1, "x**2", activation) == [3.0, 3.0, 3.0]
        assert bounds(3, (4, 4), 1, "x**2", activation, bound_input=False) == [None, 3.0, 3.0]
    for activation in ("logistic", "tanh"):
        assert bounds(3, (4, 4), 1, "x**2", activation, bound=2.0) == [2.0, None, None]
    assert bounds(3, (4,), 1, "x**2", "relu", bound=None) == [None, None]
    assert bounds(3, (4,), 1, "dot(w, x) + 1", "relu") == [None, None]
    assert bounds(3, (4,), 1, "exp(x)", "relu") == [3.0, 3.0]


@pytest.mark.parametrize(("hidden", "sizes"), [((), [(3, 2)]), (5, [(3, 5), (5, 2)]), ([5, 4], [(3, 5), (5, 4), (4, 2)])])
def test_layer_sizes(hidden, sizes):
    network = TaskNeuronMLP(3, hidden, 2, "x**2 + x")
    assert [(layer.in_features, layer.out_features) for layer in network.layers] == sizes
    assert network(torch.randn(4, 6, 3)).shape == (4, 6, 2)


def test_without_hidden_layers_it_is_one_layer():
    network = TaskNeuronMLP(3, (), 2, "x**2 + x")
    layer = TaskNeuronLinear(3, 2, "x**2 + x", bound=3.0)
    layer.load_state_dict(network.layers[0].state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(layer(x), network(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_copies_and_state(dtype):
    network = TaskNeuronMLP(3, (4,), 2, "x**3 + dot(w, x)*dot(w, x)", "relu", dtype=dtype)
    x = torch.randn(5, 3, dtype=dtype)
    fresh = TaskNeuronMLP(3, (4,), 2, "x**3 + dot(w, x)*dot(w, x)", "relu", dtype=dtype)
    fresh.load_state_dict(network.state_dict())
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), fresh):
        assert other(x).dtype == dtype
        assert torch.equal(other(x), network(x))


def test_reset_parameters():
    torch.manual_seed(1)
    network = TaskNeuronMLP(3, (4, 4), 2, "x**3 + x", "relu")
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    network.reset_parameters()
    assert not torch.equal(network.layers[1].weight, expected["layers.1.weight"])
    assert not torch.equal(network.layers[1].scale, expected["layers.1.scale"])
    torch.manual_seed(1)
    network.reset_parameters()
    second = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(1)
    network.reset_parameters()
    assert all(torch.equal(value, second[name]) for name, value in network.state_dict().items())


def test_calibration_goes_from_layer_to_layer():
    torch.manual_seed(0)
    network = TaskNeuronMLP(3, (40,), 30, "x**3 + x", "relu", bias=False, dtype=torch.float64)
    x = torch.randn(500, 3, dtype=torch.float64) * 2 + 1
    assert network.calibrate(x) is network
    squashed = x / torch.sqrt(1 + (x / 3) ** 2)
    torch.testing.assert_close(network.layers[0].scale[3:], squashed.square().mean().rsqrt().expand(3))
    hidden = torch.relu(network.layers[0](x))
    hidden = hidden / torch.sqrt(1 + (hidden / 3) ** 2)
    torch.testing.assert_close(network.layers[1].scale[:40], (hidden**3).square().mean().rsqrt().expand(40).detach())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_scalings": 0}, "n_scalings must be at least 1, got 0"),
        ({"embedding_size": -1}, "embedding_size must be at least 0, got -1"),
        ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes must be whole numbers of at least 1, got \(0,\)"),
        ({"hidden_layer_sizes": "3"}, "hidden_layer_sizes must be whole numbers of at least 1, got '3'"),
        ({"hidden_layer_sizes": 2.0}, "hidden_layer_sizes must be whole numbers of at least 1, got 2.0"),
        ({"bound": -1}, "bound must be larger than 0, got -1"),
        ({"bound": "3"}, "bound must be larger than 0, got '3'"),
    ],
)
def test_sizes_are_large_enough(options, message):
    with pytest.raises(ValueError, match=message):
        TaskNeuronMLP(**({"in_features": 3, "hidden_layer_sizes": (4,), "out_features": 1, "formula": "x"} | options))


@pytest.mark.parametrize("n_members", [None, 3])
def test_hidden_matrices_are_those_of_terms_products_and_learned_functions(n_members):
    formula = "dot(w, x)*dot(w, x) + x**2 + x"
    network = TaskNeuronMLP(5, (4, 6), 2, formula, hidden_formula="x", embedding_size=2, n_members=n_members)
    shapes = [tuple(matrix.shape[-2:]) for matrix in network.hidden_matrices()]
    assert shapes == [(4, 10), (8, 5), (6, 4), (4, 10)]  # of terms, of two factors, of the second layer, of functions
    assert {matrix.shape[:-2] for matrix in network.hidden_matrices()} == {(n_members,) if n_members else ()}
    own = {id(parameter) for parameter in network.parameters()} - {id(weight) for weight in network.layers[-1].parameters()}
    assert own >= {id(matrix) for matrix in network.hidden_matrices()}


@pytest.mark.parametrize(("n_in", "hidden"), [(5, ()), (5, (1,)), (1, (5,))])
def test_a_single_row_or_column_is_no_matrix(n_in, hidden):
    assert TaskNeuronMLP(n_in, hidden, 3, "x", elementwise_affine=True).hidden_matrices() == []


def test_unknown_activation():
    with pytest.raises(ValueError, match=r"activation must be one of .*'tanh'.*, got 'gelu'"):
        TaskNeuronMLP(3, (4,), 1, "x", activation="gelu")


def test_compiles_without_a_graph_break():
    network = TaskNeuronMLP(3, (4,), 2, "x**3 + x", "relu")
    x = torch.randn(5, 3)
    torch.testing.assert_close(torch.compile(network, fullgraph=True, backend="eager")(x), network(x))


class Unchanged(TaskNeuronLinear):
    def forward(self, x):
        return x


@torch.no_grad()
def test_what_a_layer_of_another_class_returns_is_not_written_over():
    network = TaskNeuronMLP(4, (4, 4), 2, "x**2 + x")
    network.layers[0] = Unchanged(4, 4, "x**2 + x")
    x = torch.randn(3, 4)
    before = x.clone()
    assert torch.equal(network(x), network(x))
    assert torch.equal(x, before)


@torch.no_grad()
def test_what_a_patched_layer_keeps_is_not_written_over():
    network = TaskNeuronMLP(4, (4, 4), 2, "x**2 + x")
    layer, kept = network.layers[0], []
    layer.forward = lambda x: kept.append(TaskNeuronLinear.forward(layer, x)) or kept[-1]
    network(x := torch.randn(3, 4))
    torch.testing.assert_close(kept[0], TaskNeuronLinear.forward(layer, x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tanh_is_the_same_without_gradients(dtype):
    network = TaskNeuronMLP(3, (16, 16), 2, "x", dtype=dtype)
    x = torch.cat([torch.randn(200, 3), 1e3 * torch.randn(20, 3), 1e-3 * torch.randn(20, 3)]).to(dtype)
    with torch.no_grad():
        found = network(x)
    torch.testing.assert_close(found, network(x).detach(), rtol=0, atol=20 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("n_members", [None, 3])
def test_a_compiled_network_refuses_inputs_of_another_width(n_members):
    network = TaskNeuronMLP(5, (4,), 2, "x**2 + x", elementwise_affine=True, n_members=n_members)
    with pytest.raises(ValueError, match="x must have 5 features"):
        torch.compile(network, backend="eager")(torch.randn(9, 1))


def test_repr_shows_layers_and_activation():
    text = repr(TaskNeuronMLP(3, (4,), 2, "x**3 + x", "relu"))
    assert "activation='relu'" in text
    assert "(0): TaskNeuronLinear(in_features=3, out_features=4, formula='x**3 + x', bias=True, bound=3.0)" in text


@pytest.mark.parametrize("elementwise_affine", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 4), (5, 1, 4), (4,)])
def test_rows_of_other_members_are_refused(shape, gradients, elementwise_affine):
    network = TaskNeuronMLP(4, (6,), 1, "x**2 + x", elementwise_affine=elementwise_affine, n_members=3)
    with torch.set_grad_enabled(gradients), pytest.raises(ValueError, match=r"\(N, in_features\) or \(N, 3, in_features\)"):
        network(torch.randn(shape))
