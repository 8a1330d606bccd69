"""What a network costs."""

from torch import nn

from sklearn_taskneurons.nn._affine import FeatureAffine
from sklearn_taskneurons.nn._maps import ElementwiseMaps
from sklearn_taskneurons.nn._sums import Product, WeightedSum


def count_parameters(module: nn.Module) -> int:
    """Return the number of learned parameters.

    Parameters
    ----------
    module : torch.nn.Module
        A layer or a network.

    Returns
    -------
    int
        Weights and biases that require a gradient; scales are no parameters.

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronLinear, count_parameters
    >>> count_parameters(TaskNeuronLinear(20, 30, "x**3 + x"))
    1230
    """
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_multiplications(module: nn.Module) -> int:
    """Return the number of multiplications by weights for one row.

    This is what the publication on task-based neurons [1]_ reports as a network's FLOPs.

    Parameters
    ----------
    module : torch.nn.Module
        A fully connected layer or network, of task-based neurons or of `torch.nn.Linear`. What other layers it has
        does not count.

    Returns
    -------
    int
        The number of weights: ``T * in_features * out_features`` for a layer with T terms that have one weight matrix, as
        many for each factor of a product as for a term, and one for each feature that is scaled.

    References
    ----------
    .. [1] F.-L. Fan, M. Wang, H. Dong, J. Ma, T. Zeng, "No One-Size-Fits-All Neurons: Task-based Neurons for
           Artificial Neural Networks", 2024. :doi:`10.48550/arXiv.2405.02369`

    Examples
    --------
    >>> from sklearn_taskneurons.nn import TaskNeuronLinear, count_multiplications
    >>> count_multiplications(TaskNeuronLinear(20, 30, "x**3 + x"))
    1200
    """
    return sum(_own_multiplications(part) for part in module.modules())


def _own_multiplications(part: nn.Module) -> int:
    if isinstance(part, (nn.Linear, WeightedSum)):
        return 0 if part.weight is None else part.weight.numel()
    if isinstance(part, FeatureAffine):
        return part.weight.numel()
    if isinstance(part, Product):
        return 0 if part.amplitude is None else part.amplitude.numel()
    if isinstance(part, ElementwiseMaps):
        return sum(vector.numel() for vector in part.vectors)
    return 0
