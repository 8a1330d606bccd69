"""Vectorized symbolic regression of logits: what the classifier promises beyond scikit-learn's checks."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sklearn_taskneurons import Formula, VSRClassifier
from sklearn_taskneurons._vsr import _logistic as module
from sklearn_taskneurons._vsr._logistic import fit_logits


@pytest.fixture
def two_classes():
    """Rows whose log-odds are a formula: X, y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, (rng.random(300) < expit((2 * X**2 - X).sum(axis=1) - 6)).astype(int)


@pytest.fixture
def three_classes():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


def small(**parameters):
    return VSRClassifier(**{"population_size": 100, "generations": 10, "random_state": 0} | parameters)


def all_powers(coefficients, degree=2, **parameters):
    """Return a classifier that takes every power, whatever the data."""
    return VSRClassifier(method="exhaustive", max_degree=degree, coefficients=coefficients, selection="loss", **parameters)


def powers(X, coefficients, degree=2):
    columns = [X**k if coefficients == "per_feature" else (X**k).sum(axis=1, keepdims=True) for k in range(1, degree + 1)]
    return np.hstack(columns)


def logits_by_hand(columns, y, n_groups=None, weights=None, C=1.0):
    """Return the logits of columns of which every ``n_groups``-th one belongs to a group, by default each to its own."""
    whitened = [
        whiten(columns[:, group :: n_groups or columns.shape[1]], weights) for group in range(n_groups or columns.shape[1])
    ]
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return model.fit(np.hstack(whitened), y, sample_weight=weights).decision_function(np.hstack(whitened))


def whiten(columns, weights):
    """Return combinations of columns that have variance 1 and no covariance."""
    covariance = np.atleast_2d(np.cov(columns, rowvar=False, bias=True, aweights=weights))
    centred = columns - np.average(columns, axis=0, weights=weights)
    return np.linalg.solve(np.linalg.cholesky(covariance), centred.T).T


