import copy

import numpy as np
import torch

from sklearn_taskneurons._training.averaging import WeightAverage


def module_of(value):
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, value)
    return module


def test_is_an_exponential_moving_average():
    module = module_of(0.0)
    average = WeightAverage(module)
    expected, values = 0.0, np.random.default_rng(0).normal(size=2000)
    for step, value in enumerate(values):
        torch.nn.init.constant_(module.weight, value)
        average.update(list(module.parameters()))
        share = max(0.01, 9 / (10 + step))
        expected = (1 - share) * expected + share * value
    average.swap_in(module)
    np.testing.assert_allclose(module.weight.item(), expected, atol=1e-6)
    assert abs(expected) < 0.3  # the spread of the values is 1


def test_swapping_in_and_out_loses_nothing():
    module = module_of(1.0)
    average = WeightAverage(module)
    torch.nn.init.constant_(module.weight, 3.0)
    average.update(list(module.parameters()))
    assert not average.is_of(module)
    for _ in range(2):  # a second time is no other
        average.swap_in(module)
        np.testing.assert_allclose(module.weight.item(), 1 + 0.9 * 2)
        assert average.is_of(module)
    for _ in range(2):
        average.swap_out(module)
        assert module.weight.item() == 3.0
    average.swap_in(module)
    torch.nn.init.constant_(module.weight, 5.0)
    assert not average.is_of(module)


def test_updates_leave_the_module_and_its_gradients_alone():
    module = module_of(1.0)
    module(torch.ones(1, 1)).sum().backward()
    before = copy.deepcopy(module)
    WeightAverage(module).update(list(module.parameters()))
    assert torch.equal(module.weight, before.weight)
    assert torch.equal(module.weight.grad, torch.ones(1, 1))
