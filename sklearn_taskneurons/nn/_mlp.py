"""A multi-layer perceptron of task-based neurons."""

from collections.abc import Callable, Sequence
from typing import Final, Self

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._sums import normal_grid

ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


class TaskNeuronMLP(nn.Module):
    def __init__(
        self,
        in_features: int,
        hidden_layer_sizes: int | Sequence[int],
        out_features: int,
        formula: Formula | str,
        activation: str = "tanh",
        bias: bool = True,
        bound: float | None = 3.0,
        bound_input: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {list(ACTIVATIONS)}, got {activation!r}")
        self.activation = activation
        hidden = [hidden_layer_sizes] if isinstance(hidden_layer_sizes, int) else list(hidden_layer_sizes)
        sizes = [in_features, *hidden, out_features]
        formula = Formula(formula)
        if formula.degree is not None and formula.degree <= 1:
            bound = None
        hidden_bound = bound if activation in ("identity", "relu") else None
        self.layers = nn.ModuleList(
            TaskNeuronLinear(
                n_in, n_out, formula, bias=bias, bound=hidden_bound if index else bound if bound_input else None,
                device=device, dtype=dtype,
            )
            for index, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
        )
        self._scale_for_normal()

    def reset_parameters(self) -> None:
        for layer in self.layers:
            layer.reset_parameters()
        self._scale_for_normal()

    def _scale_for_normal(self) -> None:
        for layer in list(self.layers)[1:]:
            reference = next(layer.parameters())
            grid, density = normal_grid(reference.dtype, reference.device)
            layer.calibrate(ACTIVATIONS[self.activation](grid), density)

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> Self:
        for index, layer in enumerate(self.layers):
            layer.calibrate(x)
            x = layer(x)
            if index + 1 < len(self.layers):
                x = ACTIVATIONS[self.activation](x)
        return self

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
        return self.layers[-1](x)
