"""Levenberg-Marquardt steps that are a function of their inputs alone, also where constants depend on each other."""

from typing import Final, Protocol

import numpy as np

from sklearn_taskneurons._search._population import Floats

_RANK_TOLERANCE: Final = 1e-8  # of the singular values of the scaled derivatives; what is less may be rounding
_TOLERANCE: Final = 1e-15  # steps end where the constants stand still, be the squares as small as they may
_LONGEST: Final = 10.0  # times a constant, or 1 where that is more; those that matter little run off otherwise
_NEWTON_STEPS: Final = 20  # some are enough for a tenth of the radius
_POOR: Final = 0.25  # share of the promised gain below which the radius shrinks
_GOOD: Final = 0.75


class Problem(Protocol):
    """Residuals of constants, not finite where these are out of bounds, and their derivatives."""

    def residuals(self, constants: Floats) -> Floats:
        """Return the residuals, shape (R,)."""

    def jacobian(self, constants: Floats) -> Floats:
        """Return their derivatives, shape (R, C); zeros for constants that are to stay."""


def minimised(problem: Problem, start: Floats, steps: int) -> tuple[Floats, float]:
    """Return constants with a smaller sum of squared residuals, or the same, and that sum.

    Each constant is measured by the largest norm so far of its column of derivatives. The step is the best one within a radius
    for the linear model [1]_. MINPACK factorizes by columns and leaves the step to rounding where the rank is deficient; here
    singular values decide what can be told from nothing, and the step is the shortest one.

    Parameters
    ----------
    problem : Problem
    start : ndarray of float64, shape (C,)
        The constants at the beginning, where residuals are finite.
    steps : int
        The largest number of steps that are tried.

    References
    ----------
    .. [1] J. J. Moré, "The Levenberg-Marquardt Algorithm: Implementation and Theory", Numerical Analysis, Lecture Notes in
       Mathematics 630, 1978, :doi:`10.1007/BFb0067700`.
    """
    constants, residuals = start, problem.residuals(start)
    squares, scale, radius = float(residuals @ residuals), np.zeros(len(start)), 0.0
    model: _Model | None = None
    for _ in range(steps):
        if model is None:  # derivatives are taken once for each point
            derivatives = problem.jacobian(constants)
            if not np.isfinite(derivatives).all():
                break
            scale = np.maximum(scale, np.linalg.norm(derivatives, axis=0))
            model = _Model(derivatives, residuals, scale)
        size = float(np.linalg.norm(scale * constants))
        radius = radius or size or 1.0
        step, length, gain = model.step(radius, _LONGEST * np.maximum(np.abs(constants), 1.0))
        if not (length > _TOLERANCE * size and gain > _TOLERANCE * squares):
            break
        trial = constants + step
        tried = problem.residuals(trial)
        total = float(tried @ tried)
        share = (squares - total) / gain if np.isfinite(total) else -np.inf
        if share < _POOR:
            radius = _POOR * length
        elif share > _GOOD:
            radius = 2.0 * length
        if share > 0.0:
            constants, residuals, squares, model = trial, tried, total, None
    return constants, squares


class _Model:
    """The residuals as a linear function of the step.

    Parameters
    ----------
    derivatives : ndarray of float64, shape (R, C)
    residuals : ndarray of float64, shape (R,)
    scale : ndarray of float64, shape (C,)
        What a unit of each constant counts in the length of a step; 0 for those that stay.
    """

    def __init__(self, derivatives: Floats, residuals: Floats, scale: Floats) -> None:
        self._scale = np.where(scale > 0.0, scale, 1.0)
        left, singular, right = np.linalg.svd(derivatives / self._scale, full_matrices=False)
        kept = singular > _RANK_TOLERANCE * singular[0]
        self._singular = singular[kept]
        self._directions = np.where(derivatives.any(axis=0), right[kept], 0.0)  # rounding would move constants that are to stay
        self._along = -(residuals @ left[:, kept])

    def step(self, radius: float, bounds: Floats) -> tuple[Floats, float, float]:
        """Return the step, its length as scaled, and by how much it would lower the squares.

        The length is at most ``radius`` and the change of each constant at most its bound.
        """
        within = self._within(radius)
        step = within @ self._directions / self._scale
        share = 1.0 / max(1.0, float(np.max(np.abs(step) / bounds)))
        moved = share * self._singular * within
        gain = float(2.0 * self._along @ moved - moved @ moved)
        return share * step, share * float(np.linalg.norm(within)), gain

    def _within(self, radius: float) -> Floats:
        """Return the best step no longer than ``radius``, along the right singular vectors."""
        damping, steepest = 0.0, self._singular * self._along
        # One over the length is a concave function of the damping: Newton's steps come from below and need no bracket.
        for _ in range(_NEWTON_STEPS):
            divisor = self._singular**2 + damping
            step: Floats = steepest / divisor
            length = float(np.linalg.norm(step))
            if length <= 1.1 * radius:
                break
            damping += (length / radius - 1.0) * length**2 / float(step**2 @ (1.0 / divisor))
        if length > radius:
            step *= radius / length
        return step
