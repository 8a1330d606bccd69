"""The optimizer of a single vector, against torch's."""

import copy
import warnings

import pytest
import torch
from torch import nn

from sklearn_taskneurons._training.optimizer import VectorAdamW


def gradients(n_steps, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_steps, size, generator=generator)


def follow(optimizer, vector, steps):
    for step in steps:
        vector.grad = step.clone()
        optimizer.step()
    return vector.detach().clone()


SETTINGS = [
    {},
    {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.5},
    {"weight_decay": 0.0},
]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_steps_are_those_of_torch(settings, fused):
    ours, theirs = nn.Parameter(torch.ones(50)), nn.Parameter(torch.ones(50))
    steps = gradients(7, 50)
    result = follow(VectorAdamW([ours], **settings, fused=fused), ours, steps)
    assert torch.equal(result, follow(torch.optim.AdamW([theirs], **settings, fused=fused), theirs, steps))
    assert not torch.equal(result, torch.ones(50))


def test_torch_goes_on_from_its_state_and_it_from_that_of_torch():
    steps = gradients(6, 20)
    whole = nn.Parameter(torch.zeros(20))
    expected = follow(torch.optim.AdamW([whole], fused=True), whole, steps)
    for first, second in [(VectorAdamW, torch.optim.AdamW), (torch.optim.AdamW, VectorAdamW)]:
        vector = nn.Parameter(torch.zeros(20))
        before = first([vector], fused=True)
        follow(before, vector, steps[:3])
        after = second([vector], fused=True)
        after.load_state_dict(copy.deepcopy(before.state_dict()))
        assert torch.equal(follow(after, vector, steps[3:]), expected)


def test_a_schedule_changes_the_learning_rate_and_does_not_complain():
    vector = nn.Parameter(torch.zeros(3))
    optimizer = VectorAdamW([vector], lr=1.0, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = vector.detach().clone()
        moves = []
        for _ in range(3):
            after = follow(optimizer, vector, torch.ones(1, 3))
            moves.append(float((before - after)[0]))
            before = after
            schedule.step()
    # Of a constant gradient every step of Adam is as long as the learning rate.
    torch.testing.assert_close(moves, [1.0, 0.1, 0.01], rtol=1e-5, atol=0)


def test_a_closure_is_called_with_gradients_and_its_loss_returned():
    vector = nn.Parameter(torch.tensor([3.0]))
    optimizer = VectorAdamW([vector])

    def closure():
        loss = vector.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert vector.grad == 6.0
    assert vector < 3.0


def test_nothing_moves_without_a_gradient():
    vector = nn.Parameter(torch.ones(2))
    VectorAdamW([vector], weight_decay=1.0).step()
    assert torch.equal(vector.detach(), torch.ones(2))


def test_a_second_parameter_is_refused():
    vector = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match="a single parameter, got 2"):
        VectorAdamW([vector, nn.Parameter(torch.ones(2))])
    optimizer = VectorAdamW([vector])
    with pytest.raises(ValueError, match="a single parameter, got 2"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})


def test_a_group_has_settings_of_its_own_and_else_the_common_ones():
    vector = nn.Parameter(torch.ones(2))
    ours, theirs = (kind([{"params": [vector], "lr": 0.5}], weight_decay=0.1) for kind in (VectorAdamW, torch.optim.AdamW))
    assert ours.state_dict() == theirs.state_dict()
    assert ours.param_groups[0]["lr"] == 0.5
