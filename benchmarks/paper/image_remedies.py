"""Networks of task-based kernels that differ from those of the estimator in where or how large the higher terms are."""

import torch

from sklearn_taskneurons import ConvTaskNeuronClassifier
from sklearn_taskneurons.nn import TaskNeuronCNN, TaskNeuronConv2d

# What the initial weights of the higher terms are multiplied by.
SMALL = 0.3


class FirstBlockCNN(TaskNeuronCNN):
    """A network whose first convolution alone has the form of the formula; the others are conventional."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for block in self.blocks[1:]:
            old = block.convolution
            parameters = {"padding": "same", "bias": old.bias is not None}
            reference = next(old.parameters())
            block.convolution = TaskNeuronConv2d(
                old.in_channels, old.out_channels, old.kernel_size, "x", device=reference.device, **parameters
            )
        self._set_hidden_scales()


class SmallTermsCNN(TaskNeuronCNN):
    """A network that begins nearer to a conventional one: the weights of all terms but the linear one are smaller."""

    @torch.no_grad()
    def _set_hidden_scales(self):
        for block in self.blocks:
            shrink_higher_terms(block.convolution)
        super()._set_hidden_scales()


def shrink_higher_terms(convolution):
    """Multiply the weights of elementwise terms other than x, and the values of products, by `SMALL`."""
    for product in convolution.products:
        n_factors = sum(factor.n_blocks for factor in product.factors)
        for factor in product.factors:
            factor.weight.mul_(SMALL ** (1 / n_factors))
    if convolution.weight is not None:
        elementwise = [term for term in convolution.formula.terms if term.degree and "dot" not in str(term)]
        for weight, term in zip(convolution.weight.chunk(len(elementwise), dim=1), elementwise, strict=True):
            if term.degree > 1:
                weight.mul_(SMALL)


class FirstBlockClassifier(ConvTaskNeuronClassifier):
    """The estimator with such networks."""

    _network = FirstBlockCNN


class SmallTermsClassifier(ConvTaskNeuronClassifier):
    """The estimator with such networks."""

    _network = SmallTermsCNN
