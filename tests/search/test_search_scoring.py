"""Losses against what formulas say of the rows, and against each other."""

import numpy as np
import pytest

from sklearn_taskneurons._search import Moments, MomentScorer, RefitScorer, Rows, RowScorer, SearchSettings, make_scorer
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons.formula import DIV, Formula, Node, evaluate

POLYNOMIALS = ("add", "sub", "mul", "neg", "pow")
ANYTHING = ("add", "sub", "mul", "div", "neg", "pow", "dot", "w", "sum", "sin", "exp", "log", "abs")
NO_BANK = np.zeros((0, 3))


@pytest.fixture
def data(rng):
    X = rng.normal(size=(120, 3))
    y = np.sum(X**3 - X, axis=1) + X[:, 0] * X[:, 1] + rng.normal(size=120)
    return X, y, rng.integers(0, 4, 120).astype(float)


def programs(texts):
    return Population.from_expressions([Formula(text).expression for text in texts])


def random_programs(function_set, count=200):
    settings = SearchSettings(function_set=function_set, const_range=(-3, 4), max_length=20)
    return Grammar(settings).ramped(np.random.default_rng(3), count, (0, 4))


def row_values(expression, X):
    """The values of an expression as a formula has them, be it within a formula's bounds or not."""
    value = evaluate(expression, X) + np.zeros((len(X), 1))
    return value.sum(axis=1)


def weighted_loss(prediction, Y, weight, scaling):
    """The normalised loss of one prediction, from the rows."""
    losses = []
    for y in Y.reshape(len(Y), -1).T:
        variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
        residual = y - prediction
        if scaling:
            centred = prediction - np.average(prediction, weights=weight)
            residual = y - np.average(y, weights=weight)
            residual = residual - centred * (weight * centred @ residual) / (weight * centred @ centred)
        losses.append(np.average(residual**2, weights=weight) / variance)
    return np.mean(losses)


@pytest.mark.parametrize("scaling", [False, True])
@pytest.mark.parametrize("by_rows", [False, True])
def test_losses_are_those_of_the_formulas(data, scaling, by_rows):
    X, y, weight = data
    population = random_programs(POLYNOMIALS)
    if by_rows:
        loss = RowScorer(Rows(X, y, weight), linear_scaling=scaling).score(population, NO_BANK).loss
    else:
        loss = MomentScorer(Moments(9).update(X, y, weight), linear_scaling=scaling).score(population, NO_BANK).loss
    compared = 0
    for row in np.flatnonzero(np.isfinite(loss)).tolist():
        prediction = row_values(population.expression(row), X)
        if scaling and np.ptp(prediction) <= 1e-3 * np.abs(prediction).max():
            continue  # digits are lost, whoever computes
        assert loss[row] == pytest.approx(weighted_loss(prediction, y, weight, scaling), rel=1e-8)
        compared += 1
    assert compared > 120


@pytest.mark.parametrize(("scaling", "n_outputs"), [(False, 1), (True, 1), (True, 2)])
def test_moments_and_rows_agree(data, scaling, n_outputs):
    X, y, weight = data
    Y = np.column_stack([y, X[:, 0] ** 2])[:, :n_outputs]
    population = random_programs(POLYNOMIALS, 400)
    moments = MomentScorer(Moments(12).update(X, Y, weight), linear_scaling=scaling).score(population, NO_BANK)
    rows = RowScorer(Rows(X, Y, weight), linear_scaling=scaling).score(population, NO_BANK)
    both = np.isfinite(moments.loss)
    assert both.mean() > 0.9
    np.testing.assert_allclose(moments.loss[both], rows.loss[both], rtol=1e-6)
    assert (moments.complexity == rows.complexity).all()


