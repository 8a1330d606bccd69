"""Which rows each member of an ensemble is trained on, and by which its best epoch is chosen."""

import numpy as np
from numpy.typing import NDArray


def hold_out(
    classes: NDArray | None, n_rows: int, fraction: float, n_members: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of the rows to train on (n, M), and of those held out (h, M), for each member others.

    The rows stand in a circle, in random order and every arc with its share of each class. The held-out rows of one member
    follow on those of the one before, so that no row is held out twice before all have been once.

    Raises
    ------
    ValueError
        If the fraction leaves no row on one of the two sides.
    """
    n_held_out = round(fraction * n_rows)
    if not 0 < n_held_out < n_rows:
        raise ValueError(
            f"early stopping needs rows on both sides of the split: validation_fraction={fraction} of {n_rows} rows with "
            f"a positive weight is {n_held_out}; give more rows, another fraction or early_stopping=False"
        )
    circle = _circle(n_rows, classes, np.random.default_rng(seed))
    starts = n_held_out * np.arange(n_members)
    rows = circle[(np.arange(n_rows)[:, None] + starts) % n_rows]
    return rows[n_held_out:], rows[:n_held_out]


def _circle(n_rows: int, classes: NDArray | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the row numbers in random order, those of each class at equal distances."""
    order = rng.permutation(n_rows)
    if classes is None:
        return order
    place = np.empty(n_rows)
    for label in np.unique(classes):
        members = order[classes[order] == label]
        # Not at the beginning, where the first held-out rows are: a class of one row is of more use in training.
        place[members] = (np.arange(len(members)) + rng.uniform(0.5, 1.0)) / len(members)
    return np.argsort(place, kind="stable")
