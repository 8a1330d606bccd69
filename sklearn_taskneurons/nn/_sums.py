"""The parts of a neuron that carry weights: sums, products and functions of the elementwise maps.

Every map and every function is divided by its root mean square, so that each term of a sum starts with the same share of
its variance whatever its power is.  The divisions are carried out on the weights, which are far fewer than the
numbers that they meet.
"""

import functools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import DIV
from sklearn_taskneurons.nn._functions import composite_function
from sklearn_taskneurons.nn._members import vector_parameter
from sklearn_taskneurons.nn._plan import FunctionPlan, ProductPlan, SumPlan


class WeightedSum(nn.Module):
    """Weights times maps, all by one matmul, plus products, plus a bias.

    ``weight`` has shape (out_features, T * in_features), ``scale``, which multiplies it, (T * in_features,); it is None
    where it is not wanted. With members each has its own weights, (M, out_features, T * in_features), and its own rows:
    maps (M, N, in_features) give (M, N, out_features).
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    scale: Tensor | None
    products: "Sequence[Product]"

    def __init__(
        self,
        plan: SumPlan,
        in_features: int,
        out_features: int,
        bias: bool,
        scaled: bool = True,
        n_members: int | None = None,
        **factory_kwargs: Any,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.in_features = in_features
        self.out_features = out_features
        self.n_members = n_members
        columns = len(plan.maps) * in_features
        members = () if n_members is None else (n_members,)
        weight = nn.Parameter(torch.empty(*members, out_features, columns, **factory_kwargs)) if plan.maps else None
        self.register_parameter("weight", weight)
        self.register_buffer("scale", torch.ones(columns, **factory_kwargs) if plan.maps and scaled else None)
        self.register_parameter("bias", vector_parameter(out_features, n_members, **factory_kwargs) if bias else None)
        self.products = nn.ModuleList(  # type: ignore[assignment]  # which says nothing of its items
            Product(product, in_features, out_features, n_members, **factory_kwargs) for product in plan.products
        )

    def draw(self, share: float = 1.0) -> None:
        """Draw weights such that the sum has variance ``share``, of which each term contributes the same part."""
        n_terms = max(self.plan.n_terms, 1)
        if self.weight is not None:
            _draw_uniform(self.weight, share / (n_terms * self.in_features))
        if self.bias is not None:
            _draw_uniform(self.bias, share / (3 * n_terms * self.in_features))
        for product in self.products:
            product.draw(share / n_terms)

    def combine(self, maps: list[Tensor]) -> Tensor:
        """Return the sum (*, out_features) for the values of the maps, each (*, in_features)."""
        weight, bias = self.weight, self.bias
        total: Tensor | None = bias
        if weight is not None:
            own = [maps[index] for index in self.plan.maps]
            features = own[0] if len(own) == 1 else torch.cat(own, -1)
            total = _linear(features, weight if self.scale is None else weight * self.scale, bias)
        if self.plan.products:
            parts = [product(maps) for product in self.products]
            total = functools.reduce(operator.add, parts if total is None else [total, *parts])
        return total  # type: ignore[return-value]  # a plan is never empty

    @torch.no_grad()
    def set_scales(self, maps: list[Tensor], row_weights: Tensor, joint: bool) -> None:
        """Set the scales for values of the maps (N, in_features), or (M, N, in_features) where members differ.

        Unless the rows are a ``joint`` sample of all features, they say nothing about sums over features.
        """
        if self.scale is not None:
            inverses = torch.stack([inverse_rms(maps[index], row_weights) for index in self.plan.maps])
            self.scale.copy_(inverses.repeat_interleave(self.in_features))
        for product in self.products:
            product.set_scales(maps, row_weights, joint)

    @torch.no_grad()
    def scale_terms(self, factors: Tensor) -> None:
        """Multiply each term of each member by a number (M, T): from then on the scales have an axis of members."""
        sums, products = factors.tensor_split([len(self.plan.maps)], 1)
        if self.scale is not None:
            self.scale = self.scale * sums.repeat_interleave(self.in_features, 1)[:, None]
        for product, factor in zip(self.products, products.unbind(1), strict=True):
            product.scale_by(factor)

    @torch.no_grad()
    def fold_scales(self) -> None:
        """Move the scales into the weights: the function stays, the weights become those of the raw terms."""
        if self.weight is not None and self.scale is not None:
            self.weight.mul_(self.scale)
            self.scale.fill_(1.0)
        for product in self.products:
            product.fold_scales()


class LinearMap(WeightedSum):
    """Several linear maps of one elementwise map, one below the other; the factors of products."""

    weight: nn.Parameter
    scale: Tensor

    def __init__(self, index: int, in_features: int, out_features: int, n_members: int | None, **factory_kwargs: Any) -> None:
        plan = SumPlan((index,), (), False)
        super().__init__(plan, in_features, out_features, bias=False, n_members=n_members, **factory_kwargs)

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.combine(maps)


class Product(nn.Module):
    """A Hadamard product of linear maps and of functions.

    A product of functions alone has an amplitude for each unit; otherwise a linear map can hold it.
    """

    amplitude: nn.Parameter | None
    factors: Sequence[LinearMap]
    functions: "Sequence[FunctionOfSum]"

    def __init__(
        self, plan: ProductPlan, in_features: int, out_features: int, n_members: int | None, **factory_kwargs: Any
    ) -> None:
        super().__init__()
        self.plan = plan
        self.out_features = out_features
        self.factors = nn.ModuleList(  # type: ignore[assignment]
            LinearMap(index, in_features, plan.maps.count(index) * out_features, n_members, **factory_kwargs)
            for index in dict.fromkeys(plan.maps)
        )
        self.functions = nn.ModuleList(  # type: ignore[assignment]
            FunctionOfSum(function, in_features, out_features, n_members, **factory_kwargs) for function in plan.functions
        )
        amplitude = None if plan.maps else vector_parameter(out_features, n_members, **factory_kwargs)
        self.register_parameter("amplitude", amplitude)

    def draw(self, share: float = 1.0) -> None:
        """Draw weights such that the product's mean square is ``share``."""
        if self.amplitude is not None:
            _draw_uniform(self.amplitude, share)
        for factor in self.factors:
            factor.draw(share ** (1 / len(self.plan.maps)))
        for function in self.functions:
            function.draw()

    def forward(self, maps: list[Tensor]) -> Tensor:
        values: list[Tensor] = [] if self.amplitude is None else [self.amplitude]
        for factor in self.factors:
            values.extend(factor(maps).split(self.out_features, -1))
        values.extend(function(maps) for function in self.functions)
        return functools.reduce(operator.mul, values)

    @torch.no_grad()
    def set_scales(self, maps: list[Tensor], row_weights: Tensor, joint: bool) -> None:
        """Set the scales of all factors, and by that of the first the scale of the product.

        Factors are not independent of each other: where one is large, so are others. But their weights are, and over
        these the mean square of the product is, row by row, the product of those of its factors.
        """
        for factor in self.factors:
            factor.set_scales(maps, row_weights, joint)
        for function in self.functions:
            function.set_scales(maps, row_weights, joint)
        if joint:
            squares = [(maps[index] * scale).square().mean(-1) for index, scale in self._map_scales()]
            squares += [function(maps).square().mean(-1) for function in self.functions]
            first: LinearMap | FunctionOfSum = self.factors[0] if len(self.factors) else self.functions[0]
            first.scale.mul_(inverse_rms(functools.reduce(operator.mul, squares).sqrt()[..., None], row_weights))

    def scale_by(self, factors: Tensor) -> None:
        """Multiply the product by a number for each member, (M,)."""
        factors = factors[:, None, None]
        if len(self.factors):
            # The first linear map may be several factors of the product, one below the other.
            first = self.factors[0]
            first.scale = first.scale * factors ** (1 / self.plan.maps.count(first.plan.maps[0]))
        else:
            self.functions[0].scale = self.functions[0].scale * factors

    def _map_scales(self) -> Iterator[tuple[int, Tensor]]:
        """Return the map of each linear factor and its scale."""
        for factor in self.factors:
            index = factor.plan.maps[0]
            yield from [(index, factor.scale)] * self.plan.maps.count(index)

    @torch.no_grad()
    def fold_scales(self) -> None:
        """Move all scales into the first linear map, or into the amplitude."""
        for factor in self.factors:
            factor.fold_scales()
        first = self.factors[0].weight[..., : self.out_features, :] if self.amplitude is None else self.amplitude
        for function in self.functions:
            function.fold_scales()
            first.mul_(function.scale)
            function.scale.fill_(1.0)


