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
