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

from sklearn_taskneurons.formula import DIV
from sklearn_taskneurons.nn._functions import composite_function
from sklearn_taskneurons.nn._operations import LinearOperation
from sklearn_taskneurons.nn._plan import FunctionPlan, ProductPlan, SumPlan


class WeightedSum(nn.Module):
    """Weights times maps, all by one linear operation, plus products, plus a bias.

    Values have their features last, maps (..., features) as outputs (..., out_features); how many axes come before, and whether
    an operation changes their sizes, is its own business. ``scale``, which multiplies ``weight``, is None where it is not
    wanted. Public layers inherit all of it, which is why its methods are private.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    scale: Tensor | None
    products: "Sequence[Product]"

    def __init__(
        self,
        plan: SumPlan,
        operation: LinearOperation,
        out_features: int,
        bias: bool,
        scaled: bool = True,
        **factory_kwargs: Any,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.operation = operation
        self.out_features = out_features
        n_maps = len(plan.maps)
        shape = operation.weight_shape(n_maps, out_features)
        self.register_parameter("weight", nn.Parameter(torch.empty(shape, **factory_kwargs)) if n_maps else None)
        self.register_buffer("scale", operation.spread(torch.ones(n_maps, **factory_kwargs)) if n_maps and scaled else None)
        self.register_parameter("bias", _vector(operation, out_features, **factory_kwargs) if bias else None)
        self.products = nn.ModuleList(  # type: ignore[assignment]  # which says nothing of its items
            Product(product, operation, out_features, **factory_kwargs) for product in plan.products
        )

    def _draw(self, share: float = 1.0) -> None:
        """Draw weights such that the sum has variance ``share``, of which each term contributes the same part."""
        n_terms = self.plan.n_terms
        if self.weight is not None:
            _draw_uniform(self.weight, share / (n_terms * self.operation.fan_in))
        if self.bias is not None:
            _draw_uniform(self.bias, share / (3 * n_terms * self.operation.fan_in) if n_terms else share)
        for product in self.products:
            product._draw(share / n_terms)

    def _combine(self, maps: list[Tensor]) -> Tensor:
        """Return the sum (..., out_features) for the values of the maps, each (..., features)."""
        weight, bias = self.weight, self.bias
        total: Tensor | None = bias
        if weight is not None:
            own = [maps[index] for index in self.plan.maps]
            total = self.operation(own, weight if self.scale is None else weight * self.scale, bias)
        if self.plan.products:
            parts = [product(maps) for product in self.products]
            total = functools.reduce(operator.add, parts if total is None else [total, *parts])
        return total  # type: ignore[return-value]  # a plan is never empty

    @torch.no_grad()
    def _set_scales(self, maps: list[Tensor], density: Tensor | None = None) -> None:
        """Set the scales for a sample of values of the maps (..., features).

        A ``density`` says what each of (N, features) rows weighs; these are then no sample of a layer's input, and say nothing
        about what its operation makes of it.
        """
        if self.scale is not None:
            inverses = torch.stack([inverse_rms(maps[index], density) for index in self.plan.maps])
            self.scale.copy_(self.operation.spread(inverses))
        for product in self.products:
            product._set_scales(maps, density)

    @torch.no_grad()
    def _scale_terms(self, factors: Tensor) -> None:
        """Multiply each term of each member by a number (M, T): from then on the scales have an axis of members."""
        sums, products = factors.tensor_split([len(self.plan.maps)], 1)
        if self.scale is not None:
            self.scale = self.scale * self.operation.spread(sums)[:, None]
        for product, factor in zip(self.products, products.unbind(1), strict=True):
            product.scale_by(factor)

    @torch.no_grad()
    def _fold_scales(self) -> None:
        """Move the scales into the weights: the function stays, the weights become those of the raw terms."""
        if self.weight is not None and self.scale is not None:
            self.weight.mul_(self.scale)
            self.scale.fill_(1.0)
        for product in self.products:
            product._fold_scales()


class LinearMap(WeightedSum):
    """Several linear maps of one elementwise map, as blocks of units; the factors of products."""

    weight: nn.Parameter
    scale: Tensor

    def __init__(self, index: int, operation: LinearOperation, out_features: int, n_blocks: int, **factory_kwargs: Any) -> None:
        super().__init__(SumPlan((index,), (), False), operation, n_blocks * out_features, bias=False, **factory_kwargs)
        self.n_blocks = n_blocks

    def forward(self, maps: list[Tensor]) -> Sequence[Tensor]:
        """Return the outputs of each block."""
        return self.operation.split(self._combine(maps), self.n_blocks)

    def first_weights(self) -> Tensor:
        """Return a view of the weights of the first block."""
        return self.operation.units(self.weight, self.n_blocks, 0)

    def mean_squares(self, maps: list[Tensor]) -> Sequence[Tensor]:
        """Return the mean square of each block's outputs over weights of the variance that they are drawn with."""
        squares = (maps[self.plan.maps[0]] * self.scale.flatten()[0]).square()
        variances = torch.full_like(self.weight, 1 / self.operation.fan_in)
        return self.operation.split(self.operation([squares], variances), self.n_blocks)


