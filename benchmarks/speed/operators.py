"""Programs a second with any operators: scoring by rows against gplearn, on one thread.

python -m benchmarks.speed.operators [--rows 10000] [--population 1000] [--generations 20] [--repeats 3]
    [--tables search same_trees kernels memory] [--output FILE]

The operators are add, sub, mul, neg, sin, cos, tanh, dot and constant vectors; gplearn gets those that it has, and a tanh
made of NumPy's. Our vectors have 10 features, gplearn's variables are single ones. Four tables:

1. The whole search: population * generations / seconds of `fit`, no constants fitted, the other settings those of
   benchmarks.speed.search. The mean lengths of the programs, which differ, stand beside.
2. The same trees: one population, scored by both, ours by a scorer that has seen nothing before. For gplearn each `x`
   is a feature drawn at random, `w` a number and `dot` a product. "random" are the first programs of a search, "evolved"
   those of the last generation of our search; "scaled" fits slope and intercept.
3. Nanoseconds a value of some functions on a block of 10 x 2,000 values, by NumPy and by torch, in double precision.
4. Peak memory of a process that does nothing but a search (--memory-rows, --memory-generations), on Linux.

With --tables only some are measured, and the others stay as they are in the output file.
Both take turns on the same data; tables show medians over the repeats.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from gplearn._program import _Program
from gplearn.fitness import _fitness_map
from gplearn.functions import _function_map, make_function

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from benchmarks.speed.searches import CONSTANTS, gplearn_search, our_search, time_of
from sklearn_taskneurons._search import Rows, RowScorer, SearchSettings, make_scorer, search
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons.formula.functions import FUNCTIONS as TABLE
from sklearn_taskneurons.formula.functions import NUMBER, VECTOR, X

N_FEATURES = 10
FUNCTIONS = ("add", "sub", "mul", "neg", "sin", "cos", "tanh", "dot", "w")
TANH = make_function(function=np.tanh, name="tanh", arity=1)
PEER_FUNCTIONS = ("add", "sub", "mul", "neg", "sin", "cos", TANH)
TABLES = ("search", "same_trees", "kernels", "memory")


def make_rows(n_rows, seed):
    """Return features and a target of sines, squares and an inner product, with noise of a tenth of its spread."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_FEATURES))
    target = np.sum(np.sin(2.0 * X) + 0.5 * X**2, axis=1) + np.tanh(X @ rng.standard_normal(N_FEATURES))
    return X, target + 0.1 * target.std() * rng.standard_normal(n_rows)


def settings(options):
    return SearchSettings(
        function_set=FUNCTIONS, population_size=options.population, generations=options.generations, const_range=CONSTANTS
    )


def populations(X, y, options, seed):
    """Return the first and the last population of a search, and the constant vectors."""
    rng = np.random.default_rng(seed)
    chosen = settings(options)
    few = slice(0, 1000)  # rows enough to evolve by
    state = search(make_scorer(X[few], y[few], settings=chosen), chosen, rng).state
    first = Grammar(chosen).ramped(rng, options.population, chosen.init_depth)
    return {"random": first, "evolved": state.islands[0].population}, state.bank


def peer_programs(population, seed):
    """Return the same trees as programs of gplearn."""
    rng = np.random.RandomState(seed)
    by_name = {name: _function_map[name] for name in ("add", "sub", "mul", "neg", "sin", "cos")}
    by_name |= {"tanh": TANH, "dot": _function_map["mul"]}
    functions = sorted(set(by_name.values()), key=lambda function: function.name)
    arities = {arity: [function for function in functions if function.arity == arity] for arity in (1, 2)}
    programs = []
    for row in range(len(population)):
        nodes = []
        for node in population.expression(row):
            if node.opcode == X:
                nodes.append(int(rng.randint(N_FEATURES)))
            elif node.opcode in (NUMBER, VECTOR):
                nodes.append(float(node.value or 0.5))
            else:
                nodes.append(by_name[TABLE[node.opcode].name])
        fixed = (functions, arities, (2, 6), "half and half", N_FEATURES, _fitness_map["mse"], 0.05, 0.0, rng)
        names = (
            "function_set arities init_depth init_method n_features metric p_point_replace parsimony_coefficient random_state"
        )
        programs.append(_Program(**dict(zip(names.split(), fixed, strict=True)), const_range=CONSTANTS, program=nodes))
    return programs


def same_trees(X, y, options, seed):
    """Return how many programs a second each scores, for each population."""
    weight = np.ones(len(y))
    found = {}
    sets, bank = populations(X, y, options, seed)
    for name, population in sets.items():
        peers = peer_programs(population, seed)
        seconds = {}
        for column, scaling in (("plain", False), ("scaled", True)):
            scorer = RowScorer(Rows(X, y), linear_scaling=scaling)
            seconds[column] = time_of(lambda scorer=scorer, population=population: scorer.score(population, bank))
        with np.errstate(all="ignore"):
            seconds["gplearn"] = time_of(lambda peers=peers: [program.raw_fitness(X, y, weight) for program in peers])
        found[name] = {f"{column}_per_second": len(population) / taken for column, taken in seconds.items()}
        found[name]["mean_length"] = float(population.length.mean())
    return found


