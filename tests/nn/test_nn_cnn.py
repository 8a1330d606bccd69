import copy
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from sklearn_taskneurons.nn import TaskNeuronCNN, TaskNeuronConv2d, TaskNeuronLinear, count_parameters

IMAGES = torch.randn(6, 2, 12, 13, generator=torch.Generator().manual_seed(0))


def test_computes_what_torch_does_with_the_formula_x():
    network = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "x", hidden_layer_sizes=(7,), batch_norm=True)
    reference = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3),
    )  # fmt: skip
    parts = [reference[0], reference[1], reference[4], reference[5], reference[9], reference[11]]
    own = [part for block in network.blocks for part in (block.convolution, block.norm)] + list(network.head.layers)
    for part, other in zip(parts, own, strict=True):
        other.load_state_dict(part.state_dict())
    for train in (True, False):
        torch.testing.assert_close(network.train(train)(IMAGES), reference.train(train)(IMAGES))


def test_computes_what_its_layers_do():
    network = TaskNeuronCNN(
        (2, 12, 13), (5, 4), 3, "x**2 + x", (3, 5), "tanh", False, "average", 3, True, 7, "x**3 + x", dtype=torch.float64
    )
    first, second = (block.convolution for block in network.blocks)
    assert (first.bound, second.bound) == (3.0, None)  # tanh is a bound
    x = functional.avg_pool2d(torch.tanh(first(IMAGES.double())), 3)
    x = functional.avg_pool2d(torch.tanh(second(x)), 3).mean((2, 3))
    expected = network.head.layers[1](torch.tanh(network.head.layers[0](x)))
    torch.testing.assert_close(network(IMAGES.double()), expected)
    assert network(torch.randn(2, 2, 20, 9, dtype=torch.float64)).shape == (2, 3)  # other sizes
    assert [str(layer.formula) for layer in network.head.layers] == ["x**3 + x"] * 2


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("batch_norm", [True, False])
@torch.no_grad()
def test_standard_normal_images_have_outputs_of_unit_size(activation, batch_norm):
    torch.manual_seed(0)
    network = TaskNeuronCNN((2, 12, 12), (30, 30, 30), 200, "x**5 + x", activation=activation, batch_norm=batch_norm)
    outputs = network(torch.randn(100, 2, 12, 12))
    assert outputs.square().mean().sqrt() == pytest.approx(1.0, rel=0.35)


@torch.no_grad()
def test_calibration_sets_the_scales_of_all_layers():
    torch.manual_seed(0)
    network = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "x**3 + x", head_formula="x**2 + x", pooling="average")
    layers = [part for part in network.modules() if isinstance(part, (TaskNeuronConv2d, TaskNeuronLinear))]
    inputs = []
    assert network.calibrate(5 * IMAGES) is network
    for layer in layers:
        layer.register_forward_pre_hook(lambda layer, arguments: inputs.append(arguments[0]))
    statistics = [block.norm.running_mean.clone() for block in network.blocks]
    assert not any(mean.any() for mean in statistics)  # not those of the sample
    network(5 * IMAGES)  # in training, where channels are normalized by the batch
    for layer, x in zip(layers, inputs, strict=True):
        assert layer.bound == 3.0
        bounded = x / (1 + (x / 3) ** 2).sqrt()
        assert layer.scale.flatten()[-1] == pytest.approx(1 / bounded.square().mean().sqrt().item(), rel=1e-4)


def test_learns_a_product_of_neighbours():
    # Whether two positions have the same sign: no linear filter tells.
    torch.manual_seed(0)
    images = torch.randn(200, 1, 3, 3)
    labels = ((images[:, 0, 1, 0] * images[:, 0, 1, 1]) > 0).float()
    network = TaskNeuronCNN((1, 3, 3), (8,), 1, "x + dot(w, x)*dot(w, x)", batch_norm=False, activation="identity", pool_size=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(network(images)[:, 0], labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_copies_and_new_parameters():
    network = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "sin(w*x) + x**2")
    network(IMAGES)
    network.eval()
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(IMAGES), network(IMAGES))
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(1)
    network.reset_parameters()
    after = network.state_dict()
    torch.manual_seed(1)
    fresh = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "sin(w*x) + x**2")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert {"blocks.0.convolution.weight", "blocks.1.norm.running_mean", "head.layers.0.weight"} <= changed
    assert [value.shape for value in fresh.state_dict().values()] == [value.shape for value in after.values()]


def test_parameters_of_every_layer():
    for batch_norm, pool_size in itertools.product((True, False), (1, 2)):
        network = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "x**2 + x", batch_norm=batch_norm, pool_size=pool_size)
        kernels, channels = 2 * 9 * (2 * 5 + 5 * 4), 5 + 4
        flat = 4 * (12 * 13 if pool_size == 1 else 3 * 3)
        assert count_parameters(network) == kernels + channels * (2 if batch_norm else 1) + 3 * flat + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "gelu"}, "activation must be one of .* got 'gelu'"),
        ({"pooling": "mean"}, "pooling must be one of .* got 'mean'"),
        ({"channels": ()}, "channels must have a number for each block, got none"),
        ({"channels": (0,)}, r"channels must be whole numbers of at least 1, got \(0,\)"),
        ({"channels": (2.5,)}, r"channels must be whole numbers of at least 1, got \(2.5,\)"),
        ({"kernel_size": "3"}, "kernel_size must be a number from 1, or 2 of them, got '3'"),
        ({"formula": "x", "bound": 0}, "bound must be larger than 0, got 0"),
        ({"kernel_size": (3, 2)}, r"kernel_size must be odd, .* got \(3, 2\)"),
        ({"pool_size": 0}, "pool_size must be a number from 1, or 2 of them, got 0"),
        ({"pool_size": 4}, r"the latter at least \(16, 16\) for 2 poolings of \(4, 4\), got"),
        ({"image_shape": (12, 13)}, r"image_shape must be \(channels, height, width\), .* got \(12, 13\)"),
        ({"formula": "2"}, "formula must depend on x, got '2'"),
    ],
)
def test_what_makes_no_network(arguments, message):
    settings = {"image_shape": (2, 12, 13), "channels": (5, 4), "out_features": 3, "formula": "x**2 + x"}
    with pytest.raises(ValueError, match=message):
        TaskNeuronCNN(**settings | arguments)


def test_a_single_block_may_be_a_number():
    assert len(TaskNeuronCNN((2, 12, 13), 5, 3, "x").blocks) == 1


def test_fewer_large_images_give_the_scales():
    torch.manual_seed(0)
    options = {"image_shape": (2, 128, 128), "channels": (6, 5), "out_features": 3, "formula": "x**3 + x"}
    network = TaskNeuronCNN(**options)  # of 4 images, where of small ones there would be 32
    x = torch.randn(40, 2, 128, 128)
    hidden = network.blocks[0].of_sample(x)
    bounded = hidden / torch.sqrt(1 + (hidden / 3) ** 2)
    expected = (bounded**3).square().mean().rsqrt().item()
    assert network.blocks[1].convolution.scale.flatten()[0].item() == pytest.approx(expected, rel=0.05)


def test_shape_of_the_images():
    network = TaskNeuronCNN((2, 12, 13), (5, 4), 3, "x**2 + x")
    with pytest.raises(ValueError, match=r"x must have the shape \(N, 2, 12, 13\), got \(6, 2, 13, 12\)"):
        network(IMAGES.transpose(2, 3))
