"""Members: networks of one form side by side, their parameters stacked along a first axis."""

from typing import Any, Final, TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)

# Where a module is made to be filled: it takes no memory, and no random numbers.
META: Final = "meta"


def vector_parameter(size: int, n_members: int | None, **factory_kwargs: Any) -> nn.Parameter:
    """Return a parameter with an entry for each column, (size,), or (M, 1, size) to meet the members' rows (M, N, size)."""
    shape = (size,) if n_members is None else (n_members, 1, size)
    return nn.Parameter(torch.empty(shape, **factory_kwargs))


def check_index(index: int, n_members: int) -> None:
    """Raise IndexError if there is no such member; from the end none is counted."""
    if not 0 <= index < n_members:
        raise IndexError(f"index must be from 0 to {n_members - 1}, got {index}")


def take_member(module: nn.Module, index: int, single: ModuleT) -> ModuleT:
    """Return a module without members, one on the device "meta", with copies of one member's weights.

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
    check_index(index, n_members)
    own = single.state_dict()
    if strange := set(module.state_dict()) - set(own):
        raise ValueError(f"the weights must be the module's own, without parametrization or pruning, got {sorted(strange)}")
    state = {
        # What has no axis of members is the same for all.
        name: (value if value.numel() == own[name].numel() else value[index]).reshape(own[name].shape).clone()
        for name, value in module.state_dict().items()
    }
    single.load_state_dict(state, assign=True)
    of_members = dict(module.named_parameters())
    for name, parameter in single.named_parameters():
        parameter.requires_grad_(of_members[name].requires_grad)
    return single.train(module.training)