@pytest.mark.parametrize("function_set", [ANYTHING, ("add", "dot", "w", "mul", "sub")])
@pytest.mark.parametrize("scaling", [False, True])
def test_any_function_is_scored_as_its_formula(data, function_set, scaling):
    X, y, weight = data
    population = random_programs(function_set, 300)
    bank = np.random.default_rng(5).standard_normal((256, 3))
    loss = RowScorer(Rows(X, y, weight), linear_scaling=scaling).score(population, bank).loss
    compared = 0
    for row in range(len(population)):
        prediction = row_values(population.expression(row, bank), X)[weight > 0]
        if not np.isfinite(prediction).all():
            assert loss[row] == np.inf
        elif np.ptp(prediction) > 1e-3 * np.abs(prediction).max() < 1e6:
            expected = weighted_loss(prediction, y[weight > 0], weight[weight > 0], scaling)
            assert loss[row] == pytest.approx(expected, rel=1e-6)
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("budget", [1, 20_000, 1 << 26])
def test_blocks_and_chunks_change_no_loss(data, budget):
    X, y, weight = data
    population = random_programs(("add", "mul", "sin", "dot", "w"), 60)
    bank = np.random.default_rng(5).standard_normal((256, 3))
    expected = RowScorer(Rows(X, y, weight)).score(population, bank).loss
    found = RowScorer(Rows(X, y, weight), budget=budget).score(population, bank).loss
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_scalars_are_not_summed_over_features(data):
    X, y, _ = data
    population = programs(["5", "x - x + 5"])  # the second is a vector: 5 for each of three features
    scores = MomentScorer(Moments(3).update(X, y), linear_scaling=False).score(population, NO_BANK)
    expected = [np.mean((y - 5) ** 2) / y.var(), np.mean((y - 15) ** 2) / y.var()]
    assert scores.loss == pytest.approx(expected)


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_refit_is_least_squares_on_the_powers(data, per_feature, n_outputs):
    X, y, weight = data
    Y = np.column_stack([y, np.sin(X).sum(axis=1)])[:, :n_outputs]
    scorer = RefitScorer(Moments(5, per_feature=per_feature).update(X, Y, weight))
    population = programs(["x**3 + x", "(x + 1)*(x - 1)", "x*x*x*x*x", "3", "x - x", "x**2*(x + 2)"])
    supports = [(1, 3), (2,), (5,), (), (), (2, 3)]
    scores = scorer.score(population, NO_BANK)
    root = np.sqrt(weight)[:, None]
    for row, powers in enumerate(supports):
        columns = [X**k if per_feature else np.sum(X**k, axis=1, keepdims=True) for k in powers]
        design = np.column_stack([np.ones(len(X)), *columns])
        coefficients, *_ = np.linalg.lstsq(design * root, Y * root, rcond=None)
        prediction = design @ coefficients
        losses = [
            np.average((Y[:, o] - prediction[:, o]) ** 2, weights=weight)
            / np.average((Y[:, o] - np.average(Y[:, o], weights=weight)) ** 2, weights=weight)
            for o in range(n_outputs)
        ]
        assert scores.loss[row] == pytest.approx(np.mean(losses), rel=1e-9)
        entry = scorer.entry(sum(1 << power for power in powers))
        assert entry.loss == scores.loss[row]
        assert entry.n_coefficients == coefficients.size
        assert entry.complexity == scores.complexity[row]
        for output, formula in enumerate(entry.formulas):
            np.testing.assert_allclose(formula(X), prediction[:, output], rtol=1e-7, atol=1e-9)


def test_powers_that_say_the_same_count_once(rng):
    X = rng.integers(0, 2, size=(80, 3)).astype(float)  # x**2 is x
    y = X.sum(axis=1) + rng.normal(size=80)
    scorer = RefitScorer(Moments(3).update(X, y))
    one, two = scorer.entry(0b10), scorer.entry(0b110)
    assert one.loss == pytest.approx(two.loss, rel=1e-10)
    assert one.n_coefficients == two.n_coefficients == 2
    front = scorer.report(programs(["x", "x**2 + x"]), NO_BANK)
    assert [entry.complexity for entry in front] == [1, 5]


def test_degrees_beyond_the_moments_lose(data):
    X, y, _ = data
    population = programs(["x**4", "x**3", "x*x*x*x - x*x*x*x + x"])
    for scorer in (MomentScorer(Moments(3).update(X, y)), RefitScorer(Moments(3).update(X, y))):
        assert np.isfinite(scorer.score(population, NO_BANK).loss).tolist() == [False, True, False]


def test_weights_are_repetitions(data):
    X, y, weight = data
    repeated = np.repeat(np.arange(len(X)), weight.astype(int))
    population = random_programs(POLYNOMIALS)
    for make in (
        lambda *rows: MomentScorer(Moments(7).update(*rows)),
        lambda *rows: RefitScorer(Moments(7, per_feature=True).update(*rows)),
        lambda *rows: RowScorer(Rows(*rows)),
    ):
        weighted = make(X, y, weight).score(population, NO_BANK).loss
        plain = make(X[repeated], y[repeated]).score(population, NO_BANK).loss
        np.testing.assert_allclose(weighted, plain, rtol=1e-6)


