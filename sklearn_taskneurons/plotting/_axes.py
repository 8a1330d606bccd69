"""Where every figure starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure; name the extra to install where matplotlib is missing."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("drawing needs matplotlib: pip install 'sklearn_taskneurons[plot]'") from error
    return pyplot.subplots(layout="constrained")[1]


def spans_decades(values: list[float]) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows all of them."""
    return min(values) > 0 and max(values) > 10 * min(values)
