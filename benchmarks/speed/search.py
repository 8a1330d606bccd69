"""Programs a second: the search of VSRRegressor against gplearn, Operon and tnlearn, on one thread.

python -m benchmarks.speed.search [--rows 600 20000 1000000] [--population 500] [--generations 80] [--repeats 3]
                                  [--peers gplearn pyoperon tnlearn] [--peer-max-rows 20000] [--output FILE]

The setting of the paper: 500 programs, 80 generations, tournaments of 15, of add, sub, mul and neg, with constants from
[-20, 20), crossover 0.3, mutation 0.6, copies 0.1; no constants are fitted. gplearn gets the same; Operon has no neg, and its
local search is off; tnlearn's VecSymRegressor has whole constants, and its loss is that of the function of each feature alone,
which is what it minimises. A program counts once for each generation that it is in (for Operon: for each evaluation), so
programs a second are population * generations / seconds; the seconds are those of `fit`, with the pass over the data and, in
the second column, without it. Peers are left out where the rows are more than --peer-max-rows. All search on the same rows, in
turns with all numbers of rows; the table shows medians over the repeats. "of first" is the median of the time of a generation
divided by that for the first number of rows in the same repeat; "pass/qr" the time of the pass over the data over that of
numpy.linalg.qr of a matrix with a column for each power sum, the constant and the target, "pass/r" over that with
mode="r", which does not form Q: medians of many.
"""

import io
import statistics
from contextlib import redirect_stderr

import numpy as np

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from benchmarks.speed.searches import gplearn_search, loss_of, our_search, time_of
from sklearn_taskneurons._search import Moments

N_FEATURES = 10
FUNCTIONS = ("add", "sub", "mul", "neg")
DEGREE = 8


def make_rows(n_rows, seed):
    """Return features and a target that is a cubic of each feature, summed, with noise of a tenth of its spread."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_FEATURES))
    target = np.sum(0.7 * X**3 - 1.5 * X**2 + 0.3 * X, axis=1)
    return X, target + 0.1 * target.std() * rng.standard_normal(n_rows)


def ours(X, y, options, seed):
    """Return what one search of VSRRegressor took, with the pass over the data and without, and the error of its formula."""
    model, figures = our_search(X, y, FUNCTIONS, options, seed)
    searching = model.history_[-1]["seconds"]
    return figures | {
        "search_seconds": searching,
        "ms_per_generation": 1e3 * searching / model.n_iter_,
        "programs_per_second_without_pass": options.population * model.n_iter_ / searching,
    }


def gplearn(X, y, options, seed):
    """Return what one search of gplearn took, and the error of its formula."""
    return gplearn_search(X, y, FUNCTIONS, options, seed)


def pyoperon(X, y, options, seed):
    """Return what one search of Operon took, without local search, and the error of its formula."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=options.population,
        pool_size=options.population,
        generations=options.generations,
        max_evaluations=10**12,
        tournament_size=15,
        allowed_symbols="add,sub,mul,constant,variable",
        max_length=64,
        optimizer_iterations=0,
        local_search_probability=0.0,
        n_threads=1,
        random_state=seed,
    )
    seconds = time_of(lambda: model.fit(X, y))
    evaluations = model.stats_["evaluation_count"]
    return {
        "seconds": seconds,
        "ms_per_generation": 1e3 * seconds * options.population / evaluations,
        "programs_per_second": evaluations / seconds,
        "mean_length": float(model.stats_["model_length"]),  # of the best one: it tells of no others
        "loss": loss_of(model.predict(X), y),
    }


def tnlearn(X, y, options, seed):
    """Return what one search of tnlearn took, and what it minimises."""
    from tnlearn import VecSymRegressor

    model = VecSymRegressor(
        pop_size=options.population,
        max_generations=options.generations,
        tournament_size=15,
        coefficient_range=[-20, 20],
        random_state=seed,
    )
    with redirect_stderr(io.StringIO()):  # a bar of progress
        seconds = time_of(lambda: model.fit(X, y))
    return {
        "seconds": seconds,
        "ms_per_generation": 1e3 * seconds / options.generations,
        "programs_per_second": options.population * options.generations / seconds,
        "mean_length": statistics.mean(map(model.node_count, model.population)),
        "loss": float(model.best_score / y.var()),
    }


PEERS = {"gplearn": gplearn, "pyoperon": pyoperon, "tnlearn": tnlearn}


