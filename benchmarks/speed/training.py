"""Seconds per epoch of a task-based network against scikit-learn's and plain skorch's, and rows predicted per second.

python -m benchmarks.speed.training [--rows 20000] [--features 10] [--epochs 10] [--repeats 5] [--tnlearn] [--output FILE]

All train the same layers (64, 32, "relu") on the same rows in float32 with Adam, one thread, no validation: a linear network,
the formula "x" without a learned scale of the inputs; "x**3 + x" in the first layer, with all defaults before it; and eight
such networks side by side, n_members=8. A step of Muon, the default solver, takes longer: such a network stands beside them.
With --tnlearn its MLPRegressor does, too, with "x**3 + x" in both hidden layers. The runs of all models take turns, so that
whatever else the machine does meets them alike; the ratios are medians over the turns.
"""

import time
import warnings

import numpy as np
import skorch
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import TaskNeuronRegressor

HIDDEN = (64, 32)
ADAM = {"solver": "adamw", "n_members": 1}
NETWORKS = {
    "linear": ADAM | {"formula": "x", "scaling": "robust", "elementwise_affine": False},
    "x**3 + x": ADAM | {"formula": "x**3 + x"},
    "x**3 + x, 8 members": ADAM | {"formula": "x**3 + x", "n_members": 8},
    "x**3 + x, Muon": ADAM | {"formula": "x**3 + x", "solver": "muon"},
}
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


def tnlearn(X, y, batch_size, epochs):
    """Return the seconds of an epoch of tnlearn's network."""
    from tnlearn import MLPRegressor as TnlearnRegressor

    model = TnlearnRegressor("x**3 + x", layers_list=list(HIDDEN), batch_size=batch_size, max_iter=epochs, mode="legacy")
    start = time.perf_counter()
    model.fit(X, y)
    return (time.perf_counter() - start) / epochs


def task_neurons(X, y, batch_size, epochs, name):
    """Return the seconds of an epoch of a network of task-based neurons, with the scaling of its data."""
    model = network(name, HIDDEN, batch_size=batch_size, max_epochs=epochs, n_iter_no_change=epochs + 1)
    start = time.perf_counter()
    model.fit(X, y)
    return (time.perf_counter() - start) / epochs


def network(name, hidden, **options):
    """Return the estimator, of the neurons alone and without validation."""
    options = {"hidden_layer_sizes": hidden, "activation": "relu", "early_stopping": False, "random_state": 0, **options}
    return TaskNeuronRegressor(**NETWORKS[name], embedding_size=0, **options)


def rows_per_second(n_features, n_rows=200_000):
    """Return the rows that a small network, (16,), and one with the layers above predict in a second."""
    X = np.random.default_rng(0).normal(size=(n_rows, n_features))
    rates = {}
    for hidden in ((16,), HIDDEN):
        for name in NETWORKS:
            model = network(name, hidden, max_epochs=1).fit(X[:200], X[:200, 0])
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                model.predict(X)
                seconds.append(time.perf_counter() - start)
            rates[f"{name}, {hidden}"] = n_rows / float(np.median(seconds))
    return rates


@limited(1)
def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "training.json")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tnlearn", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    known = versions("torch", "scikit-learn", "skorch", "tnlearn")
    print(line(known), "  1 thread")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(arguments.rows, arguments.features)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + np.sin(X[:, 2])).astype(np.float32)
    results = {}
    print(f"{'batch':>5}  {'model':34} {'seconds/epoch':>13}  {'of scikit-learn':>15}  {'of plain skorch':>15}")
    for batch_size in BATCH_SIZES:
        models = {"scikit-learn MLPRegressor": scikit_learn, "plain skorch": plain_skorch}
        if arguments.tnlearn:
            models["tnlearn, x**3 + x"] = tnlearn
        models |= {f"task neurons, {name}": lambda *run, name=name: task_neurons(*run, name) for name in NETWORKS}
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
            print(f"{batch_size:5}  {name:34} {seconds:13.4f}  {ratios[0]:15.2f}  {ratios[1]:15.2f}", flush=True)
    rates = rows_per_second(arguments.features)
    for name, rate in rates.items():
        print(f"predict, {name:30} {rate:12,.0f} rows/s")
    setting = {name: value for name, value in vars(arguments).items() if name != "output"}
    write(arguments.output, {"versions": known, "threads": 1, **setting, "epochs": results, "rows_per_second": rates})


if __name__ == "__main__":
    main()
