"""Scores any programs on the rows of the data, block by block."""

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import torch

from sklearn_taskneurons._device import resolve_device
from sklearn_taskneurons._search._canonical import Canonical, forget
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._combinations import Combinations
from sklearn_taskneurons._search._constants import ConstantOptimizer
from sklearn_taskneurons._search._elimination import eliminated
from sklearn_taskneurons._search._errors import Errors, PlainErrors, ScaledErrors
from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._graph import Graph
from sklearn_taskneurons._search._kept_columns import KeptColumns
from sklearn_taskneurons._search._loss_errors import LossErrors
from sklearn_taskneurons._search._loss_fits import LossFitter
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._refit import FormulaFitter
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._schedule import Schedule
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, Scores, check_outputs
from sklearn_taskneurons._search._sums import Sum, direction
from sklearn_taskneurons._search._supports import degrees
from sklearn_taskneurons._search._tensor_rows import TensorRows
from sklearn_taskneurons._search._term_fits import FittedErrors, TermStacks, is_finite, support
from sklearn_taskneurons._search._workspace import Workspace
from sklearn_taskneurons._threads import single_torch_thread

_BUDGET: Final = 1 << 26  # bytes of all values of a block of rows, however many rows and programs there are
_COLUMN_BUDGET: Final = 1 << 28  # bytes of the columns that are kept for later generations
_FEWEST_ROWS: Final = 32
_CACHED_VALUES: Final = 20_000  # of a block on a CPU: few enough for its cache, many enough that calls cost little
_PROGRAMS_AT_ONCE: Final = 64  # whose predictions are added up, so that they stay in the cache
_MOST_LOSSES: Final = 1 << 18
_SMALLEST_SPREAD: Final = 1e-9


