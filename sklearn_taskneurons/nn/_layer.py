"""What all layers of task-based neurons share, whatever their linear operation is."""

import copy
from abc import ABC, abstractmethod
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula, Node, X
from sklearn_taskneurons.nn._checks import check_positive
from sklearn_taskneurons.nn._functions import bound as bound_inputs
from sklearn_taskneurons.nn._functions import check_functions
from sklearn_taskneurons.nn._maps import ElementwiseMaps
from sklearn_taskneurons.nn._operations import LinearOperation
from sklearn_taskneurons.nn._plan import make_plan, union
from sklearn_taskneurons.nn._sums import Product, WeightedSum, at_least_single, inverse_rms, normal_grid

LINEAR_TERM = (Node(X),)
# Standard normal rows for root mean squares that no formula gives.
SAMPLE_ROWS: Final = 512


class TaskNeuronLayer(WeightedSum, ABC):
    """A layer whose neurons have the form of a formula: elementwise maps, and the sum that weights them.

    A subclass says by its linear operation how the maps are weighted, and by ``_features`` where they are in its input.
    """

    def __init__(
        self,
        formula: str | Formula,
        operation: LinearOperation,
        in_features: int,
        out_features: int,
        bias: bool,
        bound: float | None,
        n_members: int | None = None,
        **factory_kwargs: Any,
    ) -> None:
        sizes = {"in_features": in_features, "out_features": out_features, "n_members": n_members, "bound": bound}
        for name, number in sizes.items():
            check_positive(name, number)
        formula = Formula(formula)
        check_functions(node.opcode for node in formula.expression)
        expressions, plan = make_plan(formula.terms)
        if not plan.n_terms:
            raise ValueError(f"formula must depend on x, got {str(formula)!r}")
        # The input alone has nothing to be balanced with: the layer is then that of torch.
        scaled = expressions != (LINEAR_TERM,) or plan.n_terms > 1 or bound is not None
        super().__init__(plan, operation, out_features, bias, scaled, **factory_kwargs)
        self.formula = formula
        self.bound = bound
        self.maps = ElementwiseMaps(expressions, in_features, n_members, **factory_kwargs)
        self.reset_parameters()

    @abstractmethod
    def _features(self, x: Tensor) -> Tensor:
        """Return an input as the maps take it, (..., features)."""

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and set the scales for a standard normal input."""
        self.maps.reset_parameters()
        self._draw()
        self._set_normal_scales()

    @torch.no_grad()
    def _set_normal_scales(self) -> None:
        """Set the scales for a standard normal input."""
        reference = next(self.parameters())
        factory_kwargs: dict[str, Any] = {"dtype": at_least_single(reference.dtype), "device": reference.device}
        if self.maps.adds_features:
            inputs = torch.randn(SAMPLE_ROWS, self.maps.in_features, **factory_kwargs)
            density = torch.ones(SAMPLE_ROWS, **factory_kwargs)
        else:
            # Points that are the same for all features, exact where none meets another.
            points, density = normal_grid(**factory_kwargs)
            inputs = points[:, None].expand(-1, self.maps.in_features if self.maps.differ else 1)
        self._set_scales(self.maps(self._bounded(inputs)), density)

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> Self:
        """Set the scales from data: the root mean squares become those of this input.

        Parameters
        ----------
        x : torch.Tensor
            A sample of the layer's input.

        Returns
        -------
        TaskNeuronLayer
            The layer itself. Its parameters are as before, so what it computes has changed.

        Raises
        ------
        ValueError
            If the sample is empty, or a number of it or of its terms is not finite.
        """
        if not x.numel():
            raise ValueError(f"x must have at least one row, got the shape {tuple(x.shape)}")
        maps = self._maps_of(x)
        if not all(torch.isfinite(values).all() for values in (x, *maps)):
            raise ValueError(f"x and the terms of the formula must be finite in {x.dtype}, but some numbers are not")
        self._set_scales(maps)
        return self

    @torch.no_grad()
    def _normalize(self, x: Tensor) -> None:
        """Calibrate, and where there is no scale to do it scale the weights, so that this input gives unit variance."""
        self._set_scales(self._maps_of(x))
        if self.scale is None and self.weight is not None:
            self.weight.mul_(inverse_rms(x))

    def raw(self) -> Self:
        """Return a copy that computes the same and has the weights of the raw terms.

        Returns
        -------
        TaskNeuronLayer
            All its scales are 1: its `weight` multiplies the terms as the formula states them.

        Raises
        ------
        ValueError
            If weights are computed from other parameters, as parametrized or pruned ones are.

        Examples
        --------
        >>> import torch
        >>> from sklearn_taskneurons.nn import TaskNeuronLinear
        >>> layer = TaskNeuronLinear(2, 1, "x**3 + x", bias=False)
        >>> cubic, linear = layer.raw().weight.unflatten(1, (2, 2)).unbind(1)
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(layer(x), x**3 @ cubic.T + x @ linear.T, atol=1e-6)
        True
        """
        if any(_computes_weights(part) for part in self.modules()):
            raise ValueError(
                "the weights must be parameters to be scaled, but some are computed from others; "
                "what has been done to them must be made permanent, for example by "
                "torch.nn.utils.parametrize.remove_parametrizations or torch.nn.utils.prune.remove"
            )
        layer = copy.deepcopy(self)
        layer._fold_scales()
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the units.

        Parameters
        ----------
        x : torch.Tensor
            The input.

        Returns
        -------
        torch.Tensor
        """
        return self._combine(self._maps_of(x))

    @property
    def _form(self) -> dict[str, Any]:
        """What a state must have in common with the layer beside its sizes."""
        # Of Python's own types, which torch.load takes from strangers.
        return {"formula": str(union([self.formula])), "bound": None if self.bound is None else float(self.bound)}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):  # beside torch's version, so that the keys stay those of torch's layers
            destination._metadata.setdefault(prefix[:-1], {}).update(self._form)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing: Any,
        unexpected: Any,
        errors: Any,
    ) -> None:
        saved = {name: local_metadata.get(name, value) for name, value in self._form.items()}
        if saved == self._form:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        else:
            errors.append(f"{prefix}formula: the state is one of {_options(saved)}, the layer has {_options(self._form)}")

    def _maps_of(self, x: Tensor) -> list[Tensor]:
        values: list[Tensor] = self.maps(self._bounded(self._features(x)))
        return values

    def _bounded(self, x: Tensor) -> Tensor:
        return x if self.bound is None else bound_inputs(x, self.bound)

    def __repr__(self) -> str:
        # The children are parts of the formula, which says it all.
        return f"{type(self).__name__}({self.extra_repr()})"


def _options(form: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in form.items())


def _computes_weights(part: nn.Module) -> bool:
    """Return whether what is scaled is no parameter: torch's parametrizations and hooks make an attribute of it."""
    names = {"weight", "bias"} if isinstance(part, WeightedSum) else {"amplitude"} if isinstance(part, Product) else set()
    return not names <= part._parameters.keys()
