"""Recovery of known formulas under noise: the 30 problems of the paper's first experiment.

python -m benchmarks.paper.recovery --data-dir DIR [--max-degree 7] [--seed 0] [--output FILE]

DIR holds epsilon_low.h5, epsilon_medium.h5 and epsilon_high.h5: ten problems each, 600 rows by 10 features, whose target
is a polynomial of each feature, summed, with noise. Number k is the same problem in all three.

The files do not state the formulas, but the data do: on the rows with low noise, least squares with all powers up
to the fifth (one coefficient for each power, and a constant) singles out one leading term in every problem, the one whose
estimate is the most standard errors away from 0, and its estimate is a whole number within two standard errors. That whole
number is the truth here. For each of the 30 sets of rows the table shows this truth, what least squares with all powers
estimates on the same rows, and the formula that the search selects. Its dominant term is the one that varies the
most over the rows; the error is that of its coefficient.
"""

import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks.environment import versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import VSRRegressor

LEVELS = ("low", "medium", "high")
PROBLEMS = range(1, 11)
TRUE_DEGREES = 5


def read(data_dir, level, number):
    """Return the rows of one problem."""
    with h5py.File(data_dir / f"epsilon_{level}.h5") as file:
        group = file[f"no{number}"]
        return group["x_train"][:].astype(np.float64), group["y_train"][:].astype(np.float64).ravel()


def power_sums(X, degree):
    """Return the columns sum_j x_j**k, k = 1..degree."""
    return np.stack([np.sum(X**power, axis=1) for power in range(1, degree + 1)], axis=1)


def least_squares(X, y, degree):
    """Return the coefficients of all powers and their standard errors, without the constant's."""
    columns = np.column_stack([np.ones(len(X)), power_sums(X, degree)])
    scale = np.linalg.norm(columns, axis=0)
    basis, factor = np.linalg.qr(columns / scale)
    coefficients = np.linalg.solve(factor, basis.T @ y)
    residual = y - columns / scale @ coefficients
    variance = residual @ residual / (len(y) - len(scale))
    errors = np.sqrt(variance * np.sum(np.linalg.inv(factor) ** 2, axis=1))
    return (coefficients / scale)[1:], (errors / scale)[1:]


def truth(data_dir, number):
    """Return the degree and the coefficient of a problem's leading term, or stop where the data do not tell."""
    coefficients, errors = least_squares(*read(data_dir, "low", number), TRUE_DEGREES)
    degree = int(np.argmax(np.abs(coefficients) / errors)) + 1
    whole = round(coefficients[degree - 1])
    if abs(coefficients[degree - 1] - whole) > 2.0 * errors[degree - 1]:
        raise SystemExit(f"problem {number}: the leading coefficient is no whole number within two standard errors")
    return degree, whole


def dominant(formula, X):
    """Return the degree and the coefficient of the term that varies the most over the rows."""
    terms = [term for term in formula.terms if term.degree]
    if not terms:
        return 0, 0.0
    spread = power_sums(X, max(term.degree for term in terms)).std(axis=0)
    term = max(terms, key=lambda term: abs(term.coefficient) * spread[term.degree - 1])
    return term.degree, term.coefficient


def measure(data_dir, level, number, options):
    """Search one problem's formula."""
    X, y = read(data_dir, level, number)
    degree, coefficient = truth(data_dir, number)
    estimates, errors = least_squares(X, y, TRUE_DEGREES)
    started = time.perf_counter()
    model = VSRRegressor(coefficients="shared", max_degree=options.max_degree, random_state=options.seed).fit(X, y)
    seconds = time.perf_counter() - started
    found_degree, found_coefficient = dominant(model.formula_, X)
    return {
        "level": level,
        "problem": number,
        "true_degree": degree,
        "true_coefficient": coefficient,
        "least_squares": estimates[degree - 1],
        "standard_error": errors[degree - 1],
        "formula": str(model.formula_),
        "short_formula": str(model.formula_.round(3)),
        "found_degree": found_degree,
        "found_coefficient": found_coefficient,
        "degree_agrees": found_degree == degree,
        "coefficient_error_percent": 100.0 * abs(found_coefficient / coefficient - 1.0),
        "r2": model.score(X, y),
        "seconds": seconds,
    }


def show(result):
    """Print a line of the table."""
    true = f"{result['true_coefficient']}*x**{result['true_degree']}"
    estimate = f"{result['least_squares']:.3f} ± {result['standard_error']:.3f}"
    agrees = "yes" if result["degree_agrees"] else "NO"
    print(
        f"{result['level']:<6} {result['problem']:>2}  {true:<6}  {estimate:<14}  {agrees:<3} "
        f"{result['coefficient_error_percent']:>6.2f} %  {result['r2']:.4f}  {result['seconds']:>5.2f} s  "
        f"{result['short_formula']}"
    )


def main():
    """Search, print, write."""
    parser = make_parser(__doc__, "recovery.json")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--max-degree", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known = versions("numpy", "scipy", "scikit-learn", "h5py")
    print(line(known))
    print("noise  no  truth   least squares   degree  error    R2      time    formula")
    results = []
    for level in LEVELS:
        for number in PROBLEMS:
            results.append(measure(options.data_dir, level, number, options))
            show(results[-1])
    summary = {"degrees_found": sum(result["degree_agrees"] for result in results), "problems": len(results)}
    for level in LEVELS:
        errors = [result["coefficient_error_percent"] for result in results if result["level"] == level]
        summary[f"largest_error_percent_{level}"] = max(errors)
    print("  ".join(f"{name} {value:.4g}" for name, value in summary.items()))
    setting = {"max_degree": options.max_degree, "seed": options.seed}
    write(options.output, {"versions": known, **setting, **summary, "results": results})


if __name__ == "__main__":
    main()
