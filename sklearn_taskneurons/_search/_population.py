"""A population of programs: three arrays in prefix order, one row a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons.formula._expression import Expression, Node
from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, NUMBER, OPCODES, POW, VECTOR, Function

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.intp]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Population:
    """P programs of at most L nodes.

    Attributes
    ----------
    opcode : ndarray of uint8, shape (P, L)
    value : ndarray of float64, shape (P, L)
        A number, an exponent, or the row of a constant vector in the bank; otherwise 0.
    size : ndarray of int16, shape (P, L)
        Nodes of the subtree that starts here, so that ``size[:, 0]`` is the program's length; 0 behind the program.
    """

    opcode: NDArray[np.uint8]
    value: Floats
    size: NDArray[np.int16]

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions of the user's own have other opcodes in other processes.
        own = {opcode: FUNCTIONS[opcode] for opcode in np.unique(self.opcode).tolist() if FUNCTIONS[opcode].is_own}
        return _arrived, (self.opcode, self.value, self.size, own)

    def __len__(self) -> int:
        """Return the number of programs."""
        return len(self.opcode)

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self.opcode.shape[1])

    @property
    def length(self) -> Ints:
        """The number of nodes of each program, shape (P,)."""
        return self.size[:, 0].astype(np.intp)

    def complexity(self, n_features: int) -> Ints:
        """Return the number of nodes of each program, a constant vector counted as its D numbers, shape (P,)."""
        is_vector = (self.opcode == VECTOR) & (self.size > 0)
        complexity: Ints = self.length + (n_features - 1) * np.count_nonzero(is_vector, axis=1)
        return complexity

    def take(self, rows: Ints | Bools | slice) -> "Population":
        """Return the programs in these rows."""
        return Population(self.opcode[rows], self.value[rows], self.size[rows])

    def resize(self, width: int) -> "Population":
        """Return the same programs in arrays of another width, which no program may exceed."""
        if width == self.width:
            return self
        return Population(*(_resize(array, width) for array in (self.opcode, self.value, self.size)))

    def expression(self, row: int, bank: Floats | None = None) -> Expression:
        """Return one program as an expression; ``bank`` holds the constant vectors, shape (M, D)."""
        length = int(self.size[row, 0])
        nodes = []
        for opcode, value in zip(self.opcode[row, :length].tolist(), self.value[row, :length].tolist(), strict=True):
            if opcode == NUMBER:
                nodes.append(Node(opcode, value))
            elif opcode == POW:
                nodes.append(Node(opcode, int(value)))
            elif opcode == VECTOR:
                vector = None if bank is None else tuple(bank[int(value)].tolist())
                nodes.append(Node(opcode, vector))
            else:
                nodes.append(Node(opcode))
        return tuple(nodes)

    def moved(self, opcodes: Mapping[int, int]) -> "Population":
        """Return the same programs where functions have other opcodes, those that these have become."""
        table = np.arange(256, dtype=np.uint8)
        table[list(opcodes)] = list(opcodes.values())
        return Population(table[self.opcode], self.value, self.size)

    @classmethod
    def concatenate(cls, populations: Sequence["Population"]) -> "Population":
        """Return all programs in one population, as wide as the widest."""
        width = max(population.width for population in populations)
        parts = [population.resize(width) for population in populations]
        return cls(
            np.concatenate([part.opcode for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.size for part in parts]),
        )

    @classmethod
    def from_expressions(cls, expressions: Sequence[Expression]) -> "Population":
        """Return a population of programs without constant vectors."""
        shape = len(expressions), max(len(expression) for expression in expressions)
        opcode, value = np.zeros(shape, dtype=np.uint8), np.zeros(shape)
        for row, expression in enumerate(expressions):
            for column, node in enumerate(expression):
                opcode[row, column] = node.opcode
                value[row, column] = node.value or 0.0
        lengths = np.array([len(expression) for expression in expressions])
        return cls(opcode, value, subtree_sizes(opcode, lengths))


def _arrived(opcode: NDArray[np.uint8], value: Floats, size: NDArray[np.int16], own: dict[int, Function]) -> Population:
    """Return programs from another process, whose opcodes of these functions are not those of this one."""
    moves = {there: OPCODES[function.name] for there, function in own.items()}
    return Population(opcode, value, size).moved(moves)


def arity_of(opcode: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how many arguments functions have, by the table as it is now."""
    return np.array(ARITIES, dtype=np.uint8)[opcode]


def _resize(array: NDArray[Any], width: int) -> NDArray[Any]:
    """Cut columns off or add columns of zeros."""
    if width <= array.shape[1]:
        return array[:, :width]
    resized = np.zeros((len(array), width), dtype=array.dtype)
    resized[:, : array.shape[1]] = array
    return resized


def subtree_sizes(opcode: NDArray[np.uint8], lengths: Ints) -> NDArray[np.int16]:
    """Return the size of the subtree at every node of programs in prefix order."""
    n_programs, width = opcode.shape
    arity = arity_of(opcode)
    sizes = np.zeros((n_programs, width + 2), dtype=np.int16)
    rows = np.arange(n_programs)
    for column in range(width - 1, -1, -1):
        first = np.where(arity[:, column] > 0, sizes[:, column + 1], 0)
        second = np.where(arity[:, column] > 1, sizes[rows, np.minimum(column + 1 + first, width + 1)], 0)
        sizes[:, column] = np.where(column < lengths, 1 + first + second, 0)
    return sizes[:, :width]
