"""Which formula of a Pareto front to take."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._scores import LOSS_FLOOR, FrontEntry

# By how much, in relation, a cross-validated loss must be lower than that of a simpler formula: less is as likely luck.
TOLERANCE: Final = 0.02
# How large the standard error of a prediction may be a little beyond the rows, in standard deviations of the targets: where it
# is larger, their mean is the better guess.
MOST_REACH: Final = 1.0
# On which part of the folds a formula is better than the simplest one where this is not to be taken.
MOST_FOLDS: Final = 0.8
# Of the residuals, numbers that are not fitted by coefficients; fewer are small by luck, as there are many formulas.
FEWEST_LEFT: Final = 3


def _bic(front: Sequence[FrontEntry], n_rows: float) -> list[float]:
    """Return the negative extended Bayesian information criterion, but for a constant."""
    penalty = math.log(max(n_rows, 1.0))

    def score(entry: FrontEntry) -> float:
        n_values = len(entry.formulas) * n_rows
        if entry.n_coefficients >= n_values:
            return -math.inf  # as many numbers fit any data
        deviance = math.log(max(entry.loss, LOSS_FLOOR)) if entry.deviance is None else entry.deviance
        return -n_values * deviance - entry.n_coefficients * penalty - 2 * entry.choices

    return [score(entry) for entry in front]


def _mdl(front: Sequence[FrontEntry], n_rows: float) -> list[float]:
    """Return the negative length, in half nats, of the description of the targets, but for that of a constant."""
    n_values = n_rows - 1.0  # of one output, the constant taken out

    def score(entry: FrontEntry) -> float:
        n_coefficients = entry.n_coefficients / len(entry.formulas) - 1.0
        if n_coefficients == 0.0:
            return 0.0
        # Hardly fewer numbers than rows fit most data, but not exactly.
        loss = max(entry.loss, LOSS_FLOOR)
        n_left = n_values - n_coefficients
        if n_left <= (FEWEST_LEFT if loss > LOSS_FLOOR else 0):
            return -math.inf
        unexplained = loss * n_values / n_left
        # Of noise they explain as much; that they explain less must not make them short.
        explained = max((1.0 - loss) * n_values / n_coefficients, unexplained)
        length = n_left * math.log(unexplained) + n_coefficients * math.log(explained) + math.log(n_coefficients * n_left)
        return -len(entry.formulas) * length - 2 * (entry.choices + entry.powers)

    return [score(entry) for entry in front]


def _loss(front: Sequence[FrontEntry], n_rows: float) -> list[float]:
    """Return the negative loss."""
    return [-entry.loss for entry in front]


def _cv(front: Sequence[FrontEntry], n_rows: float) -> list[float]:
    """Return the negative held-out loss beyond what is hardly more than the least one, 0 where there is nothing beyond."""
    losses = np.array([entry.fold_losses for entry in front])
    losses = np.maximum(losses, LOSS_FLOOR / losses.shape[1])
    losses[[entry.reach > MOST_REACH for entry in front]] = math.inf
    scores = _beyond_the_least(losses)
    # A row that lies far out, whose fold no formula predicts from the others, would leave the constant alone.
    is_better = np.mean(losses < (1.0 - TOLERANCE) * losses[0], axis=1) >= MOST_FOLDS
    if scores[0] == 0.0 and is_better.any():
        scores = _beyond_the_least(np.where(is_better[:, None], losses, math.inf))
    result: list[float] = scores.tolist()
    return result


def _beyond_the_least(losses: Floats) -> Floats:
    """Return the scores of losses on F folds, shape (P, F), -inf for formulas that are not finite on each."""
    with np.errstate(invalid="ignore"):
        differences = losses - losses[np.argmin(losses.sum(axis=1))]
        standard_errors = differences.std(axis=1, ddof=1) * math.sqrt(losses.shape[1])
        hardly_more = np.maximum(standard_errors, TOLERANCE * losses.sum(axis=1).min())
        scores = np.minimum(hardly_more - differences.sum(axis=1), 0.0)
    return np.where(np.isnan(scores), -math.inf, scores)


def _knee(front: Sequence[FrontEntry], n_rows: float) -> list[float]:
    """Return how far the logarithm of the loss lies below the line from the first formula to the last.

    Where no formula lies below it, as where the last one is exact and no other nearly so, there is no knee, and the information
    criterion decides.
    """
    complexity = np.array([entry.complexity for entry in front], dtype=np.float64)
    log_loss = np.log([max(entry.loss, LOSS_FLOOR) for entry in front])
    line = np.interp(complexity, complexity[[0, -1]], log_loss[[0, -1]])
    distances: list[float] = ((line - log_loss) / max(log_loss[0] - log_loss[-1], LOSS_FLOOR)).tolist()
    return distances if max(distances) > 0.0 else _bic(front, n_rows)


CRITERIA: Final[Mapping[str, Callable[[Sequence[FrontEntry], float], list[float]]]] = {
    "bic": _bic,
    "cv": _cv,
    "mdl": _mdl,
    "knee": _knee,
    "loss": _loss,
}


def selection_scores(front: Sequence[FrontEntry], n_rows: float, criterion: str = "bic") -> Floats:
    """Return how good each formula is, the larger the better.

    Parameters
    ----------
    front : sequence of FrontEntry
        Formulas with their losses.
    n_rows : float
        For how many rows those of the data count, by their weights.
    criterion : {"bic", "cv", "mdl", "knee", "loss"}, default="bic"
        "bic" is the negative Bayesian information criterion [1]_ (up to a constant; -inf for as many coefficients as rows),
        with a prior by which each node of a formula with other functions than polynomials is any of the symbols [3]_. The
        likelihood is that of normal errors, or the one that goes with another loss rho: of errors with a density
        proportional to ``exp(-rho(r) / s)``, s fitted. For the mean absolute error that is n times twice its logarithm.
        "mdl" is how much shorter than with a constant the targets can be described, by normalized maximum likelihood [5]_ with
        that prior, and for polynomials one by which each set of as many powers is as likely, what coefficients explain being
        taken for no less than what they would of noise; -inf where they leave 3 numbers of the residuals or fewer, unless they
        fit exactly.
        "cv" is 0 for a formula whose cross-validated loss exceeds the least one by a standard error of their difference, from
        one fold to another [4]_, or by 2 % at most, and negative by what is beyond it; -inf for one whose reach is larger than
        1. Where that is the simplest formula, and others are better than it in four of five folds, it and those that are not
        have -inf. "knee" is how far the logarithm of the loss lies below the line from the simplest formula to the last, over
        the fall of that line [2]_, and "bic" where none lies below. "loss" is the negative loss.

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
    .. [4] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees", 1984, chapter 3.4.3,
       :doi:`10.1201/9781315139470`.
    .. [5] T. Roos, P. Myllymäki, J. Rissanen, "MDL Denoising Revisited", IEEE Transactions on Signal Processing 57, 2009,
       :arxiv:`cs/0609138`, after J. Rissanen, "MDL denoising", 2000.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {sorted(CRITERIA)}; got {criterion!r}")
    return np.array(CRITERIA[criterion](front, n_rows), dtype=np.float64)
