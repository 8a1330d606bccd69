"""Losses other than the squared error: fits against linear programming and gradient methods, likelihoods against integrals."""

import pickle
import time

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.optimize import linprog, minimize, minimize_scalar

from sklearn_taskneurons._search import LOSS_NAMES, Loss, Rows, RowScorer, SearchSettings, make_scorer
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._loss_density import LossDensity
from sklearn_taskneurons._search._loss_fits import LossFitter
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons.formula import Formula

NO_BANK = np.zeros((0, 3))


def square(residuals):
    return residuals**2


def huber(residuals):
    return np.where(np.abs(residuals) < 1.0, 0.5 * residuals**2, np.abs(residuals) - 0.5)


def columns(X):
    return np.column_stack([np.ones(len(X)), X])


def programs(*texts):
    return Population.from_expressions([Formula(text).expression for text in texts])


def coefficients(solution):
    return np.concatenate([solution.intercept, solution.coefficients[:, 0]])


@pytest.fixture(params=[(60, 1), (300, 3), (500, 1)])
def data(request):
    """Rows with whole weights and errors of heavy tails, down to those of Cauchy: X, y, weights."""
    n_rows, freedom = request.param
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows, 3))
    y = X @ [1.0, -2.0, 0.5] + 30.0 + rng.standard_t(freedom, size=n_rows)
    return X, y, rng.integers(1, 4, n_rows).astype(float)


def least_absolute_error(matrix, y, weights):
    """Return the least weighted sum of absolute residuals, by linear programming."""
    n_rows, n_columns = matrix.shape
    cost = np.concatenate([np.zeros(n_columns), weights, weights])
    equalities = np.concatenate([matrix, np.eye(n_rows), -np.eye(n_rows)], axis=1)
    bounds = [(None, None)] * n_columns + [(0, None)] * (2 * n_rows)
    return linprog(cost, A_eq=equalities, b_eq=y, bounds=bounds, method="highs").fun


