import sys

import numpy as np
import pytest
from matplotlib import pyplot

from sklearn_taskneurons.plotting import LossCurveDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_draws_both_curves_from_the_first_epoch_on_and_marks_the_best_one():
    display = LossCurveDisplay.from_curves([0.9, 0.4, 0.2, 0.1], [0.8, 0.5, 0.3, 0.6])

    assert list(display.line_.get_xdata()) == [1, 2, 3, 4]
    assert list(display.validation_line_.get_ydata()) == [0.8, 0.5, 0.3, 0.6]
    assert display.validation_line_.get_markevery() == [2]
    assert display.validation_line_.get_color() == display.line_.get_color()


@pytest.mark.parametrize("validation", [None, [], np.array([])])
def test_without_validation_there_is_one_curve(validation):
    display = LossCurveDisplay.from_curves([0.9, 0.4], validation)

    assert display.validation_line_ is None
    assert len(display.ax_.lines) == 1
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["training"]


def test_two_networks_share_axes():
    _, ax = pyplot.subplots()
    LossCurveDisplay.from_curves([0.9, 0.4], name="first", ax=ax)
    display = LossCurveDisplay.from_curves([0.8, 0.04], name="second", ax=ax, color="red")

    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["first, training", "second, training"]
    assert display.line_.get_color() == "red"
    assert ax.get_yscale() == "log"


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn_taskneurons\[plot\]"):
        LossCurveDisplay([1.0]).plot()
