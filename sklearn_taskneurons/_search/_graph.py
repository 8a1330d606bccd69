"""The distinct subexpressions of many programs, computed on blocks of rows."""

from typing import Any, Final, NamedTuple

import numpy as np

from sklearn_taskneurons._search._hashing import subtree_hashes
from sklearn_taskneurons._search._population import Bools, Floats, Ints, Population
from sklearn_taskneurons._search._schedule import Array, Operator, flatten
from sklearn_taskneurons.formula.functions import ARITIES, DOT, FUNCTIONS, NUMBER, POW, SUM, VECTOR, X


class _Step(NamedTuple):
    """A function of arrays, all given by their places; a program's result goes to a row of the predictions."""

    function: Operator
    arguments: tuple[int, ...]
    exponent: int | None
    out: int
    is_result: bool


class Graph:
    """Programs as one graph in which no subexpression occurs twice.

    Values of a block of B rows are arrays of shape (B, D) for vectors and (B, 1) for scalars; what does not
    depend on x has one row and is computed once. Nodes are computed program by program, so that an array
    is soon free for another value: few are needed, and they stay in the cache.

    Parameters
    ----------
    population : Population
        Programs of the right types.
    bank : ndarray of float64, shape (M, D)
        The constant vectors.

    Attributes
    ----------
    programs : ndarray of intp, shape (P,)
        For each program, its row in what :meth:`predict` returns.
    n_programs : int
        Distinct programs.
    n_values : int
        Numbers that are kept for each row of a block.
    """

    def __init__(self, population: Population, bank: Floats) -> None:
        nodes = flatten(population)
        # From right to left, arguments come before their function.
        hashes = subtree_hashes(nodes.opcode, nodes.value, nodes.size)[::-1]
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        number = np.empty_like(order)
        number[order] = np.arange(len(order))
        distinct = number[inverse][::-1]
        chosen = len(hashes) - 1 - first[order]
        left, right = distinct[nodes.left[chosen]], distinct[nodes.right[chosen]]
        roots, self.programs = np.unique(distinct[nodes.roots], return_inverse=True)
        opcode = nodes.opcode[chosen]
        self.n_programs = len(roots)
        self._plan = _Plan(bank, _last_use(opcode, left, right))
        rows = dict(zip(roots.tolist(), range(len(roots)), strict=True))
        columns = opcode.tolist(), nodes.value[chosen].tolist(), left.tolist(), right.tolist()
        for node, (function, value, *arguments) in enumerate(zip(*columns, strict=True)):
            self._plan.add(function, value, arguments[: ARITIES[function]])
            if node in rows:
                self._plan.add_result(node, rows[node])
        self.n_values = self._plan.n_values + self.n_programs
        self._x: Floats = np.zeros((0, 0))
        self._predictions: Floats = np.zeros((self.n_programs, 0))
        self._calls: list[tuple[Operator, tuple[Any, ...], Array]] = []

    def predict(self, X: Floats) -> Floats:
        """Return the value of each distinct program on each row, vectors summed over features, shape (R, B).

        The array is used again by the next call.
        """
        if len(X) != self._predictions.shape[1]:
            self._allocate(len(X))
        self._x[:] = X
        with np.errstate(all="ignore"):
            for function, arguments, out in self._calls:
                function(*arguments, out=out)
        return self._predictions

    def _allocate(self, size: int) -> None:
        """Prepare the arrays for blocks of so many rows."""
        arrays = [place if isinstance(place, np.ndarray) else np.empty((size, place)) for place in self._plan.places]
        self._x = arrays[0]
        self._predictions = np.empty((self.n_programs, size))
        self._calls = []
        for function, places, exponent, out, is_result in self._plan.steps:
            arguments: tuple[Any, ...] = tuple(arrays[place] for place in places)
            if exponent is not None:
                arguments += (exponent,)
            self._calls.append((function, arguments, self._predictions[out] if is_result else arrays[out]))