class TestFits:
    def test_absolute_errors_are_those_of_linear_programming(self, data):
        X, y, weights = data
        fitter = LossFitter(Rows(X, y, weights), Loss("absolute_error"))
        residuals = columns(X) @ coefficients(fitter.solve(columns, 10**6)) - y
        assert_allclose(weights @ np.abs(residuals), least_absolute_error(columns(X), y, weights), rtol=3e-4)

    def test_hubers_loss_is_that_of_a_gradient_method(self, data):
        X, y, weights = data
        matrix = columns(X)
        reference = minimize(
            lambda c: weights @ huber(matrix @ c - y),
            np.linalg.lstsq(matrix, y, rcond=None)[0],
            jac=lambda c: matrix.T @ (weights * np.clip(matrix @ c - y, -1.0, 1.0)),
        )
        found = coefficients(LossFitter(Rows(X, y, weights), Loss("huber")).solve(columns, 10**6))
        assert_allclose(weights @ huber(matrix @ found - y), reference.fun, rtol=1e-6)

    @pytest.mark.parametrize(
        ("function", "slope"),
        [
            (lambda r: abs(r) ** 3, lambda r: 3.0 * r * np.abs(r)),
            (lambda r: r**4, lambda r: 4.0 * r**3),
            (lambda r: r**6, lambda r: 6.0 * r**5),
            (lambda r: torch.cosh(torch.as_tensor(r)) - 1.0, np.sinh),
        ],
    )
    @pytest.mark.parametrize("n_features", [0, 3])
    def test_losses_that_grow_faster_than_squares_are_those_of_a_gradient_method(self, n_features, function, slope):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 3))
        y = X @ [1.0, -2.0, 0.5] + rng.exponential(size=200)
        weights = rng.integers(1, 4, 200).astype(float)
        matrix = columns(X)[:, : 1 + n_features]
        reference = minimize(
            lambda c: float(weights @ np.asarray(function(matrix @ c - y))),
            np.linalg.lstsq(matrix, y, rcond=None)[0],
            jac=lambda c: matrix.T @ (weights * slope(matrix @ c - y)),
            method="BFGS",
        )
        fitter = LossFitter(Rows(X, y, weights), Loss(function))
        found = coefficients(fitter.solve(columns, 10**6) if n_features else fitter.constant)[: 1 + n_features]
        assert_allclose(weights @ np.asarray(function(matrix @ found - y)), reference.fun, rtol=1e-6)

    def test_squares_give_least_squares(self, data):
        X, y, weights = data
        root = np.sqrt(weights)
        expected = np.linalg.lstsq(columns(X) * root[:, None], y * root, rcond=None)[0]
        assert_allclose(coefficients(LossFitter(Rows(X, y, weights), Loss(square)).solve(columns, 10**6)), expected, rtol=1e-9)

    def test_gross_errors_do_not_move_it(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 3))
        y = X @ [1.0, -2.0, 3.0]
        y[:30] += rng.uniform(1e6, 2e6, 30)
        found = LossFitter(Rows(X, y), Loss("absolute_error")).solve(columns, 10**6)
        assert_allclose(coefficients(found), [0.0, 1.0, -2.0, 3.0], atol=1e-6)

    @pytest.mark.parametrize("loss", ["absolute_error", "huber"])
    def test_blocks_of_rows_change_nothing(self, loss, data):
        X, y, weights = data
        fitter = LossFitter(Rows(X, y, weights), Loss(loss))
        assert_allclose(coefficients(fitter.solve(columns, 17)), coefficients(fitter.solve(columns, 10**6)), rtol=1e-6)

    def test_a_weight_of_two_is_two_rows(self, data):
        X, y, weights = data
        times = weights.astype(int)
        repeated = LossFitter(Rows(np.repeat(X, times, axis=0), np.repeat(y, times)), Loss("huber"))
        weighted = LossFitter(Rows(X, y, weights), Loss("huber"))
        assert_allclose(coefficients(weighted.solve(columns, 99)), coefficients(repeated.solve(columns, 99)), rtol=1e-7)

    def test_the_best_constant_is_the_median(self):
        y = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
        fitter = LossFitter(Rows(np.zeros((5, 1)), y), Loss("absolute_error"))
        assert_allclose(fitter.constant.intercept, 3.0, rtol=1e-9)
        assert fitter.constant.loss == 1.0
        assert LossFitter(Rows(np.zeros((5, 1)), np.full(5, 2.5)), Loss("absolute_error")).constant.loss == 0.0

    @pytest.mark.parametrize("tail", [1.0, 3.0])
    def test_the_best_constant_of_any_rows_is_a_weighted_median(self, tail):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            y = np.exp(tail * rng.normal(size=50))
            weights = rng.integers(1, 4, 50).astype(float)
            found = LossFitter(Rows(np.zeros((50, 1)), y, weights), Loss("absolute_error")).constant.intercept
            best = np.median(np.repeat(y, weights.astype(int)))
            assert_allclose(weights @ np.abs(found - y), weights @ np.abs(best - y), rtol=2e-6)

    @pytest.mark.parametrize(("loss", "most"), [("absolute_error", 25), ("huber", 12)])
    def test_few_passes_over_the_rows_are_enough(self, loss, most, data):
        fitter = LossFitter(Rows(*data), Loss(loss))
        calls = []
        fitter.solve(lambda X: calls.append(len(X)) or columns(X), len(data[0]) - 1)
        # For each step a pass for the factor and one for the residuals, each in two blocks.
        assert len(calls) <= 4 * most

    @pytest.mark.parametrize("n_columns", [1, 2])
    def test_rows_that_the_mean_meets_do_not_hold_it(self, n_columns):
        y = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 24.0], 30)
        X = np.repeat([0.0, 1.0, 2.0], 70)[:, None]
        rows = Rows(X, y + 10.0 * X[:, 0] if n_columns == 2 else y)
        fitter = LossFitter(rows, Loss("absolute_error"))
        if n_columns == 1:
            assert_allclose(fitter.constant.intercept, 0.0, atol=1e-6)
        else:
            assert_allclose(coefficients(fitter.solve(columns, 210)), [0.0, 10.0], atol=1e-6)

    @pytest.mark.parametrize("value", [0.0, 2.5, -1e-13, 1e-30, 1e100])
    def test_a_constant_target_is_its_own_best_constant(self, value):
        fitter = LossFitter(Rows(np.zeros((5, 1)), np.full(5, value)), Loss("absolute_error"))
        assert fitter.constant.intercept == value
        assert fitter.constant.loss == 0.0
        # What is wrong by half of it is no rounding error.
        assert value == 0.0 or fitter.loss(lambda X: np.column_stack([np.ones(len(X)), np.full(len(X), value / 2)]), 5) > 0.0

    def test_values_that_are_not_finite_have_no_fit(self, data):
        X, y, weights = data
        with np.errstate(all="ignore"):
            assert LossFitter(Rows(X, y, weights), Loss("huber")).solve(lambda X: columns(np.log(X)), 10**6) is None


