"""Scores any programs on the rows of the data, block by block."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from sklearn_taskneurons._search._formulas import constant_entry, pareto
from sklearn_taskneurons._search._kinds import SCALAR, kinds
from sklearn_taskneurons._search._population import Bools, Floats, Population
from sklearn_taskneurons._search._refit import FormulaFitter
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._schedule import Array, Operator, Schedule
from sklearn_taskneurons._search._scores import FrontEntry, Scores
from sklearn_taskneurons.formula.functions import ARITIES, DOT, FUNCTIONS, POW, SUM

_BUDGET: Final = 1 << 26  # bytes of all values of a block of rows, however many rows and programs there are
_FEWEST_ROWS: Final = 32
_SMALLEST_SPREAD: Final = 1e-9


def _dot(a: Array, b: Array, out: Array) -> None:
    """Sum products over features; the scalar stands in every feature's place."""
    out[:] = np.einsum("nbd,nbd->nb", a, b)[:, :, None]


def _sum(a: Array, out: Array) -> None:
    out[:] = a.sum(axis=2, keepdims=True)


def _power(a: Array, exponents: Array, out: Array) -> None:
    """Raise to whole powers by squaring, each exponent at once."""
    for exponent in np.unique(exponents).tolist():
        where = np.flatnonzero(exponents == exponent)
        base, result, bits = a[where], np.ones_like(a[where]), int(exponent)
        while bits:
            if bits & 1:
                result *= base
            base *= base
            bits >>= 1
        out[where] = result


def _operator(opcode: int) -> Operator:
    """Return the array function of an opcode."""
    special: dict[int, Operator] = {DOT: _dot, SUM: _sum, POW: _power}
    if opcode in special:
        return special[opcode]
    operator: Operator = getattr(np, str(FUNCTIONS[opcode].array_name))
    return operator


_OPERATORS: Final[dict[int, Operator]] = {opcode: _operator(opcode) for opcode, arity in enumerate(ARITIES) if arity}


class RowScorer:
    """Scores programs with their own constants, as they are or with the best slope and intercept.

    The population becomes one graph of distinct subexpressions, run on blocks of rows. What the loss
    needs of all blocks is one small triangular factor for each program, so that no digits are lost.

    Parameters
    ----------
    rows : Rows
        The data.
    linear_scaling : bool
        Fit a slope and an intercept to each program.
    coefficients : {"shared", "per_feature"} or None
        Refit the terms of the formulas on the front: one number for each, one for each feature, or not at all.
    budget : int
        Bytes that the values of a block may take.
    """

    def __init__(
        self, rows: Rows, *, linear_scaling: bool = True, coefficients: str | None = None, budget: int = _BUDGET
    ) -> None:
        if rows.n_outputs > 1 and not linear_scaling and coefficients is None:
            raise ValueError(
                f"several outputs need linear_scaling=True or refit_constants=True; got {rows.n_outputs} outputs and neither"
            )
        self.n_features = rows.n_features
        self.n_outputs = rows.n_outputs
        self.total_weight = rows.total_weight
        # Terms that are to be refitted must be able to show their worth, each output for itself.
        self.linear_scaling = linear_scaling or rows.n_outputs > 1
        self.coefficients = coefficients
        self.budget = budget
        self._rows = rows
        self._fitter = FormulaFitter(rows, linear_scaling=linear_scaling, coefficients=coefficients)

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        loss = np.empty(len(population))
        with np.errstate(all="ignore"):
            for chunk in self._chunks(population):
                loss[chunk] = self._losses(population.take(chunk), bank)
        return Scores(loss, population.length)

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the programs' formulas, scaled or refitted and simplified, with the losses of what is returned."""
        entries = [self.constant()] if self.linear_scaling else []
        for row in range(len(population)):
            entries += self._fitter.entries(population.expression(row, bank))
        return pareto(entries)

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return constant_entry(self._rows.targets)

    def _chunks(self, population: Population) -> Iterator[slice]:
        """Divide the population so that a block of a few rows is within the budget."""
        rows = min(_FEWEST_ROWS, self._rows.n_rows)
        nodes = max(1, self.budget // (24 * self.n_features * rows))
        ends = np.cumsum(population.length)
        start = 0
        while start < len(population):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + nodes, side="right")))
            yield slice(start, stop)
            start = stop

    def _losses(self, population: Population, bank: Floats) -> Floats:
        """Return the losses of a chunk of programs."""
        schedule = Schedule(population, share=True)
        is_scalar = kinds(schedule) == SCALAR
        fine = np.ones(len(population), dtype=np.bool_)
        n_columns = 2 + self.n_outputs
        factors = np.zeros((len(population), n_columns, n_columns))
        size = self._block_rows(schedule)
        vectors = bank[schedule.value[schedule.vectors].astype(np.intp)]
        values = np.empty((schedule.n_nodes, size, self.n_features))
        values[schedule.numbers] = schedule.value[schedule.numbers, None, None]
        values[schedule.vectors] = vectors[:, None, :]
        for X, Y, root_weight in self._rows.blocks(size):
            block = values[:, : len(X)]
            block[schedule.variables] = X
            roots = _row_values(schedule.run(block, _OPERATORS), is_scalar)
            fine &= np.isfinite(roots).all(axis=1)
            roots[~fine] = 0.0
            stacked = np.empty((len(population), n_columns + len(X), n_columns))
            stacked[:, :n_columns] = factors
            stacked[:, n_columns:, 0] = root_weight
            stacked[:, n_columns:, 1] = roots * root_weight
            stacked[:, n_columns:, 2:] = Y * root_weight[:, None]
            factors = np.asarray(np.linalg.qr(stacked, mode="r"))
        return np.where(fine, self._factor_losses(factors), np.inf)

    def _block_rows(self, schedule: Schedule) -> int:
        """Return how many rows a block may have: values, and the arguments that are gathered for a level."""
        nodes = schedule.n_nodes + 2 * schedule.widest + 2 * len(schedule.roots)
        return max(1, min(self._rows.n_rows, self.budget // (8 * self.n_features * nodes)))

    def _factor_losses(self, factors: Floats) -> Floats:
        """Return the losses that the factors of ``[1, p, Y]`` give, shape (P,)."""
        residuals = factors[:, :, 2:].copy()
        residuals[:, 1:, self._rows.targets.is_constant] = 0.0
        if self.linear_scaling:
            # The constant explains the first row, the program what lies along its own direction, the second.
            is_constant = np.abs(factors[:, 1, 1]) <= _SMALLEST_SPREAD * np.abs(factors[:, 0, 1])
            residuals[:, 0] = 0.0
            residuals[~is_constant, 1] = 0.0
        else:
            residuals += factors[:, :, :1] * self._rows.shift - factors[:, :, 1, None]
        return self._rows.targets.normalised(np.einsum("pko,pko->po", residuals, residuals))


def _row_values(roots: Floats, is_scalar: Bools) -> Floats:
    """Return one value for each program and row: vectors are summed over features."""
    result: Floats = np.where(is_scalar[:, None], roots[:, :, 0], roots.sum(axis=2))
    return result
