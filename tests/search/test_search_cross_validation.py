"""Cross-validated losses against scikit-learn's, on the rows themselves."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from sklearn_taskneurons._search import SearchSettings, make_scorer
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons._search._selection import selection_scores
from sklearn_taskneurons.formula import Formula

DEGREE = 4


def powers_of(support):
    return [power for power in range(1, DEGREE + 1) if support >> power & 1]


def held_out_loss(columns, Y, weight, folds):
    """The same by refitting on the rows of all other folds."""
    squares = np.zeros(Y.shape[1])
    for fold in np.unique(folds):
        held_out = folds == fold
        prediction = np.average(Y[~held_out], axis=0, weights=weight[~held_out])[None]
        if columns.shape[1]:
            model = LinearRegression().fit(columns[~held_out], Y[~held_out], sample_weight=weight[~held_out])
            prediction = model.predict(columns[held_out])
        squares += weight[held_out] @ (Y[held_out] - prediction) ** 2
    variance = np.average((Y - np.average(Y, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    return np.mean(squares / (weight.sum() * variance))


@pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
@pytest.mark.parametrize("weighted", [False, True])
def test_is_the_error_of_fits_without_the_fold(rng, coefficients, weighted):
    X = rng.normal(size=(80, 3)) * [1.0, 5.0, 0.1] + [0.0, 2.0, 1.0]  # folds with different largest values
    Y = np.stack([np.sum(X**2 - X, axis=1) + rng.normal(size=80), 1000 + X[:, 0]], axis=1)
    weight = rng.uniform(0.5, 3.0, 80) if weighted else np.ones(80)
    folds = rng.permutation(80) % 5
    scorer = make_scorer(
        X, Y, weight, settings=SearchSettings(), degree=DEGREE, coefficients=coefficients, folds=folds
    )  # fmt: skip
    for support in (0, 0b10, 0b110, 0b11110):
        blocks = [X**power for power in powers_of(support)]
        if coefficients == "shared":
            blocks = [block.sum(axis=1, keepdims=True) for block in blocks]
        # Columns that are orthogonal span the same space, and scikit-learn loses no digits on them.
        columns = np.linalg.qr(np.concatenate([np.ones((80, 1)), *blocks], axis=1)).Q[:, 1:]
        expected = held_out_loss(columns, Y, weight, folds)
        entry = scorer.entry(support) if support else scorer.constant()
        assert sum(entry.fold_losses) == pytest.approx(expected, rel=1e-7)
        assert sum(entry.fold_losses) > entry.loss


def test_folds_do_not_change_what_is_fitted_to_all_rows(cubic):
    X, y = cubic
    scorers = [make_scorer(X, y, settings=SearchSettings(), degree=DEGREE, folds=folds) for folds in (None, np.arange(300) % 3)]
    without, with_folds = (scorer.entry(0b1010) for scorer in scorers)
    assert with_folds.loss == pytest.approx(without.loss, rel=1e-10)
    assert without.fold_losses == ()
    np.testing.assert_allclose(with_folds.formulas[0](X), without.formulas[0](X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
def test_formulas_of_any_functions_are_refitted_without_the_fold(rng, coefficients):
    X = rng.normal(size=(80, 3))
    Y = np.sum(np.sin(X) - X**2, axis=1)[:, None] + rng.normal(size=(80, 1)) + 100
    weight = rng.integers(0, 3, 80).astype(float)
    folds = np.arange(80) % 4
    settings = SearchSettings(function_set=("add", "mul", "sin"))
    scorer = make_scorer(X, Y, weight, settings=settings, coefficients=coefficients, folds=folds)
    population = Population.from_expressions([Formula("sin(x) + x*x").expression])
    entries = [entry for entry in scorer.report(population, np.zeros((0, 3))) if entry.formulas[0].degree != 0]
    entry = min(entries, key=lambda entry: entry.loss)
    blocks = [np.sin(X), X**2]
    if coefficients == "shared":
        blocks = [block.sum(axis=1, keepdims=True) for block in blocks]
    assert sum(entry.fold_losses) == pytest.approx(held_out_loss(np.concatenate(blocks, axis=1), Y, weight, folds), rel=1e-9)
    assert sum(scorer.constant().fold_losses) == pytest.approx(held_out_loss(np.empty((80, 0)), Y, weight, folds), rel=1e-9)


def front(*complexities_and_losses):
    return [FrontEntry(c, loss, 1, (Formula("x"),), folds) for c, loss, folds in complexities_and_losses]


def test_cv_takes_the_simplest_formula_that_is_not_measurably_worse():
    of_folds = {1: (0.3, 0.2, 0.4), 3: (0.11, 0.1, 0.1), 5: (0.1, 0.11, 0.09), 9: (2.0, 0.1, 0.1)}
    entries = front(*((c, 0.1, losses) for c, losses in of_folds.items()))
    scores = selection_scores(entries, 100, "cv")
    differences = np.array(list(of_folds.values())) - of_folds[5]
    beyond = differences.sum(axis=1) - np.maximum(stats.sem(differences, axis=1) * 3, 0.02 * 0.3)
    np.testing.assert_allclose(scores, -np.maximum(beyond, 0.0), atol=1e-15)
    assert np.argmax(scores) == 1
    assert scores[2] == 0.0
    of_equal_folds = front((1, 0.1, (0.2, 0.2)), (3, 0.1, (0.1018, 0.1019)), (5, 0.1, (0.1, 0.1)), (9, 0.1, (0.1, 0.1001)))
    assert np.argmax(selection_scores(of_equal_folds, 100, "cv")) == 1  # less than 2 percent


def test_cv_knows_no_formula_that_is_not_finite_and_none_better_than_exact():
    exact = front((1, 1.0, (0.5, 0.5)), (3, 0.0, (1e-31, 3e-31)), (5, 0.0, (0.0, 0.0)), (7, 0.0, (np.inf, np.inf)))
    scores = selection_scores(exact, 100, "cv")
    assert np.argmax(scores) == 1
    assert scores[3] == -np.inf
    assert selection_scores(exact[3:], 100, "cv") == [-np.inf]


def test_knee_takes_the_formula_farthest_below_the_line():
    entries = front((1, 1.0, ()), (3, 1e-2, ()), (5, 0.9e-2, ()), (7, 0.8e-2, ()))
    scores = selection_scores(entries, 100, "knee")
    assert np.argmax(scores) == 1
    # The line falls by the logarithm of 0.008 over 6 nodes: at 3 nodes by a third of it.
    fall = -np.log(0.8e-2)
    assert scores[1] == pytest.approx((-fall / 3 - np.log(1e-2)) / fall)
    assert scores[0] == scores[-1] == 0.0


def test_where_there_is_no_knee_the_information_criterion_decides():
    for entries in (front((1, 1.0, ())), front((1, 1.0, ()), (3, 0.5, ()), (6, 0.2, ()), (9, 1e-20, ()))):
        assert selection_scores(entries, 100, "knee").tolist() == selection_scores(entries, 100, "bic").tolist()


def test_a_formula_with_its_own_constants_has_the_same_errors_on_folds_and_rows(rng):
    X = rng.normal(size=(60, 2))
    Y = np.sum(np.sin(X) - 1, axis=1)[:, None] + rng.normal(size=(60, 1))
    folds = np.arange(60) % 5
    settings = SearchSettings(function_set=("add", "mul", "sin"))
    scorer = make_scorer(X, Y, np.ones(60), settings=settings, linear_scaling=False, folds=folds)
    entries = scorer.report(Population.from_expressions([Formula("sin(x) - 1").expression]), np.zeros((0, 3)))
    (entry,) = [entry for entry in entries if entry.formulas[0] == Formula("sin(x) - 1")]
    squares = np.sum((Y[:, 0] - np.sum(np.sin(X) - 1, axis=1)) ** 2 * np.eye(5)[:, folds], axis=1)
    np.testing.assert_allclose(entry.fold_losses, squares / np.sum((Y - Y.mean()) ** 2), rtol=1e-12)
    assert sum(entry.fold_losses) == pytest.approx(entry.loss)