class TestTime:
    """The clock goes on by a second with each pass over the rows; time that is up leaves the best so far."""

    @pytest.fixture
    def passes(self, monkeypatch):
        """Return a function that says how many passes over the rows there have been."""
        seconds = [0.0]
        blocks = Rows.blocks

        def timed(rows, size):
            seconds[0] += 1.0
            return blocks(rows, size)

        monkeypatch.setattr(Rows, "blocks", timed)
        monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
        return lambda: seconds[0]

    def test_no_time_leaves_least_squares(self, data):
        X, y, weights = data
        root = np.sqrt(weights)
        fitter = LossFitter(Rows(X, y, weights), Loss("absolute_error"), Clock(0.0))
        assert_allclose(fitter.constant.intercept, np.average(y, weights=weights), rtol=1e-9)
        assert fitter.constant.loss == 1.0
        expected = np.linalg.lstsq(columns(X) * root[:, None], y * root, rcond=None)[0]
        assert_allclose(coefficients(fitter.solve(columns, 17)), expected, rtol=1e-9)

    def test_no_time_leaves_the_first_start(self, data):
        fitter = LossFitter(Rows(*data), Loss("absolute_error"))
        best = fitter.solve(columns, 10**6)
        worse = best._replace(coefficients=best.coefficients + 1.0)
        fitter.clock = Clock(0.0)
        found = fitter.solve(columns, 10**6, starts=[worse, best])
        assert_array_equal(found.coefficients, worse.coefficients)
        assert found.loss > best.loss
        assert fitter.least_squares(columns, 10**6, best) is None

    def test_more_time_is_no_worse_and_ends_where_no_limit_does(self, data, passes):
        fitter = LossFitter(Rows(*data), Loss("absolute_error"))
        expected, losses = fitter.solve(columns, 99), []
        while not losses or losses[-1] != expected.loss:
            limit = len(losses)
            fitter.clock, began = Clock(passes() + limit), passes()
            losses.append(fitter.solve(columns, 99).loss)
            # A fit by least squares and its residuals at least, and the end of the step in which the time is up.
            assert passes() - began <= max(limit, 2) + 2
        assert (np.diff(losses) <= 0.0).all()
        assert losses[0] > losses[-1]
        assert 4 < len(losses) < 200

    def test_a_factor_is_given_up_between_blocks(self, data):
        fitter = LossFitter(Rows(*data), Loss("absolute_error"))
        start, calls = fitter.solve(columns, 10**6), []

        def slow(X):
            calls.append(len(X))
            if len(calls) > len(data[0]) // 17 + 2:  # in the second block of the factor, behind the pass for the residuals
                fitter.clock.deadline = 0.0
            return columns(X)

        assert fitter.least_squares(slow, 17, start) is None
        assert len(calls) == len(data[0]) // 17 + 3


