"""Which rows are held out to choose the best epoch by."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split


def hold_out(
    classes: NDArray | None, weights: NDArray[np.float64], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of the rows to train on and of those held out, classes in proportion where that is possible.

    Rows without weight say nothing about an epoch, so only the others are held out.

    Raises
    ------
    ValueError
        If the fraction leaves no row on one of the two sides.
    """
    rows = np.flatnonzero(weights > 0)
    n_held_out = round(fraction * len(rows))
    if not 0 < n_held_out < len(rows):
        raise ValueError(
            f"early stopping needs rows on both sides of the split: validation_fraction={fraction} of {len(rows)} rows with "
            f"a positive weight is {n_held_out}; give more rows, another fraction or early_stopping=False"
        )
    strata = None if classes is None else classes[rows]
    if strata is not None:
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() < 2 or len(counts) > min(n_held_out, len(rows) - n_held_out):
            strata = None
    return tuple(train_test_split(rows, test_size=n_held_out, stratify=strata, random_state=seed))
