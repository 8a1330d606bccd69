"""Which formula of a front is taken."""

import numpy as np
import pytest

from sklearn_taskneurons._search import selection_scores
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons.formula import Formula


def entry(loss, n_coefficients):
    return FrontEntry(1, loss, n_coefficients, (Formula("x"),))


def test_nearly_as_many_coefficients_as_rows_are_not_worth_a_close_fit():
    assert np.argmax(selection_scores([entry(1.0, 1), entry(0.01, 7)], 8.0)) == 0
    assert np.argmax(selection_scores([entry(1.0, 1), entry(0.01, 7)], 80.0)) == 1
    assert np.argmax(selection_scores([entry(1.0, 1), entry(1e-30, 2)], 3.0)) == 1  # but for an exact one
    assert np.argmax(selection_scores([entry(1.0, 1), entry(1e-30, 28)], 30.0)) == 1
    assert (selection_scores([entry(0.0, 8), entry(0.01, 6)], 8.0) == -np.inf).all()


def test_several_outputs_are_corrected_as_one_is():
    one, both = entry(0.1, 3), entry(0.1, 6)._replace(formulas=(Formula("x"),) * 2)
    assert selection_scores([both], 12.0) == pytest.approx(2 * selection_scores([one], 12.0))


def test_selection_weighs_loss_against_coefficients():
    front = [entry(1.0, 1), entry(0.1, 2), entry(0.0999, 3)]
    assert np.argmax(selection_scores(front, 100.0)) == 1
    assert np.argmax(selection_scores(front, 100.0, "loss")) == 2
    assert np.argmax(selection_scores(front, 1e6)) == 2  # with so many rows even a small gain is no chance
    assert selection_scores(front, 100.0) == pytest.approx(
        [-100 * np.log(e.loss) - e.n_coefficients * np.log(100) * 100 / (98 - e.n_coefficients) for e in front]
    )
    assert np.argmax(selection_scores([entry(0.0, 5), entry(0.0, 2)], 100.0)) == 1
    with pytest.raises(ValueError, match="criterion must be one of"):
        selection_scores(front, 100.0, "aic")
