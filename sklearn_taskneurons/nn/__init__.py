"""Task-based neurons as PyTorch modules."""

from sklearn_taskneurons.nn._cnn import TaskNeuronCNN
from sklearn_taskneurons.nn._conv import TaskNeuronConv1d, TaskNeuronConv2d, TaskNeuronConv3d
from sklearn_taskneurons.nn._conv_transpose import (
    TaskNeuronConvTranspose1d,
    TaskNeuronConvTranspose2d,
    TaskNeuronConvTranspose3d,
)
from sklearn_taskneurons.nn._convert import convert_layers
from sklearn_taskneurons.nn._counts import count_multiplications, count_parameters
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._mlp import ACTIVATIONS, Activation, TaskNeuronMLP

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "TaskNeuronCNN",
    "TaskNeuronConv1d",
    "TaskNeuronConv2d",
    "TaskNeuronConv3d",
    "TaskNeuronConvTranspose1d",
    "TaskNeuronConvTranspose2d",
    "TaskNeuronConvTranspose3d",
    "TaskNeuronLinear",
    "TaskNeuronMLP",
    "convert_layers",
    "count_multiplications",
    "count_parameters",
]
