"""What scoring returns, and how losses are compared."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons.formula import Formula

LOSS_FLOOR = 1e-18


class Scores(NamedTuple):
    """Normalised losses and complexities of P programs; a loss of infinity loses against everything.

    Both have shape (P,), or (P, F) where programs are scored in F forms.
    """

    loss: Floats
    complexity: Ints

    @property
    def forms(self) -> "list[Scores]":
        """The scores in each form, of shape (P,)."""
        columns = zip(np.atleast_2d(self.loss.T), np.atleast_2d(self.complexity.T), strict=True)
        return [Scores(loss, complexity) for loss, complexity in columns]

    @property
    def best(self) -> "Scores":
        """The scores of each program in its best form, the first among equals, of shape (P,)."""
        best, *others = self.forms
        for other in others:
            is_better = quantised(other.loss) < quantised(best.loss)
            best = Scores(*(np.where(is_better, *pair) for pair in zip(other, best, strict=True)))
        return best


class FrontEntry(NamedTuple):
    """A formula on the Pareto front.

    Attributes
    ----------
    complexity : int
        Nodes of the formula, a constant vector counted as its D numbers (of the largest one, if there are several outputs).
    loss : float
        Weighted mean squared error over the target's variance, averaged over outputs, or mean loss over that of the best
        constant: 1 is what a constant achieves.
    n_coefficients : int
        Numbers that were fitted to the data, over all outputs.
    formulas : tuple of Formula
        One for each output.
    fold_losses : tuple of float
        What each fold adds to the loss on rows that the numbers were not fitted to; empty where the scorer was given none.
    deviance : float or None
        Minus twice the logarithm of the likelihood of each value, up to a constant; None for normal errors, whose variance is
        fitted: the logarithm of the loss.
    choices : float
        The logarithm of the number of formulas among which a search finds one of this size; 0 where these are few.
    powers : float
        That of the number of sets of as many powers, for a polynomial.
    reach : float
        The largest standard error of the prediction a little beyond the rows, in standard deviations of the targets; 0 where it
        is not known.
    """

    complexity: int
    loss: float
    n_coefficients: int
    formulas: tuple[Formula, ...]
    fold_losses: tuple[float, ...] = ()
    deviance: float | None = None
    choices: float = 0.0
    powers: float = 0.0
    reach: float = 0.0


class Optimizer(Protocol):
    """What improves the constants of programs."""

    def refine(self, population: Population, bank: Floats, clock: Clock) -> Population:
        """Return the programs with numbers that a part of the rows finds better."""

    def polish(self, population: Population, bank: Floats, clock: Clock) -> tuple[Population, Floats]:
        """Return the programs with numbers and vectors that all rows find better, and a bank with these vectors."""


class Scorer(Protocol):
    """What a search needs to know about the data."""

    n_features: int
    n_outputs: int
    optimizer: Optimizer | None = None  # of constants that scoring takes as they are; None where there is nothing to optimise
    reports_at_once: bool  # whether the formulas of all programs take hardly any time

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs; ``bank`` holds the constant vectors, shape (M, D)."""

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the formulas of a few programs; programs that no formula can state are left out."""

    def eliminated(self, front: "Sequence[FrontEntry]") -> "Iterator[list[FrontEntry]]":
        """Yield, step by step, formulas of some of the terms of those on a front; none where scoring has tried all of them."""
        return iter(())

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or another kind: names, numbers and texts."""

    def split(self, count: int) -> "Sequence[Scorer]":
        """Return a scorer of the same data for each of so many islands, which may be advanced at the same time."""
        return [self] * count

    def constant(self) -> FrontEntry:
        """Return the best constant, for when nothing else is found."""


def check_outputs(n_outputs: int, *, has_fit: bool) -> None:
    """Raise ValueError unless there is one output, or something is fitted to each."""
    if n_outputs > 1 and not has_fit:
        raise ValueError(
            f"several outputs need linear_scaling=True or refit_constants=True; got {n_outputs} outputs and neither"
        )


def quantised(loss: Floats) -> NDArray[np.float32]:
    """Return losses to 7 significant digits.

    Rounding errors depend on the number of threads or on whether a row is repeated or weighted. They
    must not steer a search, so losses are compared without their last digits, and losses that are
    zero but for rounding are equal.
    """
    largest = float(np.finfo(np.float32).max)
    clipped = np.where(loss <= largest, np.maximum(loss, 0.0), np.inf)
    result: NDArray[np.float32] = np.where(clipped < LOSS_FLOOR, 0.0, clipped).astype(np.float32)
    return result
