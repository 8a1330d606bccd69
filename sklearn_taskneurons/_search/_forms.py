"""How the constants of polynomials are refitted, and up to which degree."""

from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from sklearn_taskneurons._search._moments import MAX_COLUMNS

Coefficients: TypeAlias = Literal["auto", "shared", "per_feature"]

# No more columns of powers than can be solved in a moment.
_MOST_COLUMNS: Final = 1024


class Form(NamedTuple):
    """One number for each power up to a degree, or one for each power and feature."""

    per_feature: bool
    degree: int


def forms_of(coefficients: Coefficients, degree: int, n_features: int, n_rows: int | None = None) -> tuple[Form, ...]:
    """Return the forms that programs are scored in.

    Parameters
    ----------
    coefficients : {"auto", "shared", "per_feature"}
        "auto" is both, each with its own degree. A number for each feature is left out where there is but one feature, and
        where there are as many features as rows, which it would fit whatever they are.
    degree : int
        The largest power.
    n_features : int
        D.
    n_rows : int, optional
        The number of rows; without it the forms and degrees are the largest for any number.
    """
    if coefficients != "auto":
        return (Form(coefficients == "per_feature", degree),)
    shared, own = Form(False, degree), Form(True, min(degree, own_degree(n_features, n_rows)))
    most = MAX_COLUMNS if n_rows is None else min(n_rows, MAX_COLUMNS)
    return (shared, own) if 1 < n_features < most - 1 else (shared,)


def own_degree(n_features: int, n_rows: int | None = None) -> int:
    """Return the degree up to which numbers for each power and feature are few: 1024 at most, and a third of the rows."""
    columns = _MOST_COLUMNS if n_rows is None else min(n_rows // 3, _MOST_COLUMNS)
    return int(np.maximum(columns // n_features, 1))