class Product(nn.Module):
    """A Hadamard product of linear maps and of functions.

    A product of functions alone has an amplitude for each unit; otherwise a linear map can hold it.
    """

    amplitude: nn.Parameter | None
    factors: Sequence[LinearMap]
    functions: "Sequence[FunctionOfSums]"

    def __init__(self, plan: ProductPlan, operation: LinearOperation, out_features: int, **factory_kwargs: Any) -> None:
        super().__init__()
        self.plan = plan
        self.out_features = out_features
        self.factors = nn.ModuleList(  # type: ignore[assignment]
            LinearMap(index, operation, out_features, plan.maps.count(index), **factory_kwargs)
            for index in dict.fromkeys(plan.maps)
        )
        self.functions = nn.ModuleList(  # type: ignore[assignment]
            FunctionOfSums(function, operation, out_features, **factory_kwargs) for function in plan.functions
        )
        amplitude = None if plan.maps else _vector(operation, out_features, **factory_kwargs)
        self.register_parameter("amplitude", amplitude)

    def _draw(self, share: float = 1.0) -> None:
        """Draw weights such that the product's mean square is ``share``."""
        if self.amplitude is not None:
            _draw_uniform(self.amplitude, share)
        for factor in self.factors:
            factor._draw(share ** (1 / len(self.plan.maps)))
        for function in self.functions:
            function._draw()

    def forward(self, maps: list[Tensor]) -> Tensor:
        values: list[Tensor] = [] if self.amplitude is None else [self.amplitude]
        for factor in self.factors:
            values.extend(factor(maps))
        values.extend(function(maps) for function in self.functions)
        return functools.reduce(operator.mul, values)

    @torch.no_grad()
    def _set_scales(self, maps: list[Tensor], density: Tensor | None = None) -> None:
        """Set the scales of all factors, and by that of the first the scale of the product.

        Factors are not independent of each other: where one is large, so are others. But their weights are, and over
        these the mean square of the product is, row by row, the product of those of its factors.
        """
        for factor in self.factors:
            factor._set_scales(maps, density)
        for function in self.functions:
            function._set_scales(maps, density)
        if density is None:
            squares = [square for factor in self.factors for square in factor.mean_squares(maps)]
            squares += [function(maps).square().mean(-1, keepdim=True) for function in self.functions]
            first, root = self._first_and_root(inverse_rms(functools.reduce(operator.mul, squares).sqrt()))
            first.scale.mul_(root)

    def first_weights(self) -> Tensor:
        """Return the weights to which the whole product is proportional: those of the first linear map, or the amplitude."""
        return self.factors[0].first_weights() if self.amplitude is None else self.amplitude

    def scale_by(self, factors: Tensor) -> None:
        """Multiply the product by a number for each member, (M,)."""
        first, root = self._first_and_root(factors[:, None, None])
        first.scale = first.scale * root

    def _first_and_root(self, factor: Tensor) -> "tuple[LinearMap | FunctionOfSums, Tensor]":
        """Return what has the scale of the product, and by what it is multiplied there to multiply the product by a factor."""
        if not len(self.factors):
            return self.functions[0], factor
        # Each block is a factor of the product and is multiplied by it.
        return self.factors[0], factor ** (1 / self.factors[0].n_blocks)

    @torch.no_grad()
    def _fold_scales(self) -> None:
        """Move all scales into the first weights."""
        for factor in self.factors:
            factor._fold_scales()
        for function in self.functions:
            function._fold_scales()
            self.first_weights().mul_(function.scale)
            function.scale.fill_(1.0)


