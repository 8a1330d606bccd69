"""The distinct terms of many programs, computed on blocks of rows by torch."""

from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from sklearn_taskneurons._device import to_array
from sklearn_taskneurons._search._sums import Constant, Sum, Term
from sklearn_taskneurons._search._workspace import Workspace
from sklearn_taskneurons.formula._evaluate import raised
from sklearn_taskneurons.formula.functions import DOT, FUNCTIONS, POW, SUM, X, array_function

Function: TypeAlias = Callable[..., object]  # f(argument, ..., out=)


class _Place(NamedTuple):
    """Where a value is: the one of this number among values of a kind."""

    kind: str  # "x", "given", "column", "constant", "vector" or "scalar"
    number: int = 0


class _Step(NamedTuple):
    """A function of values; arguments that are no places are numbers."""

    function: Function
    arguments: tuple[Any, ...]
    out: _Place


class Graph:
    """Terms as one graph in which none occurs twice.

    Values of a block of B rows are tensors of shape (D, B), or (B,) for scalars. Each scalar term is a column,
    which later graphs may be given and need not compute. Terms are computed one after the other, so that a tensor
    is soon free for another value: few are needed, and they stay in the cache.

    Parameters
    ----------
    terms : iterable of Term
        The scalar terms that are needed.
    known : container of Term
        Scalar terms whose columns are there already.
    n_features : int
        D.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    given : list of Term
        What is needed of ``known``: the first columns.
    computed : list of Term
        The columns behind, in this order.
    row : dict of Term to int
        The column of each scalar term.
    n_values : int
        Numbers that are kept for each row of a block, without the columns.
    """

    def __init__(self, terms: Iterable[Term], known: Container[Term], n_features: int, device: torch.device) -> None:
        plan = _Plan(known, n_features)
        for term in terms:
            plan.place(term)
        self.given, self.computed = plan.given, plan.computed
        self.row = {term: row for row, term in enumerate([*self.given, *self.computed])}
        self._n_features = n_features
        self._steps, counts = _share(plan.steps)
        self._n_vectors, self._n_scalars = counts["vector"], counts["scalar"]
        self.n_values = (self._n_vectors + 1) * n_features + self._n_scalars
        constants = [torch.as_tensor(constant, device=device, dtype=torch.float64) for constant in plan.constants]
        self._constants = [constant[:, None] if constant.ndim else constant for constant in constants]
        self._size = 0
        self._x = self._columns = torch.zeros((0, 0))
        self._calls: list[tuple[Function, tuple[Any, ...], Tensor]] = []

    def run(self, x: Tensor, given: Tensor, workspace: Workspace) -> Tensor:
        """Return the columns of a block of rows, shape (C, B); the tensor is used again by the next call.

        Parameters
        ----------
        x : Tensor, shape (D, B)
            The features.
        given : Tensor, shape (G, B)
            The columns that are known.
        workspace : Workspace
            Where to compute, the same one for all blocks.
        """
        if x.shape[1] != self._size:
            self._allocate(x.shape[1], workspace)
        self._x.copy_(x)
        self._columns[: len(self.given)] = given
        for function, arguments, out in self._calls:
            function(*arguments, out=out)
        return self._columns

    def _allocate(self, size: int, workspace: Workspace) -> None:
        """Prepare the tensors for blocks of so many rows."""
        self._size = size
        self._x = workspace.tensor("x", (self._n_features, size))
        self._columns = workspace.tensor("columns", (len(self.row), size))
        vectors = workspace.tensor("vectors", (self._n_vectors, self._n_features, size))
        scalars = workspace.tensor("scalars", (self._n_scalars, size))
        tensors = {
            "x": [self._x],
            "constant": self._constants,
            "given": list(self._columns[: len(self.given)]),
            "column": list(self._columns[len(self.given) :]),
            "vector": list(vectors),
            "scalar": list(scalars),
        }

        def tensor(argument: Any) -> Any:
            return tensors[argument.kind][argument.number] if isinstance(argument, _Place) else argument

        self._calls = [
            (function, tuple(tensor(argument) for argument in arguments), tensor(out))
            for function, arguments, out in self._steps
        ]


