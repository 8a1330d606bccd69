"""Learned functions of single features, which the powers of a formula cannot follow: steps, bends and waves."""

import math

import torch
from torch import Tensor, nn

from sklearn_taskneurons.nn._kernels import cos_, product
from sklearn_taskneurons.nn._members import META, take_member
from sklearn_taskneurons.nn._recording import is_without_gradients

# Of standard normal features; higher frequencies follow noise.
FREQUENCY_STD = 1.0


class PeriodicEmbedding(nn.Module):
    """Learned functions of each feature, and a linear map of all of them to units [1]_.

    A function of the feature x is ``relu(sum_k a_k*cos(f_k*x + p_k) + b)`` with K learned frequencies f and phases p, which all
    functions of that feature share.

    Parameters
    ----------
    in_features : int
        The number of features, D.
    out_features : int
        The number of units, U.
    size : int
        The number of functions of each feature, E.
    n_frequencies : int
        The number of frequencies, K.
    n_members : int or None
        How many such embeddings stand side by side, M, if any do.
    device, dtype
        Where the parameters are, and what.

    Notes
    -----
    *Shape.* Input (..., D), output (..., U); with members (N, D) or (M, N, D) to (M, N, U).

    References
    ----------
    .. [1] Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS 2022,
       :arxiv:`2203.05556`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        size: int,
        n_frequencies: int = 8,
        n_members: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.size = size
        self.n_frequencies = n_frequencies
        self.n_members = n_members

        def parameter(*shape: int) -> nn.Parameter:
            members = () if n_members is None else (n_members,)
            return nn.Parameter(torch.empty(*members, *shape, device=device, dtype=dtype))

        self.frequency = parameter(in_features, n_frequencies, 1)
        self.phase = parameter(in_features, n_frequencies, 1)
        self.mix = parameter(in_features, size, n_frequencies)
        self.bias = parameter(in_features, size, 1)
        self.weight = parameter(out_features, in_features * size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, such that units have variance 1."""
        nn.init.normal_(self.frequency, std=FREQUENCY_STD)
        nn.init.uniform_(self.phase, -math.pi, math.pi)
        # The mean square of a cosine is 1/2, and so is the part of it that is left by "relu".
        for weight, fan_in in ((self.mix, self.n_frequencies), (self.weight, self.in_features * self.size)):
            limit = math.sqrt(3 * 2 / fan_in)
            nn.init.uniform_(weight, -limit, limit)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the units' sums of the functions of the features."""
        rows = x.reshape(1, -1, self.in_features) if self.n_members is None else x.expand(self.n_members, -1, -1)
        n_members, n_rows, n_features = rows.shape
        # Rows last: they are many, and functions of a feature few.
        columns = rows.transpose(1, 2).contiguous().unsqueeze(2)  # (M, D, 1, N)
        # Not torch.addcmul, which takes three times as long where all of its factors are spread. What no gradient needs is
        # written over: these are the largest tensors of a network.
        waves = self.frequency * columns  # (M, D, K, N)
        waves = cos_(waves.add_(self.phase)) if is_without_gradients() else torch.cos(waves + self.phase)
        waves = waves.view(n_members * n_features, self.n_frequencies, n_rows)
        functions = torch.relu_(torch.baddbmm(self.bias.flatten(0, -3), self.mix.flatten(0, -3), waves))  # (M*D, E, N)
        inputs = functions.view(n_members, n_features * self.size, n_rows)
        weight = self.weight if self.n_members is not None else self.weight.unsqueeze(0)
        # In whichever order the other sums of a layer are in memory, with gradients and without.
        units = product(weight, inputs).mT if is_without_gradients() else torch.bmm(inputs.mT, weight.mT)
        return units if self.n_members is not None else units.reshape(*x.shape[:-1], self.out_features)

    def n_weights(self) -> int:
        """Return how many weights multiply something."""
        return self.frequency.numel() + self.mix.numel() + self.weight.numel()

    def member(self, index: int) -> "PeriodicEmbedding":
        """Return the embedding of one member."""
        sizes = self.in_features, self.out_features, self.size, self.n_frequencies
        return take_member(self, index, PeriodicEmbedding(*sizes, device=META))

    def extra_repr(self) -> str:
        """Return what the embedding's printed form says."""
        members = "" if self.n_members is None else f", n_members={self.n_members}"
        return f"{self.in_features}, {self.out_features}, size={self.size}, n_frequencies={self.n_frequencies}{members}"
