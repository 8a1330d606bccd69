"""Where a search stands."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._hashing import Hashes
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._scores import Scores

Record: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Island:
    """A population that evolves by itself.

    Attributes
    ----------
    population : Population
        The last generation, not scored yet.
    rng : numpy.random.Generator
        All its randomness.
    known : tuple of Hashes and Scores, or None
        The distinct programs of the generation before and their scores, in the order of the hashes. To score them again,
        among others, could change last digits: they belong to the state.
    """

    population: Population
    rng: np.random.Generator
    known: tuple[Hashes, Scores] | None = None


@dataclass(slots=True)
class SearchState:
    """Where a search stands, for one that goes on from there.

    Attributes
    ----------
    islands : list of Island
        The populations.
    bank : ndarray of float64, shape (M, D)
        The constant vectors that the programs refer to, the same on all islands.
    front : Front
        The best programs so far.
    generation : int
        Generations scored so far.
    unimproved : int
        Generations since the front last improved.
    functions : frozenset of str
        The names of the functions that programs may have.
    """

    islands: list[Island]
    bank: Floats
    front: Front
    generation: int = 0
    unimproved: int = 0
    functions: frozenset[str] = frozenset()


def copied(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator that will draw the same numbers; a tenth of the time that a deep copy takes."""
    bit_generator = type(rng.bit_generator)(0)
    bit_generator.state = rng.bit_generator.state
    return np.random.Generator(bit_generator)


def generators(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Return a copy of a generator and, with seeds that it decides, independent ones; it stays as it is.

    The state of the generator decides everything. Its own seed would not do: a generator that was pickled with NumPy 1
    has lost it.
    """
    seeds = np.random.SeedSequence(copied(rng).integers(2**32, size=8).tolist()).spawn(count - 1)
    return [copied(rng), *(np.random.Generator(type(rng.bit_generator)(seed)) for seed in seeds)]
