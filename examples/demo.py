"""
The main job on a real table
============================

From the file to the figure: search a formula on the training rows, train a network of neurons that compute it, train an
equally large network of ordinary (linear) neurons beside it, and compare the two on rows that neither has seen.

This is the script that ``make demo`` runs::

    python examples/demo.py
    python examples/demo.py --data table.csv.gz --target column
"""

import argparse
import math
import re
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skorch.callbacks import Callback

from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor
from sklearn_taskneurons.plotting import LossCurveDisplay, ParetoFrontDisplay

TASK_COLOR, LINEAR_COLOR = "tab:blue", "tab:orange"


def main() -> None:
    options = read_options()
    X, y, name = load_table(options.data, options.target)
    classification = is_classification(y) if options.task == "auto" else options.task == "classification"
    if not classification and not pd.api.types.is_numeric_dtype(y):
        sys.exit(f"Regression needs numbers, and {y.name!r} holds {y.dtype}.")
    describe(X, y, name, classification)
    if classification:
        y = y.astype(str)
    X, y = at_most(options.max_rows, X, y)
    stratify = y if classification and y.value_counts().min() > 1 else None
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=options.seed, stratify=stratify)
    encoder = make_encoder().fit(X_train)
    X_train, X_test = encoder.transform(X_train), encoder.transform(X_test)
    print(f"training rows {len(X_train)}, test rows {len(X_test)}, input columns {X_train.shape[1]}\n")

    network = TaskNeuronClassifier if classification else TaskNeuronRegressor
    settings: dict[str, Any] = {"early_stopping": True, "random_state": options.seed, "callbacks": [ProgressLine()]}
    # Few rows cannot teach many weights.
    hidden = (64, 32) if len(X_train) >= 1000 else (16, 8)
    task_net = network(hidden_layer_sizes=hidden, **settings)
    fit("Searching a formula and training its network", task_net, X_train, y_train)
    print_front(task_net)
    wider = equal_hidden_sizes(task_net, X_train.shape[1])
    linear_net = network(formula="x", elementwise_affine=False, embedding_size=0, hidden_layer_sizes=wider, **settings)
    fit("Training linear neurons", linear_net, X_train, y_train)
    print_scores({"task-based": task_net, "linear": linear_net}, X_test, y_test, classification)
    draw(task_net, linear_net, X_test, y_test, name, classification).savefig(options.figure, dpi=150)
    print(f"\nThe figure is in {options.figure}")


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, help="a CSV file with a header, .gz or not (default: diabetes, from scikit-learn)")
    parser.add_argument("--target", help="the column to predict (default: 'target' if there is one, else the last)")
    parser.add_argument("--task", choices=["auto", "classification", "regression"], default="auto")
    parser.add_argument("--max-rows", type=int, default=50_000, help="use at most so many rows, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, default=Path("demo.png"))
    return parser.parse_args()


def load_table(path: Path | None, target: str | None) -> tuple[pd.DataFrame, pd.Series, str]:
    """Return the input columns, the target and the table's name; rows without a target are left out."""
    if path is None:
        table, name = load_diabetes(as_frame=True, scaled=False).frame, "diabetes"
    elif not path.is_file():
        sys.exit(f"There is no file {path}.")
    else:
        table, name = pd.read_csv(path), path.name.split(".")[0]
    if target is None:
        target = "target" if "target" in table else str(table.columns[-1])
    if target not in table:
        sys.exit(f"{name} has no column {target!r}. It has: {', '.join(map(str, table.columns))}.")
    table = table.replace([np.inf, -np.inf], np.nan).dropna(subset=[target])
    X = table.drop(columns=target).dropna(axis="columns", how="all")
    if X.empty or len(X) < 20:
        sys.exit(f"{name} has {len(X)} rows and {X.shape[1]} input columns: at least 20 rows and one column are needed.")
    return X, table[target], name


def is_classification(y: pd.Series) -> bool:
    """Whether the target names classes: text, truth values, or at most ten different whole numbers."""
    if not pd.api.types.is_numeric_dtype(y) or pd.api.types.is_bool_dtype(y):
        return True
    return y.nunique() <= 10 and bool((y == y.round()).all())


def describe(X: pd.DataFrame, y: pd.Series, name: str, classification: bool) -> None:
    """Say what was read and what will be done with it."""
    print(f"{name}: {len(X)} rows, {X.shape[1]} columns, target {y.name!r}")
    if classification:
        values = y.value_counts()
        shown = ", ".join(f"{value} ({count})" for value, count in values.head(8).items())
        print(f"classification of {len(values)} classes: {shown}{', ...' if len(values) > 8 else ''}")
    else:
        print(f"regression, target from {y.min():g} to {y.max():g}")


def at_most(rows: int, X: pd.DataFrame, y: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Draw rows at random where there are more than a demonstration needs."""
    if len(X) <= rows:
        return X, y
    print(f"{rows} of the {len(X)} rows are used, drawn at random (--max-rows)")
    X = X.sample(rows, random_state=0)
    return X, y.loc[X.index]


def make_encoder() -> Any:
    """Turn any table into numbers: medians for missing numbers, one column for each frequent value of the rest."""
    numbers = make_column_selector(dtype_include=["number", "bool"])
    others = make_column_selector(dtype_exclude=["number", "bool"])
    encoder = make_column_transformer(
        (SimpleImputer(strategy="median"), numbers),
        (OneHotEncoder(max_categories=10, handle_unknown="infrequent_if_exist", sparse_output=False), others),
        verbose_feature_names_out=False,
    )
    return make_pipeline(encoder).set_output(transform="pandas")


class ProgressLine(Callback):
    """Rewrite one line after each epoch, so that one sees that something happens."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        losses = [f"{name} {net.history[-1][name]:.4f}" for name in ("train_loss", "valid_loss") if name in net.history[-1]]
        show(f"epoch {len(net.history)}: {', '.join(losses)}")


def show(text: str) -> None:
    """Write over the last line where the output is a terminal."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {text}", end="", flush=True)


def fit(what: str, estimator: Any, X: pd.DataFrame, y: pd.Series) -> None:
    """Fit an estimator and say how long it took."""
    print(f"{what} ...", flush=True)
    start = time.perf_counter()
    estimator.fit(X, y)
    show("")
    print(f"\r  {time.perf_counter() - start:.1f} s, {estimator.n_iter_} epochs")


def print_front(task_net: Any) -> None:
    """Print the best formula of each complexity, and among which ones that of the neurons was chosen."""
    print("\nPareto front (the best formula of each complexity on the training rows; w: one number for each feature)")
    print(f"{'complexity':>10}  {'loss':>9}  formula")
    for point in task_net.search_.pareto_front_:
        mark = "*" if point.formulas[0] == task_net.search_.formula_ else " "
        print(f"{point.complexity:>9}{mark}  {point.loss:>9.4g}  {shorten(point.formulas[0])}")
    if len(task_net.search_.formulas_) == 1 and task_net.n_features_in_ <= 20:
        print("\nthe best one, on scaled columns:")
        print(task_net.search_.formula_.report(task_net.feature_names_in_))
    print("\nFormulas of neurons, and the loss of small networks of them on rows held out")
    print(f"{'':>10}  {'loss':>9}  formula")
    for candidate in task_net.formula_candidates_:
        print(f"{'':>9}{'*' if candidate.chosen else ' '}  {candidate.loss:>9.4g}  {shorten(candidate.formula)}")
    print(f"\nformula of the neurons: {shorten(task_net.formula_)}")
    if task_net.formula_.degree == 1:
        print("Linear neurons fit this table best, so both networks below are of the same kind.")
    print()


def shorten(formula: Any) -> str:
    """Write a formula with few digits, and with w for each vector of constants."""
    return re.sub(r"\[.*?\]", "w", str(formula.round(3)))


def equal_hidden_sizes(task_net: Any, n_features: int) -> tuple[int, ...]:
    """Widen the hidden layers until each linear network has at least as many parameters as a task-based one."""
    n_outputs = len(getattr(task_net, "classes_", ["target"]))
    hidden = np.atleast_1d(task_net.hidden_layer_sizes)
    for percent in range(100, 10_000):
        sizes = [n_features, *(math.ceil(size * percent / 100) for size in hidden), n_outputs]
        if sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes)) >= task_net.n_parameters_ / task_net.n_members:
            break
    return tuple(sizes[1:-1])


def print_scores(networks: dict[str, Any], X: pd.DataFrame, y: pd.Series, classification: bool) -> None:
    """Print what both networks reach on the test rows, and what they cost."""
    print(f"\n{'network':<12}{'hidden layers':>14}{'parameters':>12}{'test accuracy' if classification else 'test R^2':>15}")
    for name, network in networks.items():
        hidden = "-".join(map(str, np.atleast_1d(network.hidden_layer_sizes)))
        print(f"{name:<12}{hidden:>14}{network.n_parameters_:>12}{network.score(X, y):>15.4f}")


def draw(task_net: Any, linear_net: Any, X: pd.DataFrame, y: pd.Series, name: str, classification: bool) -> Any:
    """Draw the search, the training of both networks, and what the task-based one predicts."""
    pyplot.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
    figure, (front, curves, result) = pyplot.subplots(1, 3, figsize=(13.5, 5), layout="constrained")
    formula = task_net.formula_.round(2).latex()
    title = figure.suptitle(f"{name}: the formula of the neurons is  ${formula}$", fontsize=15)
    figure.draw_without_rendering()
    title.set_fontsize(min(15, 15 * 0.96 * figure.bbox.width / title.get_window_extent().width))
    figure.supxlabel("Each neuron has weights of its own for every term of the formula.", color="0.4", fontsize="medium")

    display = ParetoFrontDisplay.from_estimator(task_net, ax=front, color="0.5")
    display.selected_line_.set(color="0.2", label="best by the information criterion")
    front.set(title="Search: the best formula of each complexity", ylabel="$1 - R^2$ on the training rows")
    front.legend()
    for network, label, color in [(task_net, "task-based", TASK_COLOR), (linear_net, "linear", LINEAR_COLOR)]:
        LossCurveDisplay.from_estimator(network, name=label, ax=curves, color=color)
    curves.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize="small")
    curves.set(title="Training", ylabel="cross-entropy" if classification else "squared error, standardized target")
    (draw_classes if classification else draw_values)(task_net, X, y, result)
    scores = [f"{network.score(X, y):.3f}" for network in (task_net, linear_net)]
    measure = "accuracy" if classification else "$R^2$"
    result.set_title(f"Test rows: {measure} {scores[0]} (linear {scores[1]})")
    return figure


def draw_values(network: Any, X: pd.DataFrame, y: pd.Series, ax: Any) -> None:
    """Draw true against predicted values."""
    style = {"alpha": min(0.6, 10 / len(X) ** 0.5), "s": 14, "color": TASK_COLOR, "linewidths": 0}
    PredictionErrorDisplay.from_estimator(network, X, y, kind="actual_vs_predicted", ax=ax, scatter_kwargs=style)
    values = np.concatenate([network.predict(X), y])
    pad = 0.04 * np.ptp(values)
    limits = (values.min() - pad, values.max() + pad)
    ax.set(xlabel="predicted", ylabel="true", xlim=limits, ylim=limits)
    ax.set_aspect("equal", adjustable="box")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6))


def draw_classes(network: Any, X: pd.DataFrame, y: pd.Series, ax: Any) -> None:
    """Draw the confusion matrix; its rows add up to 1."""
    labels = network.classes_
    ConfusionMatrixDisplay.from_estimator(
        network,
        X,
        y,
        normalize="true",
        values_format=".2f",
        include_values=len(labels) <= 12,
        xticks_rotation="vertical" if max(map(len, labels)) * len(labels) > 40 else "horizontal",
        cmap="Blues",
        colorbar=False,
        ax=ax,
    )
    ax.set(xlabel="predicted", ylabel="true")


if __name__ == "__main__":
    main()
