"""Where every figure starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

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


def line_style(defaults: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a line looks: as given, under matplotlib's short names or long ones, and else by default."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return defaults | normalize_kwargs(dict(given), Line2D)


def spans_decades(values: Iterable[float]) -> bool:
    """Whether values, those that are numbers, are positive and differ so much that only a logarithmic axis shows all."""
    known = [value for value in values if not math.isnan(value)]
    return bool(known) and min(known) > 0 and max(known) > 10 * min(known)
