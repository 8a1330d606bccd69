"""Task-based neurons as PyTorch modules."""

from sklearn_taskneurons.nn._counts import count_multiplications, count_parameters
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._mlp import ACTIVATIONS, Activation, TaskNeuronMLP

__all__ = ["ACTIVATIONS", "Activation", "TaskNeuronLinear", "TaskNeuronMLP", "count_multiplications", "count_parameters"]