class _Plan:
    """Steps in order, and the places of their values: constants, and arrays that are used again and again."""

    def __init__(self, bank: Floats, last_use: Ints) -> None:
        self.places: list[Array | int] = [bank.shape[1]]  # an array, or the width of one; the first is for x
        self.steps: list[_Step] = []
        self._bank = bank
        self._last_use = last_use.tolist()
        self._place: list[int] = []  # of each node
        self._is_vector: list[bool] = []
        self._free: dict[int, list[int]] = {1: [], bank.shape[1]: []}

    @property
    def n_values(self) -> int:
        """Numbers for each row of a block."""
        return sum(place for place in self.places if isinstance(place, int))

    def add(self, opcode: int, value: float, arguments: list[int]) -> None:
        """Compute the next node."""
        node = len(self._place)
        if opcode == X:
            self._keep(0, is_vector=True)
        elif opcode == NUMBER:
            self._keep(self._constant(np.full((1, 1), value)), is_vector=False)
        elif opcode == VECTOR:
            self._keep(self._constant(self._bank[int(value)][None]), is_vector=True)
        else:
            is_vector = not FUNCTIONS[opcode].takes_vectors and any(self._is_vector[argument] for argument in arguments)
            places = tuple(self._place[argument] for argument in arguments)
            exponent = int(value) if opcode == POW else None
            self._keep(self._compute(opcode, places, exponent, is_vector), is_vector=is_vector)
            for argument in set(arguments):
                self._release(argument, node)

    def add_result(self, node: int, row: int) -> None:
        """Write the value of the node that was added last into a row of the predictions."""
        function = _sum_features if self._is_vector[node] else _first_column
        if self._is_vector[node] and isinstance(self.places[self._place[node]], np.ndarray):
            function = _sum_constant
        self.steps.append(_Step(function, (self._place[node],), None, row, True))
        if self._last_use[node] < node:
            self._release(node, self._last_use[node])

    def _keep(self, place: int, *, is_vector: bool) -> None:
        self._place.append(place)
        self._is_vector.append(is_vector)

    def _constant(self, array: Array) -> int:
        self.places.append(array)
        return len(self.places) - 1

    def _compute(self, opcode: int, places: tuple[int, ...], exponent: int | None, is_vector: bool) -> int:
        """Add a step, or compute it at once where nothing depends on x; return the place of its value."""
        width = self._bank.shape[1] if is_vector else 1
        arrays = [self.places[place] for place in places]
        constants = [array for array in arrays if isinstance(array, np.ndarray)]
        if len(constants) == len(arrays):
            out = np.empty((1, width))
            with np.errstate(all="ignore"):
                _FUNCTIONS[opcode](*constants, *(() if exponent is None else (exponent,)), out=out)
            return self._constant(out)
        if not self._free[width]:
            self.places.append(width)
            self._free[width].append(len(self.places) - 1)
        place = self._free[width].pop()
        self.steps.append(_Step(_FUNCTIONS[opcode], places, exponent, place, False))
        return place

    def _release(self, node: int, user: int) -> None:
        """Free the place of a node that is not needed after ``user``."""
        place = self._place[node]
        width = self.places[place]
        if place and isinstance(width, int) and self._last_use[node] == user:
            self._free[width].append(place)


def _last_use(opcode: Array, left: Ints, right: Ints) -> Ints:
    """Return the last node that each node is an argument of, or -1."""
    arity = np.array(ARITIES)[opcode]
    nodes = np.arange(len(opcode))
    last = np.full(len(opcode), -1)
    has_left: Bools = arity > 0
    has_right: Bools = arity > 1
    np.maximum.at(last, left[has_left], nodes[has_left])
    np.maximum.at(last, right[has_right], nodes[has_right])
    return last


def _dot(a: Array, b: Array, out: Array) -> None:
    np.sum(a * b, axis=1, keepdims=True, out=out)


def _sum(a: Array, out: Array) -> None:
    np.sum(a, axis=1, keepdims=True, out=out)


def _power(a: Array, exponent: int, out: Array) -> None:
    """Raise to a whole power by squaring, as formulas do."""
    out[:] = 1.0
    while exponent:
        if exponent & 1:
            np.multiply(out, a, out=out)
        exponent >>= 1
        if exponent:
            a = a * a


def _sum_features(a: Array, out: Array) -> None:
    np.sum(a, axis=1, out=out)


def _sum_constant(a: Array, out: Array) -> None:
    out[:] = a.sum()


def _first_column(a: Array, out: Array) -> None:
    out[:] = a[:, 0]


def _function(opcode: int) -> Operator:
    """Return the array function of an opcode."""
    special: dict[int, Operator] = {DOT: _dot, SUM: _sum, POW: _power}
    if opcode in special:
        return special[opcode]
    function: Operator = getattr(np, str(FUNCTIONS[opcode].array_name))
    return function


_FUNCTIONS: Final[dict[int, Operator]] = {opcode: _function(opcode) for opcode, arity in enumerate(ARITIES) if arity}
