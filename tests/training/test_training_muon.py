"""Muon, against the singular value decomposition and against torch's."""

import copy
import itertools

import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_taskneurons._task_neuron._base import AUTO_STEPS
from sklearn_taskneurons._training import SOLVERS, make_net, make_table, resume, train
from sklearn_taskneurons._training.losses import SquaredErrorLoss
from sklearn_taskneurons._training.muon import COEFFICIENTS, N_ITERATIONS, UPDATE_RMS, VectorMuon, orthogonalized
from sklearn_taskneurons._training.optimizer import VectorAdamW


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moved(optimizer, vector, gradients):
    for gradient in gradients:
        vector.grad = gradient.clone()
        optimizer.step()
    return vector.detach().clone()


def muon_net(solver="muon", hidden_layer_sizes=(8, 4), **options):
    options = {"batch_size": 50, "lr": 0.01, "n_members": 2, "embedding_size": 2, "solver": solver} | options
    return make_net(3, 1, "dot(w, x)*dot(w, x) + x", hidden_layer_sizes=hidden_layer_sizes, **options)


@pytest.mark.parametrize("shape", [(3, 4, 7), (2, 7, 4), (1, 5, 5), (2, 1, 6)])
def test_singular_values_go_through_the_polynomial_and_vectors_stay(shape):
    matrices = draw(*shape)
    u, values, vh = torch.linalg.svd(matrices, full_matrices=False)
    linear, cubic, quintic = COEFFICIENTS
    values = values / values.norm(dim=1, keepdim=True)
    for _ in range(N_ITERATIONS):
        values = linear * values + cubic * values**3 + quintic * values**5
    torch.testing.assert_close(orthogonalized(matrices), u @ torch.diag_embed(values) @ vh)


def test_directions_move_at_similar_speeds():
    u, _, vh = torch.linalg.svd(draw(1, 20, 30), full_matrices=False)
    steep = u @ torch.diag_embed(torch.linspace(0.15, 1, 20, dtype=torch.float64)[None]) @ vh
    values = torch.linalg.svdvals(orthogonalized(steep))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_a_gradient_of_zeros_moves_nothing():
    vector = nn.Parameter(torch.ones(12))
    optimizer = VectorMuon([vector], weight_decay=0.0, matrices=[(0, (1, 3, 4))])
    assert torch.equal(moved(optimizer, vector, [torch.zeros(12)]), torch.ones(12))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_matrices_move_as_those_of_torch():
    start, gradients = draw(2, 6, 9).float(), [draw(2, 6, 9, seed=seed).float() for seed in range(1, 6)]
    vector = nn.Parameter(start.flatten().clone())
    ours = VectorMuon([vector], lr=0.05, weight_decay=0.3, matrices=[(0, (2, 6, 9))])
    result = moved(ours, vector, [gradient.flatten() for gradient in gradients]).view(2, 6, 9)
    # Theirs moves by 0.2 learning rates, and decays by the same product of rate and decay.
    ratio = UPDATE_RMS / 0.2
    for member in range(2):
        matrix = nn.Parameter(start[member].clone())
        theirs = torch.optim.Muon(
            [matrix], lr=0.05 * ratio, weight_decay=0.3 / ratio, momentum=0.9, ns_steps=N_ITERATIONS,
            adjust_lr_fn="match_rms_adamw",
        )  # fmt: skip
        expected = moved(theirs, matrix, [gradient[member] for gradient in gradients])
        # They iterate in bfloat16, of three digits.
        torch.testing.assert_close(result[member], expected, atol=0.02 * UPDATE_RMS * 0.05 * 5, rtol=0.01)
        assert (result[member] - start[member]).abs().mean() > 0.02


def test_all_other_entries_move_by_adamw():
    start, gradients = draw(30), [draw(30, seed=seed) for seed in range(1, 5)]
    settings = {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.5}
    vectors = [nn.Parameter(start.clone()) for _ in range(3)]
    expected = moved(VectorAdamW(vectors[0:1], **settings), vectors[0], gradients)
    result = moved(VectorMuon(vectors[1:2], **settings, matrices=[(5, (2, 2, 3))]), vectors[1], gradients)
    assert torch.equal(result[:5], expected[:5])
    assert torch.equal(result[17:], expected[17:])
    assert not torch.isclose(result[5:17], expected[5:17]).any()
    without = VectorMuon(vectors[2:], **settings, matrices=[(5, (2, 2, 3))], solver="adamw")
    assert torch.equal(moved(without, vectors[2], gradients), expected)


