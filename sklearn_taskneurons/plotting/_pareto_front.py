"""The best formula of each complexity, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn_taskneurons.formula import Formula, FormulaSyntaxError
from sklearn_taskneurons.plotting._axes import axes_or_new, line_style, spans_decades
from sklearn_taskneurons.plotting._fitted import last_estimator, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ParetoFrontDisplay:
    """Loss against complexity of the best formulas that a search found.

    Parameters
    ----------
    complexity : sequence of int
        Complexity of each formula, rising.

    loss : sequence of float
        Loss of each formula, in the units that the search minimized.

    formulas : sequence, default=None
        The formulas, as anything that ``str`` turns to text.

    selected : int, default=None
        Position of the formula that was chosen; it is marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the front.

    figure_ : matplotlib Figure
        Figure that holds the axes.

    line_ : matplotlib Line2D
        The front.

    selected_line_ : matplotlib Line2D or None
        The mark of the chosen formula; None if none is marked.

    See Also
    --------
    LossCurveDisplay : Losses of the epochs of a network.

    Examples
    --------
    >>> from sklearn_taskneurons.plotting import ParetoFrontDisplay
    >>> display = ParetoFrontDisplay([1, 5, 9], [0.7, 0.2, 0.1], ["x", "x**2 + x", "x**3 + x**2 + x"], selected=1)
    >>> display.plot().line_.get_xdata().tolist()
    [1, 5, 9]
    """

    def __init__(
        self,
        complexity: Sequence[int],
        loss: Sequence[float],
        formulas: Sequence[Any] | None = None,
        *,
        selected: int | None = None,
    ) -> None:
        self.complexity = complexity
        self.loss = loss
        self.formulas = formulas
        self.selected = selected

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any) -> ParetoFrontDisplay:
        """Draw the Pareto front of a fitted estimator, and mark the formula with the best score.

        Parameters
        ----------
        estimator : estimator
            A fitted search, or a fitted network that searched for its formula; or a pipeline that ends with one, or a search
            over parameters, such as ``GridSearchCV``, of one.

        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for the front.

        Returns
        -------
        display : ParetoFrontDisplay
            The display, drawn. The neurons of a network may have another formula than the one that is marked:
            ``formula_candidates_`` says which were compared. The coefficients are those of the search, which a classifier
            fits anew.

        Raises
        ------
        ValueError
            If the estimator has no Pareto front.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_taskneurons import VSRRegressor
        >>> from sklearn_taskneurons.plotting import ParetoFrontDisplay
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> vsr = VSRRegressor(random_state=0).fit(X, X.ravel() ** 3)
        >>> str(ParetoFrontDisplay.from_estimator(vsr).formulas[-1])
        'x**3'
        """
        last = last_estimator(estimator)
        search = getattr(last, "search_", last)
        front = require(search, "pareto_front_", ", which those have that searched for a formula and were not given one")
        complexity, loss, score, formulas = _columns(front, "complexity", "loss", "score", "formula")
        return cls(complexity, loss, formulas, selected=score.index(max(score))).plot(ax, **kwargs)

    @classmethod
    def from_front(cls, front: Any, *, selected: Any = None, ax: Axes | None = None, **kwargs: Any) -> ParetoFrontDisplay:
        """Draw a Pareto front.

        Parameters
        ----------
        front : DataFrame or iterable
            ``pareto_front_`` of a search: a table with the columns ``complexity``, ``loss`` and ``formula``,
            or one mapping or named tuple with these for each formula. A formula may be a tuple of formulas, one for
            each output.

        selected : Formula or str, default=None
            The chosen formula, or that of the first output; it is marked if the front has it.

        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for the front.

        Returns
        -------
        display : ParetoFrontDisplay
            The display, drawn.

        Examples
        --------
        >>> from sklearn_taskneurons.plotting import ParetoFrontDisplay
        >>> front = [
        ...     {"complexity": 1, "loss": 0.7, "formula": "x"},
        ...     {"complexity": 5, "loss": 0.2, "formula": "x**2 + x"},
        ... ]
        >>> ParetoFrontDisplay.from_front(front, selected="x**2 + x").selected
        1
        """
        complexity, loss, formulas = _columns(front, "complexity", "loss", "formula")
        first = [formula[0] if isinstance(formula, tuple) else formula for formula in formulas]
        places = [place for place, formula in enumerate(first) if selected is not None and _is_same(formula, selected)]
        display = cls(complexity, loss, formulas, selected=places[0] if places else None)
        return display.plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ParetoFrontDisplay:
        """Draw the front.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for the front.

        Returns
        -------
        display : ParetoFrontDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax)
        style = line_style({"marker": "o", "markersize": 4.0, "drawstyle": "steps-post"}, kwargs)
        (self.line_,) = ax.plot(self.complexity, self.loss, **style)
        self.selected_line_ = None
        if self.selected is not None:
            complexity, loss = list(self.complexity)[self.selected], list(self.loss)[self.selected]
            label = None if self.formulas is None else _text(list(self.formulas)[self.selected])
            (self.selected_line_,) = ax.plot([complexity], [loss], "D", color="tab:orange", markersize=8, label=label)
        if spans_decades(list(self.loss)):
            ax.set_yscale("log")
        ax.set(xlabel="complexity", ylabel="loss")
        self.ax_ = ax
        self.figure_ = ax.get_figure()
        return self


def _columns(front: Any, *names: str) -> list[list[Any]]:
    """Return columns of a table, or of mappings or named tuples."""
    if hasattr(front, "columns"):
        return [list(front[name]) for name in names]
    rows: list[Any] = list(front)
    return [[row[name] if isinstance(row, Mapping) else getattr(row, name) for row in rows] for name in names]


def _is_same(formula: Any, selected: Any) -> bool:
    """Return whether one of them, a formula or a text, is the other or is written differently."""
    if str(formula) == str(selected):
        return True
    try:
        return Formula(str(formula)) == Formula(str(selected))
    except FormulaSyntaxError:
        return False


def _text(formula: Any) -> str:
    """Return a formula as text, or those of several outputs."""
    return ", ".join(map(str, formula)) if isinstance(formula, tuple) else str(formula)
