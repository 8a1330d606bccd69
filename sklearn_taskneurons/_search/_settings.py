"""What a search may do, in one frozen object, and the checks of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

from sklearn_taskneurons.formula._limits import MAX_EXPONENT
from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, NUMBER, OPCODES, VECTOR, X

MAX_LENGTH: Final = 500
MAX_DEPTH: Final = 90  # below what a Formula takes: scaling and the intercept are put around a program
_MOST: Final = 2.0**62  # constants are drawn as whole numbers of 64 bits
POLYNOMIAL_FUNCTIONS: Final = frozenset({"add", "sub", "mul", "neg", "pow"})


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Settings of the genetic search.

    Attributes
    ----------
    function_set : tuple of str
        Names from the table of functions; ``"w"`` stands for random constant vectors.
    population_size, generations, tournament_size : int
        Programs in a generation, generations scored, and programs that compete to become a parent.
    p_crossover, p_mutation, p_constant_mutation : float
        Shares of the offspring; what is left to 1 is copied. Half of the mutations replace a subtree,
        half a single node.
    elite_fraction : float
        Share of the population that goes on unchanged, equal programs counted once.
    init_depth, mutation_depth : tuple of int
        Smallest and largest depth of the first programs and of the subtrees that mutation plants; a leaf has depth 0.
    const_range : tuple of float
        Constants are drawn from ``[low, high)``.
    integer_constants : bool
        Draw whole numbers.
    p_x : float
        Probability that a leaf is ``x`` and not a constant.
    max_length, max_depth : int
        Offspring beyond either is replaced by its parent; a leaf has depth 0.
    nested_constraints : mapping of str to mapping of str to int
        For an outer and an inner function, how often the inner one may occur in an argument of the outer one, on any way to a
        leaf; offspring beyond it is replaced by its parent.
    max_exponent : int
        Largest exponent that ``pow`` is given.
    parsimony_coefficient : float
        Added to the normalised loss for each node when programs compete.
    n_vectors : int
        Number of random constant vectors to choose from.
    n_iter_no_change : int or None
        Stop when the front has not improved for so many generations.
    tolerance : float
        Stop when the normalised loss is at most this.
    """

    function_set: tuple[str, ...] = ("add", "sub", "mul", "neg")
    population_size: int = 500
    generations: int = 80
    tournament_size: int = 15
    p_crossover: float = 0.3
    p_mutation: float = 0.5
    p_constant_mutation: float = 0.1
    elite_fraction: float = 0.05
    init_depth: tuple[int, int] = (2, 6)
    mutation_depth: tuple[int, int] = (0, 3)
    const_range: tuple[float, float] = (-20.0, 20.0)
    integer_constants: bool = True
    p_x: float = 0.7
    max_length: int = 64
    max_depth: int = MAX_DEPTH
    nested_constraints: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    max_exponent: int = 5
    parsimony_coefficient: float = 0.0
    n_vectors: int = 256
    n_iter_no_change: int | None = None
    tolerance: float = 1e-18

    def __post_init__(self) -> None:
        """Refuse what no search can do."""
        unknown = [name for name in self.function_set if name not in OPCODES or OPCODES[name] in (X, NUMBER)]
        if unknown or not any(ARITIES[OPCODES[name]] for name in self.function_set):
            names = [f.name for opcode, f in enumerate(FUNCTIONS) if opcode not in (X, NUMBER)]
            raise ValueError(f"function_set must hold names of {names}, one function at least; got {self.function_set!r}")
        _check_range("population_size", self.population_size, 2)
        _check_range("generations", self.generations, 1)
        _check_range("tournament_size", self.tournament_size, 1)
        _check_range("max_length", self.max_length, 1, MAX_LENGTH)
        _check_range("max_depth", self.max_depth, 1, MAX_DEPTH)
        _check_range("max_exponent", self.max_exponent, 2, MAX_EXPONENT)
        _check_range("n_vectors", self.n_vectors, 1)
        for name in ("p_crossover", "p_mutation", "p_constant_mutation", "elite_fraction", "p_x"):
            _check_range(name, getattr(self, name), 0.0, 1.0)
        total = self.p_crossover + self.p_mutation + self.p_constant_mutation
        if total > 1.0 + 1e-9:
            raise ValueError(f"p_crossover, p_mutation and p_constant_mutation must add up to at most 1; got {total:g}")
        for name, kind, described in (
            ("init_depth", Integral, "whole numbers"),
            ("mutation_depth", Integral, "whole numbers"),
            ("const_range", Real, "numbers"),
        ):
            _check_pair(name, getattr(self, name), kind, described)
        for name in ("init_depth", "mutation_depth"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= self.max_depth:
                raise ValueError(f"{name} must be 0 <= low <= high <= {self.max_depth}; got ({low}, {high})")
        _check_nesting(self.nested_constraints, {FUNCTIONS[opcode].name for opcode in self.opcodes})
        low, high = self.const_range
        if not -_MOST < low < high < _MOST or (self.integer_constants and math.ceil(low) >= high):
            whole = " and a whole number from low on below it" if self.integer_constants else ""
            raise ValueError(
                f"const_range must be (low, high) with -{_MOST:g} < low < high < {_MOST:g}{whole}; got {self.const_range!r}"
            )

    @property
    def opcodes(self) -> tuple[int, ...]:
        """Opcodes of the functions, without leaves, in the order of the table."""
        return tuple(sorted({OPCODES[name] for name in self.function_set} - {VECTOR}))

    @property
    def has_vectors(self) -> bool:
        """Whether programs may contain constant vectors."""
        return "w" in self.function_set

    @property
    def is_typed(self) -> bool:
        """Whether a function demands vectors, so that not every leaf may stand everywhere."""
        return any(FUNCTIONS[opcode].takes_vectors for opcode in self.opcodes)

    @property
    def is_polynomial(self) -> bool:
        """Whether every program is an elementwise polynomial, which the moments can score."""
        return POLYNOMIAL_FUNCTIONS.issuperset(self.function_set)


def _check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise ValueError unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}]; got {value!r}")


def _check_pair(name: str, value: tuple[Any, ...], kind: type, described: str) -> None:
    """Raise ValueError unless a setting is two numbers of a kind."""
    if len(value) != 2 or not all(isinstance(number, kind) for number in value):
        raise ValueError(f"{name} must be (low, high), two {described}; got {value!r}")


def _check_nesting(constraints: Mapping[str, Mapping[str, int]], functions: set[str]) -> None:
    """Raise ValueError unless all names are functions of the set and all limits whole numbers that are not negative."""
    if all(
        isinstance(limits, Mapping)
        and functions.issuperset([outer, *limits])
        and all(isinstance(limit, int | np.integer) and limit >= 0 for limit in limits.values())
        for outer, limits in constraints.items()
    ):
        return
    raise ValueError(
        "nested_constraints must map functions to dicts that map functions to whole numbers, at least 0, as "
        f"{{'sin': {{'cos': 0}}}}, all of {sorted(functions)}; got {constraints!r}"
    )
