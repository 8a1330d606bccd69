"""Losses on data of bad scale, up to degree 10, against whole numbers, which round nothing, and against numpy."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._report import reported
from sklearn_taskneurons.formula import Formula

DEGREE = 10
N_ROWS = 60
# Numbers of few binary digits: whole numbers but for a power of two.
TABLES = {
    "magnitudes": lambda rng: np.round(2**10 * rng.normal(size=(N_ROWS, 3))) * [2.0**-30, 2.0**-10, 2.0**17],
    "offset": lambda rng: 1e4 + np.round(2**10 * rng.normal(size=(N_ROWS, 3))) * 2.0**-10,
    "outliers": lambda rng: np.round(2**10 * rng.standard_t(1, size=(N_ROWS, 3))) * 2.0**-10,
}
ALL = tuple(range(1, DEGREE + 1))
exact = np.frompyfunc(Fraction, 1, 1)


@pytest.fixture(params=TABLES)
def table(request, rng):
    """Features, a target that depends on them, and weights."""
    X = TABLES[request.param](rng)
    standard = (X - X.mean(axis=0)) / X.std(axis=0)
    y = standard.sum(axis=1) ** 3 + standard[:, 0] + rng.normal(size=N_ROWS)
    return X, np.round(2**10 * y / y.std()) * 2.0**-10, rng.integers(0, 4, N_ROWS).astype(float)


def as_whole(columns):
    """Columns of fractions, each multiplied by the number that makes it whole."""
    return [column * np.lcm.reduce([number.denominator for number in column], dtype=object) for column in columns]


def determinants(columns, weight):
    """The determinants of the products of the first columns, for each number of them, by Bareiss's algorithm."""
    rows = np.column_stack(as_whole(columns))
    gram = (rows.T @ (rows * as_whole([weight])[0][:, None])).tolist()
    found = [1]
    while gram:
        pivot, *rest = gram[0]
        gram = [[(a * pivot - row[0] * b) // found[-1] for a, b in zip(row[1:], rest, strict=True)] for row in gram[1:]]
        found.append(pivot)
    return found


def best_loss(columns, y, weight):
    """What the best combination of columns and a constant leaves of the variance of y: its part at right angles to them."""
    y, weight, ones = exact(y), exact(weight), exact(np.ones(len(y)))
    *_, alone, both = determinants([ones, *columns, y], weight)
    _, one, variance = determinants([ones, y], weight)
    return float(Fraction(both * one, alone * variance))


def loss_of(prediction, y, weight):
    """The normalised loss of a prediction as it is."""
    y, weight = exact(y), exact(weight)
    mean = (weight @ y) / weight.sum()
    return float((weight @ (y - prediction) ** 2) / (weight @ (y - mean) ** 2))


def values(text, X):
    """The sums over features of a polynomial."""
    return sum(Fraction(term.coefficient) * exact(X) ** term.degree for term in Formula(text).terms).sum(axis=1)


def powers_of(X, powers, per_feature):
    """The columns of some powers."""
    columns = [exact(X) ** power for power in powers]
    return [column for block in columns for column in (block.T if per_feature else [block.sum(axis=1)])]


def support(powers):
    return sum(1 << power for power in powers)


def score(text, scaling, *data):
    population = Population.from_expressions([Formula(text).expression])
    return MomentScorer(Moments(DEGREE).update(*data), linear_scaling=scaling).score(population, np.zeros((0, 3))).loss[0]


@pytest.mark.parametrize("text", ["x", "x**2", "x**10", "x**10 - 3*x**7 + 2*x**2 - 5", "x**4*(x*x + x + 7)"])
def test_programs_are_scored_as_without_rounding(table, text, rng):
    X, y, weight = table
    column = values(text, X)
    assert score(text, True, X, y, weight) == pytest.approx(best_loss([column], y, weight), abs=1e-8)
    y = column.astype(float) * (1.0 + 0.1 * rng.normal(size=N_ROWS))
    assert score(text, False, X, y, weight) == pytest.approx(loss_of(column, y, weight), abs=1e-8)


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("powers", [(1,), (10,), (1, 2), (1, 10), (2, 3), (3, 7)], ids=str)
def test_fits_are_as_without_rounding(table, per_feature, powers):
    X, y, weight = table
    fit = RefitScorer(Moments(DEGREE, per_feature=per_feature).update(X, y, weight)).fit(support(powers))
    columns = powers_of(X, powers, per_feature)
    assert fit.rank == len(columns)
    assert fit.loss == pytest.approx(best_loss(columns, y, weight), abs=1e-8)


@pytest.mark.parametrize("per_feature", [False, True])
def test_all_powers_of_features_of_other_magnitudes(rng, per_feature):
    X = TABLES["magnitudes"](rng)
    y, weight = rng.normal(size=N_ROWS), rng.integers(0, 4, N_ROWS).astype(float)
    fit = RefitScorer(Moments(DEGREE, per_feature=per_feature).update(X, y, weight)).fit(support(ALL))
    assert fit.loss == pytest.approx(best_loss(powers_of(X, ALL, per_feature), y, weight), abs=1e-8)


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("powers", [(1, 2, 3), ALL], ids=str)
def test_a_loss_is_that_of_the_coefficients_where_rounded_powers_are_alike(table, per_feature, powers):
    """The best coefficients of powers that only more digits would tell apart cannot be had; others must do what is said."""
    X, y, weight = table
    fit = RefitScorer(Moments(DEGREE, per_feature=per_feature).update(X, y, weight)).fit(support(powers))
    prediction = Fraction(float(fit.intercept[0]))
    for power, coefficients in zip(powers, fit.coefficients[:, :, 0], strict=True):
        prediction = prediction + (exact(X) ** power * exact(coefficients)).sum(axis=1)
    assert fit.loss == pytest.approx(loss_of(prediction, y, weight), abs=1e-5)


@pytest.mark.parametrize("offset", [1e5, 1e6, 1e7])
@pytest.mark.parametrize("per_feature", [False, True])
def test_rounding_explains_nothing(rng, offset, per_feature):
    spread = rng.normal(size=(500, 3))
    y = np.sum(spread**3 - spread**2, axis=1)
    scorer = RefitScorer(Moments(DEGREE, per_feature=per_feature).update(offset + spread, y))
    for powers in ((1,), (1, 2), (1, 2, 3), ALL):
        entry = scorer.entry(support(powers))
        left = y - entry.formulas[0](offset + spread)
        assert entry.loss == pytest.approx(left @ left / len(y) / y.var(), abs=1e-3)


def lstsq_loss(X, y, powers, per_feature):
    """What numpy's least squares leave, on centred columns of length 1."""
    scaled = X / np.abs(X).max(axis=0 if per_feature else None)
    columns = [scaled**power if per_feature else np.sum(scaled**power, axis=1, keepdims=True) for power in powers]
    design = np.concatenate(columns, axis=1)
    design = design - design.mean(axis=0)
    design, centred = design / np.linalg.norm(design, axis=0), y - y.mean()
    left = centred - design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    return left @ left / (centred @ centred)


@pytest.mark.parametrize("per_feature", [False, True])
def test_every_set_of_powers_is_fitted_as_lstsq_fits_it(rng, per_feature):
    X = rng.normal([0.0, 1.0, -3.0], size=(300, 3))
    y = np.sin(X).sum(axis=1) + X[:, 0] * X[:, 1]
    scorer = RefitScorer(Moments(6, per_feature=per_feature).update(X, y))
    for support in range(2, 2 << 6, 2):
        powers = [power for power in range(1, 7) if support >> power & 1]
        assert scorer.fit(support).loss == pytest.approx(lstsq_loss(X, y, powers, per_feature), abs=1e-8)


@pytest.mark.parametrize(("per_feature", "degree", "tolerance"), [(False, 8, 1e-11), (True, 5, 3e-10)])
def test_few_large_numbers_and_many_blocks_cost_no_digits(rng, per_feature, degree, tolerance):
    X = np.column_stack([rng.lognormal(5.0, 2.0, 20_000), rng.normal(-120.0, 2.0, 20_000), rng.normal(size=20_000)])
    y = np.log(X[:, 0]) + np.sin(X[:, 1]) + X[:, 2] ** 2
    scorer = RefitScorer(Moments(degree, per_feature=per_feature).update(X, y))
    powers = range(1, degree + 1)
    found = scorer.fit(sum(1 << power for power in powers)).loss
    assert found == pytest.approx(lstsq_loss(X, y, powers, per_feature), abs=tolerance)


@pytest.fixture
def of_rounding():
    """A table whose target is what torch makes of sines of numbers up to 1e17, of which NumPy makes something else."""
    rng = np.random.default_rng(0)
    X = rng.uniform(1.15, 1.3, size=(300, 2))
    formula = Formula("sin(exp(exp(exp(x))))")
    y = formula(torch.from_numpy(X)).numpy() + 0.1 * rng.normal(size=300)
    return X, y, Population.from_expressions([Formula("sin(x)").expression, formula.expression])


@pytest.mark.parametrize("loss", [None, Loss("absolute_error")])
def test_losses_are_those_of_the_values_that_formulas_have(of_rounding, loss):
    X, y, programs = of_rounding
    front = RowScorer(Rows(X, y), coefficients="shared", loss=loss).report(programs, np.zeros((0, 2)))
    assert "sin(x)" in str(front[-1].formulas[0])
    for entry in front:
        residuals = y - entry.formulas[0](X)
        own = np.var(residuals) / np.var(y) if loss is None else np.abs(residuals).sum() / np.abs(y - np.median(y)).sum()
        assert entry.loss == pytest.approx(own, abs=1e-6)


def test_out_of_time_the_first_of_the_formulas_is_reported_and_not_of_the_programs(of_rounding):
    X, y, programs = of_rounding
    scorer, bank = RowScorer(Rows(X, y), coefficients="shared"), np.zeros((0, 2))
    loss = np.array([0.9, 0.01])  # the second, which promises most, is none
    report = reported(scorer, programs, loss, bank, Clock(0.0))
    assert "sin(x)" in str(report.front[-1].formulas[0])


@pytest.mark.parametrize(("offset", "size"), [(1e12, 1.0), (1.7e18, 1e6), (1e6, 1e-6), (0.0, 1e-150), (0.0, 1e150)])
def test_formulas_are_found_where_targets_lie_far_out(offset, size):
    rng = np.random.default_rng(0)
    X = rng.uniform(0.5, 3, size=(300, 2))
    y = offset + size * (np.sin(X).sum(axis=1) + 0.1 * rng.normal(size=300))
    programs = Population.from_expressions([Formula(text).expression for text in ("sin(x)", "sin(x) + exp(x)")])
    scorer = RowScorer(Rows(X, y), coefficients="auto")
    front = scorer.report(programs, np.zeros((0, 2)))
    assert any("sin(x)" in str(entry.formulas[0]) and "exp" not in str(entry.formulas[0]) for entry in front)
    assert front[-1].loss < 0.1
