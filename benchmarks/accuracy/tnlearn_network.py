"""The networks of tnlearn as estimators of scikit-learn, whose pipelines take no others.

The neurons are found by its search with the settings of its quick start: its defaults are 20 generations of 5,000 programs, of
which it scores some dozens a second. All else is default.
"""

import io
from contextlib import redirect_stderr

import tnlearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

QUICK_START = {"pop_size": 40, "max_generations": 2, "tournament_size": 3}


class BaseNetwork(BaseEstimator):
    """A search and a network; inputs and targets have to be scaled."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y):
        """Search the neurons and train the network."""
        with redirect_stderr(io.StringIO()):  # a bar of progress
            search = tnlearn.GPSymRegressor(mode="legacy", random_state=self.random_state, **QUICK_START).fit(X, y)
        self.network_ = self._kind(search.neuron, mode="legacy", random_state=self.random_state)
        self.network_.fit(X, y)
        self.n_parameters_ = sum(parameter.numel() for parameter in self.network_.net.parameters())
        self.remarks_ = {"neurons": search.neuron}
        return self

    def predict(self, X):
        """Return what the network predicts."""
        return self.network_.predict(X)


class NetworkRegressor(RegressorMixin, BaseNetwork):
    """Least squares."""

    _kind = tnlearn.MLPRegressor


class NetworkClassifier(ClassifierMixin, BaseNetwork):
    """Least cross-entropy."""

    _kind = tnlearn.MLPClassifier
