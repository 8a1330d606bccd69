"""A picture of a report: the errors of one model on each set, in relation to those of others."""

import numpy as np

from benchmarks.accuracy.report import log_ratio, pair_of

MARKERS = "osD^vP*X"
# Ratios that the axis names, as far as they are in it.
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 5, 10)


def draw(summary, path):
    """Draw the ratios of the first compared model to all others: a row for each set, the best of them on top.

    Parameters
    ----------
    summary : dict
        What `report.summarize` returns; of several budgets each is a part of the figure.
    path : Path
        Where the picture goes.
    """
    import matplotlib.pyplot as plt

    parts = [part for part in summary["budgets"] if part["comparisons"]]
    if not parts:
        raise SystemExit("there must be two models with a split in common to draw their ratios, got none")
    names = order(parts[0])
    size = (1.5 + 4.5 * len(parts), 1.2 + 0.24 * len(names))
    figure, axes = plt.subplots(1, len(parts), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")
    for part, axis in zip(parts, axes[0], strict=True):
        draw_part(part, names, axis)
    first = axes[0, 0]
    first.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xscale="log")
    low, high = first.get_xlim()
    shown = [tick for tick in TICKS if low < tick < high]
    first.set_xticks(shown, [f"{tick:g}" for tick in shown])
    first.minorticks_off()
    figure.savefig(path, dpi=110)


def order(part):
    """Return the names of the sets by the mean of their logarithmic ratios."""
    model, references = compared(part)
    found = {name: list(ratios(part, model, references, name).values()) for name in part["sets"]}
    return sorted((name for name in found if found[name]), key=lambda name: np.mean(np.log(found[name])))


def compared(part):
    """Return the first model that is compared, and with which others it is."""
    model = part["comparisons"][0]["model"]
    return model, [row["reference"] for row in part["comparisons"] if row["model"] == model]


def ratios(part, model, references, name):
    """Return the ratios of a model's error on a set to those of the references that have one."""
    cells = part["sets"].get(name, {})
    pairs = {reference: pair_of(cells, model, reference) for reference in references}
    return {reference: float(np.exp(log_ratio(*pair))) for reference, pair in pairs.items() if pair}


def draw_part(part, names, axis):
    """Draw the ratios of one budget, a marker for each reference."""
    model, references = compared(part)
    found = [ratios(part, model, references, name) for name in names]
    for reference, marker in zip(references, MARKERS, strict=False):
        rows = [(ratio[reference], row) for row, ratio in enumerate(found) if reference in ratio]
        axis.plot(*zip(*rows, strict=True), marker, markersize=5, alpha=0.8, label=reference)
    axis.axvline(1.0, color="0.4", linewidth=1)
    axis.grid(axis="both", color="0.9")
    axis.set_axisbelow(True)
    budget = "" if part["budget"] is None else f", {part['budget']} parameters"
    axis.set_xlabel(f"error of {model} / error of ...{budget}")
    axis.legend(loc="lower left", fontsize="small")