def test_values_that_are_not_finite_lose_without_a_warning(rng):
    X = rng.normal(size=(50, 3))
    y = rng.normal(size=50)
    texts = ["log(x)", "exp(exp(exp(exp(x + 9))))", "x/x**9/x**9/x**9", "sqrt(0 - 1 - x*x)", "x"]
    by_zero = (Node(DIV), *Formula("x").expression, *Formula("x - x").expression)
    population = Population.from_expressions([by_zero, *(Formula(text).expression for text in texts)])
    X[0] = 1e-100
    loss = RowScorer(Rows(X, y)).score(population, NO_BANK).loss
    assert np.isfinite(loss).tolist() == [False, False, False, False, False, True]
    huge = programs(["x**6", "x**6 - x**6 + x", "x"])
    for scaling in (False, True):
        scorer = MomentScorer(Moments(6).update(1e60 * X, y), linear_scaling=scaling)
        assert np.isfinite(scorer.score(huge, NO_BANK).loss).tolist() == [False, False, True]


def test_rows_of_weight_zero_do_not_exist(rng):
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    weight = np.ones(50)
    weight[0] = 0.0
    X[0] = 0.0  # where 1/x is not finite
    loss = RowScorer(Rows(X, y, weight)).score(programs(["1/x"]), NO_BANK).loss
    assert loss == RowScorer(Rows(X[1:], y[1:])).score(programs(["1/x"]), NO_BANK).loss
    with pytest.raises(ValueError, match="at least one row must have a positive weight"):
        Rows(X, y, np.zeros(50))


@pytest.mark.parametrize("constant", [0.0, 3.0, 1e12])
def test_a_constant_target_is_explained_by_every_scaled_program(rng, constant):
    X = rng.normal(size=(60, 3))
    Y = np.column_stack([np.full(60, constant), X.sum(axis=1)])
    population = programs(["x", "2*x + 1", "3", "x**3"])
    expected = RowScorer(Rows(X, Y[:, 1])).score(population, NO_BANK).loss
    for scorer in (MomentScorer(Moments(3).update(X, Y)), RowScorer(Rows(X, Y)), RefitScorer(Moments(3).update(X, Y))):
        assert scorer.score(population, NO_BANK).loss * 2 == pytest.approx(expected, abs=1e-12)
        assert scorer.constant().loss == pytest.approx(0.5)
        assert scorer.constant().formulas[0] == Formula(repr(constant))
    alone = MomentScorer(Moments(3).update(X, Y[:, 0]), linear_scaling=False).score(programs(["x", "1"]), NO_BANK).loss
    assert alone == pytest.approx([np.mean((X.sum(axis=1) - constant) ** 2), (1 - constant) ** 2])


def test_offsets_do_not_hide_a_program(rng):
    X = rng.normal(size=(100, 2))
    y = X.sum(axis=1) + 1e6
    scorer = MomentScorer(Moments(2).update(X, y))
    assert scorer.score(programs(["x + 1e6", "x", "7"]), NO_BANK).loss == pytest.approx([0.0, 0.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("kind", ["moments", "rows"])
def test_several_outputs_need_their_own_coefficients(rng, kind):
    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    function_set = POLYNOMIALS if kind == "moments" else ("add", "sin")
    with pytest.raises(ValueError, match="several outputs need linear_scaling=True or refit_constants=True; got 2"):
        make_scorer(X, Y, settings=SearchSettings(function_set=function_set), linear_scaling=False, refit_constants=False)


def test_scorers_fit_functions_and_parameters(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    polynomials, anything = SearchSettings(), SearchSettings(function_set=("add", "sin"))
    assert isinstance(make_scorer(X, y, settings=polynomials), RefitScorer)
    assert isinstance(make_scorer(X, y, settings=polynomials, refit_constants=False), MomentScorer)
    assert isinstance(make_scorer(X, y, settings=anything), RowScorer)
    with pytest.raises(ValueError, match="at most 4096"):
        make_scorer(np.ones((3, 1024)), y[:3], settings=polynomials, degree=4, coefficients="per_feature")
    with pytest.raises(ValueError, match="must be refitted"):
        MomentScorer(Moments(2, per_feature=True).update(X, y))
