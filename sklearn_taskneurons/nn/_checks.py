"""What layers demand of their input."""

from torch import Tensor

from sklearn_taskneurons.nn._recording import is_recorded


def check_width(x: Tensor, width: int) -> None:
    """Raise ValueError if the last axis of an input has another size; some operations would take one number for all."""
    # A graph that is being traced would warn of the comparison.
    if not is_recorded() and x.shape[-1:] != (width,):
        raise ValueError(f"x must have {width} features along its last axis, got the shape {tuple(x.shape)}")


def check_members(x: Tensor, n_members: int, axis: int) -> None:
    """Raise ValueError unless an input has rows for all members, (N, D), or for each, which are then on this axis of three."""
    if is_recorded() or x.ndim == 2 or (x.ndim == 3 and x.shape[axis] == n_members):
        return
    of_each = f"({n_members}, N, in_features)" if axis == 0 else f"(N, {n_members}, in_features)"
    raise ValueError(
        f"x must have the shape (N, in_features) or {of_each}, for {n_members} members, got the shape {tuple(x.shape)}"
    )
