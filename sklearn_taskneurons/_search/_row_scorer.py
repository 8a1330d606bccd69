"""Scores any programs on the rows of the data, block by block."""

from typing import Any, Final

import numpy as np

from sklearn_taskneurons._search._formulas import constant_entry, pareto
from sklearn_taskneurons._search._graph import Graph
from sklearn_taskneurons._search._population import Bools, Floats, Population
from sklearn_taskneurons._search._refit import FormulaFitter
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import FrontEntry, Scores

_BUDGET: Final = 1 << 24  # bytes of all values of a block of rows, however many rows and programs there are
_FEWEST_ROWS: Final = 32
_SMALLEST_SPREAD: Final = 1e-9


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
        self._fitter = FormulaFitter(rows, linear_scaling=linear_scaling, coefficients=coefficients, budget=budget)

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        with np.errstate(all="ignore"):
            return Scores(self._losses(population, bank), population.length)

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the programs' formulas, scaled or refitted and simplified, with the losses of what is returned."""
        entries = [self.constant()] if self.linear_scaling else []
        for row in range(len(population)):
            entries += self._fitter.entries(population.expression(row, bank))
        return pareto(entries)

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or another kind."""
        how = {"linear_scaling": self.linear_scaling, "coefficients": self.coefficients, "budget": self.budget}
        return {"scored by": "rows", **how, **self._rows.fingerprint()}

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return constant_entry(self._rows.targets)

    def _losses(self, population: Population, bank: Floats) -> Floats:
        """Return the losses of programs, of half after half if even a few rows of all would be too many numbers."""
        graph = Graph(population, bank)
        n_columns = 2 + self.n_outputs
        bytes_per_row = 8 * (graph.n_values + 3 * n_columns * graph.n_programs)
        if bytes_per_row * min(_FEWEST_ROWS, self._rows.n_rows) > self.budget and len(population) > 1:
            half = len(population) // 2
            halves = population.take(slice(half)), population.take(slice(half, None))
            return np.concatenate([self._losses(part, bank) for part in halves])
        factors: Floats = np.zeros((graph.n_programs, n_columns, n_columns))
        fine: Bools = np.ones(graph.n_programs, dtype=np.bool_)
        for X, Y, root_weight in self._rows.blocks(max(1, self.budget // bytes_per_row)):
            predictions = graph.predict(X)
            fine &= np.isfinite(predictions).all(axis=1)
            stacked = np.empty((graph.n_programs, n_columns + len(X), n_columns))
            stacked[:, :n_columns] = factors
            stacked[:, n_columns:, 0] = root_weight
            stacked[:, n_columns:, 1] = np.where(fine[:, None], predictions, 0.0) * root_weight
            stacked[:, n_columns:, 2:] = Y * root_weight[:, None]
            factors = np.asarray(np.linalg.qr(stacked, mode="r"))
        losses: Floats = np.where(fine, self._factor_losses(factors), np.inf)
        return losses[graph.programs]

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
