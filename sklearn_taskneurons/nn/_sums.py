"""The parts of a neuron that carry weights: sums, products and functions of the elementwise maps.

Every map and every function is divided by its root mean square, so that each term of a sum starts with the same share of
its variance whatever its power is.  The divisions are carried out on the weights, which are far fewer than the
numbers that they meet.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._functions import composite_function
from sklearn_taskneurons.nn._plan import FunctionPlan, ProductPlan, SumPlan


def inverse_rms(values: Tensor, weights: Tensor) -> Tensor:
    """Return 1 / the root mean square of ``values`` (N, D), rows weighted; 1 where that is no positive number."""
    rms = (values.square().mean(-1) @ weights).div(weights.sum()).sqrt()
    return torch.where(torch.isfinite(rms) & (rms > torch.finfo(rms.dtype).tiny), 1 / rms, 1.0)


class WeightedSum(nn.Module):
    """Weights times maps, plus products, plus a bias: one matmul for all maps.

    ``weight`` has shape (out_features, T * in_features), ``scale`` (T * in_features,).
    """

    scale: Tensor

    def __init__(self, plan: SumPlan, in_features: int, out_features: int, bias: bool, **factory_kwargs: Any) -> None:
        super().__init__()
        self.plan = plan
        self.in_features = in_features
        columns = len(plan.maps) * in_features
        if columns:
            self.weight = nn.Parameter(torch.empty(out_features, columns, **factory_kwargs))
            self.register_buffer("scale", torch.ones(columns, **factory_kwargs))
        else:
            self.register_parameter("weight", None)
            self.register_buffer("scale", None)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features, **factory_kwargs))
        else:
            self.register_parameter("bias", None)
        self.products = nn.ModuleList(Product(product, in_features, out_features, **factory_kwargs) for product in plan.products)

    def reset_parameters(self, share: float = 1.0) -> None:
        """Draw weights such that the sum has variance ``share``, of which each term contributes the same part."""
        n_terms = max(self.plan.n_terms, 1)
        limit = (3 * share / (n_terms * self.in_features)) ** 0.5
        if self.weight is not None:
            nn.init.uniform_(self.weight, -limit, limit)
        if self.bias is not None:
            limit = (n_terms * self.in_features) ** -0.5
            nn.init.uniform_(self.bias, -limit, limit)
        for product in self.products:
            product.reset_parameters(share / n_terms)  # type: ignore[operator]

    def forward(self, maps: list[Tensor]) -> Tensor:
        result: Tensor | None = None
        if self.weight is not None:
            phi = torch.cat([maps[index] for index in self.plan.maps], -1) if len(self.plan.maps) > 1 else maps[self.plan.maps[0]]
            result = nn.functional.linear(phi, self.weight * self.scale, self.bias)
        for product in self.products:
            value = product(maps)
            if result is None and self.bias is not None:
                result = self.bias
            result = value if result is None else result + value
        return result  # type: ignore[return-value]  # a sum without any term is refused when the neuron is built

    @torch.no_grad()
    def calibrate(self, maps: list[Tensor], row_weights: Tensor) -> None:
        """Set the scales from the maps' values (N, in_features)."""
        if self.weight is not None:
            inverses = [inverse_rms(maps[index], row_weights) for index in self.plan.maps]
            self.scale.copy_(torch.stack(inverses).repeat_interleave(self.in_features))
        for product in self.products:
            product.calibrate(maps, row_weights)  # type: ignore[operator]

    @torch.no_grad()
    def fold_scales(self) -> None:
        """Move the scales into the weights: the function stays, the weights become those of the raw terms."""
        if self.weight is not None:
            self.weight.mul_(self.scale)
            self.scale.fill_(1.0)
        for product in self.products:
            product.fold_scales()  # type: ignore[operator]


