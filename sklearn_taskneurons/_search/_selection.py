"""Which formula of a Pareto front to take."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._scores import LOSS_FLOOR, FrontEntry


def _bic(front: Sequence[FrontEntry], total_weight: float) -> list[float]:
    """Return the negative extended Bayesian information criterion, but for a constant."""
    penalty = math.log(max(total_weight, 1.0))

    def score(entry: FrontEntry) -> float:
        n_values = len(entry.formulas) * total_weight
        if entry.n_coefficients >= n_values:
            return -math.inf  # as many numbers fit any data
        deviance = math.log(max(entry.loss, LOSS_FLOOR)) if entry.deviance is None else entry.deviance
        return -n_values * deviance - entry.n_coefficients * penalty - 2 * entry.choices

    return [score(entry) for entry in front]


def _loss(front: Sequence[FrontEntry], total_weight: float) -> list[float]:
    """Return the negative loss."""
    return [-entry.loss for entry in front]


def _cv(front: Sequence[FrontEntry], total_weight: float) -> list[float]:
    """Return the negative cross-validated loss."""
    return [-entry.cv_loss for entry in front]


def _knee(front: Sequence[FrontEntry], total_weight: float) -> list[float]:
    """Return how far the logarithm of the loss lies below the line from the first formula to the last."""
    complexity = np.array([entry.complexity for entry in front], dtype=np.float64)
    log_loss = np.log([max(entry.loss, LOSS_FLOOR) for entry in front])
    if len(front) < 2:
        return [0.0] * len(front)
    line = np.interp(complexity, complexity[[0, -1]], log_loss[[0, -1]])
    distances: list[float] = ((line - log_loss) / max(log_loss[0] - log_loss[-1], LOSS_FLOOR)).tolist()
    return distances


CRITERIA: Final[Mapping[str, Callable[[Sequence[FrontEntry], float], list[float]]]] = {
    "bic": _bic,
    "cv": _cv,
    "knee": _knee,
    "loss": _loss,
}


def selection_scores(front: Sequence[FrontEntry], total_weight: float, criterion: str = "bic") -> Floats:
    """Return how good each formula is, the larger the better.

    Parameters
    ----------
    front : sequence of FrontEntry
        Formulas with their losses.
    total_weight : float
        Sum of the weights of the rows: the number of rows, if a weight counts how often a row occurs.
    criterion : {"bic", "cv", "knee", "loss"}, default="bic"
        The negative Bayesian information criterion [1]_ (up to a constant; -inf for as many coefficients as rows), with a
        prior by which each node of a formula with other functions than polynomials is any of the symbols [3]_; the
        negative cross-validated loss, how far the logarithm of the loss lies below the line from the simplest formula to the
        last, over the fall of that line [2]_, or the negative loss. The likelihood is that of normal errors, or the one that
        goes with another loss rho: of errors with a density proportional to ``exp(-rho(r) / s)``, s fitted. For the mean
        absolute error that is n times twice its logarithm.

    Returns
    -------
    ndarray of float64, shape (F,)

    Raises
    ------
    ValueError
        If the criterion is unknown.

    References
    ----------
    .. [1] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978,
       :doi:`10.1214/aos/1176344136`.
    .. [2] V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'Kneedle' in a Haystack: Detecting Knee Points in
       System Behavior", ICDCS Workshops 2011, :doi:`10.1109/ICDCSW.2011.20`.
    .. [3] J. Chen, Z. Chen, "Extended Bayesian information criteria for model selection with large model spaces",
       Biometrika 95, 2008, :doi:`10.1093/biomet/asn034`.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {sorted(CRITERIA)}; got {criterion!r}")
    return np.array(CRITERIA[criterion](front, total_weight), dtype=np.float64)
