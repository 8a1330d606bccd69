"""A multi-layer perceptron of task-based neurons."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, Self, TypeAlias

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._linear import TaskNeuronLinear

Activation: TypeAlias = Literal["identity", "logistic", "tanh", "relu"]

ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
# Their outputs need no bound before they are raised to a power.
_BOUNDED_ACTIVATIONS: Final = ("logistic", "tanh")
# Of a standard normal input, for root mean squares over all units of a layer.
SAMPLE_ROWS: Final = 512


class TaskNeuronMLP(nn.Module):
    """A multi-layer perceptron of task-based neurons.

    Parameters
    ----------
    in_features : int
        The size of the last axis of the input, D.
    hidden_layer_sizes : int or sequence of int
        The number of units of each hidden layer; an empty sequence for none.
    out_features : int
        The number of outputs, O.
    formula : str or Formula
        The form of all neurons, those of the output layer included.
    activation : {"identity", "logistic", "tanh", "relu"}, default="tanh"
        What follows each hidden layer.
    bias : bool, default=True
        Whether each layer adds a bias.
    bound : float or None, default=3.0
        Where the inputs of a layer have no bound of their own (those of the network, those after "identity" and "relu"),
        they are squashed to ``z / sqrt(1 + (z / bound)**2)`` so that their powers stay finite. The formula ``"x"``, and
        every other one of degree 1, needs no bound and gets none.
    bound_input : bool, default=True
        Whether that holds for the inputs of the network; False if they are bounded already.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    layers : torch.nn.ModuleList of TaskNeuronLinear
        The hidden layers, then the output layer.

    Raises
    ------
    ValueError
        If there is no such activation, or the formula does not suit a layer.

    See Also
    --------
    TaskNeuronLinear : The layers, and how they are initialized.
    sklearn.neural_network.MLPRegressor : The estimator whose names the parameters have.

    Notes
    -----
    *Shape.* Input (..., in_features), output (..., out_features), with any number of leading axes.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronMLP, count_parameters
    >>> network = TaskNeuronMLP(8, (12, 5), 1, "x**3 + x")
    >>> network(torch.randn(64, 8)).shape
    torch.Size([64, 1])
    >>> count_parameters(network)
    340
    """

    layers: Sequence[TaskNeuronLinear]

    def __init__(
        self,
        in_features: int,
        hidden_layer_sizes: int | Sequence[int],
        out_features: int,
        formula: str | Formula,
        activation: Activation = "tanh",
        bias: bool = True,
        bound: float | None = 3.0,
        bound_input: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {list(ACTIVATIONS)}, got {activation!r}")
        formula = Formula(formula)
        if formula.degree == 1:
            bound = None
        self.in_features = in_features
        self.out_features = out_features
        self.activation = activation
        hidden = (hidden_layer_sizes,) if isinstance(hidden_layer_sizes, int) else tuple(hidden_layer_sizes)
        sizes = (in_features, *hidden, out_features)
        bounds = [bound if bound_input else None] + [None if activation in _BOUNDED_ACTIVATIONS else bound] * len(hidden)
        self.layers = nn.ModuleList(  # type: ignore[assignment]  # which says nothing of its items
            TaskNeuronLinear(n_in, n_out, formula, bias=bias, bound=limit, device=device, dtype=dtype)
            for n_in, n_out, limit in zip(sizes[:-1], sizes[1:], bounds, strict=True)
        )
        self._set_hidden_scales()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and set the scales for standard normal inputs."""
        for layer in self.layers:
            layer.reset_parameters()
        self._set_hidden_scales()

    @torch.no_grad()
    def _set_hidden_scales(self) -> None:
        """Set the scales of all layers but the first for a standard normal input of the network.

        What powers make of it has longer tails from layer to layer, so that no formula for a normal distribution
        would do: with x^7 and "relu", the fourth layer's variance would be 200.
        """
        reference = next(self.parameters())
        x = torch.randn(SAMPLE_ROWS, self.in_features, dtype=reference.dtype, device=reference.device)
        for previous, layer in zip(self.layers[:-1], self.layers[1:], strict=True):
            x = ACTIVATIONS[self.activation](previous(x))
            layer.normalize(x)

    def train(self, mode: bool = True) -> Self:
        """Set the mode that layers such as dropout heed; there are none.

        Parameters
        ----------
        mode : bool, default=True
            Whether the network is being trained.

        Returns
        -------
        TaskNeuronMLP
            The network itself.
        """
        # Training loops set it for each batch, which for a small network takes a tenth of the time.
        return self if mode == self.training else super().train(mode)

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> Self:
        """Set the scales from data, layer after layer.

        Parameters
        ----------
        x : torch.Tensor of shape (..., in_features)
            A sample of the network's input.

        Returns
        -------
        TaskNeuronMLP
            The network itself. Its parameters are as before, so what it computes has changed.
        """
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer.calibrate(x)(x))
        self.layers[-1].calibrate(x)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the network.

        Parameters
        ----------
        x : torch.Tensor of shape (..., in_features)
            The input.

        Returns
        -------
        torch.Tensor of shape (..., out_features)
        """
        # Not self.layers[:-1], which makes a module list anew each time.
        *hidden, last = self.layers
        for layer in hidden:
            x = ACTIVATIONS[self.activation](layer(x))
        output: Tensor = last(x)
        return output

    def extra_repr(self) -> str:
        """Return what the network's printed form says beside its layers.

        Returns
        -------
        str
        """
        return f"activation={self.activation!r}"
