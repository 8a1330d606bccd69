"""Networks of task-based neurons as scikit-learn estimators."""

from sklearn_taskneurons._task_neuron._classifier import TaskNeuronClassifier
from sklearn_taskneurons._task_neuron._regressor import TaskNeuronRegressor

__all__ = ["TaskNeuronClassifier", "TaskNeuronRegressor"]
