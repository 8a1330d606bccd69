"""Which programs are vectors, which are scalars, and which are neither."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._schedule import Array, Operator, Schedule
from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, POW

SCALAR: Final = 0
VECTOR: Final = 1
WRONG: Final = 2  # a scalar stands where a function demands a vector


def kinds(schedule: Schedule) -> NDArray[np.int8]:
    """Return the kind of each program's value, shape (P,)."""
    values = np.full(schedule.n_nodes, VECTOR, dtype=np.int8)
    values[schedule.numbers] = SCALAR
    operators = {opcode: _operator(opcode) for opcode, arity in enumerate(ARITIES) if arity}
    result: NDArray[np.int8] = schedule.run(values, operators)
    return result


def _copy_base(a: Array, exponents: Array, out: Array) -> None:
    out[:] = a


def _sum(a: Array, out: Array) -> None:
    out[:] = np.where(a == VECTOR, SCALAR, WRONG)


def _dot(a: Array, b: Array, out: Array) -> None:
    out[:] = np.where((a == VECTOR) & (b == VECTOR), SCALAR, WRONG)


def _operator(opcode: int) -> Operator:
    """Return what a function does to kinds."""
    if opcode == POW:
        return _copy_base
    if FUNCTIONS[opcode].takes_vectors:
        return _dot if ARITIES[opcode] == 2 else _sum
    return np.maximum if ARITIES[opcode] == 2 else np.positive