class FunctionOfSum(nn.Module):
    """A function of a weighted sum, divided by its root mean square; the sum has a bias where the formula has a constant."""

    scale: Tensor

    def __init__(
        self, plan: FunctionPlan, in_features: int, out_features: int, n_members: int | None, **factory_kwargs: Any
    ) -> None:
        super().__init__()
        self.opcode = plan.opcode
        self.inner = WeightedSum(
            plan.inner, in_features, out_features, plan.inner.constant, n_members=n_members, **factory_kwargs
        )
        self.register_buffer("scale", torch.ones((), **factory_kwargs))

    @torch.no_grad()
    def draw(self) -> None:
        """Draw weights for a sum of unit variance, and scale for a normal one."""
        self.inner.draw()
        grid, density = normal_grid(self.scale.dtype, self.scale.device)
        if self.opcode == DIV and self.inner.bias is not None:
            # As in 1 / (1 + x**2): start away from the pole.
            self.inner.draw(0.25)
            self.inner.bias.fill_(1.0)
            grid = 1.0 + 0.5 * grid
        self.scale.copy_(inverse_rms(composite_function(self.opcode)(grid[:, None]), density))

    def forward(self, maps: list[Tensor]) -> Tensor:
        return composite_function(self.opcode)(self.inner.combine(maps)) * self.scale

    @torch.no_grad()
    def set_scales(self, maps: list[Tensor], row_weights: Tensor, joint: bool) -> None:
        """Set the scales inside, and that of the function for the sums that follow from them."""
        self.inner.set_scales(maps, row_weights, joint)
        if joint:
            self.scale.copy_(inverse_rms(composite_function(self.opcode)(self.inner.combine(maps)), row_weights))

    def fold_scales(self) -> None:
        """Fold those inside; the product that this is a factor of takes care of its own."""
        self.inner.fold_scales()


def normal_grid(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return points (Q,) and the standard normal density there; its moments up to the 20th are exact to rounding."""
    grid = torch.linspace(-12.0, 12.0, 481, dtype=dtype, device=device)
    return grid, torch.exp(-grid.square() / 2)


def inverse_rms(values: Tensor, row_weights: Tensor) -> Tensor:
    """Return 1 / the root mean square of values (..., N, D), rows weighted; 1 where that is no positive number."""
    # Of the largest magnitude first, because the squares of large powers overflow.
    largest = values.abs().amax()
    rms = largest * ((values / largest).square().mean(-1) @ (row_weights / row_weights.sum())).mean().sqrt()
    return torch.where(torch.isfinite(rms) & (rms > torch.finfo(rms.dtype).tiny), 1 / rms, 1.0)


def _linear(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.ndim == 2:
        return nn.functional.linear(features, weight, bias)
    features = features.expand(len(weight), -1, -1)
    return features @ weight.mT if bias is None else torch.baddbmm(bias, features, weight.mT)


def _draw_uniform(parameter: Tensor, variance: float) -> None:
    limit = (3 * variance) ** 0.5
    nn.init.uniform_(parameter, -limit, limit)