def pass_of_qr(X, y):
    """Return the time of the pass over the data, divided by those of a QR of a matrix of the same rows and columns."""
    matrix = np.random.default_rng(0).standard_normal((len(X), DEGREE + 2))
    ratios = {"pass_of_qr": [], "pass_of_r": []}
    for _ in range(max(1, min(200, 1_000_000 // len(X)))):
        own = time_of(lambda: Moments(DEGREE).update(X, y))
        ratios["pass_of_qr"].append(own / time_of(lambda: np.linalg.qr(matrix)))
        ratios["pass_of_r"].append(own / time_of(lambda: np.linalg.qr(matrix, mode="r")))
    return {name: statistics.median(values) for name, values in ratios.items()}


def measure(options):
    """Search in turns: each repeat goes once through all numbers of rows, with the peers on the same rows."""
    runs = {n_rows: {"sklearn_taskneurons": []} | {name: [] for name in options.peers} for n_rows in options.rows}
    for seed in range(options.repeats):
        for n_rows in options.rows:
            X, y = make_rows(n_rows, seed)
            runs[n_rows]["sklearn_taskneurons"].append(ours(X, y, options, seed) | pass_of_qr(X, y))
            for name in options.peers if n_rows <= options.peer_max_rows else ():
                runs[n_rows][name].append(PEERS[name](X, y, options, seed))
    return [summary(n_rows, runs[n_rows], runs[options.rows[0]]) for n_rows in options.rows]


def summary(n_rows, runs, first):
    """Return the medians for a number of rows, and how they compare with the peers' and with those for the first number."""
    mine = runs["sklearn_taskneurons"]

    def median_ratio(key, others):
        return statistics.median(run[key] / other[key] for run, other in zip(mine, others, strict=True))

    ratios = {name: median_ratio("programs_per_second", runs[name]) for name in runs if runs[name] and runs[name] is not mine}
    figures = {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
        if results
    }
    of_first = median_ratio("ms_per_generation", first["sklearn_taskneurons"])
    return {"rows": n_rows, "medians": figures, "ratios": ratios, "ms_per_generation_of_first": of_first, "runs": runs}


def show(results):
    """Print the tables."""
    print(
        f"{'rows':>9} {'programs/s':>11} {'no pass':>9} {'ms/gen':>7} {'of first':>8} {'pass/qr':>7} {'pass/r':>6} "
        f"{'length':>6} {'loss':>7}"
    )
    for result in results:
        mine = result["medians"]["sklearn_taskneurons"]
        print(
            f"{result['rows']:>9} {mine['programs_per_second']:>11.0f} {mine['programs_per_second_without_pass']:>9.0f} "
            f"{mine['ms_per_generation']:>7.2f} {result['ms_per_generation_of_first']:>8.2f} {mine['pass_of_qr']:>7.2f} "
            f"{mine['pass_of_r']:>6.2f} {mine['mean_length']:>6.1f} {mine['loss']:>7.4f}"
        )
    print(f"\n{'rows':>9} {'peer':>9} {'programs/s':>11} {'ms/gen':>7} {'length':>6} {'loss':>7} {'ratio':>6}")
    for result in results:
        for name, ratio in result["ratios"].items():
            theirs = result["medians"][name]
            print(
                f"{result['rows']:>9} {name:>9} {theirs['programs_per_second']:>11.0f} {theirs['ms_per_generation']:>7.1f} "
                f"{theirs['mean_length']:>6.1f} {theirs['loss']:>7.4f} {ratio:>6.0f}"
            )


@limited(1)
def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "search.json")
    parser.add_argument("--rows", type=int, nargs="+", default=[600, 20_000, 1_000_000])
    parser.add_argument("--population", type=int, default=500)
    parser.add_argument("--generations", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["gplearn"], choices=sorted(PEERS))
    parser.add_argument("--peer-max-rows", type=int, default=20_000)
    options = parser.parse_args()
    known = versions("numpy", "scipy", "scikit-learn", *options.peers)
    print(line(known), "  1 thread")
    setting = {"population": options.population, "generations": options.generations, "repeats": options.repeats}
    print(line(setting), f"  {N_FEATURES} features")
    ours(*make_rows(100, 0), options, 0)  # what is done once in a process
    results = measure(options)
    show(results)
    write(options.output, {"versions": known, "threads": 1, **setting, "results": results})


if __name__ == "__main__":
    main()
