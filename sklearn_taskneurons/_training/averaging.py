"""The average of a network's weights over its last steps."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

# A step counts for 1/HORIZON of the average, so that it is over about as many steps; in the beginning, when the weights
# of a few steps ago are of no use, over about a tenth of all steps so far.
HORIZON = 100
WARM_UP = 10


class WeightAverage:
    """An exponential moving average of parameters, which can take their place.

    The steps of a constant learning rate end somewhere around the minimum; their average is nearer to it, as with a
    learning rate that falls to zero, but at any time and not only at the end of a schedule.

    Parameters
    ----------
    module : torch.nn.Module
        The module whose parameters are averaged.
    """

    def __init__(self, module: nn.Module) -> None:
        self.n_steps = 0
        self.is_in = False
        self.average = _copies(module.parameters())
        self.latest = _copies(module.parameters())

    def update(self, parameters: list[Tensor]) -> None:
        """Take in the parameters after a step, in the module's order: a walk over its parts would take as long as the sums."""
        share = max(1 / HORIZON, (WARM_UP - 1) / (WARM_UP + self.n_steps))
        average = get_ema_multi_avg_fn(1 - share)  # type: ignore[no-untyped-call]
        average(self.average, parameters, self.n_steps)
        self.n_steps += 1

    def swap_in(self, module: nn.Module) -> None:
        """Give the module the average; its own parameters are kept."""
        if not self.is_in:
            self.latest = _copies(module.parameters())
            _assign(module, self.average)
            self.is_in = True

    def swap_out(self, module: nn.Module) -> None:
        """Give the module its own parameters back."""
        if self.is_in:
            _assign(module, self.latest)
            self.is_in = False

    def is_of(self, module: nn.Module) -> bool:
        """Return whether the module has the average and nothing else."""
        return self.is_in and all(
            torch.equal(average, parameter) for average, parameter in zip(self.average, module.parameters(), strict=True)
        )


def _copies(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _assign(module: nn.Module, values: list[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.copy_(value)
