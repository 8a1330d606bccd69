"""All parameters of a module as one vector, so that what concerns all of them is one operation and not one for each."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from sklearn_taskneurons.nn._side_by_side import SideBySide


def parameter_vector(module: nn.Module) -> nn.Parameter:
    """Return the parameters one after the other, (n_parameters,)."""
    return nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in module.parameters()]))


def member_of_entries(module: nn.Module, n_members: int) -> torch.Tensor:
    """Return to which member each entry of the vector belongs, int64 (n_parameters,)."""
    if isinstance(module, SideBySide):
        return module.owners()
    members = torch.arange(n_members, device=next(module.parameters()).device)
    owners = [members.repeat_interleave(parameter.numel() // n_members) for parameter in module.parameters()]
    return torch.cat(owners)


@contextmanager
def tied(module: nn.Module, vector: nn.Parameter) -> Iterator[None]:
    """Inside the block the module's parameters and gradients are parts of ``vector`` and its gradient.

    Only there, because a pickle of parts would hold the whole for each.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters decide the values.
    vector : torch.nn.Parameter of shape (n_parameters,)
        What an optimizer takes for the parameter, as `parameter_vector` made it.
    """
    parameters = list(module.parameters())
    vector.data.copy_(parameter_vector(module))
    vector.grad = torch.zeros_like(vector)
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, data, grad in zip(parameters, torch.split(vector.data, sizes), torch.split(vector.grad, sizes), strict=True):
        parameter.data, parameter.grad = data.view_as(parameter), grad.view_as(parameter)
    try:
        yield
    finally:
        vector.grad = None
        for parameter in parameters:
            parameter.data, parameter.grad = parameter.data.clone(), None
