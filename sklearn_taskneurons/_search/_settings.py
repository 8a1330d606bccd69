"""What a search may do, in one frozen object, and the checks of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, NUMBER, OPCODES, VECTOR, X, lasting_key

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
    init_depth : tuple of int
        Smallest and largest depth of the first programs; a leaf has depth 0.
    const_range : tuple of float
        Constants are whole numbers in ``[low, high)``.
    max_length, max_depth : int
        Offspring beyond either is replaced by its parent; a leaf has depth 0.
    nested_constraints : mapping of str to mapping of str to int
        For an outer and an inner function, how often the inner one may occur in an argument of the outer one, on any way to a
        leaf; offspring beyond it is replaced by its parent.
    parsimony_coefficient : float
        Added to the normalised loss for each node when programs compete.
    n_iter_no_change : int or None
        Stop when the front has not improved for so many generations; for fewer where a formula fits exactly.
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
    const_range: tuple[float, float] = (-20.0, 20.0)
    max_length: int = 64
    max_depth: int = MAX_DEPTH
    nested_constraints: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    parsimony_coefficient: float = 0.0
    n_iter_no_change: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no search can do, but for what the estimators refuse of each parameter by itself."""
        unknown = [name for name in self.function_set if name not in OPCODES or OPCODES[name] in (X, NUMBER)]
        if unknown or not any(ARITIES[OPCODES[name]] for name in self.function_set):
            names = [f.name for opcode, f in enumerate(FUNCTIONS) if opcode not in (X, NUMBER)]
            raise ValueError(f"function_set must hold names of {names}, one function at least; got {self.function_set!r}")
        if self.max_length > MAX_LENGTH:
            raise ValueError(f"max_length must be in [1, {MAX_LENGTH}]; got {self.max_length!r}")
        total = self.p_crossover + self.p_mutation + self.p_constant_mutation
        if total > 1.0 + 1e-9:
            raise ValueError(f"p_crossover, p_mutation and p_constant_mutation must add up to at most 1; got {total:g}")
        _check_pair("init_depth", self.init_depth, Integral, "whole numbers")
        _check_pair("const_range", self.const_range, Real, "numbers")
        low, high = self.init_depth
        if not 0 <= low <= high <= self.max_depth:
            raise ValueError(f"init_depth must be 0 <= low <= high <= {self.max_depth}; got ({low}, {high})")
        _check_nesting(self.nested_constraints, {FUNCTIONS[opcode].name for opcode in self.opcodes})
        smallest, largest = self.const_range
        if not -_MOST < smallest < largest < _MOST or math.ceil(smallest) >= largest:
            raise ValueError(
                f"const_range must be (low, high) with -{_MOST:g} < low < high < {_MOST:g} and a whole number from low on "
                f"below it; got {self.const_range!r}"
            )

    @property
    def opcodes(self) -> tuple[int, ...]:
        """Opcodes of the functions, without leaves, in an order that is the same in all processes."""
        return tuple(sorted({OPCODES[name] for name in self.function_set} - {VECTOR}, key=lasting_key))

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
