"""Rules by which VSRRegressor takes a formula from its front, on the tables of a folder.

python -m benchmarks.accuracy.selection --data-dir DIR [--sets A,B] [--rows 100 1000] [--seeds 2] [--first-seed 70]

Of every regression with so many rows the first ones of a split are fitted, standardized, and R squared is measured on a fifth
of the rows that are no test rows, as for all choices here. Beside it, ridge regression with a penalty chosen by
cross-validation. A formula far below it has terms that explode where a column goes a little beyond the rows that were fitted.
"""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import tables
from benchmarks.environment import versions
from benchmarks.script import line, make_parser, write
from sklearn_taskneurons import VSRRegressor

MODELS = {rule: partial(VSRRegressor, selection=rule, random_state=0) for rule in ("cv", "mdl", "bic", "knee")}
MODELS["ridge"] = partial(RidgeCV, np.logspace(-3, 3, 13))

MOST_ROWS = 20_000
# Of more columns, with one for each frequent category, least squares with powers is no method.
MOST_COLUMNS = 60
# By how much R squared is below that of ridge regression where a formula is of no use.
MUCH = 0.1


def measure(table, n_rows, seed):
    """Return R squared of each model, and the sizes of the formulas; None for a table that is too small or wide."""
    X, X_measure, y, y_measure = tables.split(table, seed, validation=True)
    if len(X) < n_rows or X.shape[1] > MOST_COLUMNS:
        return None
    result = {}
    for name, make in MODELS.items():
        model = make_pipeline(StandardScaler(), make()).fit(X[:n_rows], y[:n_rows])
        with np.errstate(over="ignore"):
            result[name] = {"r2": max(r2_score(y_measure, model.predict(X_measure)), -1e9)}
        if name != "ridge":
            front, formula = model[-1].pareto_front_, model[-1].formula_
            result[name]["complexity"] = next(point.complexity for point in front if point.formula == formula)
    return result


def summary(results):
    """Return what each model is like over all splits of tables."""
    ridge = np.array([result["ridge"]["r2"] for result in results])
    rows = {}
    for name in MODELS:
        r2 = np.array([result[name]["r2"] for result in results])
        rows[name] = {"median_r2": float(np.median(r2)), "far_below_ridge": int(np.sum(r2 < ridge - MUCH))}
        if name != "ridge":
            rows[name]["mean_complexity"] = float(np.mean([result[name]["complexity"] for result in results]))
    return rows


def main(arguments=None):
    """Measure and write."""
    parser = make_parser(__doc__, "selection.json")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", type=lambda text: text.split(","), default=[])
    parser.add_argument("--rows", type=int, nargs="+", default=[20, 50, 100, 200, 1000, 4000])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=70)
    options: argparse.Namespace = parser.parse_args(arguments)
    names = tables.choose(options.sets, tables.available(options.data_dir))
    chosen = [table for name in names if (table := tables.load(name, options.data_dir, MOST_ROWS)).task == "regression"]
    document = {"versions": versions("scikit-learn"), "results": {}, "summary": {}}
    for n_rows in options.rows:
        found = {}
        for table in chosen:
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    result = measure(table, n_rows, seed)
                if result is not None:
                    found[f"{table.name}, split {seed}"] = result
        document["results"][n_rows], document["summary"][n_rows] = found, summary(list(found.values()))
        print(f"{n_rows} rows, {len(found)} splits")
        for name, row in document["summary"][n_rows].items():
            print(f"  {name:6}", line({key: f"{value:.3g}" for key, value in row.items()}))
    write(options.output, document)


if __name__ == "__main__":
    sys.exit(main())
