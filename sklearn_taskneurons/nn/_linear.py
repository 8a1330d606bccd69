"""A fully connected layer of task-based neurons."""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._functions import bound as bound_inputs
from sklearn_taskneurons.nn._maps import ElementwiseMaps
from sklearn_taskneurons.nn._plan import make_plan
from sklearn_taskneurons.nn._sums import WeightedSum, normal_grid


class TaskNeuronLinear(nn.Module):
    def __init__(
        self,
        in_features: int,
        out_features: int,
        formula: Formula | str,
        bias: bool = True,
        bound: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.formula = Formula(formula)
        if self.formula.n_features not in (None, in_features):
            raise ValueError(
                f"in_features must be {self.formula.n_features}, the length of the vectors in {str(self.formula)!r}, got {in_features}"
            )
        expressions, plan = make_plan(self.formula.terms)
        if not plan.n_terms:
            raise ValueError(f"formula must depend on x, got {str(self.formula)!r}")
        self.in_features = in_features
        self.out_features = out_features
        self.bound = bound
        self.maps = ElementwiseMaps(expressions, in_features, device=device, dtype=dtype)
        self.terms = WeightedSum(plan, in_features, out_features, bias, device=device, dtype=dtype)
        self.reset_parameters()

    @property
    def weight(self) -> Tensor | None:
        return self.terms.weight

    @property
    def bias(self) -> Tensor | None:
        return self.terms.bias

    def reset_parameters(self) -> None:
        """Draw all weights anew and set the scales for standard normal inputs."""
        self.maps.reset_parameters()
        self.terms.reset_parameters()
        reference = next(self.parameters())
        self.calibrate(*normal_grid(reference.dtype, reference.device))

    @torch.no_grad()
    def calibrate(self, x: Tensor, row_weights: Tensor | None = None) -> Self:
        if x.ndim == 1:
            x = x[:, None].expand(-1, self.in_features)
        x = x.flatten(0, -2)
        weights = x.new_ones(len(x)) if row_weights is None else row_weights
        self.terms.calibrate(self._maps(x), weights)
        return self

    def raw(self) -> Self:
        layer = copy.deepcopy(self)
        layer.terms.fold_scales()
        return layer

    def _maps(self, x: Tensor) -> list[Tensor]:
        return self.maps(x if self.bound is None else bound_inputs(x, self.bound))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.terms(self._maps(x))  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, formula={str(self.formula)!r}, "
            f"bias={self.bias is not None}, bound={self.bound}"
        )