class _Plan:
    """Steps in order, each with a place of its own for its value."""

    def __init__(self, known: Container[Term], n_features: int) -> None:
        self.steps: list[_Step] = []
        self.given: list[Term] = []
        self.computed: list[Term] = []
        self.constants: list[Constant] = []
        self._known = known
        self._ones = Sum({}, np.ones(n_features), True)
        self._places: dict[Term, _Place] = {}
        self._sums: dict[bytes, _Place] = {}

    def place(self, term: Term) -> _Place:
        """Return the place of a term, which is computed if it is needed for the first time."""
        if term not in self._places:
            self._places[term] = self._compute(term)
        return self._places[term]

    def _compute(self, term: Term) -> _Place:
        if term.opcode == X:
            return _Place("x")
        if not term.varies and term in self._known:
            self.given.append(term)
            return _Place("given", len(self.given) - 1)
        if term.opcode in (DOT, SUM):
            arguments = self._factors(term)
        else:
            arguments = tuple(self._sum(argument) for argument in term.arguments)
        if term.opcode == POW:
            arguments += (term.exponent,)
        if term.varies:
            return self._step(_function(term.opcode), arguments, "vector")
        self.computed.append(term)
        out = _Place("column", len(self.computed) - 1)
        self.steps.append(_Step(_function(term.opcode), arguments, out))
        return out

    def _factors(self, term: Term) -> tuple[Any, ...]:
        """Return constant weights and what they weight in a sum over features."""
        constant = [argument for argument in term.arguments if not argument.terms] or [self._ones]
        first, *others = [self._sum(argument) for argument in term.arguments if argument.terms]
        if others:
            first = self._step(torch.mul, (first, *others), "vector")
        return self._sum(constant[0]), first

    def _sum(self, value: Sum) -> _Place:
        """Return the place of a sum."""
        if value.key not in self._sums:
            self._sums[value.key] = self._add_up(value)
        return self._sums[value.key]

    def _add_up(self, value: Sum) -> _Place:
        # Vectors first, so that no step makes a scalar of what has to become a vector, then what saves a multiplication.
        terms = sorted(value.sorted(), key=lambda item: (not item[0].varies, item[1] != 1.0))
        has_constant = isinstance(value.constant, np.ndarray) or value.constant != 0.0
        if has_constant or not terms:
            self.constants.append(value.constant)
            total = _Place("constant", len(self.constants) - 1)
        else:
            (first, factor), *terms = terms
            total = self.place(first)
            if factor != 1.0:
                total = self._step(torch.mul, (total, factor), "vector" if first.varies else "scalar")
        kind = "vector" if value.varies else "scalar"
        for term, coefficient in terms:
            total = self._step(_add_multiple, (total, self.place(term), coefficient), kind)
        return total

    def _step(self, function: Function, arguments: tuple[Any, ...], kind: str) -> _Place:
        out = _Place(kind, len(self.steps))
        self.steps.append(_Step(function, arguments, out))
        return out


def _share(steps: list[_Step]) -> tuple[list[_Step], dict[str, int]]:
    """Return the steps with few places, each used again when its value is not needed any more, and their numbers."""
    last = {
        argument: number for number, step in enumerate(steps) for argument in step.arguments if isinstance(argument, _Place)
    }
    free: dict[str, list[_Place]] = {"vector": [], "scalar": []}
    counts = {"vector": 0, "scalar": 0}
    shared: dict[_Place, _Place] = {}
    result = []
    for number, (function, arguments, out) in enumerate(steps):
        places = tuple(shared.get(argument, argument) if isinstance(argument, _Place) else argument for argument in arguments)
        # What ends here is free at once: every function may write over its own arguments.
        for argument in dict.fromkeys(argument for argument in arguments if isinstance(argument, _Place)):
            if argument.kind in free and last[argument] == number:
                free[argument.kind].append(shared[argument])
        if out.kind in free:
            if not free[out.kind]:
                free[out.kind].append(_Place(out.kind, counts[out.kind]))
                counts[out.kind] += 1
            shared[out] = out = free[out.kind].pop()
        result.append(_Step(function, places, out))
    return result, counts


def _add_multiple(a: Tensor, b: Tensor, factor: float, out: Tensor) -> None:
    torch.add(a, b, alpha=factor, out=out)


def _weighted_sum(weights: Tensor, a: Tensor, out: Tensor) -> None:
    """Sum over features; a product of matrices is faster than a sum."""
    torch.mm(weights.T, a, out=out[None])


def _power(a: Tensor, exponent: int, out: Tensor) -> None:
    """Raise to a whole power as formulas do."""
    out.copy_(raised(a, exponent))


def _function(opcode: int) -> Function:
    """Return the torch function of an opcode."""
    if opcode in _SPECIAL:
        return _SPECIAL[opcode]
    name = FUNCTIONS[opcode].array_name
    if name is None:
        return partial(_own, opcode)
    function: Function = getattr(torch, name)
    return function


_SPECIAL: Final[dict[int, Function]] = {DOT: _weighted_sum, SUM: _weighted_sum, POW: _power}


def _own(opcode: int, *arguments: Tensor, out: Tensor) -> None:
    """Compute a function of the user's own, by NumPy where it is not there for tensors."""
    if FUNCTIONS[opcode].torch_function is None:
        out.copy_(torch.from_numpy(array_function(opcode, np)(*map(to_array, arguments))))
    else:
        out.copy_(array_function(opcode, torch)(*arguments))
