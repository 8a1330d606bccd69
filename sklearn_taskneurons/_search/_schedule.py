"""The one machine that runs programs: level by level, grouped by function, over all programs at once."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import ARITY, Floats, Ints, Population
from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, NUMBER, POW, VECTOR, X

Array: TypeAlias = NDArray[Any]
# f(arguments..., out); a power gets its exponents, shape (n, 1), as a second argument
Operator: TypeAlias = Callable[..., object]

_LEAVES: Final = (X, NUMBER, VECTOR)
# Inside a level functions are ordered by arity, so that all second arguments of a level are one slice.
_INNER: Final = sorted((opcode for opcode, arity in enumerate(ARITIES) if arity), key=lambda opcode: -ARITIES[opcode])
_GROUPS: Final = (*_LEAVES, *_INNER)
_GROUP_OF: Final = np.argsort(np.array(_GROUPS)).astype(np.int16)
_WIDTH: Final = np.int16(len(_INNER))


class _Group(NamedTuple):
    """Nodes ``start:stop`` of one level that apply the same function."""

    opcode: int
    start: int
    stop: int


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
    numbers, vectors : slice
        Nodes that are numbers, and constant vectors.
    value : ndarray of float64, shape (n_nodes,)
        The values of the nodes: numbers, rows of constant vectors, exponents.
    roots : ndarray of intp, shape (P,)
        The node of each program's root.
    """

    def __init__(self, population: Population) -> None:
        length = population.length
        where = np.flatnonzero(np.arange(population.width) < length[:, None])
        size = population.size.ravel()[where].astype(np.intp)
        group = _GROUP_OF[population.opcode.ravel()[where]]
        self.n_nodes = n_nodes = len(where)
        depth = _depths(size)
        inner = group >= len(_LEAVES)
        level = np.int16(depth.max(initial=0)) - depth
        key = np.where(inner, group + level * _WIDTH, group)
        order = np.argsort(key, kind="stable")
        rank = np.empty(n_nodes, dtype=np.intp)
        rank[order] = np.arange(n_nodes)
        counts = np.bincount(key, minlength=len(_LEAVES))
        ends = np.cumsum(counts)
        self.variables = slice(0, int(ends[0]))
        self.numbers = slice(int(ends[0]), int(ends[1]))
        self.vectors = slice(int(ends[1]), int(ends[2]))
        self.value: Floats = population.value.ravel()[where[order]]
        self.roots: Ints = rank[np.cumsum(length) - length]
        self._first_inner = first_inner = int(ends[2])
        nodes = order[first_inner:]
        self._left: Ints = rank[nodes + 1]
        # Functions of one argument have no second one: what stands there is not used.
        self._right: Ints = rank[np.minimum(nodes + 1 + size[nodes + 1], n_nodes - 1)]
        self._levels: list[list[_Group]] = []
        last = -1
        for used in np.flatnonzero(counts[len(_LEAVES) :]).tolist():
            level_number, function = divmod(used, int(_WIDTH))
            stop = int(ends[used + len(_LEAVES)])
            if level_number != last:
                self._levels.append([])
                last = level_number
            self._levels[-1].append(_Group(_INNER[function], stop - int(counts[used + len(_LEAVES)]), stop))

    def run(self, values: Array, operators: Mapping[int, Operator]) -> Array:
        """Compute all functions in place and return the values at the roots.

        Parameters
        ----------
        values : ndarray, shape (n_nodes, ...)
            Leaves are filled in already.
        operators : mapping of int to callable
            ``f(a, out)``, ``f(a, b, out)``, and ``f(a, exponents, out)`` for powers.
        """
        shape = (-1,) + (1,) * (values.ndim - 1)
        for level in self._levels:
            start, stop = level[0].start, level[-1].stop
            binary_stop = max((group.stop for group in level if ARITIES[group.opcode] == 2), default=start)
            offset = self._first_inner
            left = values.take(self._left[start - offset : stop - offset], axis=0)
            right = values.take(self._right[start - offset : binary_stop - offset], axis=0)
            for opcode, first, last in level:
                arguments = [left[first - start : last - start]]
                if ARITIES[opcode] == 2:
                    arguments.append(right[first - start : last - start])
                elif opcode == POW:
                    arguments.append(self.value[first:last].reshape(shape))
                operators[opcode](*arguments, values[first:last])
        return values.take(self.roots, axis=0)


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
    where = np.arange(population.width) < length[:, None]
    depth = _depths(population.size[where].astype(np.intp))
    return np.maximum.reduceat(depth, np.cumsum(length) - length).astype(np.intp)


def are_typed(population: Population) -> NDArray[np.bool_]:
    """Return which programs have vectors wherever a function demands them."""
    schedule = Schedule(population)
    scalar, vector, wrong = 0, 1, 2
    kinds = np.full(schedule.n_nodes, vector, dtype=np.int8)
    kinds[schedule.numbers] = scalar

    def reduce_vectors(*arguments: Array) -> None:
        *arrays, out = arguments
        fine = np.ones(len(out), dtype=np.bool_)
        for array in arrays:
            fine &= array == vector
        out[:] = np.where(fine, scalar, wrong)

    def keep(a: Array, out: Array) -> None:
        out[:] = a

    operators: dict[int, Operator] = {}
    for opcode, function in enumerate(FUNCTIONS):
        if function.takes_vectors:
            operators[opcode] = reduce_vectors
        elif ARITY[opcode] == 2:
            operators[opcode] = np.maximum
        else:
            operators[opcode] = keep
    operators[POW] = lambda a, _exponents, out: keep(a, out)
    found: NDArray[np.bool_] = schedule.run(kinds, operators) != wrong
    return found
