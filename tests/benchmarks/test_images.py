"""The comparison of kernels on scikit-learn's digits, and its parts."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits

from benchmarks.accuracy import store
from benchmarks.paper import images
from benchmarks.paper.image_remedies import SMALL, FirstBlockCNN, shrink_higher_terms
from sklearn_taskneurons.nn import TaskNeuronCNN, TaskNeuronConv2d, count_parameters

QUICK = ["--sets", "digits", "--seeds", "2", "--steps", "6", "--max-rows", "120", "--max-test", "60", "--width", "2"]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "images.jsonl"


def call(out, *more):
    images.main([*QUICK, "--out", str(out), *more])
    return list(store.read(out).values())


def of_conventional(options, seed, recalls):
    record = images.common(options, validation=True)
    return record | {"set": "digits", "model": "conventional", "n_classes": len(recalls), "seed": seed, "recalls": recalls}


def test_a_task_based_network_has_as_many_parameters_as_fit():
    X, y = load_digits(return_X_y=True)
    model = images.WithinBudget({"formula": "x**2 + x"}, width=4, steps=1, random_state=0).fit(X[:100], y[:100])

    def size(formula, channels):
        return count_parameters(TaskNeuronCNN((1, 8, 8), channels, 10, formula, batch_norm=False))

    first, second = model.remarks_["channels"]
    assert model.remarks_["n_parameters"] == size("x**2 + x", (first, second)) <= size("x", (4, 8))
    assert size("x**2 + x", (first + 1, second)) > size("x", (4, 8))
    assert size("x**2 + x", ((second + 1) // 2, second + 1)) > size("x", (4, 8))


def test_where_no_channel_fits_it_is_said():
    with pytest.raises(ValueError, match="width must leave room for one channel"):
        images.widest_channels(lambda channels: False)


def test_at_most_half_of_a_set_is_trained_on_and_validation_leaves_the_rest_unread():
    X, y = np.arange(200.0)[:, None], np.repeat([0, 1], 100)
    fit, test, _, y_test = images.split(X, y, 0, images.read_options([*QUICK, "--out", "-", "--max-rows", "150"]))
    assert len(fit) == 100
    assert np.bincount(y_test).tolist() == [30, 30]
    assert not np.isin(fit, test).any()
    inner = images.split(X, y, 0, images.read_options([*QUICK, "--out", "-", "--max-rows", "150", "--validation"]))
    assert sorted(np.concatenate(inner[:2]).ravel()) == sorted(fit.ravel())


def test_the_worst_classes_are_those_of_the_lowest_mean_recall():
    options = images.read_options([*QUICK, "--out", "-"])
    records = dict(enumerate(of_conventional(options, seed, r) for seed, r in enumerate([[0.9, 0.5, 0.2], [0.9, 0.3, 0.8]])))
    labels = np.array([3, 5, 7])
    assert images.worst_classes(records, "digits", 1, labels, options).tolist() == [5]
    assert images.worst_classes(records, "digits", 2, labels, options).tolist() == [5, 7]
    assert images.worst_classes({}, "digits", 3, labels, options).tolist() == [3, 5, 7]
    with pytest.raises(SystemExit, match="run with --validation first"):
        images.worst_classes({}, "digits", 2, labels, options)


def test_what_is_in_the_file_is_not_measured_again_and_the_report_is_of_it(out, tmp_path, capsys):
    models = "conventional,quadratic"
    records = call(out, "--models", models, "--json", str(tmp_path / "images.json"))
    assert len(records) == 4
    lines = out.read_text()
    call(out, "--models", models)
    assert out.read_text() == lines
    pairs = [[r["accuracy"] for r in records if r["model"] == model] for model in ("quadratic", "conventional")]
    [_, row] = json.loads((tmp_path / "images.json").read_text())["rows"]
    assert row["difference"] == pytest.approx(np.mean(pairs[0]) - np.mean(pairs[1]))
    assert row["std"] == pytest.approx(np.std(pairs[0], ddof=1))
    assert row["p_value"] == pytest.approx(ttest_rel(*pairs).pvalue)
    assert f"{row['accuracy']:.4f}" in capsys.readouterr().out


def test_worst_classes_are_measured_by_themselves(out):
    call(out, "--models", "conventional", "--seeds", "1", "--validation")
    records = call(out, "--models", "conventional", "--seeds", "1", "--worst", "2,10")
    [two] = [record for record in records if record["n_classes"] == 2]
    assert len(two["recalls"]) == len(two["classes"]) == 2


def test_unknown_models_and_missing_folders_are_refused(out, capsys):
    for arguments, text in ((["--models", "cubic"], "cubic"), (["--sets", "mnist_5k"], "--data-dir must name a folder")):
        with pytest.raises(SystemExit):
            call(out, *arguments)
        assert text in capsys.readouterr().err


def test_only_the_first_convolution_is_task_based():
    network = FirstBlockCNN((1, 8, 8), (3, 4, 5), 2, "x**2 + x", batch_norm=False)
    assert [len(block.convolution.formula.terms) for block in network.blocks] == [2, 1, 1]
    assert network(torch.randn(6, 1, 8, 8)).shape == (6, 2)


@pytest.mark.parametrize("formula", ["x + dot(w, x)*dot(w, x)", "x**2 + x", "x**3 + x**2 + x"])
def test_higher_terms_are_shrunk_and_the_linear_one_is_not(formula):
    layer = TaskNeuronConv2d(2, 3, 3, formula, padding="same")
    x = torch.randn(4, 2, 5, 5)
    raw = layer.raw()
    linear = torch.nn.functional.conv2d(x, raw.weight[:, -2:], raw.bias, padding="same")
    before = layer(x)
    with torch.no_grad():
        shrink_higher_terms(layer)
    assert_allclose(layer(x).detach(), (linear + SMALL * (before - linear)).detach(), rtol=1e-4, atol=1e-5)
