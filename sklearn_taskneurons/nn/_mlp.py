"""A multi-layer perceptron of task-based neurons."""

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Self, TypeAlias

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._affine import FeatureAffine
from sklearn_taskneurons.nn._checks import check_members, check_positive, check_width, whole_numbers
from sklearn_taskneurons.nn._embedding import PeriodicEmbedding
from sklearn_taskneurons.nn._kernels import tanh_
from sklearn_taskneurons.nn._layer import SAMPLE_ROWS
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._recording import is_without_gradients

Activation: TypeAlias = Literal["identity", "logistic", "tanh", "relu"]

ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


# Where no gradient needs the input of an activation: writing over it, half as much has to be in cache.
_ACTIVATIONS_IN_PLACE: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda x: x,
    "logistic": torch.sigmoid_,
    "tanh": tanh_,
    "relu": torch.relu_,
}
# Their outputs need no bound before they are raised to a power.
BOUNDED_ACTIVATIONS: Final = ("logistic", "tanh")
# What a multi-layer perceptron has beside these: each half of the neurons of a layer has one of them.
MIXED: Final = ("tanh", "relu")


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
        The form of the neurons of the first layer.
    activation : {"identity", "logistic", "tanh", "relu", "mixed"}, default="tanh"
        What follows each hidden layer; "mixed" is "tanh" for the first half of its neurons and "relu" for the others.
    bias : bool, default=True
        Whether each layer adds a bias.
    bound : float or None, default=3.0
        Where the inputs of a layer have no bound of their own (those of the network, those after "identity" and "relu"),
        they are squashed to ``z / sqrt(1 + (z / bound)**2)`` so that their powers stay finite. The formula ``"x"``, and
        every other one of degree 1, needs no bound and gets none.
    bound_input : bool, default=True
        Whether that holds for the inputs of the network; False if they are bounded already.
    hidden_formula : str, Formula or None, default=None
        The form of the neurons of all further layers, that of the outputs included; None for the same. With ``"x"``
        only the first layer, which meets the features, has neurons of the task's form.
    elementwise_affine : bool, default=False
        Whether each feature is first scaled and shifted by learned numbers, 1 and 0 at first, so that it can find where
        in the bounded range it belongs. The bound then holds for every formula.
    zero_output : bool, default=False
        Whether the outputs are zero at first, as far as they are sums of terms, so that training has no random function to
        unlearn.
    embedding_size : int, default=0
        How many learned functions of each feature the first hidden layer has beside the formula's terms; 0 for none, and there
        are none without a hidden layer.
    n_scalings : int, default=1
        In how many scalings the input has each feature: all features in the first one, then all in the second, and so on. With
        `elementwise_affine` each feature is a learned sum of them, at first the first one; without, it is their mean.
    n_members : int or None, default=None
        If given, as many networks stand side by side, M, each with its own parameters, computed by batched matrix
        products.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    layers : torch.nn.ModuleList of TaskNeuronLinear
        The hidden layers, then the output layer.
    affine : torch.nn.Module or None
        The scale and the shift of the features: ``weight`` (n_scalings * in_features,) or (M, 1, n_scalings * in_features),
        and ``bias`` (in_features,) or (M, 1, in_features).
    embedding : torch.nn.Module or None
        The learned functions of the features, and the weights by which they are added to the first hidden layer.

    Raises
    ------
    ValueError
        If there is no such activation, the formula does not suit a layer, or a size or the bound is too small.

    See Also
    --------
    TaskNeuronLinear : The layers, and how they are initialized.
    sklearn.neural_network.MLPRegressor : The estimator whose names the parameters have.

    Notes
    -----
    *Shape.* Input (..., in_features), output (..., out_features), with any number of leading axes. With members: input
    (N, in_features) for the same rows, or (N, M, in_features) for rows of each member's own; output (N, M, out_features).
    With several scalings the input's last axis is ``n_scalings * in_features`` long.

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
        activation: Activation | Literal["mixed"] = "tanh",
        bias: bool = True,
        bound: float | None = 3.0,
        bound_input: bool = True,
        hidden_formula: str | Formula | None = None,
        elementwise_affine: bool = False,
        zero_output: bool = False,
        embedding_size: int = 0,
        n_scalings: int = 1,
        n_members: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if activation not in (known := [*ACTIVATIONS, "mixed"]):
            raise ValueError(f"activation must be one of {known}, got {activation!r}")
        for name, number, least in (("n_scalings", n_scalings, 1), ("embedding_size", embedding_size, 0)):
            if number < least:
                raise ValueError(f"{name} must be at least {least}, got {number}")
        check_positive("bound", bound)
        self.in_features = in_features
        self.out_features = out_features
        self.activation = activation
        self.zero_output = zero_output
        self.n_scalings = n_scalings
        self.n_members = n_members
        factory_kwargs: dict[str, Any] = {"n_members": n_members, "device": device, "dtype": dtype}
        self.affine = FeatureAffine(in_features, n_scalings=n_scalings, **factory_kwargs) if elementwise_affine else None
        hidden = whole_numbers("hidden_layer_sizes", hidden_layer_sizes)
        sizes = (in_features, *hidden, out_features)
        first, further = Formula(formula), Formula(formula if hidden_formula is None else hidden_formula)
        first_bound = bound if elementwise_affine or (bound_input and first.degree != 1) else None
        further_bound = bound if activation not in BOUNDED_ACTIVATIONS and further.degree != 1 else None
        forms = [(first, first_bound)] + [(further, further_bound)] * len(hidden)
        self.layers = nn.ModuleList(  # type: ignore[assignment]  # which says nothing of its items
            TaskNeuronLinear(n_in, n_out, form, bias=bias, bound=limit, **factory_kwargs)
            for (n_in, n_out), (form, limit) in zip(itertools.pairwise(sizes), forms, strict=True)
        )
        self.embedding = None
        if hidden and embedding_size:
            self.embedding = PeriodicEmbedding(in_features, hidden[0], embedding_size, **factory_kwargs)
        self._prepare_layers()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, and set the scales for standard normal inputs."""
        if self.affine is not None:
            self.affine.reset_parameters()
        if self.embedding is not None:
            self.embedding.reset_parameters()
        for layer in self.layers:
            layer.reset_parameters()
        self._prepare_layers()

    @torch.no_grad()
    def _prepare_layers(self) -> None:
        """Set the scales of all layers but the first for a standard normal input of the network, and the output to zero.

        What powers make of it has longer tails from layer to layer, so that no formula for a normal distribution
        would do: with x^7 and "relu", the fourth layer's variance would be 200.
        """
        reference = next(self.parameters())
        x = torch.randn(SAMPLE_ROWS, self.in_features, dtype=reference.dtype, device=reference.device)
        for index, layer in enumerate(self.layers[1:]):
            x = self._activated(index, x)
            layer._normalize(x)
        output = self.layers[-1]
        if self.zero_output:
            for parameter in (output.weight, output.bias):
                if parameter is not None:
                    parameter.zero_()

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
        x = self._features(x)
        for index, layer in enumerate(self.layers[:-1]):
            layer.calibrate(x)
            x = self._activated(index, x)
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
        x = self._features(x)
        for index in range(len(self.layers) - 1):
            x = self._activated(index, x)
        output: Tensor = self.layers[-1](x)
        return output if self.n_members is None else output.transpose(0, 1)

    def _activated(self, index: int, x: Tensor) -> Tensor:
        """Return the outputs of the neurons of a hidden layer."""
        layer = self.layers[index]
        values: Tensor = layer(x)
        in_place = is_without_gradients() and not _is_watched(layer)
        if self.embedding is not None and index == 0:  # not "is": while torch 2.4 exports, no layer is the same twice
            more = self.embedding(x)
            values = values.add_(more) if in_place else values + more
        functions = _ACTIVATIONS_IN_PLACE if in_place else ACTIVATIONS
        if self.activation != "mixed":
            return functions[self.activation](values)
        # Not torch.tensor_split, whose gradient fills up each part with zeros and adds all of them.
        halves = torch.split(values, -(-values.shape[-1] // len(MIXED)), -1)
        activated = [functions[name](half) for name, half in zip(MIXED, halves, strict=False)]
        return values if in_place else torch.cat(activated, -1)

    def _features(self, x: Tensor) -> Tensor:
        """Return what the first layer is applied to, (..., D); with members (N, D) or (M, N, D)."""
        check_width(x, self.n_scalings * self.in_features)
        if self.n_members is not None:
            check_members(x, self.n_members, axis=1)
            if x.ndim == 3:
                x = x.transpose(0, 1)
            if is_without_gradients():
                x = x.mT.contiguous().mT  # as products without gradients take their factors
        if self.affine is not None:
            mixed: Tensor = self.affine(x)
            return mixed
        return x if self.n_scalings == 1 else torch.unflatten(x, -1, (self.n_scalings, self.in_features)).mean(-2)

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Return the weights of the hidden layers that are matrices.

        There are optimizers for these alone, beside another one for all else, such as :class:`torch.optim.Muon` where torch has
        it and the network no members.

        Returns
        -------
        list of torch.nn.Parameter of shape (H, n) or, with members, (M, H, n)
            Those of terms, of inner products and of the learned functions of the features; none of fewer than two rows or
            columns.

        Examples
        --------
        >>> from sklearn_taskneurons.nn import TaskNeuronMLP
        >>> network = TaskNeuronMLP(8, (12, 5), 1, "x**3 + x", hidden_formula="x")
        >>> [tuple(matrix.shape) for matrix in network.hidden_matrices()]
        [(12, 16), (5, 12)]
        """
        n_axes = 2 if self.n_members is None else 3
        hidden = nn.ModuleList(part for part in (*self.layers[:-1], self.embedding) if part is not None)
        return [parameter for parameter in hidden.parameters() if parameter.ndim == n_axes and min(parameter.shape[-2:]) > 1]

    def member(self, index: int) -> "TaskNeuronMLP":
        """Return one of the networks that stand side by side.

        Parameters
        ----------
        index : int
            From 0 to ``n_members - 1``.

        Returns
        -------
        TaskNeuronMLP
            A network without members, with a copy of the member's weights.

        Raises
        ------
        IndexError
            If there is no such member.
        ValueError
            If the network has no members, or its weights are parametrized or pruned.
        """
        network = copy.deepcopy(self)
        network.n_members = None
        network.affine = None if self.affine is None else self.affine.member(index)
        network.embedding = None if self.embedding is None else self.embedding.member(index)
        network.layers = nn.ModuleList(layer.member(index) for layer in self.layers)  # type: ignore[assignment]
        return network

    def extra_repr(self) -> str:
        """Return what the network's printed form says beside its layers.

        Returns
        -------
        str
        """
        return f"activation={self.activation!r}"


def _is_watched(layer: nn.Module) -> bool:
    """Return whether somebody may keep what the layer returns: then it must not be written over."""
    if type(layer) is not TaskNeuronLinear or "forward" in vars(layer):  # what is in its place returns what it likes
        return True
    # What a layer returns may be what its only product has returned.
    parts = (layer, *layer.products)
    return bool(nn.modules.module._global_forward_hooks) or any(part._forward_hooks for part in parts)
