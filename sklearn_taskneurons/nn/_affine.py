"""A scale and a shift for each feature."""

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._members import META, take_member, vector_parameter


class FeatureAffine(nn.Module):
    """Scale and shift each feature, ``weight * x + bias``; learned, and the identity at first.

    A bounded power is bent where its input is about as large as the bound. The scale lets each feature decide how much
    of that it takes, the shift where its middle is. Of features in several scalings side by side it is a weighted sum, at
    first the first one.
    """

    def __init__(
        self,
        in_features: int,
        n_members: int | None = None,
        n_scalings: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self.in_features = in_features
        self.n_scalings = n_scalings
        self.weight = vector_parameter(n_scalings * in_features, n_members, device=device, dtype=dtype)
        self.bias = vector_parameter(in_features, n_members, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Become the identity of the first scaling."""
        nn.init.zeros_(self.weight)
        nn.init.ones_(self.weight[..., : self.in_features])
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features scaled and shifted, of (..., n_scalings * in_features)."""
        total: Tensor = self.bias
        for scaling, weight in zip(*(torch.split(part, self.in_features, -1) for part in (x, self.weight)), strict=True):
            total = torch.addcmul(total, scaling, weight)
        return total

    def member(self, index: int) -> "FeatureAffine":
        """Return the scales and shifts of one member."""
        return take_member(self, index, FeatureAffine(self.in_features, n_scalings=self.n_scalings, device=META))

    def extra_repr(self) -> str:
        """Return how many features and members there are."""
        members = "" if self.n_members is None else f", n_members={self.n_members}"
        scalings = "" if self.n_scalings == 1 else f", n_scalings={self.n_scalings}"
        return f"{self.in_features}{members}{scalings}"
