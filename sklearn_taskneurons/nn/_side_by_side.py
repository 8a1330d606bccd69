"""Networks of any form side by side, where there are no batched products for them."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._checks import check_members
from sklearn_taskneurons.nn._members import check_index


class SideBySide(nn.Module):
    """Networks of one form, each with parameters of its own, that take flat inputs and give flat outputs.

    To whatever trains networks it looks as one whose members are computed together does.

    Parameters
    ----------
    network : callable
        Returns a network, given `options`.
    n_members : int
        How many there are, M.
    input_shape : tuple of int
        What one input of a network is, without the axis of the batch.
    **options
        The arguments of `network`.

    Notes
    -----
    *Shape.* Input (N, D) for the same rows, or (N, M, D) for rows of each member's own, D the product of `input_shape`;
    output (N, M, O), O the numbers that a network gives for one input.
    """

    def __init__(self, network: Callable[..., nn.Module], n_members: int, input_shape: tuple[int, ...], **options: Any) -> None:
        super().__init__()
        self.n_members = n_members
        self.input_shape = tuple(input_shape)
        self.networks = nn.ModuleList(network(**options) for _ in range(n_members))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all networks."""
        n_columns = math.prod(self.input_shape)
        if x.shape[-1] != n_columns:
            raise ValueError(f"x must have {n_columns} columns, for inputs of {self.input_shape}, got {x.shape[-1]}")
        check_members(x, self.n_members, axis=1)
        members = [self._inputs(own) for own in x.unbind(1)] if x.ndim == 3 else [self._inputs(x)] * self.n_members
        return torch.stack([network(own).flatten(1) for network, own in zip(self.networks, members, strict=True)], 1)

    def _inputs(self, x: Tensor) -> Tensor:
        """Return rows (N, D) as inputs of a network; images in the order in memory that convolutions over them work in."""
        inputs = torch.unflatten(x, -1, self.input_shape)
        # Not by contiguous(), which leaves images of one channel as they are.
        return inputs.to(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs

    def member(self, index: int) -> nn.Module:
        """Return one of the networks that stand side by side.

        Parameters
        ----------
        index : int
            From 0 to ``n_members - 1``.

        Returns
        -------
        torch.nn.Module
            A copy of the network, which takes inputs of `input_shape`.

        Raises
        ------
        IndexError
            If there is no such member.
        """
        check_index(index, self.n_members)
        return copy.deepcopy(self.networks[index])

    def owners(self) -> Tensor:
        """Return to which member each number of the parameters belongs, int64 (n_parameters,)."""
        sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in self.networks]
        device = next(self.parameters()).device
        return torch.arange(self.n_members, device=device).repeat_interleave(torch.tensor(sizes, device=device))
