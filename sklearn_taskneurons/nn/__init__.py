"""Task-based neurons as PyTorch modules."""

from sklearn_taskneurons.nn._counts import count_multiplications, count_parameters
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._mlp import TaskNeuronMLP

__all__ = ["TaskNeuronLinear", "TaskNeuronMLP", "count_multiplications", "count_parameters"]
