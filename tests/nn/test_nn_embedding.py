import copy
import pickle

import numpy as np
import pytest
import torch

from sklearn_taskneurons.nn import TaskNeuronMLP, count_multiplications, count_parameters
from sklearn_taskneurons.nn._embedding import PeriodicEmbedding


def sums_of_functions(embedding, x):
    """Return, by loops, what the units of an embedding without members are for rows (N, D)."""
    frequency, phase, mix, bias, weight = (
        parameter.detach().numpy()
        for parameter in (embedding.frequency, embedding.phase, embedding.mix, embedding.bias, embedding.weight)
    )
    units = np.zeros((len(x), len(weight)))
    for feature in range(x.shape[1]):
        for number in range(embedding.size):
            waves = np.cos(np.outer(x[:, feature], frequency[feature, :, 0]) + phase[feature, :, 0])
            function = np.maximum(waves @ mix[feature, number] + bias[feature, number], 0)
            units += np.outer(function, weight[:, feature * embedding.size + number])
    return units


def test_units_are_sums_of_functions_of_single_features():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(3, 5, 2, n_frequencies=4, dtype=torch.float64)
    torch.nn.init.normal_(embedding.bias)
    x = torch.randn(7, 3, dtype=torch.float64)
    expected = torch.from_numpy(sums_of_functions(embedding, x.numpy()))
    torch.testing.assert_close(embedding(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(embedding(x.view(7, 1, 3)), expected.view(7, 1, 5), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(embedding(x[0]), expected[0], rtol=1e-12, atol=1e-12)


def test_gradients_are_right():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(2, 3, 2, n_frequencies=3, n_members=2, dtype=torch.float64)
    torch.autograd.gradcheck(embedding, torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("name", ["frequency", "phase", "mix", "bias", "weight"])
def test_parameters_can_be_mapped_over(name, gradients):
    network = TaskNeuronMLP(5, (8, 4), 2, "x**2 + x", embedding_size=2)
    x = torch.randn(6, 5)
    values = torch.randn(3, *getattr(network.embedding, name).shape)

    def outputs(value):
        return torch.func.functional_call(network, {f"embedding.{name}": value}, (x,))

    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(torch.vmap(outputs)(values), torch.stack([outputs(value) for value in values]))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # which torch uses for derivatives forwards
def test_second_derivatives_without_gradients():
    torch.manual_seed(0)
    network = TaskNeuronMLP(3, (4,), 1, "x**2 + x", embedding_size=2, dtype=torch.float64)
    x = torch.randn(3, dtype=torch.float64)
    expected = torch.func.hessian(network)(x)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.jacfwd(torch.func.jacfwd(network))(x), expected)


def test_members_compute_as_they_do_alone():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(3, 5, 2, n_members=4, dtype=torch.float64)
    own = torch.randn(4, 7, 3, dtype=torch.float64)
    for index in range(4):
        alone = embedding.member(index)
        torch.testing.assert_close(embedding(own)[index], alone(own[index]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(embedding(own[0])[index], alone(own[0]), rtol=1e-12, atol=1e-12)
    assert count_parameters(embedding) == 4 * count_parameters(alone)


@torch.no_grad()
def test_units_have_variance_one_at_first():
    moments = []
    for seed in range(20):
        torch.manual_seed(seed)
        moments.append(PeriodicEmbedding(10, 50, 4)(torch.randn(200, 10)).square().mean())
    assert torch.stack(moments).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("n_members", [None, 3])
def test_functions_of_features_are_added_to_the_first_hidden_layer(n_members):
    torch.manual_seed(0)
    options = {"elementwise_affine": True, "hidden_formula": "x", "n_members": n_members}
    network = TaskNeuronMLP(3, (6, 4), 2, "x**2 + x", "relu", embedding_size=2, **options).double()
    torch.nn.init.normal_(network.affine.weight)
    x = torch.randn(7, 3, dtype=torch.float64)
    first, second, last = network.layers
    features = network.affine(x)
    expected = last(torch.relu(second(torch.relu(first(features) + network.embedding(features)))))
    if n_members:
        expected = expected.transpose(0, 1)
        torch.testing.assert_close(network(x)[:, 1], network.member(1)(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(network(x), expected)
    torch.testing.assert_close(pickle.loads(pickle.dumps(network))(x), expected)
    plain = copy.deepcopy(network)
    plain.embedding = None
    assert not torch.allclose(plain(x), expected)


def test_no_functions_of_features_without_a_hidden_layer_or_a_size():
    assert TaskNeuronMLP(3, (), 1, "x", embedding_size=4).embedding is None
    assert TaskNeuronMLP(3, (4,), 1, "x").embedding is None


def test_parameters_are_drawn_anew():
    network = TaskNeuronMLP(3, (4,), 1, "x", embedding_size=2)
    before = network.embedding.frequency.clone()
    network.reset_parameters()
    assert not torch.equal(network.embedding.frequency, before)


@pytest.mark.parametrize("n_members", [None, 2])
def test_counts(n_members):
    network = TaskNeuronMLP(3, (5,), 1, "x", embedding_size=2, n_members=n_members)
    n_frequencies = network.embedding.n_frequencies
    # Frequencies, what mixes their waves, and the weights of the functions; then the layers.
    multiplications = 3 * n_frequencies + 3 * 2 * n_frequencies + 5 * 6 + (3 * 5 + 5)
    parameters = multiplications + 3 * n_frequencies + 3 * 2 + (5 + 1)
    assert count_multiplications(network) == count_multiplications(network, (3,)) == (n_members or 1) * multiplications
    assert count_parameters(network) == (n_members or 1) * parameters


def test_half_of_the_neurons_are_bounded_and_the_others_bent():
    torch.manual_seed(0)
    network = TaskNeuronMLP(3, (5,), 2, "x**2 + x", "mixed")
    hidden, output = network.layers
    x = torch.randn(7, 3)
    bounded, bent = hidden(x).split([3, 2], -1)
    torch.testing.assert_close(network(x), output(torch.cat([bounded.tanh(), bent.relu()], -1)))
    assert TaskNeuronMLP(3, (5,), 2, "x**2 + x", "mixed").layers[1].bound == 3.0  # half of its inputs have none
    with pytest.raises(ValueError, match=r"'relu', 'mixed'\], got 'half'"):
        TaskNeuronMLP(3, (5,), 2, "x", "half")


@pytest.mark.parametrize("n_members", [None, 3])
def test_without_gradients_the_outputs_are_the_same(n_members):
    torch.manual_seed(0)
    network = TaskNeuronMLP(3, (5, 4), 2, "x**2 + x", "mixed", embedding_size=2, n_members=n_members).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    expected = network(x)
    with torch.no_grad():
        torch.testing.assert_close(network(x), expected, rtol=1e-12, atol=1e-12)
