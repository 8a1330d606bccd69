"""One model on one split: its error, its seconds, and what it ran on."""

import os
import platform
import time
import warnings
import zlib

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import Pipeline

from benchmarks.environment import limited, versions

PEERS = ("lightgbm", "pytabkit", "pykan", "tnlearn")
DISTRIBUTIONS = ("numpy", "scipy", "scikit-learn", "torch", "skorch", *PEERS)
FITTED = ("n_parameters_", "n_iter_")


def environment(n_threads):
    """Return the versions, cores and threads that a record holds for."""
    return {
        "versions": versions(*DISTRIBUTIONS),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": n_threads,
    }


def model_seed(name, seed):
    """Return a seed of the model's own: with the split's, a random formula would be the same one for all sets."""
    return zlib.crc32(f"{name} {seed}".encode()) % 2**31


def measure(make, rows, task, n_threads):
    """Fit a model and predict; return the figures, or what went wrong.

    Parameters
    ----------
    make : callable
        Returns the estimator; not timed.
    rows : tuple of ndarray
        What `tables.split` returns.
    task : {"regression", "classification"}
        Decides the error.
    n_threads : int
        How many threads there are.

    Returns
    -------
    dict
        ``error`` (1 - R squared or the rate of wrong labels), ``fit_seconds``, ``predict_seconds``, ``n_fit``,
        ``n_measure``, ``n_columns`` and what the estimator tells of itself; or ``failed`` with the error's text.
    """
    X_fit, X_measure, y_fit, y_measure = rows
    figures = {"n_fit": len(X_fit), "n_measure": len(X_measure), "n_columns": X_fit.shape[1], "task": task}
    try:
        with limited(n_threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of peers, about their own affairs
            estimator = make()
            started = time.perf_counter()
            estimator.fit(X_fit, y_fit)
            fitted = time.perf_counter()
            predicted = np.asarray(estimator.predict(X_measure)).reshape(len(X_measure))
            done = time.perf_counter()
        figures["error"] = error_of(task, y_measure, predicted)
    except Exception as error:  # one model that fails must not end a night's run; the report says so
        return figures | {"failed": f"{type(error).__name__}: {error}"[:300]}
    return figures | {"fit_seconds": fitted - started, "predict_seconds": done - fitted} | describe(estimator)


def error_of(task, y, predicted):
    """Return 1 - R squared or the rate of wrong labels."""
    score = r2_score if task == "regression" else accuracy_score
    return float(1 - score(y, predicted))


def describe(estimator):
    """Return what a fitted estimator, or the last one of a pipeline, tells of itself."""
    if isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    told = {name.rstrip("_"): getattr(estimator, name) for name in FITTED if hasattr(estimator, name)}
    told = {name: int(value) for name, value in told.items() if np.ndim(value) == 0}
    if hasattr(estimator, "formula_"):
        told["formula"] = str(estimator.formula_)[:500]
    return told | getattr(estimator, "remarks_", {})
