"""Conventional and task-based kernels in the same network of convolutions, the latter with no more parameters.

python -m benchmarks.paper.images --data-dir DIR --out FILE.jsonl [--sets digits,mnist_5k] [--models conventional,found]
    [--worst 4,6,8,10] [--seeds 5] [--validation] [--report]

"digits" are those of scikit-learn; other sets are files NAME.csv.gz of DIR, a row for an image, its label in the column
"target". Each set is drawn anew for each seed: at most half of the images, and --max-rows, are trained on, --max-test of the
others measured on. The conventional network has --width channels in its first block and twice as many in its second; a
task-based one as many in this proportion as it can have with no more parameters, and then in the first block as many as
still fit. All else is the same. "found" finds the formula on the images that are trained on. Beside the models there are
remedies, kernels used in other ways, which are measured only where --models names them.

--worst 4 keeps only the four classes that the conventional network of all classes tells the worst, by the mean recall over the
seeds on a fifth of the training images; 10, or a set's number of classes, is all. That fifth is what --validation
measures on: it leaves the test images unread, for choices.
Each result is a line of FILE.jsonl; what is there is not measured again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split

from benchmarks.accuracy import measure, store
from benchmarks.accuracy.equal_parameters import count, widest
from benchmarks.environment import limited
from benchmarks.paper.image_remedies import FirstBlockClassifier, SmallTermsClassifier
from sklearn_taskneurons import ConvTaskNeuronClassifier

CONVENTIONAL = "conventional"
PRODUCT, QUADRATIC = "x + dot(w, x)*dot(w, x)", "x**2 + x"
# The models, parameters of the estimator and its class where it is another: to compare others, edit these.
MODELS: dict[str, dict] = {
    CONVENTIONAL: {"formula": "x"},
    "found": {"formula": "auto"},
    "quadratic": {"formula": QUADRATIC},
}
# What might help the task-based ones, and the conventional one of the same pooling. In "product_plain" the products are all the
# nonlinearity that there is.
REMEDIES: dict[str, dict] = {
    "product": {"formula": PRODUCT},
    "product_first": {"formula": PRODUCT, "estimator": FirstBlockClassifier},
    "product_small": {"formula": PRODUCT, "estimator": SmallTermsClassifier},
    "product_tanh": {"formula": PRODUCT, "activation": "tanh"},
    "product_members": {"formula": PRODUCT, "n_members": 2},
    "product_average": {"formula": PRODUCT, "pooling": "average"},
    "product_plain": {"formula": PRODUCT, "pooling": "average", "activation": "identity"},
    "conventional_average": {"formula": "x", "pooling": "average"},
}
# Hidden linear layers would hold most of the parameters, and the kernels are the question.
SHARED = {"hidden_layer_sizes": (), "batch_size": 64, "lr": 8e-3}
# The formula is found on the codes of an autoencoder, whatever the network of convolutions is.
TO_FIND = {"channels": 1, "pool_size": 4, "max_epochs": 10}
DIGITS = "digits"
SETS = (DIGITS, "mnist_5k", "fashion_mnist_10k")


class WithinBudget(ClassifierMixin, BaseEstimator):
    """A network with no more parameters than the conventional one, and as many channels as that allows."""

    def __init__(self, parameters, width, steps, random_state):
        self.parameters = parameters
        self.width = width
        self.steps = steps
        self.random_state = random_state

    def fit(self, X, y):
        """Find the formula where it is to be found, then the channels, then train."""
        started = time.perf_counter()
        formula = self.parameters["formula"]
        if formula == "auto":
            formula = self._make(**TO_FIND).fit(X, y).formula_
        found = time.perf_counter()
        budget = count(self._make(formula="x", n_members=1, channels=(self.width, 2 * self.width)), X, y)
        channels = widest_channels(lambda channels: count(self._make(formula=formula, channels=channels), X, y) <= budget)
        sized = time.perf_counter()
        epochs = -(-self.steps * SHARED["batch_size"] // len(X))
        self.network_ = self._make(formula=formula, channels=channels, max_epochs=epochs).fit(X, y)
        self.remarks_ = {
            "formula": str(formula),
            "channels": list(channels),
            "find_seconds": found - started,
            "train_seconds": time.perf_counter() - sized,
        } | {name: int(getattr(self.network_, name + "_")) for name in ("n_parameters", "n_multiplications", "n_iter")}
        return self

    def _make(self, **parameters):
        parameters = SHARED | {"random_state": self.random_state} | self.parameters | parameters
        return parameters.pop("estimator", ConvTaskNeuronClassifier)(**parameters)

    def predict(self, X):
        """Return the labels."""
        return self.network_.predict(X)


def widest_channels(fits):
    """Return the channels of two blocks, twice as many in the second, and then in the first as many as still fit."""
    second = widest(lambda second: fits((max(1, second // 2), second)))
    if not second:
        raise ValueError("width must leave room for one channel of a task-based network in each block")
    return widest(lambda first: fits((first, second))), second


def load(name, data_dir):
    """Return the images (N, pixels) and the labels of a set."""
    if name == DIGITS:
        return load_digits(return_X_y=True)
    table = pd.read_csv(data_dir / f"{name}.csv.gz")
    return table.drop(columns="target").to_numpy(np.float32), table["target"].to_numpy()


def split(X, y, seed, options):
    """Return X_fit, X_measure, y_fit, y_measure, of which half a set at the most is trained on."""
    n_fit = min(options.max_rows, len(y) // 2)
    n_measure = min(options.max_test, len(y) - n_fit)
    rows = train_test_split(X, y, train_size=n_fit, test_size=n_measure, stratify=y, random_state=seed)
    if options.validation:
        rows = train_test_split(rows[0], rows[2], test_size=0.2, stratify=rows[2], random_state=seed)
    return rows


def common(options, *, validation):
    """Return what all records of a run have in common."""
    setting = {name: getattr(options, name) for name in ("max_rows", "max_test", "width", "steps")}
    return {"part": "validation" if validation else "test", **setting}


def worst_classes(records, name, n_classes, labels, options):
    """Return the classes that the conventional network has told the worst on held-out training images."""
    if n_classes >= len(labels):
        return labels
    wanted = common(options, validation=True) | {"set": name, "model": CONVENTIONAL, "n_classes": len(labels)}
    recalls = [r["recalls"] for r in records.values() if all(r.get(key) == value for key, value in wanted.items())]
    if not recalls:
        raise SystemExit(f"the worst classes of {name} need conventional networks of all classes: run with --validation first")
    return np.sort(labels[np.argsort(np.mean(recalls, axis=0), kind="stable")[:n_classes]])


def run(options):
    """Measure what is not in the file yet."""
    ran_on = measure.environment(1)
    for name in options.sets:
        X, y = load(name, options.data_dir)
        labels = np.unique(y)
        for n_classes in dict.fromkeys(min(wanted, len(labels)) for wanted in options.worst):
            classes = worst_classes(store.read(options.out), name, n_classes, labels, options)
            kept = np.isin(y, classes)
            for seed in range(options.seeds):
                rows = split(X[kept], y[kept], seed, options)
                for model in options.models:
                    record = {"set": name, "seed": seed, "model": model, "n_classes": n_classes}
                    record |= common(options, validation=options.validation)
                    if store.key(record) in store.read(options.out):
                        continue
                    record |= {"classes": classes.tolist(), "environment": ran_on}
                    record |= measure_model((MODELS | REMEDIES)[model], rows, measure.model_seed(name, seed), options)
                    store.append(options.out, record)
                    print(
                        f"{name:18} {n_classes:>2} {seed} {model:14} {record['accuracy']:.4f} {record['train_seconds']:6.1f} s "
                        f"{record['n_parameters']:>7} {record['channels']} {record['formula']}",
                        flush=True,
                    )


def measure_model(parameters, rows, seed, options):
    """Train one network and return its figures."""
    X_fit, X_measure, y_fit, y_measure = rows
    with limited(1):
        model = WithinBudget(parameters, options.width, options.steps, seed).fit(X_fit, y_fit)
        predicted = model.predict(X_measure)
    figures = {"accuracy": float(np.mean(predicted == y_measure)), "n_fit": len(y_fit), "n_measure": len(y_measure)}
    return figures | {"recalls": recall_score(y_measure, predicted, average=None).tolist()} | model.remarks_


def summarize(records):
    """Return a row for each set, number of classes and model: means over the seeds, and the test against the conventional."""
    groups = {}
    for record in records:
        groups.setdefault((record["set"], record["n_classes"], record["model"]), {})[record["seed"]] = record
    return [summarize_group(*key, group, groups.get((*key[:2], CONVENTIONAL), {})) for key, group in groups.items()]


def summarize_group(name, n_classes, model, group, conventional):
    """Return the row of a model, compared over the seeds that both have."""
    accuracies = np.array([record["accuracy"] for record in group.values()])
    row = {"set": name, "n_classes": n_classes, "model": model, "seeds": len(group)}
    row |= {"accuracy": float(accuracies.mean()), "std": float(accuracies.std(ddof=1)) if len(group) > 1 else None}
    row |= {
        figure: float(np.mean([record[figure] for record in group.values()]))
        for figure in ("n_fit", "n_measure", "n_parameters", "n_multiplications", "find_seconds", "train_seconds")
    }
    row["formulas"] = [record["formula"] for record in group.values()]
    row["classes"] = next(iter(group.values()))["classes"]
    seeds = [seed for seed in group if seed in conventional]
    if model == CONVENTIONAL or not seeds:
        return row
    pairs = np.array([[of[seed]["accuracy"] for seed in seeds] for of in (group, conventional)])
    differ = len(seeds) > 1 and np.ptp(pairs[0] - pairs[1]) > 0
    row["difference"] = float(np.mean(pairs[0] - pairs[1]))
    return row | {"p_value": float(ttest_rel(*pairs).pvalue) if differ else None}


def text(rows):
    """Return the summary as a table."""
    lines = [
        f"{'set':18} {'classes':>7} {'model':14} {'seeds':>5} {'accuracy':>9} {'std':>7} {'difference':>10} {'p':>7} "
        f"{'parameters':>10} {'multiplications':>15} {'find s':>7} {'train s':>7}"
    ]
    for row in rows:
        std = "" if row["std"] is None else f"{row['std']:.4f}"
        difference = f"{row['difference']:+.4f}" if "difference" in row else ""
        p_value = f"{row['p_value']:.4f}" if row.get("p_value") is not None else ""
        lines.append(
            f"{row['set']:18} {row['n_classes']:>7} {row['model']:14} {row['seeds']:>5} {row['accuracy']:>9.4f} {std:>7} "
            f"{difference:>10} {p_value:>7} {row['n_parameters']:>10,.0f} {row['n_multiplications']:>15,.0f} "
            f"{row['find_seconds']:>7.1f} {row['train_seconds']:>7.1f}"
        )
    return "\n".join(lines)


def draw(rows, path):
    """Draw the accuracy against the number of worst classes, for each set and model that has several."""
    import matplotlib.pyplot as plt

    lines = {}
    for row in rows:
        point = row["n_classes"], row["accuracy"], row["std"] or 0.0
        lines.setdefault(row["set"], {}).setdefault(row["model"], []).append(point)
    lines = {name: {model: points for model, points in of.items() if len(points) > 1} for name, of in lines.items()}
    lines = {name: of for name, of in lines.items() if of}
    if not lines:
        return
    colors = {model: f"C{number}" for number, model in enumerate(dict.fromkeys(row["model"] for row in rows))}
    figure, axes = plt.subplots(1, len(lines), figsize=(4 * len(lines), 3.6), layout="constrained", squeeze=False)
    for axis, (name, of) in zip(axes[0], lines.items(), strict=True):
        for model, points in of.items():
            axis.errorbar(*zip(*sorted(points), strict=True), color=colors[model], marker="o", capsize=3, label=model)
        axis.set(title=name, xlabel="worst classes", xticks=sorted({point[0] for points in of.values() for point in points}))
    axes[0, 0].set_ylabel("accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(colors))
    figure.savefig(path, dpi=110)


def show(options):
    """Print, draw and write what is in the file of the measurements asked for."""
    wanted = common(options, validation=options.validation)
    records = [
        record
        for record in store.read(options.out).values()
        if all(record.get(key) == value for key, value in wanted.items())
        and record["set"] in options.sets
        and record["model"] in options.models
        and record["seed"] < options.seeds
    ]
    if not records:
        raise SystemExit(f"{options.out} holds no such results")
    records.sort(key=lambda r: (options.sets.index(r["set"]), r["n_classes"], options.models.index(r["model"]), r["seed"]))
    rows = summarize(records)
    print(text(rows))
    if options.json:
        versions = records[-1]["environment"]
        options.json.write_text(json.dumps({"environment": versions, **wanted, "rows": rows}, indent=1, allow_nan=False) + "\n")
        draw(rows, options.json.with_suffix(".png"))


def read_options(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {"type": lambda text: text.split(","), "metavar": "A,B,..."}
    parser.add_argument("--out", type=Path, required=True, help="the file of results, one JSON object a line; it grows")
    parser.add_argument("--data-dir", type=Path, help="a folder of NAME.csv.gz; digits need none")
    parser.add_argument("--sets", **names, default=list(SETS), help="default: %(default)s")
    parser.add_argument("--models", **names, default=list(MODELS), help="default: %(default)s")
    parser.add_argument(
        "--worst", type=lambda text: [int(word) for word in text.split(",")], default=[10], help="numbers of classes"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=1500, help="images to train on (default: %(default)s)")
    parser.add_argument("--max-test", type=int, default=3000, help="images to measure on (default: %(default)s)")
    parser.add_argument("--width", type=int, default=8, help="channels of the conventional first block (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=480, help="of training, in whole epochs (default: %(default)s)")
    parser.add_argument("--validation", action="store_true", help="measure on a fifth of the training images instead")
    parser.add_argument("--report", action="store_true", help="measure nothing, report what is in the file")
    parser.add_argument(
        "--json", type=Path, help="write the report here too, and a figure beside it where there are worst classes"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.models if name not in MODELS | REMEDIES]:
        parser.error(f"every model must be one of {', '.join(MODELS | REMEDIES)}, got {', '.join(unknown)}")
    if not options.report and options.data_dir is None and options.sets != [DIGITS]:
        parser.error("--data-dir must name a folder where something is to be measured")
    return options


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    options = read_options(arguments)
    if not options.report:
        run(options)
    show(options)


if __name__ == "__main__":
    main()
