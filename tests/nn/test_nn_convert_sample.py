"""Converting the layers of a network by what they meet when it is called."""

import copy

import pytest
import torch
from torch import nn

from sklearn_taskneurons.nn import TaskNeuronLinear, convert_layers, count_multiplications


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(16, 2))


def large_images():
    torch.manual_seed(1)
    return 40 * torch.randn(50, 3, 4, 4)


@pytest.mark.parametrize("formula", ["x**3 + x", "dot(w, x)*dot(w, x) + x", "sin(dot(w, x) + 1)*dot(w, x) + x"])
def test_the_function_stays(formula):
    source, images = network(), large_images()
    converted = convert_layers(source, formula, sample=images)
    torch.testing.assert_close(converted.eval()(images), source.eval()(images), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("higher_terms", ["zero", "random"])
def test_each_term_has_the_size_of_what_its_layer_meets(higher_terms):
    source, images = network(), large_images()
    state = copy.deepcopy(source.state_dict())
    converted = convert_layers(source, "x**3 + x", higher_terms=higher_terms, sample=images)
    with torch.no_grad():
        met = source.eval()[:-1](images)
    for layer, x in ((converted[0], images), (converted[-1], met)):
        cube, itself = (
            layer.scale.flatten(1)[:, 0].unflatten(0, (2, -1)) if layer.scale.ndim > 1 else layer.scale.unflatten(0, (2, -1))
        )
        torch.testing.assert_close(1 / cube[0], x.double().pow(6).mean().sqrt().float(), rtol=1e-3, atol=0)
        torch.testing.assert_close(1 / itself[0], x.square().mean().sqrt(), rtol=1e-4, atol=0)
    # The weights of a new layer are drawn in these units, so that a new term is neither lost nor drowns the others.
    if higher_terms == "random":
        assert converted[-1].weight[:, :16].abs().max() <= (3 / 32) ** 0.5
    torch.testing.assert_close(source.state_dict(), state)  # statistics of batches too


def test_the_network_is_as_it_was_beside_that():
    source = network().train()
    source[3].eval()
    is_fast = torch.backends.mha.get_fastpath_enabled()
    converted = convert_layers(source, "x**2 + x", sample=large_images())
    for part in (source, converted):
        assert [layer.training for layer in part] == [True, True, True, False, True, True]
        assert not any(layer._forward_hooks for layer in part.modules())
    assert torch.backends.mha.get_fastpath_enabled() == is_fast


class ReadsItsWeight(nn.Module):
    """As some attention layers do, it computes by the weights of a layer that it never calls."""

    def __init__(self):
        super().__init__()
        self.read, self.called = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, factor=1.0):
        return self.called(nn.functional.linear(x, self.read.weight)) * factor


def test_layers_that_are_not_called_are_left():
    torch.manual_seed(0)
    source, x = ReadsItsWeight(), torch.randn(10, 4)
    converted = convert_layers(source, "x**2 + x", sample=(x, 2.0))
    assert type(converted.read) is nn.Linear
    assert type(converted.called) is TaskNeuronLinear
    torch.testing.assert_close(converted(x), source(x))
    with pytest.raises(ValueError, match="that the sample reaches"):
        convert_layers(source, "x**2 + x", sample=x, filter=lambda name, layer: name == "read")


def test_a_layer_in_two_places_is_calibrated_where_it_comes_first():
    torch.manual_seed(0)
    layer = nn.Linear(3, 3)
    x = torch.randn(40, 3)
    converted = convert_layers(nn.Sequential(layer, nn.Tanh(), layer), "x**2 + x", sample=x)
    assert converted[0] is converted[2]
    torch.testing.assert_close(1 / converted[0].scale[0], x.pow(4).mean().sqrt())


def test_transformers_whose_fast_path_calls_no_layer():
    torch.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x = torch.randn(5, 3, 8)
    converted = convert_layers(encoder, "x**2 + x", sample=x)
    assert sum(isinstance(layer, TaskNeuronLinear) for layer in converted.modules()) == 4
    torch.testing.assert_close(converted(x), encoder(x), rtol=1e-4, atol=1e-5)


def test_a_sample_without_powers_changes_nothing():
    source = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    layers = list(source)
    with pytest.raises(ValueError, match="must be finite"):
        convert_layers(source, "x**3 + x", sample=torch.full((2, 2), 1e30), inplace=True)
    assert list(source) == layers
    assert not any(layer._forward_hooks for layer in layers)


class CallsInOtherModes(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen, self.mixed = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        with torch.inference_mode():
            x = self.frozen(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.mixed(x.clone()).float()


def test_new_layers_can_be_trained_whatever_mode_a_layer_is_called_in():
    torch.manual_seed(0)
    x = torch.randn(20, 4)
    converted = convert_layers(CallsInOtherModes(), "x**2 + x", sample=x)
    torch.testing.assert_close(1 / converted.frozen.scale[0], x.pow(4).mean().sqrt())
    assert not any(parameter.is_inference() for parameter in converted.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in converted.parameters())
    optimizer = torch.optim.SGD(converted.parameters(), lr=0.1)
    converted(x).square().mean().backward()
    optimizer.step()


class UnderAutocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.second(torch.tanh(self.first(x))).float()


@pytest.mark.parametrize("formula", ["x**2 + x", "dot(w, x)*dot(w, x) + x", "sin(dot(w, x)) + x"])
def test_layers_may_meet_shorter_numbers_than_their_weights_are(formula):
    torch.manual_seed(0)
    source, x = UnderAutocast(), torch.randn(50, 4)
    converted = convert_layers(source, formula, sample=x)
    assert type(converted.second) is TaskNeuronLinear
    assert {tensor.dtype for tensor in converted.state_dict().values()} == {torch.float32}
    torch.testing.assert_close(converted(x), source(x), rtol=2e-2, atol=2e-2)


def by_wrapper(network):
    return torch.compile(network, backend="eager")


def in_place(network):
    network.compile(backend="eager")
    return network


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # which torch looks at when it compiles
@pytest.mark.parametrize("compiled", [by_wrapper, in_place])
def test_a_compiled_network_tells_of_its_layers(compiled):
    torch.manual_seed(0)
    network, x = compiled(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).eval()), torch.randn(9, 4)
    with torch.no_grad():
        network(torch.zeros(1, 4))
        expected = network(x)
    assert count_multiplications(network, (4,)) == 4 * 3 + 3 * 2
    converted = convert_layers(network, "x**2 + x", sample=x, inplace=True)
    assert converted is network
    torch.testing.assert_close(converted(x), expected)
    converted(x).sum().backward()
    layers = [layer for layer in converted.modules() if isinstance(layer, TaskNeuronLinear)]
    assert [layer.weight.grad.shape for layer in layers] == [(3, 8), (2, 6)]


def test_a_layer_that_is_compiled_alone_is_left():
    torch.manual_seed(0)
    source, x = nn.Sequential(torch.compile(nn.Linear(4, 3), backend="eager"), nn.Linear(3, 2)), torch.randn(9, 4)
    converted = convert_layers(source, "x**2 + x", sample=x)
    torch.testing.assert_close(converted(x), source(x))
    converted(x).sum().backward()
    assert all(parameter.grad is not None for parameter in converted.parameters())
    assert type(converted[1]) is TaskNeuronLinear
