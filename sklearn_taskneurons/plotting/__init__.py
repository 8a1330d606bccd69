"""Figures of fitted results: classes in the manner of scikit-learn's Display objects.

They take what an estimator has found (a Pareto front, the losses of its epochs) and draw it with
matplotlib, which is imported when something is drawn. The object returned keeps the data and the
matplotlib artists, so that a figure can be drawn again elsewhere, and changed.
"""

from sklearn_taskneurons.plotting._loss_curve import LossCurveDisplay
from sklearn_taskneurons.plotting._pareto_front import ParetoFrontDisplay

__all__ = ["LossCurveDisplay", "ParetoFrontDisplay"]
