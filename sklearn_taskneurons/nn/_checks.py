"""What layers demand of their input."""

from torch import Tensor

from sklearn_taskneurons.nn._recording import is_recorded


def check_width(x: Tensor, width: int) -> None:
    """Raise ValueError if the last axis of an input has another size; some operations would take one number for all."""
    # A graph that is being traced would warn of the comparison.
    if not is_recorded() and x.shape[-1:] != (width,):
        raise ValueError(f"x must have {width} features along its last axis, got the shape {tuple(x.shape)}")


def check_members(x: Tensor, n_members: int) -> None:
    """Raise ValueError unless an input has rows for all members, (N, D), or for each, (M, N, D)."""
    if not is_recorded() and not (x.ndim == 2 or (x.ndim == 3 and x.shape[0] == n_members)):
        raise ValueError(
            f"x must have the shape (N, in_features) or ({n_members}, N, in_features), for {n_members} members, "
            f"got the shape {tuple(x.shape)}"
        )


def check_rows(x: Tensor, n_members: int | None) -> None:
    """Raise ValueError unless an input of a network has rows for all of its members, (N, D), or for each, (N, M, D)."""
    if n_members is None or is_recorded():
        return
    if not (x.ndim == 2 or (x.ndim == 3 and x.shape[1] == n_members)):
        raise ValueError(
            f"x must have the shape (N, in_features) or (N, {n_members}, in_features), for {n_members} members, "
            f"got the shape {tuple(x.shape)}"
        )
