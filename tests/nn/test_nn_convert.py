import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from sklearn_taskneurons.nn import (
    TaskNeuronConv1d,
    TaskNeuronConv2d,
    TaskNeuronConvTranspose2d,
    TaskNeuronLinear,
    convert_layers,
    count_parameters,
)

# Of each kind of term: powers, products, functions of sums; all have the linear term.
FORMULAS = ["x**3 + x", "x", "dot(w, x)*dot(w, x) + x**2 + x", "sin(dot(w, x) + 1) + exp(dot(w, x))*dot(w, x) + x"]


class ResidualBlock(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class LeNet(nn.Module):
    """As in many tutorials, with a view, which takes no other order in memory."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 8, 5), nn.Linear(128, 3)

    def forward(self, x):
        for convolution in (self.first, self.second):
            x = nn.functional.max_pool2d(torch.relu(convolution(x)), 2)
        return self.last(x.view(x.size(0), -1))


def resnet():
    blocks = [ResidualBlock(8, 8, 1), ResidualBlock(8, 16, 2)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


def mobilenet():
    def block(n_in, n_out, stride):
        return nn.Sequential(
            nn.Conv2d(n_in, 4 * n_in, 1, bias=False),
            nn.BatchNorm2d(4 * n_in),
            nn.ReLU6(),
            nn.Conv2d(4 * n_in, 4 * n_in, 3, stride, 1, groups=4 * n_in, bias=False),
            nn.BatchNorm2d(4 * n_in),
            nn.ReLU6(),
            nn.Conv2d(4 * n_in, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )

    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), block(4, 6, 1), block(6, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )


class Attention(nn.Module):
    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.norm, self.queries_keys_values = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x):
        parts = self.queries_keys_values(self.norm(x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(*parts)
        return x + self.output(attended.transpose(1, 2).flatten(2))


class VisionTransformer(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 4, width))
        self.attention = Attention(width, 2)
        self.feedforward = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 16), nn.GELU(), nn.Linear(16, width))
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        tokens = self.attention(self.patches(x).flatten(2).transpose(1, 2) + self.position)
        return self.head((tokens + self.feedforward(tokens)).mean(1))


def layers_of(network, *types):
    return [part for part in network.modules() if type(part) in types]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("make", [resnet, mobilenet, VisionTransformer])
def test_networks_start_as_the_same_function_and_learn(make, formula):
    torch.manual_seed(0)
    network = make().double()
    images = torch.randn(5, 3, 8, 8, dtype=torch.float64)
    network(images)  # for the running means
    n_layers = len(layers_of(network, nn.Linear, nn.Conv2d))
    converted = convert_layers(network, formula)
    assert len(layers_of(converted, TaskNeuronLinear, TaskNeuronConv2d)) == n_layers
    assert not layers_of(converted, nn.Linear, nn.Conv2d)
    assert len(layers_of(network, nn.Linear, nn.Conv2d)) == n_layers  # a copy was converted
    for train in (False, True):
        torch.testing.assert_close(converted.train(train)(images), network.train(train)(images), rtol=1e-10, atol=1e-10)
    converted(images).square().sum().backward()
    for layer in layers_of(converted, TaskNeuronLinear, TaskNeuronConv2d):
        assert layer.weight.grad.abs().amax(tuple(range(1, layer.weight.ndim))).any()
        # What is zero can be learned: the weights of the higher terms have a gradient.
        for product in layer.products:
            first = product.first_weights()
            assert not first.any()
            owner = product.amplitude if product.amplitude is not None else product.factors[0].weight
            assert owner.grad.any()


def test_gradient_of_the_higher_terms_is_that_of_a_new_term():
    linear = nn.Linear(3, 2)
    converted = convert_layers(linear, "x**2 + x")
    x = torch.randn(7, 3)
    converted(x).sum().backward()
    expected = (x**2).sum(0) * converted.scale[:3]
    torch.testing.assert_close(converted.weight.grad[:, :3], expected.expand(2, -1))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_single_layers_keep_their_settings(kind, groups):
    torch.manual_seed(0)
    n_axes = int(kind.__name__[-2])
    transposed = "Transpose" in kind.__name__
    more = {"output_padding": 1} if transposed else {"padding_mode": "circular"}
    layer = kind(4, 6, 3, stride=2, padding=1, dilation=2, groups=groups, dtype=torch.float64, **more)
    x = torch.randn(2, 4, *(6, 5, 7)[:n_axes], dtype=torch.float64)
    for bound in (None, 1e9):  # the second for a scale that is not 1 up to rounding
        converted = convert_layers(layer, "x**3 + x + cos(x)", bound=bound)
        assert type(converted).__name__ == f"TaskNeuron{kind.__name__}"
        assert converted.bound == bound
        torch.testing.assert_close(converted(x), layer(x), rtol=1e-10, atol=1e-10)


def test_weights_of_the_linear_term_are_kept_where_the_others_are_random():
    torch.manual_seed(0)
    conv = nn.ConvTranspose2d(4, 6, 3, groups=2)
    converted = convert_layers(conv, "x**3 + x + dot(w, x)*dot(w, x)", higher_terms="random")
    cubic, linear = converted.raw().weight.chunk(2)
    torch.testing.assert_close(linear, conv.weight)
    torch.testing.assert_close(converted.bias, conv.bias)
    for weights in (cubic, *(factor.weight for factor in converted.products[0].factors)):
        assert (weights != 0).all()
    # Without a linear term there is none to be kept, but the bias.
    assert torch.equal(convert_layers(conv, "x**2", higher_terms="random").bias, conv.bias)


def test_filter_chooses_by_name_and_layer():
    network = resnet()
    seen = {}

    def first_convolution_or_head(name, layer):
        seen[name] = layer
        return name in ("0", "5")

    converted = convert_layers(network, "x**2 + x", filter=first_convolution_or_head)
    assert seen == {name: part for name, part in network.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))}
    assert [name for name, part in converted.named_modules() if isinstance(part, (TaskNeuronConv2d, TaskNeuronLinear))] == [
        "0",
        "5",
    ]


def test_in_place_or_a_copy():
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    assert convert_layers(network, "x**2 + x", inplace=True) is network
    assert isinstance(network[0], TaskNeuronLinear)
    assert list(dict(network.named_modules()))[:3] == ["", "0", "0.products"]
    single = nn.Linear(3, 2)
    assert isinstance(convert_layers(single, "x**2 + x", inplace=True), TaskNeuronLinear)


def test_an_error_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3))
    with pytest.raises(ValueError, match="must be 3, the length of a vector"):
        convert_layers(network, "sin([1, 2, 3]*x) + x", inplace=True)
    assert [type(layer) for layer in network] == [nn.Linear, nn.Linear]


def test_shared_layers_stay_shared():
    shared = nn.Linear(3, 3)
    network = nn.ModuleDict({"a": nn.Sequential(shared, nn.ReLU(), shared), "b": shared, "c": nn.Linear(3, 3)})
    converted = convert_layers(network, "x**2 + x")
    assert converted["a"][0] is converted["a"][2] is converted["b"]
    assert converted["c"] is not converted["b"]
    assert count_parameters(converted) == 2 * (2 * 9 + 3)


def test_shared_parents():
    block = nn.Sequential(nn.Linear(3, 3))
    converted = convert_layers(nn.Sequential(block, block), "x**2 + x")
    assert converted[0] is converted[1]
    assert isinstance(converted[1][0], TaskNeuronLinear)


def test_mode_dtype_and_frozen_parameters_are_kept():
    network = nn.Sequential(nn.Linear(3, 3), nn.Conv1d(3, 3, 1)).to(torch.float64)
    network[0].weight.requires_grad_(False)
    network[1].eval()
    converted = convert_layers(network, "x**2 + x")
    assert [layer.training for layer in converted] == [True, False]
    assert [layer.weight.requires_grad for layer in converted] == [False, True]
    assert converted[0].bias.requires_grad
    assert {value.dtype for value in converted.state_dict().values()} == {torch.float64}


def test_layers_that_are_left():
    embedding, tied = nn.Embedding(5, 3), nn.Linear(3, 5)
    tied.weight = embedding.weight
    hooked = nn.Linear(3, 3)
    hooked.register_forward_hook(lambda layer, inputs, output: output + 1)
    normed = weight_norm(nn.Linear(3, 3))
    others = {"embedding": embedding, "tied": tied, "hooked": hooked, "normed": normed, "lazy": nn.LazyLinear(3)}
    network = nn.ModuleDict({"plain": nn.Linear(3, 3)} | others)
    converted = convert_layers(network, "x**2 + x")
    assert {name: type(layer) for name, layer in converted.items()} == {"plain": TaskNeuronLinear} | {
        name: type(layer) for name, layer in others.items()
    }
    assert converted["tied"].weight is converted["embedding"].weight
    with pytest.raises(ValueError, match="module must have a Linear or Conv layer that can be replaced"):
        convert_layers(nn.ModuleDict(others), "x**2 + x")


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("formula", ["x**3 + x", "x"])
@torch.no_grad()  # torch's fast path is for inference
def test_transformer_encoder_layer(norm_first, formula):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    converted = convert_layers(layer, formula)
    assert isinstance(converted.linear1, TaskNeuronLinear)
    assert isinstance(converted.linear2, TaskNeuronLinear)
    assert type(converted.self_attn.out_proj) is type(layer.self_attn.out_proj)
    tokens = torch.randn(3, 5, 8)
    mask = torch.arange(5) >= torch.tensor([[5], [3], [4]])
    for train in (True, False):
        converted.train(train)
        layer.train(train)
        torch.testing.assert_close(converted(tokens), layer(tokens), rtol=1e-5, atol=1e-5)
        difference = converted(tokens, src_key_padding_mask=mask) - layer(tokens, src_key_padding_mask=mask)
        torch.testing.assert_close(difference[~mask], torch.zeros_like(difference[~mask]), rtol=0, atol=1e-5)
    # Weights of the higher terms are used in evaluation, too.
    converted.linear1.weight.fill_(0.3)
    changed = converted.eval()(tokens)
    if formula == "x**3 + x":
        torch.testing.assert_close(changed, converted.train()(tokens), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(changed, layer(tokens), atol=1e-2)


@torch.no_grad()
def test_transformer_encoder_with_padding():
    # In evaluation torch makes nested tensors of padded ones, which only its fast path can take.
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    converted = convert_layers(encoder, "x**2 + x", filter=lambda name, layer: name.startswith("layers.1")).eval()
    tokens, mask = torch.randn(3, 5, 8), torch.arange(5) >= torch.tensor([[5], [3], [4]])
    expected = encoder.train()(tokens, src_key_padding_mask=mask)[~mask]
    torch.testing.assert_close(converted(tokens, src_key_padding_mask=mask)[~mask], expected, rtol=1e-5, atol=1e-5)
    assert encoder.use_nested_tensor
    assert encoder.layers[1].activation_relu_or_gelu


def test_converted_network_can_be_converted_no_further():
    converted = convert_layers(resnet(), "x**2 + x")
    with pytest.raises(ValueError, match="module must have"):
        convert_layers(copy.deepcopy(converted), "x**3 + x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formula": "x**2"}, r"formula must have the term x for higher_terms='zero', got 'x\*\*2'"),
        ({"higher_terms": "none"}, "higher_terms must be 'zero' or 'random', got 'none'"),
        ({"filter": lambda name, layer: False}, "that filter selects"),
        ({"formula": "2", "higher_terms": "random"}, "formula must depend on x"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        convert_layers(nn.Linear(2, 2), **{"formula": "x**2 + x"} | arguments)


def test_decoder_of_images():
    decoder = nn.Sequential(nn.ConvTranspose2d(4, 3, 2, 2), nn.Conv1d(3, 3, 1))
    converted = convert_layers(decoder, "x**2 + x")
    assert [type(layer) for layer in converted] == [TaskNeuronConvTranspose2d, TaskNeuronConv1d]


def test_a_layer_without_a_unit_is_left():
    empty = nn.Linear(4, 3)
    empty.weight, empty.bias, empty.out_features = nn.Parameter(torch.zeros(0, 4)), nn.Parameter(torch.zeros(0)), 0
    first, second = convert_layers(nn.Sequential(nn.Linear(4, 4), empty), "x**2 + x")
    assert isinstance(first, TaskNeuronLinear)
    assert isinstance(second, nn.Linear)


@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_network_with_a_view_takes_images_of_one_channel(formula, bound):
    network, x = LeNet(), torch.randn(2, 1, 28, 28)
    converted = convert_layers(network, formula, bound=bound)
    if bound is None:
        torch.testing.assert_close(converted(x), network(x))
    converted(x).sum().backward()
