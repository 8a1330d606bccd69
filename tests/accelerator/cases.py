"""Estimators on a device that refuses what is elsewhere, and computes as the CPU does: so results must be the same."""

import io
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Checkpoint, Freezer, GradientNormClipping

from sklearn_taskneurons import (
    ConvTaskNeuronClassifier,
    ConvTaskNeuronRegressor,
    TaskNeuronClassifier,
    TaskNeuronRegressor,
    VSRClassifier,
    VSRRegressor,
    VSRTransformer,
    make_function,
)
from sklearn_taskneurons.nn import TaskNeuronConv2d, TaskNeuronLinear, TaskNeuronMLP, convert_layers

# torch's own fallback gives the mean of squares an output of the wrong shape, which is then resized.
pytestmark = pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = X[:, 0] ** 2 + X[:, 1]
LABELS = np.digitize(Y, [0.0, 1.0])
WEIGHTS = RNG.uniform(0.5, 2.0, size=len(X))
IMAGES = RNG.normal(size=(40, 1, 8, 8)).astype(np.float32)
FUNCTIONS = ("add", "mul", "sin", "dot", "w")


def network(estimator=TaskNeuronRegressor, **changes):
    return estimator(**{"max_epochs": 3, "hidden_layer_sizes": (8, 4), "random_state": 0, **changes})


def convolutions(estimator=ConvTaskNeuronRegressor, **changes):
    return estimator(**{"max_epochs": 2, "channels": (4,), "hidden_layer_sizes": (8,), "random_state": 0, **changes})


def search(estimator=VSRRegressor, **changes):
    how = {"function_set": FUNCTIONS, "population_size": 40, "generations": 3, "random_state": 0}
    return estimator(**how | changes)


def on_both(model, device, fit):
    """Return a model that is fitted on the CPU, and one that is fitted on the device."""
    return [fit(clone(model).set_params(device=name)) for name in ("cpu", device)]


def assert_there(model, device):
    assert {tensor.device.type for tensor in model.net_.module_.state_dict().values()} == {device}


def probabilities_or_values(model, rows):
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


@pytest.mark.parametrize(
    "model",
    [
        network(),
        network(formula="sin(w*x) + dot(w, x)*dot(w, x) + x", hidden_formula="x**2 + x", activation="relu"),
        network(formula="x**3 + x", n_members=1, solver="adamw", early_stopping=False),
        network(formula="x**2 + x", embedding_size=4, activation="mixed", scaling="mixed"),
        network(formula="x", scaling="robust", elementwise_affine=False, max_time=60.0),
        network(search=search(generations=1)),
        network(TaskNeuronClassifier),
        network(TaskNeuronClassifier, formula="x**2 + x", class_weight="balanced"),
    ],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_networks_of_tables(model, weights, accelerator):
    y = LABELS if isinstance(model, TaskNeuronClassifier) else Y
    here, there = on_both(model, accelerator, lambda model: model.fit(X, y, sample_weight=weights))
    assert_there(there, accelerator)
    assert there.formula_ == here.formula_
    assert_allclose(probabilities_or_values(there, X), probabilities_or_values(here, X), atol=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        convolutions(formula="x**2 + x", n_members=2),
        convolutions(search=search(generations=1), horizontal_flip=True),
        convolutions(ConvTaskNeuronClassifier, formula="x**3 + x", label_smoothing=0.1, pooling="average"),
    ],
)
def test_networks_of_images(model, accelerator):
    y = Y[: len(IMAGES)] if isinstance(model, ConvTaskNeuronRegressor) else LABELS[: len(IMAGES)]
    here, there = on_both(model, accelerator, lambda model: model.fit(IMAGES, y))
    assert_there(there, accelerator)
    assert_allclose(probabilities_or_values(there, IMAGES), probabilities_or_values(here, IMAGES), atol=1e-3)


def going_on(estimator, devices, rows, y):
    """Return an estimator that is trained on one device after the other."""
    model = clone(estimator).set_params(warm_start=True)
    for device in devices:
        model.set_params(device=device).fit(rows, y)
        assert_there(model, device)
    return model


@pytest.mark.parametrize("estimator", [network(formula="x**2 + x"), convolutions(formula="x**2 + x"), network(solver="adamw")])
def test_training_goes_on_on_another_device(estimator, accelerator):
    rows, y = (X, Y) if isinstance(estimator, TaskNeuronRegressor) else (IMAGES, Y[: len(IMAGES)])
    moved, stayed = (going_on(estimator, ("cpu", device, "cpu"), rows, y) for device in (accelerator, "cpu"))
    assert_allclose(moved.predict(rows), stayed.predict(rows), atol=1e-3)


class PicklerForOthers(pickle.Pickler):
    """Refuses tensors that only those with the same device could load."""

    def reducer_override(self, value):
        if isinstance(value, torch.Tensor):
            assert value.device.type == "cpu"
        return NotImplemented


@pytest.mark.parametrize("estimator", [network(), convolutions()])
def test_who_loads_a_model_needs_no_such_device(estimator, accelerator):
    rows, y = (X, Y) if isinstance(estimator, TaskNeuronRegressor) else (IMAGES, Y[: len(IMAGES)])
    model = clone(estimator).set_params(device=accelerator).fit(rows, y)
    stored = io.BytesIO()
    PicklerForOthers(stored).dump(model)
    assert_there(model, accelerator)
    stored.seek(0)
    restored = pickle.load(stored)
    assert_there(restored, accelerator)
    assert_array_equal(restored.predict(rows), model.predict(rows))
    module, optimizer = model.net_.module_, model.net_.optimizer_
    assert {tensor.device.type for tensor in module.parameters()} == {accelerator}
    assert {value.device.type for value in optimizer.state[model.net_.vector_].values()} == {accelerator, "cpu"}


