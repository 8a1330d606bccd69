"""From records to tables: errors of each set, and models compared over the sets."""

import json

import numpy as np
from scipy.stats import wilcoxon

OURS = "taskneuron"

# Fewer sets can show no difference at the 5 % level, whatever the errors.
FEWEST_TESTED = 6

# A ratio to an error of 0 has no meaning: below half a wrong label, or a millionth of a millionth of the variance, it is 0.
NO_ERROR = {"classification": lambda n_measure: 0.5 / n_measure, "regression": lambda n_measure: 1e-12}


def summarize(records, leave_out, compared=None):
    """Return what the report holds, for JSON.

    Parameters
    ----------
    records : list of dict
        The results, each measurement once.
    leave_out : sequence of str
        The sets that comparisons do not count.
    compared : sequence of str or None
        The models that are compared with all others; None means "taskneuron", or all where it is not there.

    Returns
    -------
    dict
        ``budgets``: for each budget ``sets`` (mean errors and seconds of the models) and ``comparisons``;
        ``failures``; ``environments`` and how many results each has.
    """
    done = [record for record in records if "error" in record]
    budgets = sorted({record["budget"] for record in done}, key=lambda budget: budget or 0)
    parts = {budget: [record for record in done if record["budget"] == budget] for budget in budgets}
    return {
        "budgets": [summarize_budget(part, budget, leave_out, compared) for budget, part in parts.items()],
        "left_out": [name for name in leave_out if any(record["set"] == name for record in done)],
        "failures": [{name: r[name] for name in ("set", "seed", "model", "failed")} for r in records if "failed" in r],
        "environments": environments(records),
    }


def environments(records):
    """Return the different environments, with their numbers of results."""
    counts = {}
    for record in records:
        text = json.dumps(record["environment"], sort_keys=True)
        counts[text] = counts.get(text, 0) + 1
    return [json.loads(text) | {"results": count} for text, count in counts.items()]


def summarize_budget(records, budget, leave_out, compared):
    """Return the means over the seeds, and the comparisons of models over the sets."""
    models = list(dict.fromkeys(record["model"] for record in records))
    sets = {}
    for name in dict.fromkeys(record["set"] for record in records):
        mine = [record for record in records if record["set"] == name]
        by_model = {model: [record for record in mine if record["model"] == model] for model in models}
        sets[name] = {model: means(group) for model, group in by_model.items() if group}
    counted = {name: cells for name, cells in sets.items() if name not in leave_out}
    candidates = compared or ([OURS] if OURS in models else models)
    comparisons = [compare(counted, model, other) for model in candidates for other in models if other != model]
    comparisons = [comparison for comparison in comparisons if comparison["sets"]]
    return {"budget": budget, "models": models, "sets": sets, "comparisons": comparisons}


def means(group):
    """Return the figures of one model on one set, over its seeds."""
    first = group[0]
    floor = NO_ERROR[first["task"]](first["n_measure"])
    told = {"n_parameters": [r["n_parameters"] for r in group if "n_parameters" in r]}
    return {
        "error": float(np.mean([record["error"] for record in group])),
        "errors": {str(record["seed"]): record["error"] for record in group},
        "floor": floor,
        "fit_seconds": float(np.mean([record["fit_seconds"] for record in group])),
        "rows_per_second": float(np.mean([record["n_measure"] / record["predict_seconds"] for record in group])),
    } | {name: float(np.mean(values)) for name, values in told.items() if values}


def compare(sets, model, other):
    """Return the geometric mean of error ratios, wins, ties, and the test over the sets; of each, the splits that both saw."""
    pairs = [pair for cells in sets.values() if (pair := pair_of(cells, model, other))]
    logs = np.array([log_ratio(a, b) for a, b in pairs])
    times = np.array([np.log(a["fit_seconds"] / b["fit_seconds"]) for a, b in pairs])
    comparison = {"model": model, "reference": other, "sets": len(pairs)}
    if not pairs:
        return comparison
    tested = len(logs) >= FEWEST_TESTED and np.any(logs != 0)
    return comparison | {
        "error_ratio": float(np.exp(logs.mean())),
        "wins": int(np.sum(logs < 0)),
        "ties": int(np.sum(logs == 0)),
        "p_value": float(wilcoxon(logs[logs != 0]).pvalue) if tested else None,  # a tie has no sign
        "fit_seconds_ratio": float(np.exp(times.mean())),
    }


def pair_of(cells, model, other):
    """Return the figures of two models on a set, None where no split has seen both."""
    pair = cells.get(model), cells.get(other)
    return pair if all(pair) and pair[0]["errors"].keys() & pair[1]["errors"].keys() else None


def log_ratio(one, other):
    """Return the logarithm of the ratio of mean errors over the splits that both saw."""
    seeds = one["errors"].keys() & other["errors"].keys()
    errors = [max(np.mean([cell["errors"][seed] for seed in seeds]), cell["floor"]) for cell in (one, other)]
    return np.log(errors[0] / errors[1])


def text(summary):
    """Return the report as text."""
    parts = []
    for part in summary["budgets"]:
        if part["budget"] is not None:
            parts.append(f"At most {part['budget']} parameters; linear_best and kan have at least as many")
        parts += [errors_text(part), comparisons_text(part, summary["left_out"])]
    parts += [f"FAILED: {f['set']} seed {f['seed']} {f['model']}: {f['failed']}" for f in summary["failures"]]
    for ran_on in summary["environments"]:
        versions = "  ".join(f"{name} {number}" for name, number in ran_on["versions"].items())
        parts.append(f"{ran_on['results']} results with {ran_on['threads']} threads of {ran_on['cores']} cores: {versions}")
    return "\n\n".join(parts)


def errors_text(part):
    """Return the table of mean errors, and the means of seconds and rows."""
    models, sets = part["models"], part["sets"]
    wide = [max(len(model), 9) for model in models]
    lines = [f"{'error (mean over seeds)':26}" + "".join(f" {model:>{n}}" for model, n in zip(models, wide, strict=True))]
    for name, cells in sets.items():
        line = "".join(
            f" {cells[model]['error']:>{n}.5f}" if model in cells else f" {'':>{n}}"
            for model, n in zip(models, wide, strict=True)
        )
        lines.append(f"{name:26}" + line)
    for label, figure, digits in (("mean fit seconds", "fit_seconds", 2), ("mean rows/s", "rows_per_second", 0)):
        values = [np.mean([cells[model][figure] for cells in sets.values() if model in cells]) for model in models]
        lines.append(f"{label:26}" + "".join(f" {v:>{n},.{digits}f}" for v, n in zip(values, wide, strict=True)))
    return "\n".join(lines)


def comparisons_text(part, left_out):
    """Return the table of comparisons."""
    if not part["comparisons"]:
        return "Nothing to compare: no two models have a split in common."
    title = "error ratios, geometric means over the sets" + (f" without {', '.join(left_out)}" if left_out else "")
    lines = [title, f"{'model':22} {'against':22} {'ratio':>7} {'wins':>9} {'ties':>5} {'p':>8} {'fit time':>9}"]
    for row in part["comparisons"]:
        p_value = "" if row["p_value"] is None else f"{row['p_value']:.4f}"
        lines.append(
            f"{row['model']:22} {row['reference']:22} {row['error_ratio']:>7.3f} {row['wins']:>3} of {row['sets']:>2} "
            f"{row['ties']:>5} {p_value:>8} {row['fit_seconds_ratio']:>8.2f}x"
        )
    return "\n".join(lines)