class RowScorer(Scorer):
    """Scores programs with the best coefficients of their terms, or with their own constants, scaled or as they are.

    A program is a sum of terms. The terms of all programs become one graph, run on blocks of rows; columns of terms
    and losses of programs are remembered, so that each is computed once in a search, while there is room.

    Parameters
    ----------
    rows : Rows
        The data.
    linear_scaling : bool
        Fit a slope and an intercept to each program.
    coefficients : {"auto", "shared", "per_feature"} or None
        Fit a number to each term, or not at all; in the formulas on the front perhaps one for each feature, or with "auto"
        both.
    budget : int
        Bytes that the values of a block may take.
    column_budget : int
        Bytes that columns of earlier programs may take.
    device : str or torch.device
        Where programs are evaluated; "auto" is CUDA where there is one, else the CPU. It must know double precision.
    folds : sequence of Rows, default=()
        Parts of the same rows, at least two, to cross-validate the reported formulas on.
    optimizer_iterations : int, default=0
        The largest number of steps in which the constants of a program are optimised that no coefficients are; it needs
        coefficients.
    loss : Loss, optional
        What is minimised instead of the squared error, of one output and without folds or optimised constants.
    clock : Clock, optional
        When the time is up for the fits of that loss; by default never.
    max_degree : int, optional
        The largest degree of programs that are polynomials; without it programs may be anything.
    n_symbols : int, default=1
        Among how many symbols the search chooses each node of a program.
    """

    reports_at_once = False

    def __init__(
        self,
        rows: Rows,
        *,
        linear_scaling: bool = True,
        coefficients: str | None = None,
        budget: int = _BUDGET,
        column_budget: int = _COLUMN_BUDGET,
        device: str | torch.device = "cpu",
        folds: Sequence[Rows] = (),
        optimizer_iterations: int = 0,
        loss: Loss | None = None,
        clock: Clock | None = None,
        max_degree: int | None = None,
        n_symbols: int = 1,
    ) -> None:
        self._has_fit = linear_scaling or coefficients is not None
        check_outputs(rows.n_outputs, has_fit=self._has_fit)
        if optimizer_iterations and coefficients is None:
            raise ValueError(f"optimizer_iterations must be 0 where no coefficients are fitted; got {optimizer_iterations}")
        if optimizer_iterations and loss is not None:
            raise ValueError(f"optimizer_iterations must be 0 where the loss is not squared_error; got {optimizer_iterations}")
        rows.targets.check_range()
        self.n_features = rows.n_features
        self.n_outputs = rows.n_outputs
        # Terms that are to be refitted must be able to show their worth, each output for itself.
        self.linear_scaling = linear_scaling or rows.n_outputs > 1
        self.coefficients = coefficients
        self.budget = budget
        self.device = resolve_device(device, torch.float64)
        self._rows = rows
        self._column_budget = column_budget
        self._optimizer_iterations = optimizer_iterations
        self._loss = loss
        self._loss_fitter = None if loss is None else LossFitter(rows, loss, clock)
        self._max_degree = max_degree
        self._fitter = FormulaFitter(
            rows,
            linear_scaling=linear_scaling,
            coefficients=coefficients,
            budget=budget,
            folds=folds,
            n_symbols=n_symbols,
            loss=self._loss_fitter,
        )
        self._begin()

    def _begin(self) -> None:
        """Put the rows on the device; nothing is known of any program."""
        self._tensors = TensorRows(self._rows, self.device)
        self._columns = KeptColumns(self._rows.n_rows, self._column_budget, self.device)
        self._workspace = Workspace(self.device)
        self._canonical: Canonical | None = None
        self._losses: dict[bytes, float] = {}  # of the sums scored so far
        if self._optimizer_iterations:
            self.optimizer = ConstantOptimizer(self._rows, iterations=self._optimizer_iterations, budget=self.budget)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: what is remembered would weigh much more than the rows."""
        remembered = ("_tensors", "_columns", "_workspace", "_canonical", "_losses", "optimizer")
        return {name: value for name, value in vars(self).items() if name not in remembered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin anew."""
        vars(self).update(state)
        self._begin()

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs; one whose values are not finite, or too large to be squared, has an infinite loss."""
        with np.errstate(all="ignore"):
            if self._canonical is None or not np.array_equal(self._canonical.bank, bank):
                self._canonical = Canonical(bank)
            sums = self._canonical.sums(population)
            if self.coefficients is not None:
                sums = [support(value) for value in sums]
            elif self.linear_scaling:
                sums = [direction(value) for value in sums]
            forget(self._losses, _MOST_LOSSES)
            new = {value.key: value for value in sums if value.key not in self._losses}
            hopeless = [key for key, value in new.items() if not self._can_be_fitted(value)]
            for key in hopeless:
                self._losses[key] = np.inf
                del new[key]
            with torch.inference_mode(), single_torch_thread():
                self._score(sorted(new.values(), key=lambda value: -len(value.terms)))
            losses = np.array([self._losses[value.key] for value in sums])
            if self._max_degree is not None:
                losses[degrees(Schedule(population)) > self._max_degree] = np.inf
            return Scores(losses, population.complexity(self.n_features))

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the programs' formulas, scaled or refitted and simplified, with the losses of what is returned."""
        entries = [self.constant()] if self.linear_scaling else []
        with single_torch_thread():
            for row in range(len(population)):
                entries += self._fitter.entries(population.expression(row, bank))
        return pareto(entries)

    def eliminated(self, front: Sequence[FrontEntry]) -> Iterator[list[FrontEntry]]:
        """Yield, step by step, formulas of some of the terms of those on a front; none for other losses than squares."""
        return eliminated(self._fitter, front) if self._loss is None else iter(())

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or another kind."""
        how = {"linear_scaling": self.linear_scaling, "coefficients": self.coefficients}
        iterations = {"optimizer_iterations": self._optimizer_iterations}
        loss = {} if self._loss is None else {**self._loss.fingerprint(), "max_degree": self._max_degree}
        return {"scored by": "rows", **how, **iterations, **loss, **self._rows.fingerprint()}

    def split(self, count: int) -> "list[RowScorer]":
        """Return a scorer for each of so many islands, which share the memory for columns."""
        scorers = [copy.copy(self) for _ in range(count)]
        for scorer in scorers:
            scorer._column_budget = self._column_budget // count
            scorer._begin()
        return scorers

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return self._fitter.constant

    def _score(self, sums: Sequence[Sum]) -> None:
        """Find the losses of sums, longest first, of half after half if even a few rows of all would be too many numbers."""
        if not sums:
            return
        terms = dict.fromkeys(term for value in sums for term in value.terms)
        graph = Graph(terms, self._columns, self.n_features, self.device)
        bytes_per_row = 8 * (graph.n_values + 2 * len(graph.row) + 3 * _PROGRAMS_AT_ONCE)
        size = min(self._rows.n_rows, max(1, self.budget // bytes_per_row))
        if size < min(_FEWEST_ROWS, self._rows.n_rows) and len(sums) > 1:
            half = len(sums) // 2
            self._score(sums[:half])
            self._score(sums[half:])
            return
        if self.device.type == "cpu":
            size = min(size, max(2 * _FEWEST_ROWS, _CACHED_VALUES // self.n_features))
        losses = self._run(graph, sums, size)
        self._losses.update(zip((value.key for value in sums), losses.tolist(), strict=True))

    def _run(self, graph: Graph, sums: Sequence[Sum], size: int) -> Floats:
        """Return the losses of sums of a graph's terms, from blocks of ``size`` rows."""
        given = self._columns.use(graph.given)
        kept = self._columns.make_room(graph.computed, len(graph.given))
        parts = [*self._parts(sums)]
        predictions = [self._predictor(part, graph.row, self.device) for part in parts]
        errors = [self._new_errors() for _ in parts]
        going_on = True
        while going_on:
            for start in range(0, self._rows.n_rows, size):
                rows = slice(start, start + size)
                columns = graph.run(self._tensors.X[:, rows], self._columns.read(given, rows), self._workspace)
                self._columns.write(kept, rows, columns[len(graph.given) :])
                targets = self._tensors.targets(rows)
                for part, errors_of_part in zip(predictions, errors, strict=True):
                    errors_of_part.add(targets, part.of(columns, self._workspace))
            wishes = [part.goes_on() for part in errors]
            going_on = any(wishes)
        self._columns.keep(graph.computed, kept)
        totals = np.concatenate([part.totals() for part in errors])
        is_finite = np.isfinite(totals).all(axis=1)
        if self._has_fit:
            totals[:, self._rows.targets.is_constant] = 0.0
        if self._loss_fitter is not None:
            return np.where(is_finite, self._loss_fitter.normalised(totals[:, 0]), np.inf)
        return np.where(is_finite, self._rows.targets.normalised(totals), np.inf)

    def _can_be_fitted(self, value: Sum) -> bool:
        """Return whether the terms of a program can be fitted, and are not so many that they would fit any data."""
        return self.coefficients is None or (is_finite(value) and len(value.terms) <= max(1, self._rows.n_rows // 3))

    def _parts(self, sums: Sequence[Sum]) -> Iterator[Sequence[Sum]]:
        """Yield sums that are evaluated together, of equally many terms each where these are fitted."""
        groups = [sums]
        if self.coefficients is not None:
            groups = [list(group) for _, group in groupby(sums, key=lambda value: len(value.terms))]
        for group in groups:
            for start in range(0, len(group), _PROGRAMS_AT_ONCE):
                yield group[start : start + _PROGRAMS_AT_ONCE]

    @property
    def _predictor(self) -> type[Combinations] | type[TermStacks]:
        return Combinations if self.coefficients is None else TermStacks

    def _new_errors(self) -> Errors:
        if self._loss is not None and self._loss_fitter is not None:
            fixed = None if self._has_fit else (-self._rows.shift[0], 1.0)
            smallest = self._loss_fitter.smallest
            return LossErrors(self._loss, smallest=smallest, smallest_spread=_SMALLEST_SPREAD, fixed=fixed)
        if self.coefficients is not None:
            return FittedErrors(_SMALLEST_SPREAD)
        return ScaledErrors(_SMALLEST_SPREAD) if self.linear_scaling else PlainErrors()
