"""What the estimators with networks share, whatever the networks are: the choice of the formula, training, labels, targets."""

from sklearn_taskneurons._network._base import BaseNetwork, share_of_time
from sklearn_taskneurons._network._classifier import NetworkClassifierMixin
from sklearn_taskneurons._network._parameters import resolved
from sklearn_taskneurons._network._regressor import NetworkRegressorMixin

__all__ = ["BaseNetwork", "NetworkClassifierMixin", "NetworkRegressorMixin", "resolved", "share_of_time"]