def test_an_update_is_as_long_as_the_learning_rate_says():
    vector = nn.Parameter(torch.zeros(400 * 50))
    moved(VectorMuon([vector], lr=0.1, matrices=[(0, (1, 50, 400))]), vector, [draw(400 * 50).float()])
    rms = float(vector.detach().square().mean().sqrt())
    assert 0.7 < rms / (0.1 * UPDATE_RMS) < 1.2  # one for orthogonal rows, which these are but for the iteration


def test_the_matrices_of_hidden_layers_are_what_differs_after_a_step(data):
    X, y = data
    nets = [muon_net(solver, batch_size=1000) for solver in ("muon", "adamw")]
    for net in nets:
        train(net, make_table(X, y, n_members=2), max_epochs=2)  # the first one moves the output alone, which begins at 0
    steps = [dict(net.callbacks_)["best_epoch"].average_.latest for net in nets]
    names, start = [], 0
    for name, parameter in nets[0].module_.named_parameters():
        part = slice(start, start + parameter.numel())
        if not torch.allclose(steps[0][part], steps[1][part], rtol=1e-3, atol=1e-5):
            names.append(name)
        start += parameter.numel()
    assert names == ["layers.0.weight", "layers.0.products.0.factors.0.weight", "layers.1.weight", "embedding.weight"]


def test_each_solver_moves_matrices_in_a_way_of_its_own():
    gradients = [draw(12).float(), draw(12).float()]
    results = []
    for solver in SOLVERS:
        vector = nn.Parameter(torch.ones(12))
        results.append(moved(VectorMuon([vector], lr=0.1, matrices=[(0, (1, 3, 4))], solver=solver), vector, gradients))
    assert not any(torch.allclose(one, other) for one, other in itertools.combinations(results, 2))
    assert AUTO_STEPS.keys() == set(SOLVERS)


def test_without_matrices_both_solvers_are_the_same(data):
    X, y = data
    predictions = []
    for solver in ("muon", "adamw"):
        net = muon_net(solver, hidden_layer_sizes=(), embedding_size=0)
        train(net, make_table(X, y, n_members=2), max_epochs=3)
        predictions.append(torch.cat([parameter.detach().flatten() for parameter in net.module_.parameters()]))
    assert torch.equal(*predictions)


def test_a_resumed_net_goes_on_with_the_solver_that_is_said(data):
    X, y = data
    options = {"lr": 0.01, "weight_decay": 0.1, "batch_size": 50, "max_epochs": 200, "loss": SquaredErrorLoss()}
    first = muon_net("adamw")
    train(first, make_table(X, y, n_members=2), max_epochs=2)
    results = {}
    for solver in ("muon", "adamw"):
        net = resume(first, **options, solver=solver)
        train(net, make_table(X, y, n_members=2), max_epochs=1)
        results[solver] = dict(net.callbacks_)["best_epoch"].average_.latest
    whole = muon_net("adamw", weight_decay=0.1)
    train(whole, make_table(X, y, n_members=2), max_epochs=3)
    assert torch.equal(results["adamw"], dict(whole.callbacks_)["best_epoch"].average_.latest)
    assert not torch.equal(results["adamw"], results["muon"])


def test_its_state_says_where_the_matrices_are():
    gradients = [draw(12, seed=seed).float() for seed in range(6)]
    whole, part, rest = (nn.Parameter(torch.zeros(12)) for _ in range(3))
    expected = moved(VectorMuon([whole], matrices=[(0, (1, 3, 4))]), whole, gradients)
    before = VectorMuon([part], matrices=[(0, (1, 3, 4))])
    moved(before, part, gradients[:3])
    after = VectorMuon([rest])
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    rest.data.copy_(part.data)
    assert torch.equal(moved(after, rest, gradients[3:]), expected)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_another_optimizer_may_take_its_place(data, optimizer):
    X, y = data
    net = clone(muon_net()).set_params(optimizer=optimizer).initialize()
    curve = train(net, make_table(X, y, n_members=2), max_epochs=5).loss_curve
    assert curve[-1] < curve[0]


def test_a_solver_that_there_is_not_is_refused(data):
    with pytest.raises(ValueError, match=r"solver must be one of .*'muon', 'adamw'.*got 'Muon'"):
        muon_net("Muon")
    net = muon_net().set_params(optimizer__solver="Adam")
    with pytest.raises(ValueError, match="got 'Adam'"):
        train(net, make_table(*data, n_members=2), max_epochs=1)
