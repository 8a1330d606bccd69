"""The likelihood that goes with a loss."""

from typing import Final

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from sklearn_taskneurons._device import to_array, to_tensor
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Floats

_DECADES: Final = (-12, 4)  # of residuals, relative to their scale
_POINTS: Final = 4001
_WIDTH: Final = np.log(1e4)  # how far the logarithm of s is searched from that of the mean loss


class LossDensity:
    r"""Residuals whose density is proportional to :math:`\exp(-\rho(r) / s)`, with the most likely s.

    Minus twice the logarithm of the likelihood is, for each value, twice the least :math:`\log Z(s) + m / s`, with m the mean
    loss and :math:`Z(s) = \int \exp(-\rho(r) / s)\, dr`. Where the loss is a power of the residual, :math:`|r|^q`, it is
    :math:`(2 / q) \log m` but for a constant: the logarithm of the mean of the squares for normal residuals, twice that
    of the mean absolute value for those of Laplace. For other losses Z is integrated numerically, on residuals of up to ten
    thousand times the scale, so that it is finite for a bounded loss, too.

    Parameters
    ----------
    loss : Loss
        The loss.
    scale : float
        The standard deviation of the targets.
    """

    def __init__(self, loss: Loss, scale: float) -> None:
        log_residuals = np.log(scale) + np.log(10.0) * np.linspace(*_DECADES, _POINTS)
        residuals = np.exp(log_residuals)
        both = to_tensor(np.concatenate([-residuals, residuals]), torch.float64)
        self._losses: Floats = to_array(loss(both))
        # Points are evenly spaced in the logarithm, which is integrated over; the first one stands for all below it, too.
        widths = residuals * (log_residuals[1] - log_residuals[0])
        widths[0] = residuals[0] + 0.5 * widths[0]
        self._log_widths: Floats = np.tile(np.log(widths), 2)

    def deviance(self, mean: float) -> float:
        """Return minus twice the logarithm of the likelihood of each value, for a mean loss."""
        log_mean = np.log(max(mean, np.finfo(np.float64).tiny))

        def cost(log_scale: float) -> float:
            scale = np.exp(log_scale)
            return float(logsumexp(self._log_widths - self._losses / scale)) + float(mean / scale)

        with np.errstate(all="ignore"):
            # Convex in 1 / s, so that there is one minimum.
            bounds = log_mean - _WIDTH, log_mean + _WIDTH
            found = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-7})
        return 2.0 * float(found.fun)
