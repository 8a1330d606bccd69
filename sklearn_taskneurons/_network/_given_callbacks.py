"""The callbacks of skorch that an estimator is given."""

from collections.abc import Sequence
from typing import Any

from skorch.callbacks import BatchScoring, Callback, EpochScoring

from sklearn_taskneurons._training import OWN_CALLBACKS


def given_callbacks(callbacks: Sequence[Any] | None) -> list[Any]:
    """Return the callbacks, or pairs of a name and a callback, as a list.

    Raises
    ------
    ValueError
        If they are none, have no names of their own, or are scores.
    """
    items = list(callbacks or ())
    for item in items:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(f"callbacks must be skorch callbacks, or pairs of a name and one, got {item!r}")
        if issubclass(kind, (BatchScoring, EpochScoring)):
            raise ValueError(
                "callbacks must not be scores, which know of one network: each member has its own held-out rows; "
                f"net_.history has their mean loss, valid_loss, got {item!r}"
            )
    names = [item[0] for item in items if isinstance(item, tuple)]
    if not all(isinstance(name, str) for name in names) or len({*names, *OWN_CALLBACKS}) < len(names) + len(OWN_CALLBACKS):
        own = ", ".join(OWN_CALLBACKS)
        raise ValueError(f"callbacks must have names of their own, texts other than {own}, got {names}")
    return items
