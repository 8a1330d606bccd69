"""How large a network of task-based neurons is, in the paper's two measures."""

from torch import nn

from sklearn_taskneurons.nn._linear import TaskNeuronLinear


def count_parameters(module: nn.Module) -> int:
    """Return the number of learnable numbers: weights and biases.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    int

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronMLP, count_parameters
    >>> count_parameters(TaskNeuronMLP(8, (12, 5), 1, "x**3 + x"))
    340
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_multiplications(module: nn.Module) -> int:
    """Return the number of weights of the linear maps, each of which multiplies once for a row: the "FLOPs" of [1]_.

    Parameters
    ----------
    module : torch.nn.Module
        Any module; `torch.nn.Linear` and `TaskNeuronLinear` inside it are counted.

    Returns
    -------
    int

    References
    ----------
    .. [1] F.-L. Fan et al., "No One-Size-Fits-All Neurons: Task-based Neurons for Artificial Neural Networks",
       :arxiv:`2405.02369`.

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronMLP, count_multiplications
    >>> count_multiplications(TaskNeuronMLP(8, (12, 5), 1, "x**3 + x"))
    322
    """
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, TaskNeuronLinear))]
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters() if parameter.ndim >= 2)