class TestScores:
    TEXTS = ("x", "x**2", "x + x**2", "sin(x)", "x*sin(x) - x**3")

    @pytest.mark.parametrize("how", [{"coefficients": "shared"}, {"coefficients": None}])
    def test_squares_score_as_squared_errors(self, how, data):
        rows = Rows(*data)
        expected = RowScorer(rows, **how).score(programs(*self.TEXTS), NO_BANK).loss
        found = RowScorer(rows, **how, loss=Loss(square)).score(programs(*self.TEXTS), NO_BANK).loss
        assert_allclose(found, expected, rtol=1e-9)

    def test_programs_as_they_are_have_their_own_loss(self, data):
        X, y, weights = data
        scorer = RowScorer(Rows(X, y, weights), linear_scaling=False, loss=Loss("huber"))
        mean = [np.average(huber(Formula(text)(X) - y), weights=weights) for text in self.TEXTS]
        constant = minimize_scalar(lambda c: np.average(huber(c - y), weights=weights), options={"xtol": 1e-9}).fun
        assert_allclose(scorer.score(programs(*self.TEXTS), NO_BANK).loss, np.array(mean) / constant, rtol=1e-7)
        for text, expected in zip(self.TEXTS, mean, strict=True):
            for entry in scorer.report(programs(text), NO_BANK):
                assert_allclose(entry.loss, expected / constant, rtol=1e-7)

    @pytest.mark.parametrize(("loss", "rho"), [("absolute_error", np.abs), ("huber", huber)])
    def test_steps_go_from_least_squares_to_the_best_coefficients(self, loss, rho, data):
        X, y, weights = data
        rows, root = Rows(X, y, weights), np.sqrt(weights)
        fitter = LossFitter(rows, Loss(loss))
        constant = np.average(rho(fitter.constant.intercept[0] - y), weights=weights)
        found = RowScorer(rows, coefficients="shared", loss=Loss(loss)).score(programs(*self.TEXTS), NO_BANK).loss
        best, squares = [], []
        for text in self.TEXTS:
            terms = [Formula.from_expression(term.expression)(X) for term in Formula(text).terms]
            matrix = np.column_stack([np.ones(len(X)), *terms])
            best.append(fitter.solve(lambda X, matrix=matrix: matrix, len(X)).loss)
            start = np.linalg.lstsq(matrix * root[:, None], y * root, rcond=None)[0]
            squares.append(np.average(rho(matrix @ start - y), weights=weights) / constant)
        assert (found >= np.array(best) * (1.0 - 1e-3)).all()
        assert (found <= np.array(squares) * (1.0 + 1e-9)).all()
        assert np.sum(found) - np.sum(best) < 0.7 * (np.sum(squares) - np.sum(best))

    @pytest.mark.parametrize("budget", [1 << 10, 1 << 14])
    def test_blocks_of_rows_change_nothing(self, budget, data):
        rows = Rows(*(array[:60] for array in data))
        how = {"coefficients": "shared", "loss": Loss("absolute_error")}
        expected = RowScorer(rows, **how).score(programs(*self.TEXTS), NO_BANK).loss
        assert_allclose(RowScorer(rows, **how, budget=budget).score(programs(*self.TEXTS), NO_BANK).loss, expected, rtol=1e-7)

    def test_what_is_not_finite_loses(self, data):
        scorer = RowScorer(Rows(*data), coefficients="shared", loss=Loss("absolute_error"))
        loss = scorer.score(programs("log(x)", "x", "exp(exp(exp(x**2)))"), NO_BANK).loss
        assert np.isinf(loss[[0, 2]]).all()
        assert np.isfinite(loss[1])

    def test_powers_that_depend_on_each_other_are_no_harm(self):
        X = np.tile([[0.0], [1.0]], (20, 1))
        y = np.arange(40.0)
        scorer = RowScorer(Rows(X, y), coefficients="shared", loss=Loss("absolute_error"))
        loss = scorer.score(programs("x", "x**2 + x**3 + x"), np.zeros((0, 1))).loss
        assert_allclose(loss[1], loss[0], rtol=1e-6)

    def test_no_polynomial_beyond_the_largest_degree(self, data):
        how = {"refit_constants": False, "degree": 2, "loss": Loss("huber")}
        scorer = make_scorer(*data, settings=SearchSettings(), **how)
        assert isinstance(scorer, RowScorer)
        assert np.isfinite(scorer.score(programs("x**2", "x**3"), NO_BANK).loss).tolist() == [True, False]

    def test_what_has_no_meaning_is_refused(self, data):
        X, y, weights = data
        rows, loss = Rows(X, y, weights), Loss("huber")
        with pytest.raises(ValueError, match="one output; got 2"):
            RowScorer(Rows(X, np.column_stack([y, y])), loss=loss)
        with pytest.raises(ValueError, match="takes no folds; got 2"):
            RowScorer(rows, loss=loss, folds=[rows, rows])
        with pytest.raises(ValueError, match="optimizer_iterations must be 0"):
            RowScorer(rows, loss=loss, coefficients="shared", optimizer_iterations=3)

    def test_another_process_scores_alike(self, data):
        scorer = RowScorer(Rows(*data), coefficients="shared", loss=Loss(square))
        copied = pickle.loads(pickle.dumps(scorer))
        found = [one.score(programs(*self.TEXTS), NO_BANK).loss for one in (scorer, copied)]
        assert_array_equal(*found)

    def test_checkpoints_know_the_loss(self, data):
        rows = Rows(*data)
        prints = [RowScorer(rows, loss=loss).fingerprint() for loss in (None, Loss("huber"), Loss(square))]
        assert [one.get("loss") for one in prints] == [None, "huber", f"{__name__}.square"]