@pytest.mark.parametrize("estimator", [network(formula="x**2 + x"), convolutions(formula="x**2 + x")])
def test_training_goes_on_where_it_is(estimator, accelerator):
    rows, y = (X, Y) if isinstance(estimator, TaskNeuronRegressor) else (IMAGES, Y[: len(IMAGES)])
    _, model = on_both(estimator.set_params(warm_start=True), accelerator, lambda model: model.fit(rows, y))
    restored = pickle.loads(pickle.dumps(model))
    assert_array_equal(restored.predict(rows), model.predict(rows))
    for going_on in (model, restored):
        going_on.fit(rows, y).partial_fit(rows, y)
        assert_there(going_on, accelerator)
    assert_array_equal(restored.predict(rows), model.predict(rows))


def test_callbacks_and_the_net_of_skorch(accelerator, tmp_path):
    callbacks = [GradientNormClipping(1.0), Checkpoint(dirname=tmp_path), Freezer("affine*")]
    model = network(formula="x**2 + x", device=accelerator, callbacks=callbacks).fit(X, Y)
    rows = np.zeros((2, model.net_.module_.in_features * model.net_.module_.n_scalings), dtype=np.float32)
    assert model.net_.predict(rows).shape == (2, 1)
    member = model.net_.module_.member(0)
    assert member(torch.zeros(rows.shape, device=accelerator)).device.type == accelerator


def test_the_callers_default_device_does_not_matter(accelerator):
    model = network(formula="x**2 + x", device=accelerator)
    with torch.device("meta"):
        found = clone(model).fit(X, Y).predict(X)
    assert_array_equal(found, model.fit(X, Y).predict(X))


@pytest.mark.parametrize(
    "model",
    [
        search(),
        search(function_set=("add", "mul", "div", make_function(np.square, name="own_square", torch_function=torch.square))),
        search(optimizer_iterations=2),
        search(loss="absolute_error"),
        search(linear_scaling=False, refit_constants=False, coefficients="shared"),
        search(VSRClassifier),
        search(VSRTransformer),
    ],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_searches(model, weights, accelerator):
    y = LABELS if isinstance(model, VSRClassifier) else Y
    here, there = on_both(model, accelerator, lambda model: model.fit(X, y, sample_weight=weights))
    assert there.pareto_front_ == here.pareto_front_


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (TaskNeuronLinear(3, 4, "x**3 + sin(w*x) + dot(w, x)*dot(w, x)"), (5, 3)),
        (TaskNeuronConv2d(2, 4, 3, "x**2 + dot(w, x)*x"), (5, 2, 6, 6)),
        (TaskNeuronMLP(3, (8, 4), 2, "x**2 + x", elementwise_affine=True, embedding_size=2), (5, 3)),
        (
            convert_layers(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), "x**2 + x", sample=torch.randn(5, 3)),
            (5, 3),
        ),
    ],
)
def test_layers(layer, shape, accelerator):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = layer(x)
    there = pickle.loads(pickle.dumps(layer)).to(accelerator)
    values = there(x.to(accelerator))
    values.square().sum().backward()
    assert_allclose(values.detach().cpu(), expected.detach(), rtol=1e-5, atol=1e-6)
    assert all(parameter.grad.device.type == accelerator for parameter in there.parameters())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(TaskNeuronLinear(3, 4, "x**2 + dot(w, x)*x"), (5, 3)), (TaskNeuronConv2d(2, 4, 3, "x**2 + x"), (5, 2, 6, 6))],
)
def test_layers_are_calibrated_where_they_are(layer, shape, accelerator):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    there = pickle.loads(pickle.dumps(layer)).to(accelerator).calibrate(x.to(accelerator))
    assert_allclose(there.raw().weight.detach().cpu(), layer.calibrate(x).raw().weight.detach(), rtol=1e-5)


def test_a_unit_has_its_formula_where_it_is(accelerator):
    layer = TaskNeuronLinear(3, 4, "x**3 + sin(dot(w, x))")
    assert pickle.loads(pickle.dumps(layer)).to(accelerator).unit_formula(1) == layer.unit_formula(1)


def test_tensors_that_are_elsewhere_are_refused(accelerator):
    layer = TaskNeuronLinear(3, 4, "x**2 + x").to(accelerator)
    with pytest.raises(RuntimeError, match=r"device|on cpu"):
        layer(torch.zeros(5, 3))
    rows = torch.zeros(5, 3, device=accelerator)
    with pytest.raises(RuntimeError, match="on cpu"):
        rows.index_select(0, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TypeError, match="to numpy"):
        rows.numpy()


def test_a_device_without_float64_trains_networks_but_searches_nothing(accelerator, monkeypatch):
    monkeypatch.setenv("ACCELERATOR_WITHOUT_FLOAT64", "1")
    with pytest.raises(TypeError, match="no float64"):
        torch.zeros(1, dtype=torch.float64, device=accelerator)
    assert_there(network(device=accelerator).fit(X, Y), accelerator)
    assert_there(convolutions(formula="x**2 + x", device=accelerator).fit(IMAGES, Y[: len(IMAGES)]), accelerator)
    with pytest.raises(ValueError, match=r"device must be .* can use here for float64, got 'simulated'"):
        search(device=accelerator).fit(X, Y)
