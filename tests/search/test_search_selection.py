"""Which formula of a front is taken."""

import numpy as np
import pytest

from sklearn_taskneurons._search import selection_scores
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons.formula import Formula


def entry(loss, n_coefficients):
    return FrontEntry(1, loss, n_coefficients, (Formula("x"),))


def description_length(rss, total, n_rows, n_powers):
    """Twice the length of normalized maximum likelihood for centred targets, Roos et al. 2009, eq. 12 without its constants."""
    n, k = n_rows - 1, n_powers
    return (n - k) * np.log(rss / (n - k)) + k * np.log((total - rss) / k) + np.log(k * (n - k))


def test_descriptions_are_as_long_as_normalized_maximum_likelihood_says():
    front = [entry(1.0, 1), entry(0.3, 2), entry(0.1, 4)]
    scores = selection_scores(front, 20.0, "mdl")
    expected = [description_length(7.0 * e.loss, 7.0, 20, e.n_coefficients - 1) for e in front[1:]]
    assert scores == pytest.approx([0.0, *(19 * np.log(7.0 / 19) - np.array(expected))])
    rivals = [e._replace(powers=np.log(28.0), choices=1.0) for e in front]
    assert selection_scores(rivals, 20.0, "mdl") == pytest.approx([0.0, *(scores[1:] - 2 * np.log(28.0) - 2.0)])


def test_what_explains_less_than_noise_is_no_shorter_than_a_constant():
    losses = [1 - 10.0**-decade for decade in range(1, 17)]
    scores = selection_scores([entry(1.0, 1), *(entry(loss, 2) for loss in losses)], 24.0, "mdl")
    assert (scores[2:] < 0.0).all()
    assert (np.diff(scores[1:]) <= 1e-12).all()


def test_nearly_as_many_coefficients_as_rows_describe_nothing_unless_they_fit_exactly():
    def chosen(front, n_rows):
        return np.argmax(selection_scores(front, n_rows, "mdl"))

    assert chosen([entry(1.0, 1), entry(1e-6, 5)], 8.0) == 0
    assert chosen([entry(1.0, 1), entry(1e-6, 5)], 80.0) == 1
    assert chosen([entry(1.0, 1), entry(1e-30, 2)], 3.0) == 1
    assert chosen([entry(1.0, 1), entry(1e-30, 28)], 30.0) == 1
    assert chosen([entry(1.0, 1), entry(0.0, 8)], 8.0) == 0
    assert chosen([entry(1.0, 1)], 1.0) == 0


def test_descriptions_of_several_outputs_add_up():
    one, both = entry(0.1, 3), entry(0.1, 6)._replace(formulas=(Formula("x"),) * 2)
    assert selection_scores([both], 12.0, "mdl") == pytest.approx(2 * selection_scores([one], 12.0, "mdl"))


def test_selection_weighs_loss_against_coefficients():
    front = [entry(1.0, 1), entry(0.1, 2), entry(0.0999, 3)]
    assert np.argmax(selection_scores(front, 100.0)) == 1
    assert np.argmax(selection_scores(front, 100.0, "loss")) == 2
    assert np.argmax(selection_scores(front, 1e6)) == 2  # with so many rows even a small gain is no chance
    assert selection_scores(front, 100.0) == pytest.approx(
        [-100 * np.log(e.loss) - e.n_coefficients * np.log(100) for e in front]
    )
    assert np.argmax(selection_scores([entry(0.0, 5), entry(0.0, 2)], 100.0)) == 1
    with pytest.raises(ValueError, match="criterion must be one of"):
        selection_scores(front, 100.0, "aic")


class TestCrossValidation:
    """Losses of five folds, those of the constant first."""

    CONSTANT = (0.2, 0.2, 0.21, 0.19, 0.2)
    LINE = (0.1, 0.1, 0.11, 0.1, 0.1)

    def scores(self, *losses, reach=0.0):
        front = [entry(sum(folds), place)._replace(fold_losses=tuple(folds)) for place, folds in enumerate(losses)]
        front[-1] = front[-1]._replace(reach=reach)
        return selection_scores(front, 100.0, "cv")

    def test_the_simplest_of_what_is_hardly_worse_than_the_best_is_taken(self):
        better, best = [0.08, 0.09, 0.09, 0.08, 0.08], [0.08, 0.09, 0.08, 0.08, 0.08]
        scores = self.scores(self.CONSTANT, self.LINE, better, best)
        assert np.flatnonzero(scores == 0.0).tolist() == [2, 3]
        assert (scores[:2] < 0.0).all()

    def test_what_reaches_too_far_is_not(self):
        best = [0.05] * 5
        assert self.scores(self.CONSTANT, self.LINE, best, reach=1.0)[2] == 0.0
        scores = self.scores(self.CONSTANT, self.LINE, best, reach=1.1)
        assert scores.tolist() == [scores[0], 0.0, -np.inf]

    def test_one_row_far_out_does_not_leave_the_constant_alone(self):
        scores = self.scores(self.CONSTANT, [*self.LINE[:4], 9.0], [*self.LINE[:4], 1e6])
        assert np.argmax(scores) == 1
        assert scores[0] == -np.inf

    def test_two_bad_folds_do(self):
        scores = self.scores(self.CONSTANT, [*self.LINE[:3], 9.0, 0.3])
        assert np.argmax(scores) == 0

    def test_nothing_but_noise_leaves_it(self):
        assert np.argmax(self.scores(self.CONSTANT, [0.197, 0.199, 0.206, 0.187, 0.21])) == 0
