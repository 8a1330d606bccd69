"""Task-based neurons as PyTorch modules."""

from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._mlp import TaskNeuronMLP

__all__ = ["TaskNeuronLinear", "TaskNeuronMLP"]
