"""A fully connected layer of task-based neurons."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._checks import check_members, check_width
from sklearn_taskneurons.nn._export import unit_expression
from sklearn_taskneurons.nn._layer import TaskNeuronLayer
from sklearn_taskneurons.nn._members import META, take_member
from sklearn_taskneurons.nn._operations import Matmul
from sklearn_taskneurons.nn._plan import term_shares


class TaskNeuronLinear(TaskNeuronLayer):
    r"""A fully connected layer whose neurons have the form of a formula.

    The constants of the formula are dropped and each of its terms gets weights of its own [1]_. A sum of elementwise
    functions :math:`\varphi_k` of the input gives

    .. math:: y = b + \sum_{k=1}^{T} W_k \varphi_k(x),

    a product of inner products, as in ``dot(w, x) * dot(w, x)``, the Hadamard product of one linear map for each
    factor, and a function of an inner product, as in ``sin(dot(w, x))``, the function of a linear map. A constant that
    such a function has in its argument, or as one of two, is learned for each unit. The formula ``"x"`` gives
    :class:`torch.nn.Linear`, with its parameters and nothing else. A vector ``w`` inside an elementwise function,
    as in ``sin(w*x)``, is learned and shared by all units; numbers and given vectors inside one stay as they are.

    Parameters
    ----------
    in_features : int
        The size of the last axis of the input, D.
    out_features : int
        The number of units, H.
    formula : str or Formula
        The form of the neurons. At least one of its terms must depend on ``x``.
    bias : bool, default=True
        Whether a bias is added, whether or not the formula has a constant term.
    bound : float or None, default=None
        If given, above 0, the input z is first squashed to ``z / sqrt(1 + (z / bound)**2)``, so that no power of it explodes.
    n_members : int or None, default=None
        If given, the layer is as many independent ones side by side, M, computed by one batched matrix product: each
        parameter has a first axis of that size, and so have input and output.
    device : torch.device or str, default=None
        Where the parameters are; None for torch's default.
    dtype : torch.dtype, default=None
        What they are; None for torch's default.

    Attributes
    ----------
    weight : torch.nn.Parameter of shape (out_features, T * in_features) or (M, out_features, T * in_features)
        The weights of the T terms that have one weight matrix, in the order of the formula's terms, each in units of
        its term's root mean square; None if there is no such term.
    bias : torch.nn.Parameter of shape (out_features,) or (M, 1, out_features)
        The bias, or None.
    scale : torch.Tensor of shape (T * in_features,)
        A buffer: one over the root mean square of each term, repeated for each feature; None if no term has one weight
        matrix, and for the formula ``"x"`` without a bound.
    products : torch.nn.ModuleList
        The terms that are products or functions of sums, with the weights of their factors.
    maps : torch.nn.Module
        The elementwise functions of the input, with their shared vectors ``w``.

    Raises
    ------
    ValueError
        If no term of the formula depends on x, a vector that stays in it is not as long as `in_features`, or a size or the
        bound is not above 0.

    See Also
    --------
    TaskNeuronMLP : Layers of such neurons.

    Notes
    -----
    *Shape.* Input (..., in_features), output (..., out_features), with any number of leading axes. With members: input
    (M, N, in_features), or (N, in_features) where all see the same rows; output (M, N, out_features).

    *Initialization.* With inputs of unit variance, powers differ in size by orders of magnitude: the mean square of
    :math:`x^7` is 135135. Each :math:`\varphi_k` is therefore divided by its root mean square :math:`r_k`. With weights of
    mean zero that are independent of each other and of the input,

    .. math:: \operatorname{Var} \sum_{k,j} W_{kij} \frac{\varphi_k(x_j)}{r_k}
              = \sum_{k,j} \operatorname{Var}(W_{kij}) \frac{\operatorname{E} \varphi_k(x_j)^2}{r_k^2}
              = T D \operatorname{Var}(W),

    so that with :math:`\operatorname{Var}(W) = 1/(TD)` every term contributes 1/T of a variance of 1. For T = 1 this is the
    rule of [2]_ and [3]_ for what goes forward; the gain of an activation is in :math:`r_k`, the root mean square
    *after* it. F factors of a product have the variance :math:`T^{-1/F}/D` each. The bias is drawn as by
    :class:`torch.nn.Linear`, with variance :math:`1/(3TD)`. The mean squares are those for a standard normal input until
    :meth:`calibrate` takes them from data, as in [4]_. They are buffers: part of the state, not learned.

    *Domain.* Next to a pole, and where ``log`` and ``sqrt`` are not real, a neuron is continued so that it stays finite:
    ``1/u`` by a line for ``|u| < 1/32``, ``log(u)`` by ``log(max(|u|, 1/32))``, ``sqrt`` likewise, and ``exp(u)`` by
    ``exp(30)`` for ``u > 30``. Elsewhere it is what the formula says.

    References
    ----------
    .. [1] F.-L. Fan, M. Wang, H. Dong, J. Ma, T. Zeng, "No One-Size-Fits-All Neurons: Task-based Neurons for
           Artificial Neural Networks", 2024. :doi:`10.48550/arXiv.2405.02369`
    .. [2] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
           AISTATS 2010, PMLR 9:249-256.
    .. [3] K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", ICCV 2015. :doi:`10.1109/ICCV.2015.123`
    .. [4] D. Mishkin, J. Matas, "All you need is a good init", ICLR 2016. :doi:`10.48550/arXiv.1511.06422`

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import TaskNeuronLinear
    >>> layer = TaskNeuronLinear(20, 30, "0.068*x**3 + 0.15*x + 0.76")
    >>> layer
    TaskNeuronLinear(in_features=20, out_features=30, formula='0.068*x**3 + 0.15*x + 0.76', bias=True)
    >>> layer(torch.randn(128, 20)).shape
    torch.Size([128, 30])
    >>> layer.weight.shape
    torch.Size([30, 40])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        formula: str | Formula,
        bias: bool = True,
        bound: float | None = None,
        n_members: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        operation = Matmul(in_features, n_members)
        super().__init__(
            formula, operation, in_features, out_features, bias, bound, n_members=n_members, device=device, dtype=dtype
        )
        self.in_features = in_features
        self.n_members = n_members

    def _features(self, x: Tensor) -> Tensor:
        """Return the rows of an input, with members (M, N, in_features)."""
        check_width(x, self.in_features)
        if self.n_members is not None:
            check_members(x, self.n_members, axis=0)
        return x if self.n_members is None or x.ndim == 3 else x.expand(self.n_members, -1, -1)

    @torch.no_grad()
    def restrict(self, formulas: Sequence[str | Formula]) -> Self:
        """Leave each member only the terms of a formula of its own, so that members differ in their form.

        Parameters
        ----------
        formulas : sequence of str or Formula
            One for each member, each with at least one of the layer's terms, and no other.

        Returns
        -------
        TaskNeuronLinear
            The layer itself. The weights of the other terms are there, but multiply zeros, until `calibrate` or
            `reset_parameters` sets the scales of all terms anew. The scales, which are part of the state, then have an axis
            of members.

        Raises
        ------
        ValueError
            If there are not as many formulas as members, a term is not one of the layer's, or members are restricted already.

        Examples
        --------
        >>> import torch
        >>> from sklearn_taskneurons.nn import TaskNeuronLinear
        >>> layer = TaskNeuronLinear(2, 1, "x**2 + x", bias=False, n_members=2).restrict(["x**2 + x", "x"])
        >>> x = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
        >>> layer(x).sum(1).abs().squeeze() > 1e-6
        tensor([ True, False])
        """
        if len(formulas) != self.n_members:
            raise ValueError(f"there must be a formula for each of {self.n_members} members, got {len(formulas)}")
        if any((scale == 0).any() for name, scale in self.named_buffers() if name.endswith("scale")):
            raise ValueError("the members must have all terms, but are restricted already; calibrate gives the terms back")
        shares = term_shares(self.formula, [Formula(formula) for formula in formulas])
        self._scale_terms(next(self.parameters()).new_tensor(shares))
        return self

    def member(self, index: int) -> "TaskNeuronLinear":
        """Return one of the layers that stand side by side.

        Parameters
        ----------
        index : int
            From 0 to ``n_members - 1``.

        Returns
        -------
        TaskNeuronLinear
            A layer without members, with a copy of the member's weights.

        Raises
        ------
        IndexError
            If there is no such member.
        ValueError
            If the layer has no members, or its weights are parametrized or pruned.

        Examples
        --------
        >>> import torch
        >>> from sklearn_taskneurons.nn import TaskNeuronLinear
        >>> layer = TaskNeuronLinear(4, 3, "x**2 + x", n_members=8)
        >>> x = torch.randn(8, 5, 4)
        >>> torch.allclose(layer(x)[2], layer.member(2)(x[2]), atol=1e-6)
        True
        """
        layer = TaskNeuronLinear(
            self.in_features, self.out_features, self.formula, bias=self.bias is not None, bound=self.bound, device=META
        )
        return take_member(self, index, layer)

    @torch.no_grad()
    def unit_formula(self, unit: int) -> Formula:
        """Return what a unit computes as a formula, with its weights and its bound.

        Parameters
        ----------
        unit : int
            The index of the unit, from 0 to ``out_features - 1``. Of a layer with members, take one by :meth:`member` first.

        Returns
        -------
        Formula
            Its value on an input row is the unit's, wherever that is defined.

        Raises
        ------
        IndexError
            If there is no such unit.
        FormulaSyntaxError
            If the weights are too many for one formula, or its powers and those that a bound brings too high.
        ValueError
            If the layer has members.

        Examples
        --------
        >>> import torch
        >>> from sklearn_taskneurons.nn import TaskNeuronLinear
        >>> layer = TaskNeuronLinear(2, 1, "x**3 + x")
        >>> layer.weight.data = layer.scale.new_tensor([[0.5, 0, 2, -1]]) / layer.scale
        >>> layer.bias.data.fill_(0.25)
        tensor([0.2500])
        >>> layer.unit_formula(0).round(3)
        Formula('dot([0.5, 0], x**3) + dot([2, -1], x) + 0.25')
        """
        if self.n_members is not None:
            raise ValueError(f"a unit of one member must be asked for, as in layer.member(0).unit_formula({unit})")
        if not 0 <= unit < self.out_features:
            raise IndexError(f"unit must be from 0 to {self.out_features - 1}, got {unit}")
        return Formula.from_expression(unit_expression(self.raw(), self.maps, self.bound, unit))

    def extra_repr(self) -> str:
        """Return what the layer's printed form says.

        Returns
        -------
        str
        """
        bound = "" if self.bound is None else f", bound={self.bound}"
        members = "" if self.n_members is None else f", n_members={self.n_members}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, formula={str(self.formula)!r}, "
            f"bias={self.bias is not None}{bound}{members}"
        )
