"""Memory for intermediate values."""

from math import prod

import torch
from torch import Tensor


class Workspace:
    """Tensors of float64 that one computation after the other uses: fresh memory costs more time than what is computed in it.

    Parameters
    ----------
    device : torch.device
        Where the tensors are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._memory: dict[str, Tensor] = {}

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return a tensor of any values; it shares its memory with all others of the same name."""
        size = prod(shape)
        memory = self._memory.get(name)
        if memory is None or len(memory) < size:
            memory = self._memory[name] = torch.empty(size + size // 4, dtype=torch.float64, device=self._device)
        return memory[:size].view(shape)
