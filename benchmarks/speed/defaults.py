"""Seconds of a fit with default settings, and rows predicted in a second, beside scikit-learn's MLP.

python -m benchmarks.speed.defaults [--rows 500 20000] [--features 10] [--repeats 5] [--threads 1 2] [--output FILE]

The regressor searches its formula, or is given the cubic "x**3 + x**2 + x"; scikit-learn's has early stopping too. On 1,000,000
other rows all of them predict. For every number of threads, which is set for PyTorch and for BLAS, the models take turns;
figures are medians over the turns. Last, whole programs: a fresh interpreter imports what it needs, fits 500 rows and predicts.
"""

import subprocess
import sys
import time
import warnings
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import TaskNeuronRegressor

MODELS = {
    "formula searched": partial(TaskNeuronRegressor, random_state=0),
    "x**3 + x**2 + x": partial(TaskNeuronRegressor, "x**3 + x**2 + x", random_state=0),
    "scikit-learn MLPRegressor": partial(MLPRegressor, early_stopping=True, random_state=0),
}
PREDICTED_ROWS = 1_000_000

PROGRAM = """
import numpy as np
from {module} import {name}

rng = np.random.default_rng(0)
X = rng.normal(size=(500, {n_features}))
y = np.sin(X).sum(axis=1) + X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=500)
{name}(early_stopping=True, random_state=0).fit(X, y).predict(X)
"""
PROGRAMS = {"TaskNeuronRegressor": "sklearn_taskneurons", "MLPRegressor": "sklearn.neural_network"}


def make_data(n_rows, n_features):
    """Return features, and a target of their functions, a product and noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, np.sin(X).sum(axis=1) + X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n_rows)


def seconds_of(work, *arguments):
    """Return how long it takes, and what it returns."""
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def measure(n_rows, n_features, repeats):
    """Return the median seconds of a fit and rows predicted per second of each model."""
    X, y = make_data(n_rows, n_features)
    others, _ = make_data(PREDICTED_ROWS, n_features)
    turns = {name: [] for name in MODELS}
    for _ in range(repeats):
        for name, make in MODELS.items():
            fit_seconds, model = seconds_of(make().fit, X, y)
            predict_seconds, _ = seconds_of(model.predict, others)
            turns[name].append((fit_seconds, PREDICTED_ROWS / predict_seconds))
    medians = {name: np.median(turn, axis=0).tolist() for name, turn in turns.items()}
    return {name: {"fit_seconds": fit, "rows_per_second": rate} for name, (fit, rate) in medians.items()}


def measure_programs(n_features, repeats):
    """Return the median seconds of a fresh interpreter that fits and predicts, by the estimator's name."""
    turns = {name: [] for name in PROGRAMS}
    for _ in range(repeats):
        for name, module in PROGRAMS.items():
            command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(module=module, name=name, n_features=n_features)]
            turns[name].append(seconds_of(partial(subprocess.run, check=True), command)[0])
    return {name: float(np.median(seconds)) for name, seconds in turns.items()}


def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "defaults.json")
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 20_000])
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    known = versions("numpy", "torch", "scikit-learn")
    print(line(known))
    TaskNeuronRegressor("x", max_epochs=1).fit(*make_data(100, arguments.features))  # what is only loaded once
    results = {}
    print(f"{'threads':>7} {'rows':>7}  {'model':26} {'seconds of fit':>14}  {'rows predicted/s':>16}")
    for n_threads in arguments.threads:
        for n_rows in arguments.rows:
            with limited(n_threads):
                figures = measure(n_rows, arguments.features, arguments.repeats)
            results[f"{n_threads} threads, {n_rows} rows"] = figures
            for name, row in figures.items():
                fit_seconds, rate = row.values()
                print(f"{n_threads:7} {n_rows:7}  {name:26} {fit_seconds:14.2f}  {rate:16,.0f}", flush=True)
    programs = measure_programs(arguments.features, arguments.repeats)
    for name, seconds in programs.items():
        print(f"a fresh interpreter with {name}: {seconds:.2f} s")
    setting = {name: value for name, value in vars(arguments).items() if name != "output"}
    write(arguments.output, {"versions": known, **setting, "results": results, "programs": programs})


if __name__ == "__main__":
    main()
