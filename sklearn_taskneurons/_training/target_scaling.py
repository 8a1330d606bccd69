"""Target scaling: what a network is trained on, whatever the units of the targets."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._training.weighted import ROUNDING, FloatArray, in_units, weighted_moments


@dataclass(frozen=True)
class TargetScaler:
    """Standardize targets and undo it.

    Attributes
    ----------
    center, scale : ndarray of shape (n_outputs,), float64
        A constant target has the scale 0: whatever a network says of it, its prediction is that constant.
    lower, upper : ndarray of shape (n_outputs,), float64
        The range of the targets. A prediction is taken to be in it, as that of a tree or of a neighbour is.
    """

    center: FloatArray
    scale: FloatArray
    lower: FloatArray
    upper: FloatArray

    def covering(self, y: NDArray[Any]) -> "TargetScaler":
        """Return the scaler of a range in which further targets (N, O) are too.

        A target that was constant is scaled by that constant and the first targets that are others.
        """
        center, scale = self.center, self.scale
        if not scale.all():
            anew = fit_target_scaler(np.vstack([center, y]))
            center, scale = (np.where(scale == 0, new, old) for new, old in ((anew.center, center), (anew.scale, scale)))
        lower, upper = np.minimum(self.lower, y.min(axis=0)), np.maximum(self.upper, y.max(axis=0))
        return replace(self, center=center, scale=scale, lower=lower, upper=upper)

    def transform(self, y: NDArray[Any]) -> FloatArray:
        """Return the standardized targets (N, O)."""
        return np.asarray((y - self.center) / np.where(self.scale > 0, self.scale, 1.0), dtype=np.float64)

    def inverse_transform(self, y: NDArray[Any]) -> FloatArray:
        """Return targets (..., O) in their own units, within their range."""
        return np.asarray(np.clip(y * self.scale + self.center, self.lower, self.upper), dtype=np.float64)


def fit_target_scaler(y: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> TargetScaler:
    """Return the scaler to zero mean and unit variance of targets (N, O), rows weighted."""
    unit, y, weight = in_units(y, sample_weight)
    center, scale = weighted_moments(y, weight)
    scale = np.where(scale > ROUNDING, scale, 0.0)
    return TargetScaler(center * unit, scale * unit, y.min(axis=0) * unit, y.max(axis=0) * unit)
