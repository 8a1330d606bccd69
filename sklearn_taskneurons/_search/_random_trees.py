"""Random programs, grown level by level for all programs at once."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._nesting import Nesting
from sklearn_taskneurons._search._population import Bools, Floats, Ints, Population, arity_of
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons.formula.functions import FUNCTIONS, NUMBER, POW, VECTOR, Function, X, portable

N_VECTORS: Final = 256  # random constant vectors to choose from: many directions, little memory
_P_X: Final = 0.7  # that a leaf is x: most constants need not be drawn, for they are fitted
_MAX_EXPONENT: Final = 5  # higher powers are products of these


@dataclass(frozen=True, slots=True)
class _Level:
    """Nodes of one depth, programs in ascending order."""

    program: Ints
    parent: Ints  # index into the level above
    opcode: NDArray[np.uint8]
    value: Floats


class Grammar:
    """Draws nodes as the settings allow.

    Parameters
    ----------
    settings : SearchSettings
    """

    def __init__(self, settings: SearchSettings) -> None:
        self.settings = settings
        self.nesting = Nesting(settings.nested_constraints)
        self.functions = np.array(settings.opcodes, dtype=np.uint8)
        takes_vectors = np.array([function.takes_vectors for function in FUNCTIONS])
        self.takes_vectors: Bools = takes_vectors
        self.vector_functions = self.functions[~takes_vectors[self.functions]]  # their value can be a vector
        by_arity = [self.functions[arity_of(self.functions) == arity] for arity in range(3)]
        self.functions_by_arity = by_arity
        leaves = 3 if settings.has_vectors else 2
        self.p_function = len(self.functions) / (len(self.functions) + leaves)

    def __reduce__(self) -> tuple[Any, ...]:
        # Opcodes are found anew where it arrives, and so are the functions of the user's own that must come along.
        return _arrived, (self.settings, [portable(opcode) for opcode in self.settings.opcodes])

    def numbers(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw constants."""
        low, high = self.settings.const_range
        return rng.integers(math.ceil(low), math.ceil(high), count).astype(float)

    def leaves(self, rng: np.random.Generator, needs_vector: Bools) -> tuple[NDArray[np.uint8], Floats]:
        """Draw leaves, vectors where they are needed: opcodes and values."""
        count = len(needs_vector)
        is_x = rng.random(count) < _P_X
        value = self.numbers(rng, count)
        if self.settings.has_vectors:
            is_vector = needs_vector | (rng.random(count) < 0.5)
            value = np.where(is_vector, rng.integers(N_VECTORS, size=count), value)
            opcode = np.where(is_x, X, np.where(is_vector, VECTOR, NUMBER))
        else:
            opcode = np.where(is_x | needs_vector, X, NUMBER)
        return opcode.astype(np.uint8), np.where(opcode == X, 0.0, value)

    def exponents(self, rng: np.random.Generator, opcode: NDArray[np.uint8]) -> Floats:
        """Draw the exponents of powers; 0 for other functions."""
        if POW not in self.functions:
            return np.zeros(len(opcode))
        drawn = rng.integers(2, _MAX_EXPONENT + 1, len(opcode))
        return np.where(opcode == POW, drawn, 0).astype(float)

    def choose_functions(self, rng: np.random.Generator, needs_vector: Bools) -> NDArray[np.uint8]:
        """Draw functions; where a vector is needed, one that can return it (or ``x`` where there is none)."""
        opcode = self.functions[rng.integers(len(self.functions), size=len(needs_vector))]
        if not self.settings.is_typed:
            return opcode
        if not len(self.vector_functions):
            return np.where(needs_vector, X, opcode).astype(np.uint8)
        others = self.vector_functions[rng.integers(len(self.vector_functions), size=len(needs_vector))]
        return np.where(needs_vector, others, opcode)

    def trees(self, rng: np.random.Generator, depth: Ints, full: Bools) -> Population:
        """Grow one program for each entry of ``depth``.

        Where ``full``, every branch reaches the depth; otherwise nodes between the root and the depth
        are leaves with some probability, as are functions that may not be nested there. No program becomes longer than
        ``max_length``.
        """
        n_programs = len(depth)
        program = np.arange(n_programs)
        parent = program
        room = np.full(n_programs, self.settings.max_length - 1)
        needs_vector = np.zeros(n_programs, dtype=np.bool_)
        left = self.nesting.at_the_root(n_programs)
        levels: list[_Level] = []
        while len(program):
            height = depth[program] - len(levels)
            inner = height > 0
            if levels:
                inner &= full[program] | (rng.random(len(program)) < self.p_function)
            function = self.choose_functions(rng, needs_vector)
            function = np.where(inner & ~self.nesting.forbids(function, left), function, X).astype(np.uint8)
            arity = _fit(program, arity_of(function).astype(np.intp), room)
            leaf, value = self.leaves(rng, needs_vector)
            opcode = np.where(arity > 0, function, leaf).astype(np.uint8)
            value = np.where(arity > 0, self.exponents(rng, opcode), value)
            levels.append(_Level(program, parent, opcode, value))
            needs_vector = self._children_need(rng, opcode, arity, needs_vector)
            parent = np.repeat(np.arange(len(program)), arity)
            left = self.nesting.below(opcode, left)[parent]
            program = program[parent]
        return _flatten(levels, n_programs)

    def _children_need(self, rng: np.random.Generator, opcode: NDArray[np.uint8], arity: Ints, needs_vector: Bools) -> Bools:
        """Return which children must be vectors: all under ``dot`` and ``sum``, else one where the node must be."""
        if not self.settings.is_typed:
            return np.zeros(int(arity.sum()), dtype=np.bool_)
        parent = np.repeat(np.arange(len(opcode)), arity)
        is_second = np.zeros(len(parent), dtype=np.bool_)
        is_second[1:] = parent[1:] == parent[:-1]
        chosen = (rng.random(len(opcode)) < 0.5) & (arity > 1)
        passed_on: Bools = needs_vector[parent] & (is_second == chosen[parent])
        return self.takes_vectors[opcode[parent]] | passed_on

    def ramped(self, rng: np.random.Generator, count: int, depths: tuple[int, int]) -> Population:
        """Grow programs of all depths of a range, half of them full (ramped half-and-half)."""
        depth = np.arange(count) // 2 % (depths[1] - depths[0] + 1) + depths[0]
        return self.trees(rng, depth, np.arange(count) % 2 == 0)


