"""The form of a neuron: what is left of a formula without the numbers that a neuron learns."""

import pytest
import torch

from sklearn_taskneurons import Formula
from sklearn_taskneurons.nn import TaskNeuronLinear
from sklearn_taskneurons.nn._plan import neuron_form, union

BARE = {
    "w*x**8 + w*x + 0.01": "x**8 + x",
    "-0.5*x**5 + 0.25*x - 3 + dot(w, x)*dot(w, x)": "x**5 + dot(w, x)*dot(w, x) + x",
    "3*sin(dot(w, x) + 1)*x + 2": "dot(w, x)*sin(dot(w, x) + 1)",
    "x*sin(sum(x) + 1)": "dot(w, x)*sin(sum(x) + 1)",
    "sum(x)**2": "dot(w, x)*dot(w, x)",
    "sin(2.5*x) + 4*sin(w*x)": "sin(2.5*x) + sin(w*x)",
    "7/(1 + sum(x**2))": "1/(sum(x**2) + 1)",
    "2*cos(x)*sum(x)": "dot(w, cos(x))*dot(w, x)",
}


@pytest.mark.parametrize(("formula", "bare"), BARE.items())
class TestBare:
    def test_it_has_no_number_that_a_neuron_drops(self, formula, bare):
        assert str(union([Formula(formula)])) == bare
        assert str(union([Formula(bare)])) == bare

    def test_it_makes_the_same_neuron(self, formula, bare):
        assert neuron_form(Formula(formula)).keys() == neuron_form(Formula(bare)).keys()
        shapes = [
            sorted(tuple(parameter.shape) for parameter in TaskNeuronLinear(3, 2, text).parameters())
            for text in (formula, bare)
        ]
        assert shapes[0] == shapes[1]

    def test_members_may_have_either(self, formula, bare):
        layer = TaskNeuronLinear(3, 2, union([Formula(formula), Formula("x**2")]), n_members=3)
        layer.restrict([formula, bare, "x**2"])
        outputs = layer(torch.randn(4, 3))
        assert outputs.shape == (3, 4, 2)
        assert (outputs != layer.bias).any()
