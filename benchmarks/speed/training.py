"""Seconds per epoch of a task-based network against scikit-learn's and plain skorch's, and rows predicted per second.

python benchmarks/speed/training.py [--rows 20000] [--features 10] [--epochs 3] [--repeats 7] [--output FILE]

All train the same layers (64, 32, "relu") on the same rows with Adam, one thread, no validation; the formula is "x", a
linear network, and "x**3 + x", which has twice the weights. The runs of all models take turns, so that whatever else the
machine does meets them alike; the ratios are medians over the turns.
"""

import argparse
import json
import os
import platform
import time
import warnings
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import skorch
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

import sklearn_taskneurons
from sklearn_taskneurons._training import fit_column_scaler, make_net, make_table, predict, train

HIDDEN = (64, 32)
FORMULAS = ("x", "x**3 + x")
BATCH_SIZES = (128, 1024)


def scikit_learn(X, y, batch_size, epochs):
    """Return the seconds of an epoch of scikit-learn's MLP in float32."""
    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN, batch_size=batch_size, max_iter=epochs, n_iter_no_change=epochs + 1, random_state=0
    )
    start = time.perf_counter()
    model.fit(X, y)
    return (time.perf_counter() - start) / epochs


def plain_skorch(X, y, batch_size, epochs):
    """Return the seconds of an epoch of skorch with its default loader and callbacks."""
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    )
    net = skorch.NeuralNetRegressor(
        module, optimizer=torch.optim.Adam, lr=1e-3, batch_size=batch_size, max_epochs=epochs, train_split=None, verbose=0,
        iterator_train__shuffle=True,
    )  # fmt: skip
    start = time.perf_counter()
    net.fit(X, y[:, None])
    return (time.perf_counter() - start) / epochs


def task_neurons(X, y, batch_size, epochs, formula):
    """Return the seconds of an epoch of a network of task-based neurons."""
    net = make_net(X.shape[1], 1, formula, hidden_layer_sizes=HIDDEN, activation="relu", batch_size=batch_size)
    table = make_table(X, y[:, None])
    start = time.perf_counter()
    train(net, table, max_epochs=epochs, n_iter_no_change=None)
    return (time.perf_counter() - start) / epochs


def rows_per_second(n_features, n_rows=200_000):
    """Return the rows that a small trained network, (16,), and one with the layers above predict in a second."""
    X = np.random.default_rng(0).normal(size=(n_rows, n_features))
    scaler = fit_column_scaler(X)
    rates = {}
    for hidden in ((16,), HIDDEN):
        for formula in FORMULAS:
            net = make_net(n_features, 1, formula, hidden_layer_sizes=hidden)
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                predict(net, X, scaler.transform)
                seconds.append(time.perf_counter() - start)
            rates[f"{formula}, {hidden}"] = n_rows / float(np.median(seconds))
    return rates


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("training.json"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    torch.set_num_threads(1)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "skorch": skorch.__version__,
        "sklearn_taskneurons": sklearn_taskneurons.__version__,
    }
    print(versions)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(arguments.rows, arguments.features)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + np.sin(X[:, 2])).astype(np.float32)
    results = {}
    print(f"{'batch':>5}  {'model':24} {'seconds/epoch':>13}  {'of scikit-learn':>15}  {'of plain skorch':>15}")
    for batch_size in BATCH_SIZES:
        models = {"scikit-learn MLPRegressor": scikit_learn, "plain skorch": plain_skorch}
        models |= {
            f"task neurons, {formula}": lambda *run, formula=formula: task_neurons(*run, formula) for formula in FORMULAS
        }
        turns = [
            {name: measure(X, y, batch_size, arguments.epochs) for name, measure in models.items()}
            for _ in range(arguments.repeats)
        ]
        for name in models:
            seconds = float(np.median([turn[name] for turn in turns]))
            ratios = [
                float(np.median([turn[name] / turn[peer] for turn in turns]))
                for peer in ("scikit-learn MLPRegressor", "plain skorch")
            ]
            results[f"{name}, batch {batch_size}"] = {"seconds_per_epoch": seconds, "ratios": ratios}
            print(f"{batch_size:5}  {name:24} {seconds:13.4f}  {ratios[0]:15.2f}  {ratios[1]:15.2f}", flush=True)
    rates = rows_per_second(arguments.features)
    for name, rate in rates.items():
        print(f"predict, {name:20} {rate:12,.0f} rows/s")
    document = {"versions": versions, "arguments": vars(arguments) | {"output": None}, "epochs": results, "predict": rates}
    arguments.output.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
