"""Layers with functions of the user's own, in processes that give these functions other places."""

import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
import torch

from sklearn_taskneurons import Formula, TaskNeuronRegressor, make_function
from sklearn_taskneurons.nn import TaskNeuronLinear

FORMULAS = ["agnesi(x) + x", "agnesi(dot(w, x)) + x", "agnesi(w*x)*dot(w, x)"]


def agnesi(a):
    return 1 / (1 + a * a)


make_function(lambda a: a / 5, name="a_fifth")
make_function(agnesi, name="agnesi")

OTHER_PROCESS = """
import pickle, sys
import numpy as np
from sklearn_taskneurons import make_function
for index in range(3):
    make_function(lambda a: 7 * a**3, name=f"earlier_{'abc'[index]}")
call, model, x = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(call(model, x)))
"""


def elsewhere(call, model, x):
    """What a call gives in a process whose table has other functions in the places of this one's."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    sent = cloudpickle.dumps((call, model, x))
    result = subprocess.run([sys.executable, "-c", OTHER_PROCESS], input=sent, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    return pickle.loads(result.stdout)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_layer_computes_the_same_in_another_process(formula):
    layer = TaskNeuronLinear(3, 2, formula)
    x = torch.randn(5, 3)

    def outputs(layer, x):
        return layer(x).detach().numpy(), str(layer.unit_formula(0))

    values, text = elsewhere(outputs, layer, x)
    np.testing.assert_allclose(values, layer(x).detach().numpy(), rtol=1e-6)
    assert text == str(layer.unit_formula(0))


def test_terms_are_the_same_in_another_process():
    composite = Formula("agnesi(dot(w, x) + 1)").terms[0].factors[0]

    def name(composite, _):
        from sklearn_taskneurons.formula import FUNCTIONS

        return FUNCTIONS[composite.opcode].name

    assert elsewhere(name, composite, None) == name(composite, None) == "agnesi"


def test_an_estimator_predicts_the_same_in_another_process():
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = TaskNeuronRegressor(formula="agnesi(x) + x", max_epochs=2, random_state=0).fit(X, agnesi(X[:, 0]))
    predicted = elsewhere(lambda model, X: model.predict(X), model, X)
    np.testing.assert_allclose(predicted, model.predict(X), rtol=1e-6)


def test_cloudpickle_takes_functions_along_that_have_no_name():
    make_function(lambda a: 1 / (1 + a * a), name="nameless")
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = TaskNeuronRegressor(formula="nameless(x) + x", max_epochs=2, random_state=0).fit(X, X[:, 0])
    predicted = elsewhere(lambda model, X: model.partial_fit(X, X[:, 0]).predict(X), model, X)
    np.testing.assert_allclose(predicted, model.partial_fit(X, X[:, 0]).predict(X), rtol=1e-6)


def test_a_layer_can_be_made_and_used_where_nothing_has_gradients():
    make_function(lambda a: a / (2 + a * a), name="never_used_before")
    with torch.inference_mode():
        layer = TaskNeuronLinear(3, 2, "never_used_before(x)")
        assert layer(torch.ones(1, 3)).shape == (1, 2)


def test_a_restored_layer_can_be_used_in_a_transform_at_once():
    def per_row(layer, x):
        import torch

        return torch.func.vmap(layer)(x).detach().numpy()

    layer, x = TaskNeuronLinear(3, 2, "agnesi(x)"), torch.randn(4, 3)
    np.testing.assert_allclose(elsewhere(per_row, layer, x), layer(x).detach().numpy(), rtol=1e-6)
