import pytest
import torch
from torch import nn

from sklearn_taskneurons.nn import (
    TaskNeuronConv2d,
    TaskNeuronConvTranspose2d,
    TaskNeuronLinear,
    TaskNeuronMLP,
    count_multiplications,
    count_parameters,
)

# Fan et al. 2024, table IV: multiplications ("FLOPs"), parameters, layer sizes that give both, and number of terms.
TABLE_IV = {
    "California Housing": (322, 340, ["8-12-5-1"], 2),
    "House Sales": (1368, 1391, ["15-16-6-1", "15-20-2-1"], 4),
    "Airfoil Self Noise": (224, 241, ["5-8-8-1", "5-12-4-1"], 2),
    "Diamonds": (670, 685, ["9-10-4-1", "9-12-2-1"], 5),
    "Abalone": (564, 584, ["8-13-6-1"], 3),
    "Bike Sharing": (888, 919, ["12-18-12-1", "12-23-7-1"], 2),
    "Space GA": (256, 267, ["6-6-4-1", "6-9-1-1"], 4),
    "Airlines Delay": (636, 667, ["5-16-14-1", "5-18-12-1"], 2),
    "Credit": (1208, 1248, ["10-22-16-2", "10-24-14-2"], 2),
    "Heloc": (1308, 1332, ["22-14-8-2"], 3),
    "Electricity": (608, 636, ["8-14-12-2", "8-18-8-2"], 2),
    "Phoneme": (464, 482, ["5-7-9-2", "5-12-4-2"], 4),
    "Magic Telescope": (388, 400, ["10-7-3-2"], 4),
    "Vehicle": (1152, 1173, ["18-11-6-4"], 4),
    "Orange vs Grapefruit": (260, 279, ["5-8-9-2", "5-12-5-2"], 2),
    "Eye Movements": (1636, 1675, ["20-24-13-2", "20-31-6-2"], 2),
}
# Table 5: the formulas of the sets above whose constants matter to nobody here.
FORMULAS = {
    2: "0.068*x**3 + 0.15*x + 0.76",
    3: "x**3 - x**2 + x",
    4: "x**5 - 2.91*x**3 + x**2 + x",
    5: "x**7 + x**6 + x**5 - x**4 + x**3",
}


@pytest.mark.parametrize("name", TABLE_IV)
def test_table_iv(name):
    multiplications, parameters, structures, n_terms = TABLE_IV[name]
    for structure in structures:
        first, *hidden, last = map(int, structure.split("-"))
        network = TaskNeuronMLP(first, hidden, last, FORMULAS[n_terms], activation="logistic")
        assert count_multiplications(network) == multiplications
        assert count_parameters(network) == parameters


# Table I: quadratic neurons with n inputs; weights, and weights with biases.
@pytest.mark.parametrize(
    ("formula", "n_vectors"),
    [
        ("dot(w, x**2)", 1),
        ("dot(w, x)*dot(w, x)", 2),
        ("dot(w, x)*dot(w, x) + dot(w, x)", 3),
        ("(dot(w, x) + 1)*(dot(w, x) + 1) + dot(w, x**2) + 1", 4),
    ],
)
def test_table_i_quadratic_neurons_cost_vectors_not_matrices(formula, n_vectors):
    layer = TaskNeuronLinear(10, 1, formula)
    assert count_multiplications(layer) == 10 * n_vectors
    assert count_parameters(layer) == 10 * n_vectors + 1


def test_linear_layers_of_torch_count_too():
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), TaskNeuronLinear(3, 2, "x**2 + x"))
    assert count_multiplications(network) == 12 + 12
    assert count_parameters(network) == 12 + 3 + 12 + 2


def test_amplitudes_and_shared_vectors_count():
    assert count_multiplications(TaskNeuronLinear(4, 3, "sin(dot(w, x))")) == 12 + 3
    assert count_multiplications(TaskNeuronLinear(4, 3, "sin(w*x)")) == 12 + 4


