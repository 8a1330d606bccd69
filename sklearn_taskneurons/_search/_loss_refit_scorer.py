"""Scores elementwise polynomials by the best coefficients that their powers of x can have for other losses than squares."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from sklearn_taskneurons._search._least_squares import LeastSquares, Solution
from sklearn_taskneurons._search._loss_fits import MOST_STEPS, LossFitter
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._refit_scorer import RefitScorer, powers_of
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import FrontEntry

_STEPS: Final = 2  # after a fit by least squares, for programs to be compared
_STEPS_OF_ALL: Final = 10  # for the weights that the fit of all powers gives the rows
_ROWS_OF_A_COLUMN: Final = 50  # of more rows, which would cost as many times more, that fit is hardly another one
_BUDGET: Final = 1 << 28  # bytes of the powers of all rows, which are kept where they are no more


class LossRefitScorer(RefitScorer):
    """Scores a program by the powers of x that it contains, with coefficients of nearly the least mean loss.

    Powers are compared after two steps of reweighted least squares. These begin with the squared error's coefficients, or with
    those for the weights that the fit of all powers gives the rows, which know gross errors already, whichever are better:
    either are found without the rows. When the time is up they are taken as they are: what has been fitted by then counts, and
    of what has not, one fit by least squares at least.

    Parameters
    ----------
    moments : Moments
        Of the rows, with one coefficient for each power, or for each power and feature.
    rows : Rows
        The data, of one output.
    fitter : LossFitter
        Of these rows, with the clock of the search.
    loss : Loss
        The loss.
    """

    def __init__(self, moments: Moments, rows: Rows, fitter: LossFitter, loss: Loss) -> None:
        super().__init__(moments)
        self.reports_at_once = False
        self._data |= loss.fingerprint()
        self._moments = moments
        self._rows = rows
        self._fitter = fitter
        self._loss = loss
        self._best: dict[int, Solution] = {}
        # As many terms would fit any data.
        self._most_terms = max(1, rows.n_rows // 3)
        n_bytes = 8 * moments.n_columns
        self._size = rows.n_rows if n_bytes * rows.n_rows <= _BUDGET else max(1, _BUDGET // n_bytes)

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but what is soon computed, and more than the rows."""
        state = super().__getstate__()
        state.pop("_matrix", None)
        return {**state, "_best": {}}

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return self._fitter.constant_entry

    def entry(self, support: int) -> FrontEntry:
        """Return the best formula with these powers."""
        entry = super().entry(support)
        return entry._replace(deviance=self._fitter.deviance(entry.loss)) if np.isfinite(entry.loss) else entry

    def best_fit(self, support: int) -> Solution:
        """Return the best coefficients of these powers."""
        powers = powers_of(support)
        if support not in self._best:
            known = [self._fits[support]] if support in self._fits else []
            found = [] if known and self._is_over else [self._scaled(self._steps(powers, MOST_STEPS), powers)]
            self._best[support] = min([*found, *known], key=lambda fit: fit.loss)
        return self._best[support]

    def _losses(self, supports: Sequence[int]) -> list[float]:
        """Return the losses of supports; where there may be no time for all, those of less squared errors are fitted first."""
        if self._fitter.clock.deadline is not None:
            for support in sorted(set(supports) - self._fits.keys(), key=self._squared_error):
                self.fit(support)
        return super()._losses(supports)

    def _squared_error(self, support: int) -> float:
        return self._least_squares.solve(self._columns(powers_of(support))).loss

    def _solve(self, powers: list[int]) -> Solution:
        return self._steps(powers, _STEPS)

    @property
    def _is_over(self) -> bool:
        return self._fitter.clock.is_over

    def _steps(self, powers: list[int], most_steps: int) -> Solution:
        """Return what some steps of reweighted least squares find; when the time is up, that of the first powers alone."""
        columns = self._columns(powers)
        start = self._least_squares.solve(columns)
        is_late = bool(self._fits or self._best) and self._is_over
        if is_late or len(powers) > self._most_terms:
            return start._replace(loss=np.inf)
        starts = [start] if self._weighted is None else [start, self._weighted.solve(columns)]
        found = self._fitter.solve(lambda X: self._values(X, columns), self._size, starts=starts, most_steps=most_steps)
        return start._replace(loss=np.inf) if found is None else found

    @cached_property
    def _weighted(self) -> LeastSquares | None:
        """The least squares of all powers with the weights that their fit gives the rows."""
        every = np.arange(self._least_squares.n_columns)

        def columns(X: Floats) -> Floats:
            return self._values(X, every)

        start = self._least_squares.solve(every)
        rows = self._rows.thinned(_ROWS_OF_A_COLUMN * self._moments.n_columns)
        fitter = self._fitter if rows is self._rows else LossFitter(rows, self._loss, self._fitter.clock)
        found = fitter.solve(columns, self._size, starts=[start], most_steps=_STEPS_OF_ALL)
        return None if found is None else self._fitter.least_squares(columns, self._size, found)

    def _values(self, X: Floats, columns: Any) -> Floats:
        """Return a column of ones and some of those of the moments for some rows."""
        values = np.ones((1 + len(columns), len(X)))
        if len(columns):
            highest = int(columns.max()) // self._wide + 1
            powers = self._matrix if len(X) == self._rows.n_rows else self._moments.powers(X, highest)
            np.take(powers, columns, axis=0, out=values[1:], mode="clip")  # every column is there: no buffer for an error
        return values.T

    @cached_property
    def _matrix(self) -> Floats:
        """The columns of all rows."""
        ((X, _, _),) = self._rows.blocks(self._rows.n_rows)
        return self._moments.powers(X)
