"""All parameters of a module as one vector, so that what concerns all of them is one operation and not one for each."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import nn

from sklearn_taskneurons.nn._side_by_side import SideBySide

# Where a parameter begins in the vector, and its shape.
Place: TypeAlias = tuple[int, tuple[int, ...]]


def parameter_vector(module: nn.Module) -> nn.Parameter:
    """Return the parameters one after the other, (n_parameters,)."""
    return nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in module.parameters()]))


def member_of_entries(module: nn.Module, n_members: int) -> torch.Tensor:
    """Return to which member each entry of the vector belongs, int64 (n_parameters,).

    Raises
    ------
    ValueError
        If that cannot be known: the first axis of each parameter must be that of the members, or there is only one.
    """
    if isinstance(module, SideBySide):
        return module.owners()
    shapes = [tuple(parameter.shape) for parameter in module.parameters()]
    if n_members > 1 and any(shape[:1] != (n_members,) for shape in shapes):
        raise ValueError(f"the first axis of each parameter must be that of the {n_members} members, got shapes {shapes}")
    members = torch.arange(n_members, device=next(module.parameters()).device)
    owners = [members.repeat_interleave(parameter.numel() // n_members) for parameter in module.parameters()]
    return torch.cat(owners)


def frozen_entries(module: nn.Module) -> torch.Tensor:
    """Return which entries of the vector need no gradient, bool (n_parameters,)."""
    return torch.cat(
        [torch.full_like(part, not part.requires_grad, dtype=torch.bool).flatten() for part in module.parameters()]
    )


def places_of(module: nn.Module, parameters: Iterable[nn.Parameter]) -> list[Place]:
    """Return where some parameters of a module are in the vector."""
    own = list(module.parameters())
    starts = itertools.accumulate((parameter.numel() for parameter in own), initial=0)
    start_of = dict(zip(map(id, own), starts, strict=False))
    return [(start_of[id(parameter)], tuple(parameter.shape)) for parameter in parameters]


class Tie:
    """The parameters and gradients of a module as parts of a vector and its gradient.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters decide the values.
    vector : torch.nn.Parameter of shape (n_parameters,)
        What an optimizer takes for the parameter, as `parameter_vector` made it.
    """

    def __init__(self, module: nn.Module, vector: nn.Parameter) -> None:
        self.parameters = list(module.parameters())
        self.vector = vector
        self.gradient = torch.zeros_like(vector)
        vector.data.copy_(parameter_vector(module))
        sizes = [parameter.numel() for parameter in self.parameters]
        parts = zip(self.parameters, torch.split(vector.data, sizes), torch.split(self.gradient, sizes), strict=True)
        self.parts = [(parameter, data.view_as(parameter), grad.view_as(parameter)) for parameter, data, grad in parts]
        self._tie()

    def _tie(self) -> None:
        self.vector.grad = self.gradient
        for parameter, data, grad in self.parts:
            parameter.data, parameter.grad = data, grad

    def restore(self) -> None:
        """Take over what somebody has put in the place of a part; no gradient is one of zeros."""
        if self.vector.grad is not self.gradient:
            _take_over(self.gradient, self.vector.grad)
        for parameter, data, grad in self.parts:
            if parameter.data.data_ptr() != data.data_ptr():
                data.copy_(parameter.data)
            if parameter.grad is None or parameter.grad.data_ptr() != grad.data_ptr():
                _take_over(grad, parameter.grad)
        self._tie()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Leave the parameters that need no gradient as they are: an optimizer of the vector would let all decay."""
        kept = [(data, data.clone()) for parameter, data, _ in self.parts if not parameter.requires_grad]
        try:
            yield
        finally:
            for data, before in kept:
                data.copy_(before)

    def untie(self) -> None:
        """Leave the module with parameters of its own."""
        self.vector.grad = None
        for parameter in self.parameters:
            parameter.data, parameter.grad = parameter.data.clone(), None


@contextmanager
def tied(module: nn.Module, vector: nn.Parameter) -> Iterator[Tie]:
    """Tie a module to a vector inside the block.

    Only there, because a pickle of parts would hold the whole for each.
    """
    tie = Tie(module, vector)
    try:
        yield tie
    finally:
        tie.untie()


def _take_over(gradient: torch.Tensor, assigned: torch.Tensor | None) -> None:
    if assigned is None:
        gradient.zero_()
    else:
        gradient.copy_(assigned)
