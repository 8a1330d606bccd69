"""The losses of the epochs of a network, as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn_taskneurons.plotting._axes import axes_or_new, line_style, spans_decades
from sklearn_taskneurons.plotting._fitted import last_estimator, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LossCurveDisplay:
    """Training and validation loss of each epoch.

    Parameters
    ----------
    loss_curve : sequence of float
        Training loss of each epoch.

    validation_loss_curve : sequence of float, default=None
        Validation loss of each epoch, if there is any; its lowest value is marked.

    name : str, default=None
        What the curves belong to; it stands in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure that holds the axes.

    line_ : matplotlib Line2D
        The training losses.

    validation_line_ : matplotlib Line2D or None
        The validation losses; None if there are none.

    See Also
    --------
    ParetoFrontDisplay : Loss against complexity of the formulas of a search.

    Examples
    --------
    >>> from sklearn_taskneurons.plotting import LossCurveDisplay
    >>> display = LossCurveDisplay([0.9, 0.4, 0.2], [0.8, 0.5, 0.6], name="network").plot()
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['network, training', 'network, validation']
    """

    def __init__(
        self,
        loss_curve: Sequence[float],
        validation_loss_curve: Sequence[float] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Axes | None = None, **kwargs: Any
    ) -> LossCurveDisplay:
        """Draw the loss curves of a fitted network.

        Parameters
        ----------
        estimator : estimator
            A fitted network, or one of scikit-learn's that has ``loss_curve_``; or a pipeline that ends with one, or a search
            over parameters, such as ``GridSearchCV``, of one.

        name : str, default=None
            What the curves belong to; it stands in the legend. None for the name of the class.

        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator has no loss curve.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_taskneurons import TaskNeuronRegressor
        >>> from sklearn_taskneurons.plotting import LossCurveDisplay
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> network = TaskNeuronRegressor("x**2 + x", max_epochs=3, random_state=0).fit(X, X.ravel() ** 2)
        >>> len(LossCurveDisplay.from_estimator(network).loss_curve)
        3
        """
        last = last_estimator(estimator)
        losses, validation_losses = require(last, "loss_curve_"), getattr(last, "validation_loss_curve_", None)
        label = type(last).__name__ if name is None else name
        return cls.from_curves(losses, validation_losses, name=label, ax=ax, **kwargs)

    @classmethod
    def from_curves(
        cls,
        loss_curve: Sequence[float],
        validation_loss_curve: Sequence[float] | None = None,
        *,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> LossCurveDisplay:
        """Draw loss curves.

        Parameters
        ----------
        loss_curve : sequence of float
            ``loss_curve_`` of a fitted estimator.

        validation_loss_curve : sequence of float, default=None
            ``validation_loss_curve_`` of a fitted estimator; None or empty if it kept no rows for validation.

        name : str, default=None
            What the curves belong to; it stands in the legend.

        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from sklearn_taskneurons.plotting import LossCurveDisplay
        >>> LossCurveDisplay.from_curves([0.9, 0.4, 0.2]).line_.get_ydata().tolist()
        [0.9, 0.4, 0.2]
        """
        return cls(loss_curve, validation_loss_curve, name=name).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LossCurveDisplay:
        """Draw the curves; called again with the same axes, it adds those of another network.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; a new figure if None.

        **kwargs : dict
            Passed to ``matplotlib.axes.Axes.plot`` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_or_new(ax)
        prefix = "" if self.name is None else f"{self.name}, "
        epochs = range(1, len(self.loss_curve) + 1)
        validation = list(() if self.validation_loss_curve is None else self.validation_loss_curve)
        # The validation curve says how good the network is, so it is the one that stands out.
        quiet: dict[str, Any] = {"alpha": 0.6, "linewidth": 1.0, "linestyle": "--"} if validation else {}
        (self.line_,) = ax.plot(epochs, self.loss_curve, **line_style({"label": f"{prefix}training"} | quiet, kwargs))
        self.validation_line_ = None
        if validation:
            # Losses of a network that has diverged are no numbers, and none of them is the lowest.
            best = min(range(len(validation)), key=lambda index: (math.isnan(validation[index]), validation[index]))
            style = {"label": f"{prefix}validation", "color": self.line_.get_color(), "marker": "o", "markevery": [best]}
            (self.validation_line_,) = ax.plot(epochs, validation, **line_style(style, kwargs))
        if spans_decades([*self.loss_curve, *validation]):
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.get_figure()
        return self
