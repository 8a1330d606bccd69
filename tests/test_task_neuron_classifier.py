"""Classifiers that are networks of task-based neurons: labels, probabilities and weights of classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_classification
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_sample_weight

from sklearn_taskneurons import TaskNeuronClassifier, VSRClassifier, VSRRegressor
from sklearn_taskneurons._training import CrossEntropyLoss
from sklearn_taskneurons._validation import class_weights


class TestClassifier:
    def test_balanced_classes_count_the_same(self):
        X, y = make_classification(600, weights=[0.95], flip_y=0.1, class_sep=0.5, random_state=0)
        parameters = {"formula": "x", "max_epochs": 30, "random_state": 0}
        plain = TaskNeuronClassifier(**parameters).fit(X, y).predict(X)
        balanced = TaskNeuronClassifier(**parameters, class_weight="balanced").fit(X, y).predict(X)
        assert accuracy_score(y[y == 1], balanced[y == 1]) > accuracy_score(y[y == 1], plain[y == 1]) + 0.2

    def test_logarithms_are_those_of_the_probabilities(self):
        X, y = load_iris(return_X_y=True)
        model = TaskNeuronClassifier("x", max_epochs=5, random_state=0).fit(X, y)
        assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))

    @pytest.mark.parametrize("n_rare", [10, 40])
    def test_rare_classes_keep_their_share(self, n_rare):
        X = np.random.default_rng(0).normal(size=(1000, 2))
        y = np.zeros(1000, dtype=int)
        y[np.argsort(-X[:, 0])[:n_rare]] = 1
        share = n_rare / 1000
        model = TaskNeuronClassifier("x", max_epochs=30, early_stopping=False, random_state=0).fit(X, y)
        smoothing = model.net_.criterion_.label_smoothing
        assert (1 - smoothing) * share + smoothing / 2 == pytest.approx(1.1 * share)  # what they learn
        assert model.predict_proba(X)[:, 1].mean() == pytest.approx(share, rel=0.2)

    def test_classes_of_like_size_are_smoothed_by_a_tenth(self):
        X, y = load_iris(return_X_y=True)
        auto, given = (
            TaskNeuronClassifier("x", max_epochs=3, random_state=0, label_smoothing=part).fit(X[:120], y[:120])
            for part in ("auto", 0.1)
        )
        assert_array_equal(auto.predict_proba(X), given.predict_proba(X))

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
    def test_probabilities_are_those_of_the_labels_and_not_of_the_smoothed_ones(self, smoothing):
        group = np.arange(2000) % 2
        y = np.where(np.arange(2000) % 50 < 2, 1 - group, group)  # of each group 2 in 50 have the other label
        model = TaskNeuronClassifier("x", label_smoothing=smoothing, max_epochs=20, early_stopping=False, random_state=0)
        probabilities = model.fit(group[:, None], y).predict_proba([[0.0], [1.0]])
        assert_allclose(probabilities, [[0.96, 0.04], [0.04, 0.96]], atol=0.015)

    def test_the_net_says_the_same_as_the_estimator(self):
        X, y = load_iris(return_X_y=True)
        model = TaskNeuronClassifier("x", max_epochs=5, random_state=0).fit(X, y)
        assert_allclose(model.net_.predict(model.scaler_.transform(X).astype(np.float32)), model.predict_proba(X), atol=1e-6)

    def test_what_is_taken_out_leaves_the_order_and_nothing_at_0(self):
        learned = np.random.default_rng(0).dirichlet([0.1] * 4, size=500)
        meant = np.exp(CrossEntropyLoss(0.1).log_probabilities(np.log(learned)[:, None]))
        assert_allclose(meant.sum(axis=1), 1.0)
        assert (meant > 0.0).all()
        assert_array_equal(meant.argsort(axis=1), learned.argsort(axis=1))
        sure = learned.min(axis=1) > 0.05  # each of them more than what smoothing gives to all
        assert_allclose(meant[sure], (learned[sure] - 0.025) / 0.9)

    def test_partial_fit_needs_the_classes_once(self):
        X, y = load_iris(return_X_y=True)
        model = TaskNeuronClassifier("x**2 + x", random_state=0)
        with pytest.raises(ValueError, match="classes"):
            model.partial_fit(X, y)
        model.partial_fit(X[:100], y[:100], classes=[0, 1, 2]).partial_fit(X, y)
        assert model.predict_proba(X).shape == (150, 3)
        with pytest.raises(ValueError, match="classes"):
            model.partial_fit(X, y, classes=[0, 1])
        with pytest.raises(ValueError, match="labels"):
            model.partial_fit(X, y + 5)

    def test_one_class_is_certain(self):
        X, _ = load_iris(return_X_y=True)
        model = TaskNeuronClassifier(search=VSRRegressor(population_size=20, generations=2), max_epochs=3)
        assert_array_equal(model.fit(X, np.full(150, "iris")).predict(X), "iris")

    @pytest.mark.parametrize("classes", [["no", "yes"], ["low", "middle", "high"]])
    def test_a_classifier_searches_like_a_regressor_of_indicators(self, classes):
        X, y = load_iris(return_X_y=True)
        labels = np.array(classes)[np.minimum(y, len(classes) - 1)]
        parameters = {"population_size": 40, "generations": 4, "selection": "bic"}
        first, second = (
            TaskNeuronClassifier(search=search(**parameters), max_epochs=3, random_state=0).fit(X, labels)
            for search in (VSRClassifier, VSRRegressor)
        )
        assert first.formula_ == second.formula_
        assert_array_equal(first.predict_proba(X), second.predict_proba(X))
        assert_array_equal(first.search_.classes_, np.unique(labels))
        assert first.search_.score(first.scaler_.columns.transform(X), labels) > 0.6


class TestClassWeights:
    def test_a_label_of_weight_zero_is_no_class(self):
        X, y = load_iris(return_X_y=True)
        model = TaskNeuronClassifier("x", max_epochs=3, random_state=0)
        weighted = model.fit(X, y, sample_weight=y < 2).predict_proba(X)
        assert_array_equal(model.classes_, [0, 1])
        assert_array_equal(model.fit(X[y < 2], y[y < 2]).predict_proba(X), weighted)

    def test_classes_that_are_still_to_come_are_no_rare_ones(self):
        X, y = load_iris(return_X_y=True)
        model = TaskNeuronClassifier("x", random_state=0).partial_fit(X[:100], y[:100], classes=[0, 1, 2])
        assert model.predict_proba(X[:100])[:, 2].min() > 0.01

    def test_balanced_counts_a_row_of_weight_two_like_two(self):
        y, weights = np.array(["a", "a", "b", "b"]), np.array([1.0, 2.0, 1.0, 0.0])
        once = np.repeat(np.arange(4), weights.astype(int))
        expected = compute_sample_weight("balanced", y[once])
        np.testing.assert_allclose(class_weights("balanced", y, weights)[once], expected)

    @pytest.mark.filterwarnings("ignore:of the columns")
    def test_a_block_without_a_class_is_weighted_as_the_others(self):
        X, y = load_iris(return_X_y=True)
        weighted, plain = (
            TaskNeuronClassifier("x", n_members=1, random_state=0, class_weight=weight) for weight in ({2: 5.0}, None)
        )
        for rows in (slice(50, 150), slice(0, 100)):  # the second block knows no class 2
            weighted.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
            plain.partial_fit(X[rows], y[rows], classes=[0, 1, 2], sample_weight=np.where(y[rows] == 2, 5.0, 1.0))
        assert_array_equal(weighted.predict_proba(X), plain.predict_proba(X))

    def test_negative_ones_are_refused(self):
        X, y = np.arange(8.0)[:, None], [0, 1] * 4
        for weight in (-1, np.nan, np.inf):
            with pytest.raises(ValueError, match="class_weight must hold finite weights of at least 0"):
                TaskNeuronClassifier("x", class_weight={0: weight, 1: 1}).fit(X, y)

    def test_only_the_ratios_count(self):
        X, y = load_iris(return_X_y=True)
        huge, plain = (
            TaskNeuronClassifier("x", max_epochs=3, random_state=0, class_weight=weight).fit(X, y)
            for weight in (dict.fromkeys(range(3), 2.0**1023), None)
        )
        assert_array_equal(huge.predict_proba(X), plain.predict_proba(X))