def _fit(program: Ints, arity: Ints, room: Ints) -> Ints:
    """Return the arities with 0 where the children would not fit any more, and take them off ``room``."""
    total = np.cumsum(arity)
    starts = np.searchsorted(program, program)
    within = total - total[starts] + arity[starts]
    arity = np.where(within <= room[program], arity, 0)
    room -= np.bincount(program, weights=arity, minlength=len(room)).astype(np.intp)
    return arity


def _flatten(levels: list[_Level], n_programs: int) -> Population:
    """Put nodes that are sorted by level into prefix order."""
    sizes: list[Ints] = []
    below = np.zeros(len(levels[-1].program), dtype=np.intp)
    for level, lower in zip(reversed(levels), [None, *reversed(levels)], strict=False):
        if lower is not None:
            below = np.bincount(lower.parent, weights=sizes[-1], minlength=len(level.program)).astype(np.intp)
        sizes.append(1 + below)
    sizes.reverse()
    shape = n_programs, int(sizes[0].max())
    opcode, value = np.zeros(shape, dtype=np.uint8), np.zeros(shape)
    size = np.zeros(shape, dtype=np.int16)
    position = np.zeros(n_programs, dtype=np.intp)
    for depth, (level, level_sizes) in enumerate(zip(levels, sizes, strict=True)):
        if depth:
            position = position[level.parent] + 1
            is_second = np.flatnonzero(level.parent[1:] == level.parent[:-1]) + 1
            position[is_second] += level_sizes[is_second - 1]
        opcode[level.program, position] = level.opcode
        value[level.program, position] = level.value
        size[level.program, position] = level_sizes
    return Population(opcode, value, size)


def _arrived(settings: SearchSettings, functions: list[str | Function]) -> Grammar:
    """Return the grammar of settings whose functions have taken their places in the table by now."""
    return Grammar(settings)