class TestLogits:
    @pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
    @pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
    @pytest.mark.parametrize("data", ["two_classes", "three_classes"])
    def test_they_are_a_logistic_regression_on_the_terms(self, coefficients, C, data, request):
        X, y = request.getfixturevalue(data)
        model = all_powers(coefficients, C=C).fit(X, y)
        expected = logits_by_hand(powers(X, coefficients), y, X.shape[1] if coefficients == "per_feature" else 1, C=C)
        if expected.ndim == 2:
            expected = expected - expected.mean(axis=1, keepdims=True)
        assert_allclose(model.decision_function(X), expected, rtol=1e-5, atol=1e-5)

    def test_many_columns_are_fitted_as_well(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(400, 180))
        y = (X[:, :5].sum(axis=1) + rng.logistic(size=400)).round().clip(-1, 1).astype(int)
        model = all_powers("per_feature", degree=1, C=0.01).fit(X, y)
        expected = logits_by_hand(X, y, C=0.01)
        assert_allclose(model.decision_function(X), expected - expected.mean(axis=1, keepdims=True), atol=1e-3)

    @pytest.mark.parametrize(
        ("function_set", "column"),
        [
            (("add", "sin"), np.sin),
            (("add", "mul", "abs"), np.abs),
            (("dot",), np.square),
        ],
        ids=["sin", "abs", "dot"],
    )
    def test_terms_of_any_kind(self, function_set, column):
        rng = np.random.default_rng(0)
        X = rng.uniform(-3, 3, size=(500, 2))
        columns = column(X).sum(axis=1, keepdims=True)
        y = rng.random(500) < expit(3 * (columns[:, 0] - columns.mean()))
        model = small(function_set=function_set, coefficients="shared", max_length=6).fit(X, y)
        assert len([term for term in model.formula_.terms if not term.is_constant]) == 1
        assert_allclose(model.decision_function(X), logits_by_hand(columns, y), rtol=1e-6, atol=1e-7)

    def test_constant_vectors(self, three_classes):
        X, y = three_classes
        model = small(function_set=("add", "mul", "w", "dot", "tanh"), coefficients="shared", max_length=20).fit(X, y)
        assert model.score(X, y) > 0.8
        assert_array_equal(model.decision_function(X), np.stack([formula(X) for formula in model.formulas_], axis=1))

    def test_own_constants_in_the_search(self, two_classes):
        X, y = two_classes
        model = small(coefficients="shared", refit_constants=False, max_degree=2).fit(X, y)
        degrees = [term.degree for term in model.formula_.terms if term.degree]
        assert 2 in degrees
        columns = np.column_stack([(X**k).sum(axis=1) for k in degrees])
        assert_allclose(model.decision_function(X), logits_by_hand(columns, y, 1), rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
    def test_units_do_not_matter(self, coefficients, three_classes):
        X, y = three_classes
        first, second = (all_powers(coefficients).fit(scale * X, y).predict_proba(scale * X) for scale in (1.0, 1e-80))
        assert_allclose(first, second, rtol=1e-6)

    @pytest.mark.parametrize("coefficients", ["shared", "per_feature"])
    def test_the_origin_does_not_matter(self, coefficients, two_classes):
        # Degrees Celsius, kelvins, years: of powers far from 0 the penalty must not be one on the curvature.
        X, y = two_classes
        first, second = (all_powers(coefficients).fit(X + shift, y).predict_proba(X + shift) for shift in (0.0, 300.0))
        assert_allclose(first, second, atol=1e-6)

    def test_noise_gives_the_shares_of_the_classes(self):
        rng = np.random.default_rng(0)
        X, y, weights = rng.normal(size=(300, 3)), rng.integers(3, size=300), rng.uniform(1, 2, size=300)
        model = small(coefficients="shared").fit(X, y, sample_weight=weights)
        assert model.formula_.degree == 0
        shares = np.bincount(y, weights) / weights.sum()
        assert_allclose(model.predict_proba(X), np.broadcast_to(shares, (300, 3)))
        two = small(coefficients="shared").fit(X, y > 0, sample_weight=weights)
        assert_allclose(two.decision_function(X), np.log((1 - shares[0]) / shares[0]))

    def test_of_powers_that_depend_on_each_other_the_lowest_have_the_coefficients(self):
        rng = np.random.default_rng(0)
        x = np.stack([rng.integers(0, 2, 200), rng.integers(0, 3, 200), rng.normal(size=200)], axis=1)
        y = (x.sum(axis=1) + rng.logistic(size=200) > 1.5).astype(int)
        columns, groups = np.concatenate([x**4, x**3, x**2, x], axis=1), np.tile([0, 1, 2], 4)
        kept = np.array([2, 5, 7, 8, 9, 10, 11])  # of 0 and 1 one power, of three numbers two, of all others all
        weights = rng.uniform(0.5, 1.5, 200)
        found, expected = (fit_logits(columns[:, own], y, weights, 1.0, groups[own]) for own in (np.arange(12), kept))
        assert set(np.flatnonzero(found.coefficients[0])) == set(kept)
        assert_allclose(found.coefficients[:, kept], expected.coefficients, rtol=1e-6)
        assert_allclose(found.intercept, expected.intercept, rtol=1e-6)

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_blocks_of_rows_change_nothing(self, order, monkeypatch):
        rng = np.random.default_rng(0)
        x = np.column_stack([rng.integers(0, 2, 300), np.full(300, 0.1), 50.0 + rng.normal(size=300)])
        columns, groups = np.concatenate([x**3, x**2, x], axis=1), np.tile([0, 1, 2], 3)
        y, weights = rng.integers(0, 3, 300), rng.uniform(0.5, 1.5, 300)
        found = []
        for size in (300, 7):
            monkeypatch.setattr(module, "_BLOCK_NUMBERS", size)
            monkeypatch.setattr(module, "_FEWEST_ROWS", size)
            found.append(fit_logits(np.array(columns, order=order), y, weights, 1.0, groups))
        logits = [columns @ each.coefficients.T + each.intercept for each in found]
        assert_allclose(logits[1], logits[0], rtol=1e-6, atol=1e-6)
        assert (found[1].coefficients[:, [0, 1, 3, 4, 7]] == 0.0).all()

    def test_they_take_the_memory_of_one_product_of_the_columns(self, monkeypatch):
        rng = np.random.default_rng(0)
        columns, y = rng.normal(size=(20_000, 40)), rng.integers(0, 2, 20_000)
        monkeypatch.setattr(module, "_BLOCK_NUMBERS", 1 << 15)
        how = {"weights": np.ones(len(y)), "C": 1.0, "groups": np.tile(np.arange(10), 4)}
        fit_logits(columns[:100].copy(), y[:100], **how | {"weights": np.ones(100)})  # what is loaded once is not counted
        tracemalloc.start()
        try:
            fit_logits(columns, y, **how)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 1.5 * columns.nbytes

    def test_a_column_that_does_not_vary_has_no_say(self, two_classes):
        X, y = two_classes
        wide = np.column_stack([X, np.full(len(X), 0.1)])
        assert_allclose(
            all_powers("per_feature").fit(wide, y).predict_proba(wide), all_powers("per_feature").fit(X, y).predict_proba(X)
        )


class TestFormulas:
    def test_two_classes_have_one_formula(self, two_classes):
        X, y = two_classes
        model = small().fit(X, y)
        assert len(model.formulas_) == 1
        assert_array_equal(model.decision_function(X), model.formula_(X))
        assert_allclose(model.predict_proba(X)[:, 1], expit(Formula(str(model.formula_))(X)), rtol=1e-12)
        assert_array_equal(model.predict(X), model.classes_[(model.formula_(X) > 0).astype(int)])

    def test_several_classes_have_one_each(self, three_classes):
        X, y = three_classes
        model = small().fit(X, y)
        logits = np.stack([formula(X) for formula in model.formulas_], axis=1)
        assert_array_equal(model.decision_function(X), logits)
        assert_allclose(logits.sum(axis=1), 0, atol=1e-6)
        odds = np.exp(logits)
        assert_allclose(model.predict_proba(X), odds / odds.sum(axis=1, keepdims=True))
        assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
        assert_array_equal(model.classes_, ["setosa", "versicolor", "virginica"])
        assert_array_equal(model.predict(X), model.classes_[logits.argmax(axis=1)])

    def test_the_front_explains_indicators(self, three_classes):
        X, y = three_classes
        for point in small(coefficients="shared").fit(X, y).pareto_front_:
            indicators = y[:, None] == np.unique(y)
            values = np.stack([formula(X) for formula in point.formula], axis=1)
            assert_allclose(np.mean(np.mean((values - indicators) ** 2, axis=0) / np.var(indicators, axis=0)), point.loss)

    def test_the_report_names_classes_and_features(self, two_classes, three_classes):
        pd = pytest.importorskip("pandas")
        X, y = three_classes
        frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
        lines = all_powers("per_feature", degree=1).fit(frame, y).report().splitlines()
        assert [line for line in lines if line.endswith(":")] == [f"logit of {name}:" for name in np.unique(y)]
        assert all(name in lines[1] for name in frame)
        assert small().fit(*two_classes).report().startswith("log-odds of 1:")

    def test_the_neurons_formula_is_that_of_the_search(self, two_classes):
        neuron = all_powers("per_feature").fit(*two_classes).neuron_formula()
        assert str(neuron) == "x**2 + x"


class TestDomain:
    @pytest.fixture
    def model(self):
        rng = np.random.default_rng(0)
        X = rng.uniform(0.1, 3, size=(300, 1))
        y = rng.random(300) < expit(4 * np.log(X[:, 0]))
        return small(function_set=("log",), coefficients="shared", max_length=3).fit(X, y)

    @pytest.mark.parametrize("method", ["decision_function", "predict", "predict_proba", "predict_log_proba"])
    def test_beyond_it_is_an_error(self, model, method):
        assert "log" in str(model.formula_)
        with pytest.raises(ValueError, match=r"got 2 of 4 rows .* index 1"):
            getattr(model, method)([[1.0], [-1.0], [2.0], [0.0]])

    def test_rows_of_weight_zero_need_not_be_in_it(self, model):
        rng = np.random.default_rng(1)
        X = rng.uniform(0.1, 3, size=(300, 1))
        y = rng.random(300) < expit(4 * np.log(X[:, 0]))
        weights = np.append(np.ones(300), 0)
        more = model.fit(np.append(X, [[-1.0]], axis=0), np.append(y, True), sample_weight=weights).decision_function(X)
        assert_allclose(more, logits_by_hand(np.log(X), y), rtol=1e-6)


class TestWeights:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"coefficients": "per_feature"},
            {"coefficients": "shared"},
            {"class_weight": "balanced"},
            {"function_set": ("add", "sin")},
        ],
        ids=["auto", "per feature", "shared", "balanced", "sin"],
    )
    def test_a_weight_of_two_is_two_rows(self, parameters, three_classes):
        X, y = three_classes
        counts = np.random.default_rng(0).integers(0, 4, size=len(X))
        parameters = {"selection": "bic"} | parameters  # folds of rows know no weights
        weighted = small(**parameters).fit(X, y, sample_weight=counts)
        repeated = small(**parameters).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-5, atol=1e-8)

    def test_they_are_those_of_a_logistic_regression(self, two_classes):
        X, y = two_classes
        weights = np.random.default_rng(0).uniform(0.1, 2, size=len(X))
        model = all_powers("per_feature").fit(X, y, sample_weight=weights)
        assert_allclose(
            model.decision_function(X), logits_by_hand(powers(X, "per_feature"), y, 3, weights), rtol=1e-5, atol=1e-6
        )

    @pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 1: 4.0}])
    def test_class_weights_are_weights_of_rows(self, class_weight, two_classes):
        X, y = two_classes
        share = np.mean(y)
        of_class = {0: 0.5 / (1 - share), 1: 0.5 / share} if class_weight == "balanced" else class_weight
        model = all_powers("per_feature", class_weight=class_weight).fit(X, y)
        weights = np.where(y, of_class[1], of_class[0])
        assert_allclose(
            model.decision_function(X), logits_by_hand(powers(X, "per_feature"), y, 3, weights), rtol=1e-5, atol=1e-6
        )

    def test_class_weights_make_no_more_rows(self, two_classes):
        X, y = two_classes
        plain, heavy = (small(class_weight=dict.fromkeys((0, 1), weight)).fit(X, y).pareto_front_ for weight in (1, 1000))
        assert_allclose([point.score for point in plain], [point.score for point in heavy], rtol=1e-6)

    def test_a_label_of_no_weight_is_no_class(self, three_classes):
        X, y = three_classes
        others = y != "versicolor"
        weighted = small().fit(X, y, sample_weight=others)
        assert_array_equal(weighted.classes_, ["setosa", "virginica"])
        by_class = small(class_weight={"versicolor": 0}).fit(X, y)
        alone = small().fit(X[others], y[others])
        for model in (weighted, by_class):
            assert_allclose(model.predict_proba(X), alone.predict_proba(X), rtol=1e-6, atol=1e-12)


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"C": 0.0}, "'C'"),
            ({"class_weight": {0: -1.0}}, "class_weight"),
            ({"class_weight": "fair"}, "class_weight"),
            ({"refit_constants": False, "coefficients": "per_feature"}, "coefficients"),
            ({"p_crossover": 0.9}, "add up to at most 1"),
        ],
    )
    def test_wrong_parameters_by_name(self, parameters, message, two_classes):
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(*two_classes)

    def test_one_class(self, two_classes):
        with pytest.raises(ValueError, match=r"two classes .* got 1 class: \['a'\]"):
            small().fit(two_classes[0], ["a"] * 300)

    def test_numbers_that_are_no_labels(self, two_classes):
        X, _ = two_classes
        with pytest.raises(ValueError, match="continuous"):
            small().fit(X, X[:, 0])


def test_warm_start_goes_on(three_classes):
    X, y = three_classes
    model = small(warm_start=True, generations=3, n_iter_no_change=None).fit(X, y)
    assert model.fit(X, y == "setosa").n_iter_ == 6
    assert_array_equal(model.classes_, [False, True])


def test_few_labels_are_selected_by_the_information_criterion():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = X[:, 0] > 0
    auto, bic = (VSRClassifier(selection=selection, random_state=0).fit(X, y) for selection in ("auto", "bic"))
    assert [point.score for point in auto.pareto_front_] == [point.score for point in bic.pareto_front_]
