"""Convolutional networks of task-based neurons as scikit-learn estimators."""

from sklearn_taskneurons._conv_task_neuron._classifier import ConvTaskNeuronClassifier
from sklearn_taskneurons._conv_task_neuron._regressor import ConvTaskNeuronRegressor

__all__ = ["ConvTaskNeuronClassifier", "ConvTaskNeuronRegressor"]
