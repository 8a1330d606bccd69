"""Errors and seconds of models on a folder of tables.

python -m benchmarks.accuracy --data-dir DIR [--models taskneuron,lightgbm] [--sets abalone,paper] [--seeds 3] --out FILE.jsonl

Every table is split 80/20 once for each seed, and all models see the same rows. The error is 1 - R squared or the rate of wrong
labels on the fifth; with --validation the fifth stays unread, and the error is that on a fifth of the rest: for choices.
Each result is a line of FILE.jsonl; what is there is not measured again. README.md says more.
"""

import argparse
import json
from pathlib import Path

from benchmarks.accuracy import figure, measure, models, report, store, tables


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    options = read_options(arguments, __doc__, list(models.MODELS))
    if not options.report:
        run(options, {None: models.MODELS})
    show(options)


def read_options(arguments, description, names, *, seeds=3, budgets=None):
    """Read the command line; only where there are `budgets` can some be asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = {"type": lambda text: text.split(","), "metavar": "A,B,..."}
    parser.add_argument("--out", type=Path, required=True, help="the file of results, one JSON object a line; it grows")
    parser.add_argument("--data-dir", type=Path, help="a folder of NAME.csv or NAME.csv.gz")
    parser.add_argument("--sets", **words, help="names, patterns, or groups: paper, known (default: all files of the folder)")
    parser.add_argument("--models", **words, help=f"some of {', '.join(names)} (default: all)")
    parser.add_argument("--seeds", type=int, default=seeds, help="how many splits (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=0, help="the seed of the first split (default: %(default)s)")
    parser.add_argument("--validation", action="store_true", help="do not read the test rows: split the others again")
    parser.add_argument("--max-rows", type=int, default=20_000, help="of more rows, draw so many (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="for every model (default: %(default)s)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--force", action="store_true", help="measure again what is in the file")
    again.add_argument("--report", action="store_true", help="measure nothing, report what is in the file")
    parser.add_argument("--leave-out", **words, default=[], help="sets that the geometric means and tests leave out")
    parser.add_argument("--compare", **words, help="models to compare with all others (default: taskneuron, else all)")
    parser.add_argument("--json", type=Path, help="write the report here too, with versions, cores and threads")
    parser.add_argument("--figure", type=Path, help="draw the ratios of the errors on each set here, such as FILE.png")
    if budgets:
        numbers = {"type": lambda text: [int(word) for word in text.split(",")], "metavar": "N,N,..."}
        parser.add_argument("--budgets", **numbers, default=list(budgets), help="numbers of parameters (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.models = options.models or names
    if unknown := [name for name in [*options.models, *(options.compare or [])] if name not in names]:
        parser.error(f"every model must be one of {', '.join(names)}, got {', '.join(unknown)}")
    if not options.report and options.data_dir is None:
        parser.error("--data-dir must name a folder where something is to be measured")
    if options.report and not options.out.is_file():
        parser.error(f"--out must be a file of results for --report, got {options.out}")
    return options


def run(options, factories):
    """Measure all models on all sets and splits.

    Parameters
    ----------
    options : Namespace
        What `read_options` returns.
    factories : dict of dict
        By budget (None where there is none) and name, a function of task, seed and number of threads that returns an
        estimator.
    """
    names = tables.choose(options.sets, tables.available(options.data_dir))
    usable = [name for name in options.models if not models.missing(name)]
    for name in options.models:
        if name not in usable:
            print(f"{name} is left out: it needs pip install {models.missing(name)}")
    ran_on = measure.environment(options.threads)
    print("  ".join(f"{name} {number}" for name, number in ran_on["versions"].items()))
    records = {} if options.force else store.read(options.out)
    for name in names:
        for seed in seeds_of(options):
            todo = []
            for budget, makers in factories.items():
                keys = [{**part_of(options), "set": name, "seed": seed, "model": model, "budget": budget} for model in usable]
                todo += [(key, makers[key["model"]]) for key in keys if is_missing(records.get(store.key(key)))]
            if todo:
                measure_split(options, name, seed, todo, ran_on)


def is_missing(record):
    """Whether a measurement is still to be made; what failed is tried again."""
    return record is None or "failed" in record


def part_of(options):
    """Return what all records of a run have in common."""
    return {"part": "validation" if options.validation else "test", "max_rows": options.max_rows}


def seeds_of(options):
    """Return the seeds of the splits."""
    return range(options.first_seed, options.first_seed + options.seeds)


def measure_split(options, name, seed, todo, ran_on):
    """Measure models on one split of one set, and write each result at once."""
    table = tables.load(name, options.data_dir, options.max_rows)
    rows = tables.split(table, seed, validation=options.validation)
    model_seed = measure.model_seed(name, seed)
    for record, make in todo:
        figures = measure.measure(
            lambda make=make: make(table.task, model_seed, options.threads), rows, table.task, options.threads
        )
        record |= figures | {"environment": ran_on}
        store.append(options.out, record)
        budget = "" if record["budget"] is None else f"{record['budget']:>6}"
        result = record.get("failed") or f"{record['error']:9.5f} {record['fit_seconds']:8.2f} s"
        print(f"{name:24} {seed:>3} {record['model']:22}{budget} {result}", flush=True)


def show(options):
    """Print the report of the records that the options ask for, and write it where they say so."""
    wanted = {name: [value] for name, value in part_of(options).items()}
    wanted |= {"model": options.models, "seed": seeds_of(options), "budget": getattr(options, "budgets", [None])}
    records = list(store.read(options.out).values())
    if options.sets:
        wanted["set"] = tables.choose(options.sets, list(dict.fromkeys(record["set"] for record in records)))
    records = [record for record in records if all(record[name] in values for name, values in wanted.items())]
    if not records:
        raise SystemExit(f"{options.out} holds no results of these models, seeds, sets, rows and part of the rows")
    summary = report.summarize(records, options.leave_out, options.compare) | part_of(options)
    print(report.text(summary))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n")
        print(f"written to {options.json}")
    if options.figure:
        figure.draw(summary, options.figure)
        print(f"drawn to {options.figure}")
