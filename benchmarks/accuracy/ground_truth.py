"""Exact recovery: 20 formulas of known form, found from rows.

python -m benchmarks.accuracy.ground_truth [--noise 0 0.01 0.1] [--max-time 60] [--problems 1 2 ...] [--peers gplearn pyoperon]

Each problem is a formula over the whole input vector, with 2 to 200 features: polynomials, sines, inner products. Features
are uniform on [-2, 2] (500 rows), the noise is normal with a standard deviation of 0, 0.01 or 0.1 of the target's. VSRRegressor
has its default settings but for the functions, which are the same for all problems, and the time. The peers get
the same functions, where they have them, features one by one, and the same time; inner products they have to spell out.

A formula counts as found exactly if it is the truth once its numbers are rounded to 3 decimals: SymPy says so where
there are two features, values on 100 other rows do elsewhere, to 9 digits; a peer's expression is found exactly if its
error on these rows is below a millionth of the target's spread. "form" says that the terms are those of the truth,
whatever their numbers.
"""

import time
import warnings

import numpy as np

from benchmarks.environment import limited, versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import Formula, VSRRegressor

FUNCTIONS = ("add", "sub", "mul", "neg", "sin", "cos", "tanh", "dot", "sum")
N_ROWS = 500
PROBLEMS = (
    ("3*x**3 - 2*x + 0.5", 10),
    ("x**5 - 2*x**2", 2),
    ("0.5*x**4 + x", 50),
    ("x**2 - 3*x", 200),
    ("2*x**3 - x**2 + 1.5*x", 10),
    ("sin(x) + x", 10),
    ("2*cos(x) - x**2", 10),
    ("x*sin(x)", 2),
    ("3*tanh(x) + 0.5*x**3", 10),
    ("sin(x) - 2*cos(x)", 50),
    ("x*cos(x) + 3", 2),
    ("sin(2*x) + x", 10),
    ("sin(x**2)", 2),
    ("dot(x, x)*dot(x, x)", 10),
    ("dot(x, x)*x", 10),
    ("sin(dot(x, x))", 2),
    ("cos(sum(x)) + 2*x", 2),
    ("sum(x)*sum(x) - 2*x", 50),
    ("dot(x, x)*sin(x)", 10),
    ("sin(x)*sin(x) + 0.5*x", 200),
)


def make_rows(text, n_features, noise, seed):
    """Return features, noisy targets, and other rows with their exact values."""
    rng = np.random.default_rng(seed)
    X, X_new = rng.uniform(-2, 2, (N_ROWS, n_features)), rng.uniform(-2, 2, (100, n_features))
    truth = Formula(text)
    y = truth(X)
    return X, y + noise * y.std() * rng.standard_normal(N_ROWS), X_new, truth(X_new)


def is_exact(formula, text, n_features, X_new, y_new):
    """Return whether a formula is the truth once its numbers are rounded."""
    candidate = formula.round(3)
    if np.abs(candidate(X_new) - y_new).max() > 1e-9 * np.abs(y_new).max():
        return False
    if n_features > 2:
        return True
    return bool((candidate.to_sympy(2) - Formula(text).to_sympy(2)).equals(0))


def form(formula):
    """Return the terms of a formula that depend on x, without their numbers and weights."""
    terms = set()
    for term in formula.terms:
        if not term.is_constant:
            terms.add(tuple(sorted(repr(getattr(factor, "expression", factor)) for factor in term.factors)))
    return terms


def ours(X, y, options, text, X_new, y_new):
    """Return what VSRRegressor found."""
    model = VSRRegressor(function_set=FUNCTIONS, max_time=options.max_time, random_state=0)
    started = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "exact": is_exact(model.formula_, text, X.shape[1], X_new, y_new),
        "form": form(model.formula_) == form(Formula(text)),
        "error": float(np.mean((model.predict(X_new) - y_new) ** 2) / y_new.var()),
        "found": str(model.formula_.round(3))[:200],
    }


def gplearn(X, y, options, text, X_new, y_new):
    """Return what gplearn found in about as much time."""
    from gplearn.functions import make_function
    from gplearn.genetic import SymbolicRegressor

    tanh = make_function(function=np.tanh, name="tanh", arity=1)
    model = SymbolicRegressor(
        population_size=500, generations=1, function_set=("add", "sub", "mul", "neg", "sin", "cos", tanh), metric="mse",
        const_range=(-20.0, 20.0), random_state=0, warm_start=True,
    )  # fmt: skip
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own overflows, and its use of scikit-learn's older interfaces
        while time.perf_counter() - started < options.max_time and model.generations <= 200:
            model.fit(X, y)
            model.generations += 1
        prediction = model.predict(X_new)
    return as_peer(time.perf_counter() - started, prediction, y_new, str(model._program))


def pyoperon(X, y, options, text, X_new, y_new):
    """Return what Operon found, with its local search."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,sin,cos,tanh,constant,variable", optimizer_iterations=5, n_threads=1,
        max_time=int(options.max_time), max_evaluations=10**9, generations=10**6, random_state=0,
    )  # fmt: skip
    started = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - started
    return as_peer(seconds, model.predict(X_new), y_new, model.get_model_string(model.model_, 3))


def as_peer(seconds, prediction, y_new, found):
    """Return the figures of a peer."""
    error = float(np.mean((prediction - y_new) ** 2) / y_new.var())
    return {"seconds": seconds, "exact": error < 1e-12, "form": None, "error": error, "found": found[:200]}


MODELS = {"sklearn_taskneurons": ours, "gplearn": gplearn, "pyoperon": pyoperon}


@limited(1)
def main():
    """Search, print, write."""
    parser = make_parser(__doc__, "ground_truth.json")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01, 0.1])
    parser.add_argument("--max-time", type=float, default=60.0)
    parser.add_argument("--problems", type=int, nargs="+", default=range(1, len(PROBLEMS) + 1))
    parser.add_argument("--peers", nargs="*", default=[], choices=sorted(set(MODELS) - {"sklearn_taskneurons"}))
    options = parser.parse_args()
    known = versions("numpy", "scipy", "scikit-learn", "sympy", *options.peers)
    print(line(known), "  1 thread")
    results = []
    print(f"{'truth':28} {'D':>4} {'noise':>5} {'model':20} {'exact':>5} {'form':>5} {'error':>8} {'s':>6}")
    for noise in options.noise:
        for number in options.problems:
            text, n_features = PROBLEMS[number - 1]
            X, y, X_new, y_new = make_rows(text, n_features, noise, seed=number)
            for name in ("sklearn_taskneurons", *options.peers):
                figures = MODELS[name](X, y, options, text, X_new, y_new)
                results.append({"truth": text, "n_features": n_features, "noise": noise, "model": name, **figures})
                print(
                    f"{text:28} {n_features:>4} {noise:>5} {name:20} {figures['exact']!s:>5} {figures['form']!s:>5} "
                    f"{figures['error']:>8.1e} {figures['seconds']:>6.1f}  {figures['found'][:60]}",
                    flush=True,
                )
        for name in ("sklearn_taskneurons", *options.peers):
            mine = [result for result in results if result["model"] == name and result["noise"] == noise]
            exact, forms = (sum(bool(result[key]) for result in mine) for key in ("exact", "form"))
            print(f"noise {noise}: {name} found {exact} of {len(mine)} exactly, the form of {forms}")
    write(options.output, {"versions": known, "max_time": options.max_time, "results": results})


if __name__ == "__main__":
    main()