def test_frozen_parameters_are_not_learned():
    layer = TaskNeuronLinear(4, 3, "x")
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 12


def test_weights_of_a_convolution_count_once_for_each_position():
    layer = TaskNeuronConv2d(4, 6, (3, 2), "x**2 + x", stride=2, padding=1, groups=2)
    # 5 x 6 positions, at each of them 6 units with 2 terms of 2 channels of 3 x 2.
    assert count_multiplications(layer, (4, 9, 10)) == 5 * 6 * 6 * 2 * 2 * 3 * 2
    products = TaskNeuronConv2d(4, 6, 3, "dot(w, x)*dot(w, x) + sin(dot(w, x)) + cos(w*x)")
    # 3 x 3 positions: four kernels and an amplitude; one entry of a vector at each of 5 x 5.
    assert count_multiplications(products, (4, 5, 5)) == 9 * (4 * 6 * 4 * 9 + 6) + 25 * 4


def test_a_transposed_convolution_multiplies_where_its_inputs_are():
    layer = TaskNeuronConvTranspose2d(4, 6, 3, "x**2 + x", stride=2)
    assert count_multiplications(layer, (4, 5, 5)) == 25 * 2 * 4 * 6 * 9
    plain = torch.nn.ConvTranspose2d(4, 6, 3, stride=2)
    assert count_multiplications(plain, (4, 5, 5)) == 25 * 4 * 6 * 9


def test_networks_of_both_kinds_at_every_call():
    shared = torch.nn.Linear(6, 6)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.Flatten(2),
        torch.nn.Linear(9, 6),
        shared,
        shared,
    )
    network[1].eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    # The matrices are applied to each of 6 channels.
    assert count_multiplications(network, (3, 5, 5)) == 9 * 6 * 27 + 6 * (9 * 6 + 6 * 6 + 6 * 6)
    assert [layer.training for layer in network] == [True, False, True, True, True, True]
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network)
    with pytest.raises(ValueError, match="input_size must be given for a network with convolutions, got None"):
        count_multiplications(network)


@pytest.mark.parametrize("n_members", [None, 3])
def test_the_size_of_a_row_changes_nothing(n_members):
    network = TaskNeuronMLP(4, (5, 6), 2, "sin(w*x) + sin(dot(w, x)) + x", elementwise_affine=True, n_members=n_members)
    assert count_multiplications(network, (4,)) == count_multiplications(network)


class ByKeyword(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.neurons = torch.nn.Linear(3, 2), TaskNeuronLinear(2, 4, "x**2 + x")

    def forward(self, x):
        return self.neurons(x=self.linear(input=x))


def test_layers_that_are_called_by_keyword():
    assert count_multiplications(ByKeyword(), (3,)) == 3 * 2 + 2 * 2 * 4


@pytest.mark.parametrize("size", [None, (4,)])
def test_nothing_to_multiply(size):
    assert count_multiplications(torch.nn.ReLU(), size) == 0


def test_layers_may_be_called_with_other_arguments_than_their_input():
    class Up(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.Conv2d(1, 2, 3, 2, 1), nn.ConvTranspose2d(2, 1, 3, 2, 1)

        def forward(self, x):
            return self.up(output_size=x.shape[-2:], input=self.down(input=x))

    assert count_multiplications(Up(), (1, 8, 8)) == 2 * 9 * 16 + 2 * 9 * 16


def test_layers_that_are_not_called_are_named():
    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.called, self.left = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.called(x)

    with pytest.warns(UserWarning, match="layers that are not called do not count, here left"):
        assert count_multiplications(Other(), (4,)) == 12


def test_parts_of_attention_are_no_layers_of_their_own():
    block = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    assert count_multiplications(block) == 2 * 16 * 32
    assert count_multiplications(block, (5, 16)) == 5 * 2 * 16 * 32
