import pytest
import torch

from sklearn_taskneurons.nn import TaskNeuronLinear, TaskNeuronMLP, count_multiplications, count_parameters

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