class Product(nn.Module):
    """A Hadamard product of linear maps of maps and of functions.

    A product of functions alone has an amplitude for each unit; otherwise a linear map holds it.
    """

    def __init__(self, plan: ProductPlan, in_features: int, out_features: int, **factory_kwargs: Any) -> None:
        super().__init__()
        self.plan = plan
        self.out_features = out_features
        # The factors of one map are rows of one matrix: one matmul for each distinct map.
        counts = {index: plan.maps.count(index) for index in plan.maps}
        self.factors = nn.ModuleList(
            WeightedSum(SumPlan((index,), (), False), in_features, count * out_features, False, **factory_kwargs)
            for index, count in counts.items()
        )
        self.functions = nn.ModuleList(
            FunctionOfSum(function, in_features, out_features, **factory_kwargs) for function in plan.functions
        )
        if plan.maps:
            self.register_parameter("amplitude", None)
        else:
            self.amplitude = nn.Parameter(torch.empty(out_features, **factory_kwargs))

    def reset_parameters(self, share: float = 1.0) -> None:
        """Draw weights such that the product's mean square is ``share``."""
        if self.amplitude is not None:
            limit = (3 * share) ** 0.5
            nn.init.uniform_(self.amplitude, -limit, limit)
        for factor in self.factors:
            factor.reset_parameters(share ** (1 / len(self.plan.maps)))  # type: ignore[operator]
        for function in self.functions:
            function.reset_parameters()  # type: ignore[operator]

    def forward(self, maps: list[Tensor]) -> Tensor:
        values: list[Tensor] = [] if self.amplitude is None else [self.amplitude]
        for factor in self.factors:
            values.extend(factor(maps).split(self.out_features, -1))
        values.extend(function(maps) for function in self.functions)
        return functools.reduce(operator.mul, values)

    def calibrate(self, maps: list[Tensor], row_weights: Tensor) -> None:
        for module in [*self.factors, *self.functions]:
            module.calibrate(maps, row_weights)  # type: ignore[operator]

    @torch.no_grad()
    def fold_scales(self) -> None:
        """Move all scales into the first linear map, or into the amplitude."""
        for factor in self.factors:
            factor.fold_scales()  # type: ignore[operator]
        for function in self.functions:
            function.fold_scales()  # type: ignore[operator]
            first = self.factors[0].weight[: self.out_features] if self.amplitude is None else self.amplitude
            first.mul_(function.scale)  # type: ignore[operator]
            function.scale.fill_(1.0)  # type: ignore[operator]


class FunctionOfSum(nn.Module):
    """A function of a weighted sum that has a bias where the formula has a constant."""

    scale: Tensor

    def __init__(self, plan: FunctionPlan, in_features: int, out_features: int, **factory_kwargs: Any) -> None:
        super().__init__()
        self.plan = plan
        self.inner = WeightedSum(plan.inner, in_features, out_features, plan.inner.constant, **factory_kwargs)
        self.register_buffer("scale", torch.ones((), **factory_kwargs))

    def reset_parameters(self) -> None:
        """Draw the weights inside such that the sum has unit variance, and scale the function for a normal one."""
        self.inner.reset_parameters()
        grid, density = normal_grid(self.scale.dtype, self.scale.device)
        self.scale.copy_(inverse_rms(composite_function(self.plan.opcode)(grid[:, None]), density))

    def forward(self, maps: list[Tensor]) -> Tensor:
        return composite_function(self.plan.opcode)(self.inner(maps)) * self.scale

    @torch.no_grad()
    def calibrate(self, maps: list[Tensor], row_weights: Tensor) -> None:
        """Set the scales inside, then that of the function's values."""
        self.inner.calibrate(maps, row_weights)
        self.scale.copy_(inverse_rms(composite_function(self.plan.opcode)(self.inner(maps)), row_weights))

    def fold_scales(self) -> None:
        self.inner.fold_scales()


def normal_grid(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return points (Q,) and the standard normal density at them.

    Means over such a grid are exact to rounding for polynomials of degree up to 20.
    """
    grid = torch.linspace(-12.0, 12.0, 481, dtype=dtype, device=device)
    return grid, torch.exp(-grid.square() / 2)


__all__: Sequence[str] = ["FunctionOfSum", "Product", "WeightedSum", "inverse_rms", "normal_grid"]
