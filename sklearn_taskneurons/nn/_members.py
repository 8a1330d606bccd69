"""Members: networks of one form side by side, their parameters stacked along a first axis."""

from typing import Any

import torch
from torch import Tensor, nn


def vector_parameter(size: int, n_members: int | None, **factory_kwargs: Any) -> nn.Parameter:
    """Return a parameter with an entry for each column, (size,), or (M, 1, size) to meet the members' rows (M, N, size)."""
    shape = (size,) if n_members is None else (n_members, 1, size)
    return nn.Parameter(torch.empty(shape, **factory_kwargs))


def member_state(module: nn.Module, index: int, single: nn.Module) -> dict[str, Tensor]:
    """Return the state of one member, for a module without members; what has no axis of members is the same for all.

    Raises
    ------
    IndexError
        If there is no such member.
    ValueError
        If the module has no members, or its weights are not its own but made by others (parametrized or pruned).
    """
    n_members: int | None = module.n_members  # type: ignore[assignment]  # modules may hold anything
    if n_members is None:
        raise ValueError("the module must have members, got n_members=None")
    if not 0 <= index < n_members:
        raise IndexError(f"index must be from 0 to {n_members - 1}, got {index}")
    own = single.state_dict()
    if strange := set(module.state_dict()) - set(own):
        raise ValueError(f"the weights must be the module's own, without parametrization or pruning, got {sorted(strange)}")
    return {
        name: (value if value.numel() == own[name].numel() else value[index]).reshape(own[name].shape)
        for name, value in module.state_dict().items()
    }
