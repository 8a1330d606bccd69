"""Local optimisation of the constants that least squares cannot reach, since they stand inside functions and products."""

from typing import Final

import numpy as np

from sklearn_taskneurons._search._canonical import forget
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._hashing import program_hashes
from sklearn_taskneurons._search._levenberg_marquardt import minimised
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._separable import Projection, SeparableProgram
from sklearn_taskneurons._threads import single_torch_thread
from sklearn_taskneurons.formula.functions import NUMBER

_MOST_ROWS: Final = 1024  # that constants are optimised on while a search goes on
_MOST_PROGRAMS: Final = 1 << 15
_MORE_STEPS: Final = 10  # times as many at the end, where vectors are far from what they will be
_LEAST_GAIN: Final = 1e-9  # of the loss; constants that change nothing, as in 3*x*x beside a coefficient, gain by rounding


class ConstantOptimizer:
    """Optimises the constants of programs by Levenberg-Marquardt steps, the coefficients of their summands projected out.

    For each trial value of the constants the coefficients and the intercept are solved in closed form: variable
    projection [1]_, with Kaufman's approximation of the Jacobian [2]_. A pass over the rows makes one triangular
    factor of summands, derivatives and targets, so that the memory does not depend on the number of rows.

    Parameters
    ----------
    rows : Rows
        The data.
    iterations : int
        The largest number of steps for a program, at least 1; at the end ten times as many.
    budget : int
        Bytes that the values of a block of rows may take.

    References
    ----------
    .. [1] G. H. Golub, V. Pereyra, "The Differentiation of Pseudo-Inverses and Nonlinear Least Squares Problems Whose
       Variables Separate", SIAM Journal on Numerical Analysis 10(2), 1973, :doi:`10.1137/0710036`.
    .. [2] L. Kaufman, "A Variable Projection Method for Solving Separable Nonlinear Least Squares Problems", BIT 15,
       1975, :doi:`10.1007/BF01932995`.
    """

    def __init__(self, rows: Rows, *, iterations: int, budget: int) -> None:
        self._rows = rows
        self._few_rows = rows.thinned(_MOST_ROWS)
        self._iterations = iterations
        self._budget = budget
        self._known: dict[int, Floats] = {}  # the values of programs that were optimised, by the hash of what they were

    def refine(self, population: Population, bank: Floats, clock: Clock) -> Population:
        """Return the programs with numbers that a part of the rows finds better."""
        # What a program becomes depends on nothing else: to optimise it again, after a stop, gives the same.
        forget(self._known, _MOST_PROGRAMS)
        values = population.value.copy()
        for row, key in enumerate(program_hashes(population).tolist()):
            if key not in self._known:
                if clock.is_over:
                    break
                program = SeparableProgram(population, row, bank, with_vectors=False)
                values[row, program.positions] = self._optimised(program, self._few_rows, self._iterations)
                self._known[key] = values[row, : program.length].copy()
            values[row, : len(self._known[key])] = self._known[key]
        return Population(population.opcode, values, population.size)

    def polish(self, population: Population, bank: Floats, clock: Clock) -> tuple[Population, Floats]:
        """Return programs with better numbers and vectors, from all rows, and a bank that holds these, too."""
        values, vectors = population.value.copy(), [bank]
        for row in range(len(population)):
            if clock.is_over:
                break
            program = SeparableProgram(population, row, bank, with_vectors=True)
            found = self._optimised(program, self._rows, _MORE_STEPS * self._iterations)
            for position, value in zip(program.positions, program.split(found), strict=True):
                if population.opcode[row, position] == NUMBER:
                    values[row, position] = value[0]
                else:
                    values[row, position] = sum(map(len, vectors))
                    vectors.append(value[None])
        return Population(population.opcode, values, population.size), np.concatenate(vectors)

    def _optimised(self, program: SeparableProgram, rows: Rows, iterations: int) -> Floats:
        """Return better constants, or the same."""
        count = len(program.start)
        if not count or program.is_opaque or 1 + len(program.summands) + count > rows.n_rows // 3:
            return program.start
        size = max(1, self._budget // (32 * rows.n_features * program.length))
        fit = Projection(program, rows, size)
        with np.errstate(all="ignore"), single_torch_thread():
            before = fit.residuals(program.start)
            if not np.isfinite(before).all():
                return program.start
            constants, squares = minimised(fit, program.start, iterations)
        return constants if squares < (1.0 - _LEAST_GAIN) * before @ before else program.start
