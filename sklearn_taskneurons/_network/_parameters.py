"""What values of parameters stand for."""

import numpy as np


def resolved(value, auto):
    """Return the value of a parameter, or what "auto" stands for."""
    return auto if isinstance(value, str) and value == "auto" else value


def whole_numbers(name, value):
    """Return the whole numbers, each at least 1, that a parameter is; one may stand alone."""
    numbers = np.atleast_1d(np.asarray(value, dtype=object))
    if not all(isinstance(number, (int, np.integer)) and number >= 1 for number in numbers):
        raise ValueError(f"{name} must be whole numbers of at least 1, got {value!r}")
    return [int(number) for number in numbers]