def kernels():
    """Return nanoseconds a value of some functions, by NumPy and torch, in turns."""
    a = np.random.default_rng(0).standard_normal((N_FEATURES, 2000)) * 3.0
    out, summed = np.empty_like(a), np.empty(a.shape[1])
    tensors = [torch.from_numpy(array) for array in (a, out, summed)]
    calls = {
        "add": (lambda: np.add(a, a, out=out), lambda: torch.add(tensors[0], tensors[0], out=tensors[1])),
        "multiply": (lambda: np.multiply(a, a, out=out), lambda: torch.multiply(tensors[0], tensors[0], out=tensors[1])),
        "sum over features": (lambda: np.sum(a, axis=0, out=summed), lambda: torch.sum(tensors[0], 0, out=tensors[2])),
    }
    for name in ("sin", "cos", "tanh", "exp"):
        ours, theirs = getattr(np, name), getattr(torch, name)
        calls[name] = (lambda f=ours: f(a, out=out), lambda f=theirs: f(tensors[0], out=tensors[1]))
    times = {name: ([], []) for name in calls}
    for _ in range(21):
        for name, pair in calls.items():
            for library, call in enumerate(pair):
                times[name][library].append(time_of(lambda call=call: [call() for _ in range(20)]) / 20 / a.size * 1e9)
    return {name: {"numpy": statistics.median(pair[0]), "torch": statistics.median(pair[1])} for name, pair in times.items()}


def peak(n_rows, generations, options):
    """Return the peak memory and the time of a search in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.operators", "--peak-of", str(n_rows)]
    command += ["--population", str(options.population), "--generations", str(generations)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def peak_megabytes():
    """Return the peak memory of this process, as Linux knows it; that of getrusage is inherited from the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def search_and_tell(options):
    """Search once and print the peak memory of this process."""
    X, y = make_rows(options.peak_of, 0)
    before = peak_megabytes()
    _, figures = our_search(X, y, FUNCTIONS, options, 0)
    megabytes = {"peak_mb": peak_megabytes(), "peak_mb_of_libraries_and_data": before}
    setting = {"rows": options.peak_of, "generations": options.generations}
    print(json.dumps({**setting, **megabytes, "seconds": figures["seconds"], "loss": figures["loss"]}))


def medians(runs):
    """Return the median of each figure over some runs."""
    return {
        key: medians([run[key] for run in runs])
        if isinstance(runs[0][key], dict)
        else statistics.median(run[key] for run in runs)
        for key in runs[0]
    }


def measure(options):
    """Measure the tables that are asked for."""
    searches, trees = [], []
    for seed in range(options.repeats):
        X, y = make_rows(options.rows, seed)
        if "search" in options.tables:
            _, ours = our_search(X, y, FUNCTIONS, options, seed)
            theirs = gplearn_search(X, y, PEER_FUNCTIONS, options, seed)
            ratio = ours["programs_per_second"] / theirs["programs_per_second"]
            searches.append({"sklearn_taskneurons": ours, "gplearn": theirs, "ratio": ratio})
        if "same_trees" in options.tables:
            trees.append(same_trees(X, y, options, seed))
            for run in trees[-1].values():
                run["plain_ratio"] = run["plain_per_second"] / run["gplearn_per_second"]
    results = {name: medians(runs) | {"runs": runs} for name, runs in (("search", searches), ("same_trees", trees)) if runs}
    if "kernels" in options.tables:
        results["kernels"] = kernels()
    if "memory" in options.tables:
        pairs = zip(options.memory_rows, options.memory_generations, strict=True)
        results["memory"] = [peak(n_rows, generations, options) for n_rows, generations in pairs]
    return results


def show(results):
    """Print the tables that there are."""
    if "search" in results:
        found = results["search"]
        print(f"{'search':>20} {'programs/s':>11} {'length':>7} {'loss':>7}")
        for name in ("sklearn_taskneurons", "gplearn"):
            run = found[name]
            print(f"{name:>20} {run['programs_per_second']:>11.0f} {run['mean_length']:>7.1f} {run['loss']:>7.4f}")
        print(f"{'ratio':>20} {found['ratio']:>11.1f}")
    if "same_trees" in results:
        names = f"{'plain/s':>8} {'scaled/s':>9} {'gplearn/s':>10} {'ratio':>6}"
        print(f"\n{'the same trees':>20} {'length':>7} {names}")
        for name in ("random", "evolved"):
            run = results["same_trees"][name]
            print(
                f"{name:>20} {run['mean_length']:>7.1f} {run['plain_per_second']:>8.0f} {run['scaled_per_second']:>9.0f} "
                f"{run['gplearn_per_second']:>10.0f} {run['plain_ratio']:>6.1f}"
            )
    if "kernels" in results:
        print(f"\n{'ns a value':>20} {'numpy':>7} {'torch':>7}")
        for name, pair in results["kernels"].items():
            print(f"{name:>20} {pair['numpy']:>7.2f} {pair['torch']:>7.2f}")
    if "memory" in results:
        print(f"\n{'memory, rows':>20} {'generations':>11} {'peak MB':>8} {'before MB':>10} {'seconds':>8}")
        for run in results["memory"]:
            before = run["peak_mb_of_libraries_and_data"]
            print(f"{run['rows']:>20} {run['generations']:>11} {run['peak_mb']:>8.0f} {before:>10.0f} {run['seconds']:>8.1f}")


@limited(1)
def main():
    """Measure, print, write."""
    parser = make_parser(__doc__, "operators.json")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--population", type=int, default=1000)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--memory-generations", type=int, nargs="*", default=[20, 2])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        search_and_tell(options)
        return
    known = versions("numpy", "torch", "scipy", "scikit-learn", "gplearn")
    print(line(known), "  1 thread")
    setting = {
        "rows": options.rows,
        "features": N_FEATURES,
        "population": options.population,
        "generations": options.generations,
        "repeats": options.repeats,
    }
    print(line(setting), "\n")
    X, y = make_rows(100, 0)
    our_search(X, y, FUNCTIONS, options, 0)  # what is done once in a process
    results = measure(options)
    show(results)
    figures = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in results:
        figures[name] = {"versions": known, "threads": 1, **setting, "figures": results[name]}
    write(options.output, figures)


if __name__ == "__main__":
    main()
