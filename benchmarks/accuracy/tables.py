"""Sets of rows: files of a folder and tasks of known structure, their splits, and their columns as numbers."""

from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from benchmarks.accuracy import tasks

SUFFIXES = (".csv", ".csv.gz")

# As in examples/demo.py.
MOST_INFERRED_CLASSES = 10

# Numbers of rows, not measurements.
IDENTIFIERS = {"cern_dielectron_20k": ["Run", "Event"], "cern_dimuon_2011": ["Run", "Event"]}

# Images that come with scikit-learn, measured where they are named; a file of that name comes first.
DIGITS = "digits"

# A list of problems, no rows to learn from.
NO_TABLES = {"FeynmanEquations"}

PAPER_REGRESSION = (
    "california_housing", "house_sales", "airfoil_self_noise", "wine_quality", "fifa", "diamonds", "abalone",
    "bike_sharing_demand", "space_ga", "airlines_depdelay", "cern_dielectron_20k",
)  # fmt: skip
PAPER_CLASSIFICATION = (
    "credit", "heloc", "electricity", "phoneme", "bank_marketing", "magic_telescope", "vehicle", "oranges_vs_grapefruit",
    "eye_movements",
)  # fmt: skip
GROUPS = {"paper": PAPER_REGRESSION + PAPER_CLASSIFICATION, "known": ("epsilon_*", "strogatz_*", "feynman_*", "vector_*")}


@dataclass(frozen=True)
class Table:
    """Rows with a target; classes are numbered from 0.

    Attributes
    ----------
    name : str
        What the set is called.
    X : DataFrame of shape (N, D)
        The features, of any types, with missing values where there are any.
    y : ndarray of shape (N,)
        The targets, float64, or the numbers of the classes, int64.
    task : {"regression", "classification"}
        What is predicted.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task: str


def available(data_dir):
    """Return the names of all sets: the files of the folder, then the tasks of known structure."""
    if not data_dir.is_dir():
        raise NotADirectoryError(f"data_dir must be a folder, got {data_dir}")
    files = sorted({_set_name(path) for path in data_dir.iterdir() if path.name.endswith(SUFFIXES)} - NO_TABLES)
    return files + [name for name in tasks.names(data_dir) if name not in files]


def _set_name(path):
    return path.name.removesuffix(".gz").removesuffix(".csv")


def choose(wanted, names):
    """Return those names that are asked for, by name, group or pattern, in that order; all files where nothing is."""
    if not wanted:
        return [name for name in names if not name.startswith(tasks.PREFIXES)]
    chosen = {}
    if DIGITS in wanted:
        names = list(dict.fromkeys([*names, DIGITS]))
    for word in wanted:
        found = {pattern: [name for name in names if fnmatch(name, pattern)] for pattern in GROUPS.get(word, (word,))}
        if not any(found.values()):
            raise ValueError(f"every set must be there, and {word!r} is not; there are: {', '.join(names)}")
        if lacking := [pattern for pattern, matches in found.items() if not matches]:
            print(f"of the sets {word} these are not there: {', '.join(lacking)}")
        chosen.update(dict.fromkeys(name for matches in found.values() for name in matches))
    return list(chosen)


def load(name, data_dir, max_rows):
    """Read or make a set; of more than `max_rows` rows, as many are drawn, the same ones every time."""
    if name.startswith(tasks.PREFIXES) and _path(name, data_dir) is None:
        X, y = tasks.load(name, data_dir)
        table, target, task = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]), pd.Series(y), "regression"
    elif name == DIGITS and _path(name, data_dir) is None:
        (table, target), task = load_digits(return_X_y=True, as_frame=True), "classification"
    else:
        table, target, task = _read(name, data_dir)
    if len(table) > max_rows:
        table = table.sample(max_rows, random_state=0)
        target = target[table.index]
    if task == "classification":
        y = np.unique(target.astype(str), return_inverse=True)[1].astype(np.int64)
    else:
        y = target.to_numpy(np.float64)
    return Table(name, table.reset_index(drop=True), y, task)


def _path(name, data_dir):
    paths = [data_dir / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((path for path in paths if path.is_file()), None)


def _read(name, data_dir):
    """Return the features, the target and the task of a file."""
    table = pd.read_csv(_path(name, data_dir))
    column = "target" if "target" in table else table.columns[-1]
    table = table.replace([np.inf, -np.inf], np.nan).dropna(subset=[column]).dropna(axis="columns", how="all")
    target = table[column]
    table = table.drop(columns=[column, *IDENTIFIERS.get(name, [])])
    task = _listed_task(name, data_dir) or infer_task(target)
    if task == "regression" and not pd.api.types.is_numeric_dtype(target):
        raise ValueError(f"the target of a regression must be numbers, and {name} has {target.dtype}")
    return table, target, task


def _listed_task(name, data_dir):
    """Return what INDEX.tsv says, or None where it says nothing."""
    index = data_dir / "INDEX.tsv"
    if not index.is_file():
        return None
    tasks_by_name = pd.read_csv(index, sep="\t", dtype=str, quoting=3).set_index("name")["task"]
    task = tasks_by_name.get(name)
    if task not in (None, "regression", "classification"):
        raise ValueError(f"INDEX.tsv must say regression or classification, and says {task!r} of {name}")
    return task


def infer_task(target):
    """Return "classification" for text, truth values, and at most ten different whole numbers."""
    if not pd.api.types.is_numeric_dtype(target) or pd.api.types.is_bool_dtype(target):
        return "classification"
    few = target.nunique() <= MOST_INFERRED_CLASSES and bool((target == target.round()).all())
    return "classification" if few else "regression"


def split(table, seed, *, validation=False):
    """Return the rows to fit and the rows to measure on: X_fit, X_measure, y_fit, y_measure.

    A fifth of the rows is the test part. With `validation` it is put aside unseen, and the rest is split again, so that
    choices can be made without it.
    """
    rows = _halves(np.arange(len(table.y)), table, seed)
    if validation:
        rows = _halves(rows[0], table, seed)
    encoder = make_encoder().fit(table.X.iloc[rows[0]])
    X_fit, X_measure = (np.asarray(encoder.transform(table.X.iloc[part]), dtype=np.float64) for part in rows)
    return X_fit, X_measure, table.y[rows[0]], table.y[rows[1]]


def _halves(rows, table, seed):
    classes = None
    if table.task == "classification" and np.bincount(table.y[rows])[np.unique(table.y[rows])].min() > 1:
        classes = table.y[rows]
    return train_test_split(rows, test_size=0.2, random_state=seed, stratify=classes)


def make_encoder():
    """Turn any columns into numbers, by the rows to fit on: medians for what is missing, one column for each frequent text."""
    numbers = make_column_selector(dtype_include=["number", "bool"])
    others = make_column_selector(dtype_exclude=["number", "bool"])
    texts = OneHotEncoder(max_categories=10, handle_unknown="infrequent_if_exist", sparse_output=False)
    return make_column_transformer((SimpleImputer(strategy="median", keep_empty_features=True), numbers), (texts, others))
