"""What layers demand of their sizes and of their input."""

from collections.abc import Iterable
from numbers import Real
from operator import index
from typing import Any

from torch import Tensor

from sklearn_taskneurons.nn._recording import is_traced


def check_positive(name: str, number: Any) -> None:
    """Raise ValueError unless something is a number above 0, or None."""
    if number is not None and (not isinstance(number, Real) or not float(number) > 0):
        raise ValueError(f"{name} must be larger than 0, got {number!r}")


def whole_numbers(name: str, value: Any) -> tuple[int, ...]:
    """Return the whole numbers that something is, of which one may stand alone.

    Raises
    ------
    ValueError
        If they are none, or below 1.
    """
    try:
        numbers = tuple(map(index, value)) if isinstance(value, Iterable) else (index(value),)
    except TypeError:
        numbers = (0,)
    if any(number < 1 for number in numbers):
        raise ValueError(f"{name} must be whole numbers of at least 1, got {value!r}")
    return numbers


def check_width(x: Tensor, width: int) -> None:
    """Raise ValueError if the last axis of an input has another size; some operations would take one number for all."""
    if not is_traced() and x.shape[-1:] != (width,):
        raise ValueError(f"x must have {width} features along its last axis, got the shape {tuple(x.shape)}")


def check_members(x: Tensor, n_members: int, axis: int) -> None:
    """Raise ValueError unless an input has rows for all members, (N, D), or for each, which are then on this axis of three."""
    if is_traced() or x.ndim == 2 or (x.ndim == 3 and x.shape[axis] == n_members):
        return
    of_each = f"({n_members}, N, in_features)" if axis == 0 else f"(N, {n_members}, in_features)"
    raise ValueError(
        f"x must have the shape (N, in_features) or {of_each}, for {n_members} members, got the shape {tuple(x.shape)}"
    )
