"""The accuracy harness on small tables, with models of scikit-learn."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import equal_parameters, figure, images, models, report, run, store, tables, tasks
from benchmarks.accuracy.equal_parameters import (
    BestLinear,
    BestLinearOfRanks,
    BestNeuron,
    WithinBudget,
    widest,
    within,
)

N_ROWS = 60
MODELS = ("linear", "hist_gb")


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=["a", "b", "c"])
    y = X["a"] - 2 * X["b"] + 0.3 * rng.normal(size=N_ROWS)
    X.assign(last=y).to_csv(data / "numbers.csv", index=False)
    X.assign(colour=rng.choice(["red", "green"], N_ROWS), kind=np.where(y > 0, "up", "down")).to_csv(
        data / "names.csv.gz", index=False
    )
    X.assign(target=np.repeat([3, 4, 5], N_ROWS // 3), more=y).to_csv(data / "v1.grades.csv", index=False)
    return data


@pytest.fixture
def harness(folder, tmp_path):
    out = tmp_path / "results" / "accuracy.jsonl"

    def call(*more):
        run.main(["--data-dir", str(folder), "--models", ",".join(MODELS), "--seeds", "2", "--out", str(out), *more])
        return store.read(out)

    call.out = out
    return call


def test_all_sets_of_a_folder_are_measured(harness):
    records = harness()
    assert len(records) == 3 * 2 * 2
    assert {(record["set"], record["task"]) for record in records.values()} == {
        ("numbers", "regression"),
        ("names", "classification"),
        ("v1.grades", "classification"),
    }
    assert all("failed" not in record and record["n_measure"] == N_ROWS // 5 for record in records.values())
    assert all(record["environment"]["threads"] == 1 for record in records.values())


def test_the_error_is_that_of_the_model_fitted_by_hand(harness, folder):
    records = harness("--sets", "numbers", "--models", "linear")
    table = pd.read_csv(folder / "numbers.csv")
    for seed in range(2):
        train, test = train_test_split(table, test_size=0.2, random_state=seed)
        scaler = StandardScaler().fit(train[["a", "b", "c"]])
        model = RidgeCV(np.logspace(-3, 3, 13)).fit(scaler.transform(train[["a", "b", "c"]]), train["last"])
        expected = 1 - r2_score(test["last"], model.predict(scaler.transform(test[["a", "b", "c"]])))
        [record] = [record for record in records.values() if record["seed"] == seed]
        assert record["error"] == pytest.approx(expected)


def test_what_is_in_the_file_is_not_measured_again(harness):
    harness("--sets", "numbers", "--models", "linear", "--seeds", "1")
    lines = harness.out.read_text().splitlines()
    harness("--sets", "numbers", "--models", "linear")
    assert harness.out.read_text().splitlines()[: len(lines)] == lines
    assert len(harness.out.read_text().splitlines()) == 2
    harness("--sets", "numbers", "--models", "linear", "--force")
    assert len(harness.out.read_text().splitlines()) == 4
    assert len(store.read(harness.out)) == 2


def test_a_line_that_was_cut_off_is_measured_again(harness):
    before = harness("--sets", "numbers", "--models", "linear")
    harness.out.write_bytes(harness.out.read_bytes()[:-30])
    assert len(store.read(harness.out)) == 1
    after = harness("--sets", "numbers", "--models", "linear")
    assert [record["error"] for record in after.values()] == [record["error"] for record in before.values()]


def test_a_model_that_fails_is_reported_and_tried_again(harness, monkeypatch, capsys):
    def broken(task, seed, n_threads):
        raise RuntimeError("no memory")

    monkeypatch.setitem(models.MODELS, "hist_gb", broken)
    records = harness("--sets", "numbers", "--seeds", "1")
    assert "FAILED: numbers seed 0 hist_gb: RuntimeError: no memory" in capsys.readouterr().out
    assert sum("failed" in record for record in records.values()) == 1
    monkeypatch.undo()
    assert not any("failed" in record for record in harness("--sets", "numbers", "--seeds", "1").values())


def test_a_model_that_is_not_installed_is_said_to_be_missing(harness, monkeypatch, capsys):
    monkeypatch.setitem(models.REQUIRES, "hist_gb", ("no_such_module", "no-such-module"))
    harness("--sets", "numbers", "--seeds", "1")
    assert "hist_gb is left out: it needs pip install no-such-module" in capsys.readouterr().out


def test_images_of_scikit_learn_need_no_file(folder, tmp_path, capsys):
    out = tmp_path / "images.jsonl"
    images.main(f"--data-dir {folder} --sets digits --models svm,linear --seeds 1 --max-rows 300 --out {out}".split())
    records = store.read(out).values()
    assert {(record["set"], record["task"], record["n_columns"]) for record in records} == {("digits", "classification", 64)}
    assert all(record["error"] < 0.2 for record in records)


def test_a_figure_has_the_ratios_of_the_report(harness, tmp_path):
    records = harness()
    path = tmp_path / "ratios.png"
    harness("--report", "--compare", "linear", "--figure", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    [part] = report.summarize(list(records.values()), [], ["linear"])["budgets"]
    errors = {
        model: [r["error"] for r in records.values() if r["set"] == "numbers" and r["model"] == model] for model in MODELS
    }
    expected = np.mean(errors["linear"]) / np.mean(errors["hist_gb"])
    assert figure.ratios(part, "linear", ["hist_gb", "mlp"], "numbers") == {"hist_gb": pytest.approx(expected)}
    means = [figure.ratios(part, "linear", ["hist_gb"], name)["hist_gb"] for name in figure.order(part)]
    assert means == sorted(means)


def test_without_two_models_there_is_nothing_to_draw(harness, tmp_path):
    harness("--models", "linear")
    with pytest.raises(SystemExit, match="two models with a split in common"):
        harness("--models", "linear", "--report", "--figure", str(tmp_path / "ratios.png"))


def test_report_without_data(harness, tmp_path, capsys):
    records = harness()
    capsys.readouterr()
    summary_file = tmp_path / "summary.json"
    run.main(["--report", "--out", str(harness.out), "--seeds", "2", "--json", str(summary_file), "--leave-out", "names"])
    shown = capsys.readouterr().out
    assert "scikit-learn" in shown
    assert "without names" in shown
    [part] = json.loads(summary_file.read_text())["budgets"]
    errors = [record["error"] for key, record in records.items() if key[0] == "numbers" and key[2] == "linear"]
    assert part["sets"]["numbers"]["linear"]["error"] == pytest.approx(np.mean(errors))
    assert part["comparisons"][0]["sets"] == 2
    run.main(["--report", "--out", str(harness.out), "--seeds", "1", "--sets", "n*", "--json", str(summary_file)])
    [part] = json.loads(summary_file.read_text())["budgets"]
    assert set(part["sets"]) == {"numbers", "names"}
    assert set(part["sets"]["names"]["hist_gb"]["errors"]) == {"0"}


def test_sets_are_chosen_by_name_pattern_and_group(capsys):
    names = ["abalone", "strogatz_1", "strogatz_2", "vector_sines", "vehicle"]
    assert tables.choose(None, names) == ["abalone", "strogatz_1", "strogatz_2", "vehicle"]
    assert tables.choose(None, ["digits", "digits_of_mine"]) == ["digits", "digits_of_mine"]
    assert tables.choose(["vehicle", "s*_2", "paper"], names) == ["vehicle", "strogatz_2", "abalone"]
    assert "california_housing" in capsys.readouterr().out


def test_unknown_names_are_refused(harness, capsys):
    with pytest.raises(ValueError, match=r"'oranges' is not; there are: names, numbers"):
        harness("--sets", "oranges")
    with pytest.raises(SystemExit):
        harness("--models", "linaer")
    assert "linaer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (["a", "b", "a"], "classification"),
        ([True, False, True], "classification"),
        ([1.0, 2.0, 2.0], "classification"),
        ([1.0, 2.5, 2.0], "regression"),
        (list(range(11)), "regression"),
        (list(range(10)), "classification"),
    ],
)
def test_inferred_task(target, expected):
    assert tables.infer_task(pd.Series(target)) == expected


def test_index_decides_the_task(folder):
    assert tables.load("v1.grades", folder, 1000).task == "classification"
    (folder / "INDEX.tsv").write_text("name\trows\ttask\nv1.grades\t60\tregression\n")
    table = tables.load("v1.grades", folder, 1000)
    assert table.task == "regression"
    assert table.X.columns.tolist() == ["a", "b", "c", "more"]
    np.testing.assert_array_equal(np.unique(table.y), [3.0, 4.0, 5.0])


def test_validation_reads_no_test_row():
    table = tables.Table("rows", pd.DataFrame({"row": np.arange(100.0)}), np.arange(100.0), "regression")
    _, X_test, _, _ = tables.split(table, 3)
    X_fit, X_validation, y_fit, y_validation = tables.split(table, 3, validation=True)
    assert (len(X_fit), len(X_validation), len(X_test)) == (64, 16, 20)
    assert set(np.concatenate([X_fit, X_validation, X_test]).ravel()) == set(range(100))
    np.testing.assert_array_equal(X_fit[:, 0], y_fit)
    np.testing.assert_array_equal(X_validation[:, 0], y_validation)


def test_columns_become_numbers_by_the_rows_to_fit_on():
    X = pd.DataFrame({"size": [1.0, np.nan, 3.0, 50.0, 7.0] * 20, "colour": ["red", "green", None, "red", "blue"] * 20})
    table = tables.Table("rows", X, np.arange(100.0), "regression")
    X_fit, X_measure, y_fit, _ = tables.split(table, 0)
    assert X_fit.shape == (80, 5)
    assert np.isfinite(X_fit).all()
    assert np.isfinite(X_measure).all()
    missing = X["size"].isna().to_numpy()[y_fit.astype(int)]
    assert np.all(X_fit[missing, 0] == np.median(X_fit[~missing, 0]))
    np.testing.assert_array_equal(X_fit[:, 1:].sum(axis=1), 1)


def as_records(errors):
    """Return records of two models with these errors on as many sets."""
    common = {"seed": 0, "budget": None, "task": "regression", "n_measure": 10, "environment": {}}
    seconds = {"fit_seconds": 2.0, "predict_seconds": 0.1}
    return [
        common | seconds | {"set": f"set {number}", "model": model, "error": error}
        for model, values in errors.items()
        for number, error in enumerate(values)
    ]


def test_comparison_against_its_definition():
    ours, other = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), np.array([0.2, 0.1, 0.6, 0.4, 0.9, 0.7, 0.71])
    summary = report.summarize(as_records({"taskneuron": ours, "mlp": other}), ())
    [row] = summary["budgets"][0]["comparisons"]
    assert row["error_ratio"] == pytest.approx(np.prod(ours / other) ** (1 / 7))
    assert (row["wins"], row["ties"], row["sets"]) == (5, 1, 7)
    assert row["p_value"] == pytest.approx(wilcoxon(np.log(ours / other)[ours != other]).pvalue)
    assert row["fit_seconds_ratio"] == pytest.approx(1)


def test_comparison_counts_the_splits_that_both_saw():
    records = as_records({"taskneuron": [0.1], "mlp": [0.2]})
    records.append(records[0] | {"seed": 1, "error": 0.9})
    [row] = report.summarize(records, ())["budgets"][0]["comparisons"]
    assert row["error_ratio"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "n_features", "truth"),
    [
        ("vector_sines", 10, lambda X: np.sin(2 * X).sum(axis=1)),
        ("feynman_I.8.14", 4, lambda X: np.hypot(X[:, 1] - X[:, 0], X[:, 3] - X[:, 2])),
    ],
)
def test_tasks_are_the_same_every_time_and_have_one_percent_of_noise(name, n_features, truth, tmp_path):
    X, y = tasks.load(name, tmp_path)
    np.testing.assert_array_equal(tasks.load(name, tmp_path)[1], y)
    assert X.shape == (2000, n_features)
    assert np.std(y - truth(X)) == pytest.approx(0.01 * np.std(truth(X)), rel=0.1)


def test_every_task_can_be_made(tmp_path):
    names = tasks.names(tmp_path)
    assert len(names) == 24
    for name in names:
        X, y = tasks.load(name, tmp_path)
        assert np.isfinite(X).all()
        assert np.isfinite(y).all()
        assert y.std() > 0


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 8, 100])
def test_widest(limit):
    assert widest(lambda width: width <= limit) == limit


def test_network_is_the_largest_within_the_budget():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    parameters = {"formula": "x**2 + x", "max_epochs": 1}
    model = WithinBudget("regression", parameters, 200, random_state=0).fit(X, X[:, 0])
    width = model.remarks_["hidden_layer_sizes"][0]
    wider = models.task_neuron("regression", 0, **parameters, hidden_layer_sizes=(width + 1, (width + 1) // 2)).fit(X, X[:, 0])
    assert model.n_parameters_ <= 200 < wider.n_parameters_


FEW = {"max_epochs": 3, "n_members": 1, "embedding_size": 0}


def held_out(network):
    return min(network.validation_loss_curve_)


def best_of_twelve(formula, budget, X, y):
    networks = [
        within(budget, partial(neuron, formula=formula, scaling=scaling, lr=lr), X, y, n_layers).fit(X, y)
        for scaling in ("robust", "mixed")
        for lr in (1.5e-3, 5e-3, 1.5e-2)
        for n_layers in (1, 2)
    ]
    return min(networks, key=held_out)


def neuron(seed=0, **parameters):
    return models.task_neuron("regression", seed, **FEW, early_stopping=True, **parameters)


def test_best_neuron_is_the_candidate_best_on_held_out_parts_and_has_the_layers_rate_and_scaling_that_suit_it(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = X[:, 0] ** 2 + X[:, 1]
    monkeypatch.setattr(equal_parameters, "SHARED", FEW)
    monkeypatch.setattr(equal_parameters, "TO_FIND", {"hidden_layer_sizes": 2})
    model = BestNeuron("regression", 90, random_state=0).fit(X, y)
    found = neuron(hidden_layer_sizes=2).fit(X, y)
    losses = {
        candidate.formula: np.mean(
            [held_out(within(90, partial(neuron, seed, formula=candidate.formula), X, y).fit(X, y)) for seed in (0, 1)]
        )
        for candidate in found.formula_candidates_
    }
    formula = next(formula for formula, loss in losses.items() if loss <= 1.02 * min(losses.values()))
    best = best_of_twelve(formula, 90, X, y)
    assert len(losses) > 2
    assert model.formula_ == formula
    assert model.n_parameters_ == best.n_parameters_ <= 90
    assert [model.remarks_["scaling"], model.remarks_["lr"]] == [best.scaling, best.lr]
    np.testing.assert_array_equal(model.predict(X), best.predict(X))


def test_best_neuron_of_a_given_formula_has_the_same_choice(monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    y = X[:, 0] ** 2 + X[:, 1]
    monkeypatch.setattr(equal_parameters, "SHARED", FEW)
    model = BestNeuron("regression", 90, random_state=0, formula=models.GENERIC).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), best_of_twelve(models.GENERIC, 90, X, y).predict(X))


def test_best_linear_network_has_the_lowest_held_out_loss_of_twelve_that_fill_the_budget(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    y = np.sin(X[:, 0]) + X[:, 1]
    few = {**FEW, "formula": "x", "scaling": "robust", "elementwise_affine": False, "early_stopping": True}
    monkeypatch.setattr(equal_parameters, "SHARED", FEW)
    model = BestLinear("regression", 100, random_state=0).fit(X, y)
    # (4 + 1) h + h + 1, and (4 + 1) h + (h + 1) h/2 + h/2 + 1: the least h with at least 100 are 17 and 10.
    assert min(h for h in range(50) if 5 * h + h + 1 >= 100) == 17
    assert min(h for h in range(50) if 5 * h + (h + 1) * (h // 2) + h // 2 + 1 >= 100) == 10
    networks = [
        models.task_neuron("regression", 0, **few, activation=activation, lr=lr, hidden_layer_sizes=sizes).fit(X, y)
        for activation in ("relu", "tanh")
        for lr in (1.5e-3, 5e-3, 1.5e-2)
        for sizes in ((17,), (10, 5))
    ]
    best = min(networks, key=held_out)
    assert model.n_parameters_ == best.n_parameters_ >= 100
    np.testing.assert_array_equal(model.predict(X), best.predict(X))


def test_best_linear_network_of_ranks_does_not_see_how_features_are_spread(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = np.sin(X[:, 0]) + X[:, 1]
    monkeypatch.setattr(equal_parameters, "SHARED", FEW)
    model = BestLinearOfRanks("regression", 60, random_state=0).fit(X, y)
    spread = BestLinearOfRanks("regression", 60, random_state=0).fit(np.sinh(3 * X), y)
    np.testing.assert_allclose(spread.predict(np.sinh(3 * X)), model.predict(X), rtol=1e-4, atol=1e-5)
    assert model.n_parameters_ >= 60
