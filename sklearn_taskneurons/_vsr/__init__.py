"""Vectorized symbolic regression as scikit-learn estimators."""

from sklearn_taskneurons._vsr._classifier import VSRClassifier
from sklearn_taskneurons._vsr._pareto import ParetoPoint
from sklearn_taskneurons._vsr._regressor import VSRRegressor
from sklearn_taskneurons._vsr._transformer import VSRTransformer

__all__ = ["ParetoPoint", "VSRClassifier", "VSRRegressor", "VSRTransformer"]
