import pickle

import pytest
import torch

from sklearn_taskneurons._training.vector import parameter_vector, tied


def network():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))


def test_a_step_on_the_vector_is_a_step_on_every_parameter():
    torch.manual_seed(0)
    one, other = network(), network()
    other.load_state_dict(one.state_dict())
    X = torch.randn(5, 3)
    vector = parameter_vector(one)
    of_vector, of_parameters = torch.optim.AdamW([vector], lr=0.1), torch.optim.AdamW(other.parameters(), lr=0.1)
    for _ in range(3):  # between the blocks, the parameters stand alone
        with tied(one, vector):
            for _ in range(2):
                vector.grad.zero_()
                one(X).square().sum().backward()
                of_vector.step()
        for _ in range(2):
            of_parameters.zero_grad()
            other(X).square().sum().backward()
            of_parameters.step()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_outside_the_block_a_parameter_holds_itself_alone():
    module = network()
    vector = parameter_vector(module)
    with pytest.raises(KeyError), tied(module, vector):
        raise KeyError
    assert vector.grad is None
    for parameter in module.parameters():
        assert parameter.grad is None
        assert parameter.untyped_storage().nbytes() == 4 * parameter.numel()
    assert len(pickle.dumps(module)) < 10_000


def step(module, vector, X, between):
    """Steps of a vector, between gradient and step of which somebody does something with the parameters."""
    optimizer = torch.optim.AdamW([vector], lr=0.1, weight_decay=0.5)
    with tied(module, vector) as tie:
        for _ in range(3):
            vector.grad.zero_()
            module(X).square().sum().backward()
            between(module)
            tie.restore()
            with tie.frozen():
                optimizer.step()
    return [parameter.detach().clone() for parameter in module.parameters()]


def copies(n):
    torch.manual_seed(0)
    modules = [network() for _ in range(n)]
    for module in modules[1:]:
        module.load_state_dict(modules[0].state_dict())
    return modules, torch.randn(5, 3)


def assign_gradients(module):
    for parameter in module.parameters():
        parameter.grad = parameter.grad * 2


def change_gradients(module):
    for parameter in module.parameters():
        parameter.grad.mul_(2)


def assign_data(module):
    for parameter in module.parameters():
        parameter.data = parameter.data.clamp(-0.1, 0.1)


def change_data(module):
    for parameter in module.parameters():
        parameter.data.clamp_(-0.1, 0.1)


def forget_gradients(module):
    module.zero_grad()


def zero_gradients(module):
    module.zero_grad(set_to_none=False)


@pytest.mark.parametrize(
    ("assigning", "in_place"),
    [(assign_gradients, change_gradients), (assign_data, change_data), (forget_gradients, zero_gradients)],
)
def test_what_is_assigned_counts_like_what_is_changed_in_place(assigning, in_place):
    (one, other), X = copies(2)
    assigned = step(one, parameter_vector(one), X, assigning)
    changed = step(other, parameter_vector(other), X, in_place)
    for mine, theirs in zip(assigned, changed, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_frozen_parameters_stay_and_the_others_learn():
    (one, other), X = copies(2)
    for module in (one, other):
        module[0].requires_grad_(False)
    before = [parameter.detach().clone() for parameter in other.parameters()]
    mine = step(one, parameter_vector(one), X, lambda module: None)
    optimizer = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        other(X).square().sum().backward()
        optimizer.step()
    for index, (parameter, peer) in enumerate(zip(mine, other.parameters(), strict=True)):
        torch.testing.assert_close(parameter, peer.detach())
        assert torch.equal(parameter, before[index]) == (index < 2)