class FunctionOfSums(nn.Module):
    """A function of weighted sums, divided by its root mean square; a sum has a bias where the formula has a constant."""

    scale: Tensor
    arguments: Sequence[WeightedSum]

    def __init__(self, plan: FunctionPlan, operation: LinearOperation, out_features: int, **factory_kwargs: Any) -> None:
        super().__init__()
        self.plan = plan
        self.arguments = nn.ModuleList(  # type: ignore[assignment]
            WeightedSum(argument, operation, out_features, argument.constant, **factory_kwargs) for argument in plan.arguments
        )
        self.register_buffer("scale", torch.ones((), **factory_kwargs))

    @torch.no_grad()
    def _draw(self) -> None:
        """Draw weights for sums of unit variance, and scale for independent normal ones."""
        for argument in self.arguments:
            argument._draw()
        points, density = _normal_points(len(self.arguments), at_least_single(self.scale.dtype), self.scale.device)
        first = self.arguments[0]
        if self.plan.opcode == DIV and first.bias is not None:
            # As in 1 / (1 + x**2): start away from the pole.
            first._draw(0.25)
            first.bias.fill_(1.0)
            points = 1.0 + 0.5 * points
        self.scale.copy_(inverse_rms(composite_function(self.plan.opcode)(*points[:, :, None].unbind(1)), density))

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self._value(maps) * self.scale

    def _value(self, maps: list[Tensor]) -> Tensor:
        return composite_function(self.plan.opcode)(*(argument._combine(maps) for argument in self.arguments))

    @torch.no_grad()
    def _set_scales(self, maps: list[Tensor], density: Tensor | None = None) -> None:
        """Set the scales inside, and that of the function for the sums that follow from them."""
        for argument in self.arguments:
            argument._set_scales(maps, density)
        if density is None:
            self.scale.copy_(inverse_rms(self._value(maps)))

    def _fold_scales(self) -> None:
        """Fold those inside; the product that this is a factor of takes care of its own."""
        for argument in self.arguments:
            argument._fold_scales()


def at_least_single(dtype: torch.dtype) -> torch.dtype:
    """Return the precision that scales are found in: in float16 powers overflow, of which nobody would hear."""
    return torch.promote_types(dtype, torch.float32)


def normal_grid(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return points (Q,) and the standard normal density there; its moments up to the 20th are exact to rounding."""
    grid = torch.linspace(-12.0, 12.0, 481, dtype=dtype, device=device)
    return grid, torch.exp(-grid.square() / 2)


def _normal_points(n_axes: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return points (Q, n_axes) and the density of as many independent standard normal numbers there."""
    points, density = (torch.cartesian_prod(*[axis] * n_axes).reshape(-1, n_axes) for axis in normal_grid(dtype, device))
    return points, density.prod(-1)


def inverse_rms(values: Tensor, density: Tensor | None = None) -> Tensor:
    """Return 1 / the root mean square of values, of (..., N, D) by what each row weighs; 1 where that is no positive number."""
    values = values.to(at_least_single(values.dtype))
    # Of the largest magnitude first, because the squares of large powers overflow.
    largest = values.abs().amax()
    squares = (values / largest).square()
    mean = squares.mean() if density is None else (squares.mean(-1) @ (density / density.sum())).mean()
    rms = largest * mean.sqrt()
    return torch.where(torch.isfinite(rms) & (rms > torch.finfo(rms.dtype).tiny), 1 / rms, 1.0)


def _vector(operation: LinearOperation, n_units: int, **factory_kwargs: Any) -> nn.Parameter:
    return nn.Parameter(torch.empty(operation.vector_shape(n_units), **factory_kwargs))


def _draw_uniform(parameter: Tensor, variance: float) -> None:
    limit = (3 * variance) ** 0.5
    nn.init.uniform_(parameter, -limit, limit)
