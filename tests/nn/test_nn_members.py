import copy

import pytest
import torch

from sklearn_taskneurons.nn import TaskNeuronLinear, TaskNeuronMLP, count_parameters

FORMULAS = [
    "x",
    "x**3 + x**2 + x",
    "sin(w*x) + x",
    "dot(w, x)*dot(w, x)*dot(w, x**2) + x",
    "sin(dot(w, x) + 1) + exp(dot(w, x))*dot(w, x)",
    "sin(dot(w, x)*x)*x",
    "x/(1 + x**2)",
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("formula", FORMULAS)
def test_members_compute_as_they_do_alone(formula, bias):
    torch.manual_seed(0)
    layer = TaskNeuronLinear(4, 3, formula, bias=bias, bound=3.0, n_members=5, dtype=torch.float64)
    layer.calibrate(torch.randn(50, 4, dtype=torch.float64))
    x = torch.randn(5, 7, 4, dtype=torch.float64)
    outputs = layer(x)
    assert outputs.shape == (5, 7, 3)
    for index in range(5):
        torch.testing.assert_close(outputs[index], layer.member(index)(x[index]), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(layer.member(0)(x[0]), layer.member(1)(x[0]))  # each has weights of its own
    assert count_parameters(layer) == 5 * count_parameters(layer.member(0))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("shape", [(7, 4), (7, 3, 4)])
def test_without_gradients_the_same_is_computed(formula, activation, shape):
    torch.manual_seed(0)
    network = TaskNeuronMLP(4, (6, 5), 2, formula, activation, elementwise_affine=True, n_members=3, dtype=torch.float64)
    x = torch.randn(shape, dtype=torch.float64)
    before = x.clone()
    with torch.no_grad():
        outputs = network(x)
    torch.testing.assert_close(outputs, network(x).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


@pytest.mark.parametrize("formula", FORMULAS)
def test_raw_terms_of_members(formula):
    torch.manual_seed(0)
    layer = TaskNeuronLinear(4, 3, formula, n_members=2, dtype=torch.float64).calibrate(torch.randn(2, 30, 4).double())
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(layer.raw()(x), layer(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.raw().member(1)(x[1]), layer(x)[1], rtol=1e-10, atol=1e-10)


def test_all_members_may_see_the_same_rows():
    layer = TaskNeuronLinear(4, 3, "x**2 + x", n_members=5)
    x = torch.randn(7, 4)
    torch.testing.assert_close(layer(x), layer(x.expand(5, 7, 4)))


def test_scales_are_those_of_all_rows_of_all_members():
    layer = TaskNeuronLinear(2, 1, "x**2 + x", n_members=3, dtype=torch.float64)
    x = torch.randn(3, 11, 2, dtype=torch.float64)
    layer.calibrate(x)
    expected = [1 / (x**power).square().mean().sqrt() for power in (2, 1)]
    torch.testing.assert_close(layer.scale, torch.stack(expected).repeat_interleave(2))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("affine", [True, False])
def test_networks_side_by_side(affine, activation):
    torch.manual_seed(0)
    network = TaskNeuronMLP(
        4, (6, 5), 2, "x**3 + x", activation, elementwise_affine=affine, hidden_formula="x**2 + x", n_members=3
    ).double()
    if affine:
        torch.nn.init.normal_(network.affine.weight)
        torch.nn.init.normal_(network.affine.bias)
    network.calibrate(torch.randn(40, 4).double())
    own = torch.randn(7, 3, 4, dtype=torch.float64)
    outputs, same = network(own), network(own[:, 0])
    assert outputs.shape == same.shape == (7, 3, 2)
    for index in range(3):
        alone = network.member(index)
        torch.testing.assert_close(outputs[:, index], alone(own[:, index]), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(same[:, index], alone(own[:, 0]), rtol=1e-10, atol=1e-10)
    assert count_parameters(network) == 3 * count_parameters(network.member(0))


def test_affine_is_the_identity_at_first_and_scales_and_shifts():
    torch.manual_seed(0)
    network = TaskNeuronMLP(3, (4,), 1, "x**2 + x", elementwise_affine=True)
    plain = copy.deepcopy(network)
    plain.affine = None
    x = torch.randn(5, 3)
    assert torch.equal(network(x), plain(x))
    network.affine.weight.data.copy_(torch.tensor([2.0, -1.0, 0.0]))
    network.affine.bias.data.copy_(torch.tensor([0.0, 1.0, 3.0]))
    torch.testing.assert_close(network(x), plain(torch.stack([2 * x[:, 0], 1 - x[:, 1], torch.full((5,), 3.0)], 1)))
    network.reset_parameters()
    assert torch.equal(network.affine.weight, torch.ones(3))
    assert torch.equal(network.affine.bias, torch.zeros(3))


@pytest.mark.parametrize("n_members", [None, 2])
def test_several_scalings_are_summed_by_learned_weights(n_members):
    network = TaskNeuronMLP(3, (4,), 1, "x**2 + x", elementwise_affine=True, n_scalings=2, n_members=n_members)
    plain = copy.deepcopy(network)
    plain.affine, plain.n_scalings = None, 1
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    both = torch.cat([first, second], 1)
    assert torch.equal(network(both), plain(first))
    torch.nn.init.normal_(network.affine.weight)
    torch.nn.init.normal_(network.affine.bias)
    for index in range(n_members or 1):
        single, member = (plain, network) if n_members is None else (plain.member(index), network.member(index))
        weight, bias = member.affine.weight, member.affine.bias
        expected = single(first * weight[:3] + second * weight[3:] + bias)
        torch.testing.assert_close(member(both), expected)
        if n_members:
            torch.testing.assert_close(network(both)[:, index], expected)
    network.reset_parameters()
    assert network.affine.weight.flatten()[:6].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


def test_without_learned_weights_the_mean_of_several_scalings_counts():
    network = TaskNeuronMLP(3, (4,), 1, "x**2 + x", n_scalings=2, n_members=2)
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(network(torch.cat([first, second], 1)), network((first + second).div(2).repeat(1, 2)))


def test_outputs_are_zero_at_first_on_demand():
    network = TaskNeuronMLP(3, (4,), 2, "x**2 + x", zero_output=True, n_members=2)
    x = torch.randn(5, 3)
    assert torch.equal(network(x), torch.zeros(5, 2, 2))
    network(x).sum().backward()
    assert network.layers[-1].weight.grad.abs().min() > 0  # so that it does not stay so
    torch.nn.init.ones_(network.layers[-1].weight)
    network.reset_parameters()
    assert torch.equal(network(x), torch.zeros(5, 2, 2))
    assert TaskNeuronMLP(3, (4,), 2, "x**2 + x", zero_output=True, bias=False)(x).abs().max() == 0


def test_affine_features_are_bounded_whatever_the_formula():
    for formula in ("x", "x**3 + x"):
        network = TaskNeuronMLP(3, (4,), 1, formula, elementwise_affine=True, bound_input=False)
        assert network.layers[0].bound == 3.0
    assert TaskNeuronMLP(3, (4,), 1, "x").layers[0].bound is None


def test_hidden_formula_is_that_of_all_layers_but_the_first():
    network = TaskNeuronMLP(3, (4, 5), 1, "x**3 + x", hidden_formula="x")
    assert [str(layer.formula) for layer in network.layers] == ["x**3 + x", "x", "x"]
    assert [str(layer.formula) for layer in TaskNeuronMLP(3, (4, 5), 1, "x**3 + x").layers] == ["x**3 + x"] * 3


def test_a_member_must_exist():
    layer, network = TaskNeuronLinear(2, 1, "x", n_members=2), TaskNeuronMLP(2, (3,), 1, "x", n_members=2)
    for module in (layer, network):
        with pytest.raises(IndexError, match="from 0 to 1, got 2"):
            module.member(2)
    with pytest.raises(ValueError, match="must have members, got n_members=None"):
        TaskNeuronLinear(2, 1, "x").member(0)
    with pytest.raises(ValueError, match=r"layer\.member\(0\)\.unit_formula\(0\)"):
        layer.unit_formula(0)


def test_a_member_has_weights_of_its_own_only():
    layer = TaskNeuronLinear(2, 1, "x**2 + x", n_members=2)
    torch.nn.utils.parametrizations.weight_norm(layer, next(name for name, _ in layer.named_parameters()))
    with pytest.raises(ValueError, match=r"without parametrization or pruning, got \['parametrizations"):
        layer.member(0)


@pytest.mark.parametrize("bound", [None, 3.0])
def test_a_restricted_member_computes_its_own_formula(bound):
    torch.manual_seed(0)
    forms = ["x", "x**3 + x", "dot(w, x)*dot(w, x) + x", "sin(dot(w, x))"]
    layer = TaskNeuronLinear(4, 3, "x**3 + x + dot(w, x)*dot(w, x) + sin(dot(w, x))", bound=bound, n_members=4)
    before = layer(x := torch.randn(4, 6, 4)).detach()
    layer.restrict(forms)
    after = layer(x).detach()
    linear = layer.member(0).raw()
    assert linear.formula == layer.formula
    z = x[0] if bound is None else x[0] / torch.sqrt(1 + (x[0] / bound) ** 2)
    columns = linear.weight[:, 4:]  # those of x, after those of x**3
    torch.testing.assert_close(after[0], z @ columns.T + linear.bias, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before[0], after[0])


def test_terms_that_a_member_has_not_get_no_gradient():
    layer = TaskNeuronLinear(4, 3, "x**2 + x + dot(w, x)*dot(w, x)", n_members=2).restrict(["x**2", "x + dot(w, x)*dot(w, x)"])
    layer(torch.randn(2, 5, 4)).square().sum().backward()
    square, identity = layer.weight.grad.unflatten(-1, (2, 4)).unbind(2)
    (product,) = (factor.weight.grad for factor in layer.products[0].factors)
    for index, (is_square, gradient) in enumerate([(True, square), (False, identity), (False, product)]):
        assert gradient[0 if is_square else 1].any(), index
        assert not gradient[1 if is_square else 0].any(), index


def test_the_variance_of_few_terms_is_that_of_all():
    torch.manual_seed(0)
    layer = TaskNeuronLinear(20, 400, "x**3 + x**2 + x + dot(w, x)*dot(w, x)", n_members=2, bias=False)
    layer.restrict(["x", "dot(w, x)*dot(w, x)"])
    torch.testing.assert_close(layer(torch.randn(2, 400, 20)).square().mean((1, 2)), torch.ones(2), atol=0.25, rtol=0)


@pytest.mark.parametrize("formulas", [["x"], ["x", "x**3"], ["x", "3"]])
def test_what_is_no_part_of_the_formula_is_refused(formulas):
    with pytest.raises(ValueError, match=r"formula for each|must be some"):
        TaskNeuronLinear(4, 3, "x**2 + x", n_members=2).restrict(formulas)


def test_members_are_restricted_once():
    layer = TaskNeuronLinear(4, 3, "x**2 + x", n_members=2).restrict(["x", "x"])
    with pytest.raises(ValueError, match="restricted already"):
        layer.restrict(["x**2", "x"])
    layer.calibrate(torch.randn(20, 4)).restrict(["x**2", "x"])
    assert layer(torch.randn(5, 4))[0].any()


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("shape", [(3,), (3, 5, 3), (2, 2, 5, 3)])
def test_members_refuse_rows_of_other_members(n_members, shape):
    with pytest.raises(ValueError, match=rf"\(N, in_features\) or \({n_members}, N, in_features\)"):
        TaskNeuronLinear(3, 2, "x**2 + x", bias=False, n_members=n_members)(torch.ones(shape))
