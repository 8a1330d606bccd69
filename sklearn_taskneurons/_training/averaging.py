"""The average of a network's weights over its last steps."""

from typing import Any

import torch
from torch import Tensor

# A step counts for 1/HORIZON of the average, so that it is over about as many steps; in the beginning, when the weights
# of a few steps ago are of no use, over about a tenth of all steps so far.
HORIZON = 100
WARM_UP = 10


class WeightAverage:
    """An exponential moving average of a vector of parameters, which can take its place.

    The steps of a constant learning rate end somewhere around the minimum; their average is nearer to it, as with a
    learning rate that falls to zero, but at any time and not only at the end of a schedule.

    Parameters
    ----------
    vector : torch.Tensor of shape (n_parameters,)
        The first parameters.
    """

    def __init__(self, vector: Tensor) -> None:
        self.n_steps = 0
        self.is_in = False
        self.average = vector.detach().clone()
        self.latest = self.average

    def __getstate__(self) -> dict[str, Any]:
        # Whoever loads it may have no such device.
        return {**vars(self), "average": self.average.cpu(), "latest": self.latest.cpu()}

    def to(self, device: torch.device) -> None:
        """Go where the parameters are."""
        self.average, self.latest = self.average.to(device), self.latest.to(device)

    @torch.no_grad()
    def update(self, vector: Tensor) -> None:
        """Take in the parameters after a step."""
        share = max(1 / HORIZON, (WARM_UP - 1) / (WARM_UP + self.n_steps))
        self.average.lerp_(vector, share)
        self.n_steps += 1

    @torch.no_grad()
    def swap_in(self, vector: Tensor) -> None:
        """Give the vector the average's values; its own are kept."""
        if not self.is_in:
            self.latest = vector.detach().clone()
            vector.copy_(self.average)
            self.is_in = True

    @torch.no_grad()
    def swap_out(self, vector: Tensor) -> None:
        """Give the vector its own values back."""
        if self.is_in:
            vector.copy_(self.latest)
            self.is_in = False

    @torch.no_grad()
    def hold(self, vector: Tensor, frozen: Tensor) -> None:
        """Leave the entries that are frozen, a mask, where they are, and those that were averaged at their average."""
        was_averaged = frozen & (vector == self.latest)
        vector.copy_(torch.where(was_averaged, self.average, vector))
        self.average.copy_(torch.where(frozen, vector, self.average))

    def is_of(self, vector: Tensor) -> bool:
        """Return whether the vector has the average's values."""
        return self.is_in and torch.equal(self.average, vector)
