"""The demonstration on tables of every kind."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n_rows = 150
    size = rng.normal(size=n_rows)
    return pd.DataFrame(
        {
            "size": np.where(rng.random(n_rows) < 0.1, np.nan, size),
            "weight": np.where(np.arange(n_rows) == 3, np.inf, rng.normal(size=n_rows)),
            "wet": rng.random(n_rows) < 0.5,
            "colour": rng.choice(["red", "green", None], size=n_rows),
            "name": [f"name {row}" for row in range(n_rows)],
            "empty": np.nan,
            "kind": np.where(size > 0, "large", "small"),
            "price": size**2 + rng.normal(scale=0.1, size=n_rows),
        }
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], True),
        ([True, False], True),
        ([0, 1, 2], True),
        ([0.0, 1.0], True),
        (range(10), True),
        (range(11), False),
        ([0.5, 1.0], False),
    ],
)
def test_the_task_follows_from_the_target(demo, values, expected):
    assert demo.is_classification(pd.Series(values)) is expected


@pytest.mark.parametrize(("target", "measure"), [("price", "test R^2"), ("kind", "test accuracy"), ("wet", "test accuracy")])
def test_the_whole_way_on_a_table_with_text_and_gaps(demo, table, target, measure, tmp_path, monkeypatch, capsys):
    table.to_csv(tmp_path / "things.csv.gz", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--data", "things.csv.gz", "--target", target])

    demo.main()

    printed = capsys.readouterr().out
    assert printed.startswith("things: 150 rows")
    assert measure in printed
    assert "formula of the neurons: " in printed
    assert (tmp_path / "demo.png").stat().st_size > 20_000


def test_the_default_target_is_the_column_of_that_name_or_the_last(demo, table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    assert demo.load_table(tmp_path / "table.csv", None)[1].name == "price"
    table.rename(columns={"size": "target"}).to_csv(tmp_path / "table.csv", index=False)
    X, y, name = demo.load_table(tmp_path / "table.csv", None)
    assert y.name == "target"
    assert name == "table"
    assert len(X) == len(y) == table["size"].notna().sum()
    assert "empty" not in X


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.csv"], "no file"),
        (["--data", "table.csv", "--target", "cost"], "no column 'cost'"),
        (["--data", "short.csv"], "at least 20 rows"),
        (["--data", "table.csv", "--target", "empty"], "has 0 rows"),
        (["--data", "table.csv", "--target", "kind", "--task", "regression"], "needs numbers"),
    ],
)
def test_what_cannot_be_done_is_said(demo, table, arguments, message, tmp_path, monkeypatch):
    table.to_csv(tmp_path / "table.csv", index=False)
    table.head(10).to_csv(tmp_path / "short.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo.py", *arguments])
    with pytest.raises(SystemExit, match=message):
        demo.main()


def test_linear_neurons_get_at_least_as_many_parameters(demo):
    network = demo.TaskNeuronRegressor("x**3 + x", hidden_layer_sizes=(6, 3), max_epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(60, 4))
    network.fit(X, X[:, 0])
    sizes = demo.equal_hidden_sizes(network, 4)
    linear = demo.TaskNeuronRegressor("x", elementwise_affine=False, hidden_layer_sizes=sizes, max_epochs=1, random_state=0)
    linear.fit(X, X[:, 0])
    assert network.n_parameters_ <= linear.n_parameters_ <= 1.2 * network.n_parameters_
