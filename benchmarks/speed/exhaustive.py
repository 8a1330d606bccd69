"""Fits of every set of powers of 20,640 rows and 8 features: the time, and the difference from numpy's least squares.

python -m benchmarks.speed.exhaustive [--data-dir DIR] [--degree 8] [--repeats 5] [--output FILE]

The rows are those of California housing: `california_housing.csv.gz` in the folder, the target in the last column, else what
scikit-learn downloads, with the logarithm of the target; without both, random numbers of the same shape.

"all" is the time of the pass over the data and of fitting all 2**K sets of powers, the median over the repeats. "brute
force" is that of `numpy.linalg.lstsq` on the rows, once for each set, on columns that are centred and of length 1, made before.
Times are seconds of the processor in one thread, so that other work on the machine does not count; those of a clock stand in
the output file.

The difference is the largest one of the two losses, mean squared errors over the target's variance. It is shown apart for
the sets whose columns are alike, with a condition number of 1e10 and more, where the rounding of the powers themselves moves
the eighth digit of the loss; "above" says in how many sets it is above 1e-8.
"""

import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_california_housing

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons._search import Moments, RefitScorer, search_exhaustively

AGREEMENT = 1e-8
ALIKE = 1e10
SHAPE = (20_640, 8)


def load(data_dir):
    """Return features, targets and where they come from."""
    if data_dir is not None:
        table = pd.read_csv(data_dir / "california_housing.csv.gz").to_numpy(float)
        return table[:, :-1], table[:, -1], "california_housing.csv.gz"
    try:
        X, y = fetch_california_housing(return_X_y=True)
    except OSError as error:
        print(f"California housing cannot be had ({error}); random numbers instead")
        rng = np.random.default_rng(0)
        X = rng.normal(size=SHAPE)
        return X, np.sin(X).sum(axis=1) + rng.normal(size=len(X)), "random"
    return X, np.log1p(y), "scikit-learn"


def ours(X, y, degree, per_feature):
    """Return the seconds of the pass, those of it and of all fits, these by the clock, and what has fitted them."""
    started, at = time.process_time(), time.perf_counter()
    moments = Moments(degree, per_feature=per_feature).update(X, y)
    passed = time.process_time()
    scorer = RefitScorer(moments)
    search_exhaustively(scorer)
    return passed - started, time.process_time() - started, time.perf_counter() - at, scorer


def columns_of(X, degree, per_feature):
    """Return the columns of each power, centred and of length 1."""
    scaled = X / np.abs(X).max(axis=0 if per_feature else None)
    powers = [scaled**power for power in range(1, degree + 1)]
    columns = [power if per_feature else power.sum(axis=1, keepdims=True) for power in powers]
    centred = [block - block.mean(axis=0) for block in columns]
    return [block / np.linalg.norm(block, axis=0) for block in centred]


def brute_force(blocks, y, support):
    """Return the seconds, the loss, and the condition number of the columns of a set of powers."""
    centred = y - y.mean()
    started = time.process_time()
    chosen = [block for power, block in enumerate(blocks, start=1) if support >> power & 1]
    matrix = np.concatenate(chosen, axis=1) if chosen else np.empty((len(y), 0))
    coefficients, _, _, singular = np.linalg.lstsq(matrix, centred)
    left = centred - matrix @ coefficients
    loss = float(left @ left / (centred @ centred))
    return time.process_time() - started, loss, float(singular[0] / singular[-1]) if len(singular) else 1.0


def compare(X, y, options, per_feature):
    """Return the times and differences of one kind of coefficients."""
    runs = [ours(X, y, options.degree, per_feature) for _ in range(options.repeats)]
    scorer = runs[-1][-1]
    blocks = columns_of(X, options.degree, per_feature)
    apart, alike, whole = [0.0], [], 0.0
    for support in range(0, 2 << options.degree, 2):
        seconds, loss, condition = brute_force(blocks, y, support)
        whole += seconds
        difference = abs(scorer.fit(support).loss - loss)
        (apart if condition < ALIKE else alike).append(difference)
    mine = statistics.median(run[1] for run in runs)
    return {
        "pass_seconds": statistics.median(run[0] for run in runs),
        "all_seconds": mine,
        "brute_force_seconds": whole,
        "ratio": whole / mine,
        "sets": len(apart) - 1 + len(alike),
        "difference": max(apart),
        "sets_alike": len(alike),
        "difference_alike": max(alike, default=0.0),
        "sets_above_1e-8": sum(difference > AGREEMENT for difference in apart + alike),
        "all_seconds_runs": [run[1] for run in runs],
        "clock_seconds_runs": [run[2] for run in runs],
    }


@limited(1)
def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "exhaustive.json")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--degree", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    known = versions("numpy", "scipy")
    print(line(known), "  1 thread")
    X, y, source = load(options.data_dir)
    setting = {"data": source, "shape": X.shape, "degree": options.degree, "repeats": options.repeats}
    print(line(setting))
    ours(X[:100], y[:100], options.degree, False)  # what is done once in a process
    print(f"{'coefficients':>12} {'pass s':>7} {'all s':>7} {'brute force s':>13} {'ratio':>6} {'difference':>10} "
          f"{'alike':>6} {'difference':>10} {'above':>6}")  # fmt: skip
    results = {}
    for kind in ("shared", "per_feature"):
        result = results[kind] = compare(X, y, options, kind == "per_feature")
        print(
            f"{kind:>12} {result['pass_seconds']:>7.3f} {result['all_seconds']:>7.3f} {result['brute_force_seconds']:>13.2f} "
            f"{result['ratio']:>6.0f} {result['difference']:>10.1e} "
            f"{result['sets_alike']:>2}/{result['sets']:<3} {result['difference_alike']:>10.1e} "
            f"{result['sets_above_1e-8']:>6}"
        )
    write(options.output, {"versions": known, "threads": 1, **setting, "results": results})


if __name__ == "__main__":
    main()
