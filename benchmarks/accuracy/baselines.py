"""Task-based networks at their defaults against linear models and linear networks of at least as many parameters.

python benchmarks/accuracy/baselines.py --data-dir DIR [--sets airfoil_self_noise abalone phoneme] [--seeds 3]

Every table is split 80/20; all models see the same rows. The error is 1 - R squared on the test rows, or the rate of
wrong labels; the table shows the median over the seeds.
"""

import argparse
import json
import platform
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_taskneurons
from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor

CLASSIFICATION = {
    "banana",
    "bank_marketing",
    "credit",
    "electricity",
    "eye_movements",
    "heloc",
    "ionosphere",
    "magic_telescope",
    "oranges_vs_grapefruit",
    "phoneme",
    "segment",
    "vehicle",
    "vowel",
    "wdbc",
}


def as_large(model, n_features, n_outputs):
    """Return the layers (h, h/2) of a linear network with at least as many parameters as ``model``."""
    width = 2
    while True:
        sizes = [n_features, width, width // 2, n_outputs]
        if sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes)) >= model.n_parameters_:
            return tuple(sizes[1:-1])
        width += 2


def measure(name, X, y, seed):
    """Return the errors and fit times of all models on one split."""
    classifies = name in CLASSIFICATION
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed, stratify=y if classifies else None
    )
    network = TaskNeuronClassifier if classifies else TaskNeuronRegressor
    linear = LogisticRegression(max_iter=1000) if classifies else RidgeCV(np.logspace(-3, 3, 13))
    task = network(random_state=seed)
    models = {"linear model": make_pipeline(StandardScaler(), linear), "task-based network": task}
    result = {"formula": None}
    for label in ("linear model", "task-based network", "linear network"):
        if label == "linear network":
            n_outputs = len(task.classes_) if classifies else 1
            models[label] = network("x", hidden_layer_sizes=as_large(task, X.shape[1], n_outputs), random_state=seed)
        start = time.perf_counter()
        models[label].fit(X_train, y_train)
        seconds = time.perf_counter() - start
        result[label] = {"error": 1 - models[label].score(X_test, y_test), "seconds": seconds}
        if label != "linear model":
            result[label]["parameters"] = models[label].n_parameters_
    result["formula"] = str(task.formula_)
    return result


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of NAME.csv.gz, the target in the last column")
    parser.add_argument("--sets", nargs="+", default=["airfoil_self_noise", "abalone", "phoneme"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-rows", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/baselines.json"))
    arguments = parser.parse_args()
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "sklearn_taskneurons": sklearn_taskneurons.__version__,
    }
    print(versions)
    print(f"{'set':24} {'linear model':>13} {'linear network':>15} {'task-based':>11} {'seconds':>8}  formula")
    results = {}
    for name in arguments.sets:
        table = pd.read_csv(arguments.data_dir / f"{name}.csv.gz")
        table = table.sample(min(len(table), arguments.max_rows), random_state=0)
        X, y = table.iloc[:, :-1].to_numpy(float), table.iloc[:, -1].to_numpy()
        runs = results[name] = [measure(name, X, y, seed) for seed in range(arguments.seeds)]
        errors = [
            np.median([run[label]["error"] for run in runs])
            for label in ("linear model", "linear network", "task-based network")
        ]
        seconds = np.median([run["task-based network"]["seconds"] for run in runs])
        print(
            f"{name:24} {errors[0]:13.4f} {errors[1]:15.4f} {errors[2]:11.4f} {seconds:8.1f}  {runs[0]['formula']}", flush=True
        )
    arguments.output.write_text(json.dumps({"versions": versions, "results": results}, indent=1))


if __name__ == "__main__":
    main()
