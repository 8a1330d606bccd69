"""Symbolic regression from 2 to 500 features: VSR, which writes one computation for all of them, against gplearn and Operon.

python -m benchmarks.paper.high_dimension [--features 2 10 50 200 500] [--peer-time 30] [--peers gplearn pyoperon]

Two targets on normal features, each with noise of a tenth of its standard deviation: "shared" is a cubic of each feature,
the same for all, summed; "own" the same with coefficients of each feature's own. 2,000 rows to search on, 1,000 to test. All
run on one thread. VSRRegressor has its default settings. A peer gets add, sub and mul and as many seconds as --peer-time says:
gplearn 500 programs a generation until the time is up (and the generation over), Operon its defaults, local search included.
The experiment is the paper's 1.2, on data of our own, because its data are not public.
"""

import time
import warnings

import numpy as np

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import VSRRegressor

N_TRAIN, N_TEST = 2000, 1000
TARGETS = ("shared", "own")


def make_rows(target, n_features, seed):
    """Return rows to search on and rows to test on."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_TRAIN + N_TEST, n_features))
    coefficients = np.array([[0.7], [-1.5], [0.3]]) * np.ones(n_features)
    if target == "own":
        coefficients = rng.standard_normal((3, n_features))
    y = np.sum(coefficients[0] * X**3 + coefficients[1] * X**2 + coefficients[2] * X, axis=1)
    y += 0.1 * y.std() * rng.standard_normal(len(y))
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


def ours(X, y, seconds, seed):
    """Return a fitted VSRRegressor."""
    return VSRRegressor(random_state=seed).fit(X, y)


def gplearn(X, y, seconds, seed):
    """Return a fitted gplearn regressor."""
    from gplearn.genetic import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=500, generations=1, function_set=("add", "sub", "mul"), metric="mse", const_range=(-20.0, 20.0),
        warm_start=True, random_state=seed,
    )  # fmt: skip
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own overflows, and its use of scikit-learn's older interfaces
        model.fit(X, y)
        while time.perf_counter() - started < seconds:
            model.generations += 1
            model.fit(X, y)
    return model


def pyoperon(X, y, seconds, seed):
    """Return a fitted Operon regressor."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,constant,variable", optimizer_iterations=5, max_time=int(seconds), max_evaluations=10**9,
        generations=10**6, n_threads=1, random_state=seed,
    )  # fmt: skip
    return model.fit(X, y)


MODELS = {"VSR": ours, "gplearn": gplearn, "pyoperon": pyoperon}


def draw(results, path):
    """Draw test R squared and seconds against the number of features."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(TARGETS), figsize=(9, 6), sharex=True, sharey="row", layout="constrained")
    for column, target in zip(axes.T, TARGETS, strict=True):
        for name in dict.fromkeys(result["model"] for result in results):
            lines = [result for result in results if result["model"] == name and result["target"] == target]
            features = [result["n_features"] for result in lines]
            for axis, key in zip(column, ("r2", "seconds"), strict=True):
                axis.plot(features, [result[key] for result in lines], marker="o", label=name)
        column[0].set(title=f"coefficients: {target}", ylim=(-0.1, 1.05))
        column[1].set(xscale="log", yscale="log", xlabel="features")
    axes[0, 0].set_ylabel("test R²")
    axes[1, 0].set_ylabel("seconds")
    axes[0, 0].legend()
    figure.savefig(path, dpi=110)


@limited(1)
def main():
    """Search, print, draw, write."""
    parser = make_parser(__doc__, "high_dimension.json")
    parser.add_argument("--features", type=int, nargs="+", default=[2, 10, 50, 200, 500])
    parser.add_argument("--peers", nargs="*", default=["gplearn", "pyoperon"], choices=sorted(set(MODELS) - {"VSR"}))
    parser.add_argument("--peer-time", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    known = versions("numpy", "scipy", "scikit-learn", *options.peers)
    print(line(known), "  1 thread")
    print(f"{'target':8} {'features':>8} {'model':10} {'test R2':>8} {'seconds':>8}   median of {options.seeds} seeds")
    results = []
    for target in TARGETS:
        for n_features in options.features:
            for name in ("VSR", *options.peers):
                scores, seconds = [], []
                for seed in range(options.seeds):
                    X, y, X_test, y_test = make_rows(target, n_features, seed)
                    started = time.perf_counter()
                    model = MODELS[name](X, y, options.peer_time, seed)
                    seconds.append(time.perf_counter() - started)
                    scores.append(1 - np.mean((y_test - model.predict(X_test)) ** 2) / y_test.var())
                figures = {"r2": float(np.median(scores)), "seconds": float(np.median(seconds))}
                results.append({"target": target, "n_features": n_features, "model": name, **figures})
                print(f"{target:8} {n_features:>8} {name:10} {figures['r2']:>8.4f} {figures['seconds']:>8.2f}", flush=True)
    setting = {"peer_time": options.peer_time, "seeds": options.seeds, "rows": N_TRAIN}
    write(options.output, {"versions": known, "threads": 1, **setting, "results": results})
    draw(results, options.output.with_suffix(".png"))
    print(f"drawn to {options.output.with_suffix('.png')}")


if __name__ == "__main__":
    main()
