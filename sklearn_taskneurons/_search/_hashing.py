"""Hashes of programs and subtrees, so that nothing is scored or computed twice.

64 bits from a fixed generator: two of a million different programs share a hash with a probability of
about 3e-8, and then one of them is scored as the other.
"""

import functools
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons._search._settings import MAX_LENGTH
from sklearn_taskneurons.formula.functions import FUNCTIONS, lasting_key

Hashes = NDArray[np.uint64]

_RNG: Final = np.random.Generator(np.random.PCG64(0x9E3779B97F4A7C15))
_ODD: Final = np.uint64(1)
_BY_OPCODE: Final[Hashes] = _RNG.integers(2**64, size=256, dtype=np.uint64)
_BUILT_IN: Final = sum(not function.is_own for function in FUNCTIONS)
_BY_POSITION: Final[Hashes] = _RNG.integers(2**64, size=MAX_LENGTH, dtype=np.uint64) | _ODD
_MULTIPLIER: Final = np.uint64(0xD6E8FEB86659FD93)
_SHIFT: Final = np.uint64(32)


def _tokens(opcode: NDArray[np.uint8], value: Floats) -> Hashes:
    """Return 64 mixed bits for each node."""
    mixed = (value.view(np.uint64) + _by_opcode(len(FUNCTIONS))[opcode]) * _MULTIPLIER
    mixed ^= mixed >> _SHIFT
    mixed *= _MULTIPLIER
    mixed ^= mixed >> _SHIFT
    return mixed


@functools.cache
def _by_opcode(n_functions: int) -> Hashes:
    """Return random bits for each function of the table; for those of the user's own their names decide them."""
    keys = [lasting_key(opcode) for opcode in range(_BUILT_IN, n_functions)]
    own = [int.from_bytes(blake2b(key, digest_size=8).digest(), "little") for key in keys]
    return np.concatenate([_BY_OPCODE[:_BUILT_IN], np.array(own, dtype=np.uint64)])


def program_hashes(population: Population) -> Hashes:
    """Return a hash of each program, shape (P,)."""
    tokens = _tokens(population.opcode, population.value)
    tokens *= _BY_POSITION[: population.width]
    tokens *= population.size > 0
    result: Hashes = tokens.sum(axis=1, dtype=np.uint64)
    return result


def subtree_hashes(opcode: NDArray[np.uint8], value: Floats, size: Ints) -> Hashes:
    """Return a hash of the subtree at each node of programs that stand one behind the other in prefix order.

    A rolling hash: the sum of ``token * base**position`` over the subtree is a difference of two running
    sums, and is moved to the origin by the inverse of the base, which exists modulo 2**64 as the base is odd.
    """
    count = len(opcode)
    base = int(_MULTIPLIER)
    powers = _running_powers(base, count)
    inverses = _running_powers(pow(base, -1, 2**64), count)
    sums = np.zeros(count + 1, dtype=np.uint64)
    np.cumsum(_tokens(opcode, value) * powers, out=sums[1:])
    index = np.arange(count)
    result: Hashes = (sums[index + size] - sums[index]) * inverses
    return result


def _running_powers(base: int, count: int) -> Hashes:
    """Return ``base**0, ..., base**(count - 1)`` modulo 2**64."""
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)
