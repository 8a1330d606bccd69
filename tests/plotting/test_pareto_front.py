from typing import NamedTuple

import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot

from sklearn_taskneurons import Formula
from sklearn_taskneurons.plotting import ParetoFrontDisplay

ROWS = [
    {"complexity": 1, "loss": 0.7, "score": 0.3, "formula": "x"},
    {"complexity": 5, "loss": 0.2, "score": 0.8, "formula": "x**2 + x"},
    {"complexity": 9, "loss": 0.01, "score": 0.99, "formula": "x**3 + x**2"},
]


class Entry(NamedTuple):
    complexity: int
    loss: float
    score: float
    formula: str


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("front", [ROWS, [Entry(**row) for row in ROWS], pd.DataFrame(ROWS), pl.DataFrame(ROWS)])
def test_draws_every_kind_of_front(front):
    display = ParetoFrontDisplay.from_front(front, selected="x**2 + x")

    assert list(display.line_.get_xdata()) == [1, 5, 9]
    assert list(display.line_.get_ydata()) == [0.7, 0.2, 0.01]
    assert display.selected_line_.get_label() == "x**2 + x"
    assert display.selected_line_.get_xydata().tolist() == [[5, 0.2]]


def test_draws_on_the_given_axes_and_again_elsewhere():
    _, ax = pyplot.subplots()
    display = ParetoFrontDisplay.from_front(ROWS, ax=ax, color="black", label="front")
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.line_.get_color() == "black"
    assert display.line_.get_label() == "front"

    assert display.plot().ax_ is not ax


def test_a_selected_formula_that_is_not_on_the_front_is_not_marked():
    assert ParetoFrontDisplay.from_front(ROWS, selected="sin(x)").selected_line_ is None
    assert ParetoFrontDisplay.from_front(ROWS).selected_line_ is None


@pytest.mark.parametrize("selected", ["x**2+x", Formula("x + x**2")])
def test_a_selected_formula_may_be_written_differently(selected):
    assert ParetoFrontDisplay.from_front(ROWS, selected=selected).selected == 1


@pytest.mark.parametrize(("losses", "scale"), [([2.0, 0.1], "log"), ([2.0, 1.0], "linear"), ([1.0, 0.0], "linear")])
def test_the_axis_is_logarithmic_only_where_losses_are_positive_and_span_decades(losses, scale):
    assert ParetoFrontDisplay([1, 2], losses).plot().ax_.get_yscale() == scale


def test_with_several_outputs_the_formula_of_the_first_one_is_marked():
    rows = [{"complexity": 1, "loss": 0.7, "formula": ("x", "2*x")}, {"complexity": 5, "loss": 0.2, "formula": ("x**2", "x")}]
    display = ParetoFrontDisplay.from_front(rows, selected="x**2")
    assert display.selected == 1
    assert display.selected_line_.get_label() == "x**2, x"


def test_a_front_is_any_iterable_and_a_formula_is_found_by_its_text():
    rows = (row | {"formula": Formula(row["formula"])} for row in ROWS)
    display = ParetoFrontDisplay.from_front(rows, selected="x**2 + x")
    assert display.line_.get_xydata().tolist() == [[1, 0.7], [5, 0.2], [9, 0.01]]
    assert display.selected == 1


def test_the_selected_one_is_a_position_whatever_the_index_of_a_series():
    columns = pd.DataFrame(ROWS, index=[7, 8, 9])
    display = ParetoFrontDisplay(columns.complexity, columns.loss, columns.formula, selected=2).plot()
    assert display.selected_line_.get_xydata().tolist() == [[9, 0.01]]
    assert display.selected_line_.get_label() == "x**3 + x**2"


def test_short_names_of_styles_are_those_of_matplotlib():
    line = ParetoFrontDisplay.from_front(ROWS, c="red", ms=9.0, ds="default").line_
    assert (line.get_color(), line.get_markersize(), line.get_drawstyle()) == ("red", 9.0, "default")


def test_an_empty_front_is_an_empty_figure():
    display = ParetoFrontDisplay.from_front([], selected="x")
    assert len(display.line_.get_xdata()) == 0
    assert display.ax_.get_yscale() == "linear"
