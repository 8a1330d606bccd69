import numpy as np
import torch

from sklearn_taskneurons._training.averaging import WeightAverage


def test_is_an_exponential_moving_average():
    vector = torch.zeros(1)
    average = WeightAverage(vector)
    expected, values = 0.0, np.random.default_rng(0).normal(size=2000)
    for step, value in enumerate(values):
        average.update(vector.fill_(value))
        share = max(0.01, 9 / (10 + step))
        expected = (1 - share) * expected + share * value
    average.swap_in(vector)
    np.testing.assert_allclose(vector.item(), expected, atol=1e-6)
    assert abs(expected) < 0.3  # the spread of the values is 1


def test_swapping_in_and_out_loses_nothing():
    vector = torch.tensor([1.0])
    average = WeightAverage(vector)
    average.update(vector.fill_(3.0))
    assert not average.is_of(vector)
    for _ in range(2):  # a second time is no other
        average.swap_in(vector)
        np.testing.assert_allclose(vector.item(), 1 + 0.9 * 2)
        assert average.is_of(vector)
    for _ in range(2):
        average.swap_out(vector)
        assert vector.item() == 3.0
    average.swap_in(vector)
    vector.fill_(5.0)
    assert not average.is_of(vector)


def test_updates_leave_the_parameters_and_their_gradient_alone():
    vector = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    (vector**2).sum().backward()
    WeightAverage(vector).update(vector)
    assert vector.tolist() == [1.0, 2.0]
    assert vector.grad.tolist() == [2.0, 4.0]
