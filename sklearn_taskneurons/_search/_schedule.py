"""The one machine that runs programs: level by level, grouped by function, over all programs at once."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons.formula.functions import ARITIES, NUMBER, POW, VECTOR, X

Array: TypeAlias = NDArray[Any]
# f(argument, ..., out=); a power gets its exponents, shape (n, 1, ...), as a second argument
Operator: TypeAlias = Callable[..., object]

_LEAVES: Final = (X, NUMBER, VECTOR)


class _Group(NamedTuple):
    """Nodes ``start:stop`` of one level that apply the same function."""

    opcode: int
    start: int
    stop: int


class Nodes(NamedTuple):
    """The nodes of programs that stand one behind the other in prefix order.

    ``left`` and ``right`` are the indices of the arguments; where there is none, any index may stand.
    """

    opcode: NDArray[np.uint8]
    value: Floats
    size: Ints
    left: Ints
    right: Ints
    roots: Ints


class Schedule:
    """The nodes of a population in an order in which they can be computed.

    Leaves come first, by kind; then the functions, deepest level first. Values are arrays whose first
    axis has one entry for each node, so a group of equal functions is a slice and its arguments are one gather.

    Parameters
    ----------
    population : Population

    Attributes
    ----------
    n_nodes : int
        Number of nodes.
    variables, numbers, vectors : slice
        The leaves, by kind.
    value : ndarray of float64, shape (n_nodes,)
        The values of the nodes: numbers, rows of constant vectors, exponents.
    roots : ndarray of intp, shape (P,)
        The node of each program's root.
    """

    def __init__(self, population: Population) -> None:
        nodes = flatten(population)
        self.n_nodes = n_nodes = len(nodes.opcode)
        inner, group_of = _groups(len(ARITIES))
        group = group_of[nodes.opcode]
        depth = _depths(nodes.size)
        level = depth.max(initial=np.int16(0)) - depth
        key = np.where(group >= len(_LEAVES), group + level * np.int16(len(inner)), group)
        order = np.argsort(key, kind="stable")
        rank = np.empty(n_nodes, dtype=np.intp)
        rank[order] = np.arange(n_nodes)
        counts = np.bincount(key, minlength=len(_LEAVES))
        ends = np.cumsum(counts)
        self.variables = slice(0, int(ends[0]))
        self.numbers = slice(int(ends[0]), int(ends[1]))
        self.vectors = slice(int(ends[1]), int(ends[2]))
        self.value: Floats = nodes.value[order]
        self.roots: Ints = rank[nodes.roots]
        self._first_inner = int(ends[2])
        functions = order[self._first_inner :]
        self._left: Ints = rank[nodes.left[functions]]
        self._right: Ints = rank[nodes.right[functions]]
        self._levels = _levels(inner, counts, ends)

    def run(self, values: Array, operators: Mapping[int, Operator]) -> Array:
        """Compute all functions in place and return the values at the roots.

        Parameters
        ----------
        values : ndarray, shape (n_nodes, ...)
            Leaves are filled in already.
        operators : mapping of int to callable
            ``f(a, out=)``, ``f(a, b, out=)``, and ``f(a, exponents, out=)`` for powers.

        Returns
        -------
        ndarray, shape (P, ...)
        """
        shape = (-1,) + (1,) * (values.ndim - 1)
        offset = self._first_inner
        for level, stop_of_binary in self._levels:
            start, stop = level[0].start, level[-1].stop
            left = values.take(self._left[start - offset : stop - offset], axis=0)
            right = values.take(self._right[start - offset : stop_of_binary - offset], axis=0)
            for opcode, first, last in level:
                arguments = [left[first - start : last - start]]
                if ARITIES[opcode] == 2:
                    arguments.append(right[first - start : last - start])
                elif opcode == POW:
                    arguments.append(self.value[first:last].reshape(shape))
                operators[opcode](*arguments, out=values[first:last])
        return values.take(self.roots, axis=0)


def flatten(population: Population) -> Nodes:
    """Return the nodes of a population."""
    length = population.length
    where = np.flatnonzero(population.size)
    opcode = population.opcode.ravel()[where]
    value = population.value.ravel()[where]
    size = population.size.ravel()[where].astype(np.intp)
    last = len(where) - 1
    # The first argument follows its function, the second follows the first's subtree.
    left = np.minimum(np.arange(1, len(where) + 1), last)
    return Nodes(opcode, value, size, left, np.minimum(left + size[left], last), np.cumsum(length) - length)


@cache
def _groups(n_functions: int) -> tuple[list[int], NDArray[np.int16]]:
    """Return the functions in the order that they have inside of a level, and the group of each opcode, leaves included.

    The order is by arity, so that all second arguments of a level are one slice. The table only grows: its length says
    which one it is.
    """
    opcodes = [opcode for opcode in range(n_functions) if opcode not in _LEAVES]
    inner = sorted(opcodes, key=lambda opcode: -ARITIES[opcode])
    return inner, np.argsort([*_LEAVES, *inner]).astype(np.int16)


def _levels(inner: list[int], counts: Ints, ends: Ints) -> list[tuple[list[_Group], int]]:
    """Return the groups of each level, and where its functions of two arguments end."""
    levels: list[tuple[list[_Group], int]] = []
    last = -1
    for used in np.flatnonzero(counts[len(_LEAVES) :]).tolist():
        level, function = divmod(used, len(inner))
        stop = int(ends[used + len(_LEAVES)])
        group = _Group(inner[function], stop - int(counts[used + len(_LEAVES)]), stop)
        groups, stop_of_binary = levels.pop() if level == last else ([], group.start)
        groups.append(group)
        levels.append((groups, group.stop if ARITIES[group.opcode] == 2 else stop_of_binary))
        last = level
    return levels


def _depths(size: Ints) -> NDArray[np.int16]:
    """Return the depth of each node of programs that stand one behind the other.

    Of the nodes before a node, those whose subtree has not ended yet are its ancestors.
    """
    index = np.arange(len(size))
    ended = np.cumsum(np.bincount(index + size, minlength=len(size))[: len(size)])
    return (index - ended).astype(np.int16)


def depths(population: Population) -> Ints:
    """Return the depth of each program; a leaf has depth 0."""
    length = population.length
    depth = _depths(flatten(population).size)
    return np.maximum.reduceat(depth, np.cumsum(length) - length).astype(np.intp)