class TestLikelihood:
    @pytest.mark.parametrize(("loss", "factor"), [("absolute_error", 2.0), (square, 1.0)])
    def test_powers_of_residuals_have_a_closed_form(self, loss, factor):
        density = LossDensity(Loss(loss), 7.0)
        means = np.array([1e-6, 0.1, 1.0, 30.0])
        deviances = np.array([density.deviance(mean) for mean in means])
        assert_allclose(np.diff(deviances), factor * np.diff(np.log(means)), rtol=1e-6)

    def test_hubers_is_the_integral(self):
        def cost(scale, mean):
            integral = 2.0 * (quad(lambda r: np.exp(-huber(r) / scale), 0, 1)[0] + scale * np.exp(-0.5 / scale))
            return np.log(integral) + mean / scale

        density = LossDensity(Loss("huber"), 1.0)
        for mean in (0.05, 0.5, 5.0):
            best = minimize_scalar(lambda log_scale, mean=mean: cost(np.exp(log_scale), mean), bounds=(-6, 6), method="bounded")
            assert_allclose(density.deviance(mean), 2.0 * best.fun, rtol=1e-6)


class TestNamedLosses:
    @pytest.mark.parametrize("name", LOSS_NAMES)
    def test_each_is_0_at_0_and_rises_to_both_sides(self, name):
        losses = Loss(name)(torch.arange(-50, 51, dtype=torch.float64) / 10.0)
        assert losses[50] == 0.0
        assert (losses[:50].diff() < 0.0).all()
        assert (losses[51:].diff() > 0.0).all()

    @pytest.mark.parametrize("name", LOSS_NAMES)
    def test_weights_are_the_slope_over_the_residual(self, name):
        residuals, step = torch.linspace(-4.95, 4.95, 100, dtype=torch.float64), 1e-6
        slopes = (Loss(name)(residuals + step) - Loss(name)(residuals - step)) / (2.0 * step)
        assert_allclose(Loss(name).weights(residuals, 1e-9), slopes / residuals, rtol=1e-6)


class TestOwnLosses:
    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda r: (r**2).sum(), "tensor of shape"),
            (lambda r: r.detach().numpy() ** 2, "got ndarray"),
            (lambda r: (r**2).float(), "float64"),
            (np.abs, "the residuals; got RuntimeError: Can't call numpy"),
            (lambda y, prediction: abs(prediction - y), "the residuals; got TypeError: .*missing 1 required"),
            (lambda r: (r**2).detach(), "differentiable"),
            (lambda r: r**2 + 1.0, "0 for a residual of 0"),
            (lambda r: r**3, "0 for a residual of 0"),
            (lambda r: 0.0 * r, "above 0"),
            (lambda r: r**2 * torch.exp(-(r**2)), "not fall"),
            (lambda r: r**2 / (1.0 + r.abs().max()), "in its place alone"),
        ],
    )
    def test_others_are_refused(self, function, message):
        with pytest.raises(ValueError, match=message):
            Loss(function)

    def test_unknown_names_are_refused(self):
        with pytest.raises(ValueError, match=r"absolute_error.*huber.*got 'hinge'"):
            Loss("hinge")
