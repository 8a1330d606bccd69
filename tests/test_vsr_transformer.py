"""Terms as features: what the transformer promises beyond scikit-learn's checks."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_taskneurons import Formula, VSRRegressor, VSRTransformer

NAMES = ["age", "rooms per head"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    return X, X[:, 0] ** 3 - 3 * X[:, 1] + 0.1 * rng.normal(size=200)


@pytest.fixture
def labelled():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


def small(**parameters):
    return VSRTransformer(**{"population_size": 100, "generations": 10, "random_state": 0} | parameters)


class TestColumns:
    def test_one_for_each_term_and_feature(self, table):
        X, y = table
        transformer = small().fit(X, y)
        assert [term.degree for term in transformer.formula_.terms if term.degree] == [3, 1]
        assert_allclose(transformer.transform(X), np.hstack([X**3, X]))
        assert_array_equal(transformer.get_feature_names_out(), ["x0**3", "x1**3", "x0", "x1"])

    def test_one_for_each_term(self, table):
        X, _ = table
        transformer = small(coefficients="shared").fit(X, (X**3 - 2 * X + 5).sum(axis=1))
        assert_allclose(transformer.transform(X), np.column_stack([(X**3).sum(axis=1), X.sum(axis=1)]))
        assert_array_equal(transformer.get_feature_names_out(NAMES), ["sum(x**3)", "sum(x)"])

    def test_a_linear_model_of_them_is_the_regressor(self, table):
        X, y = table
        parameters = {"population_size": 100, "generations": 10, "random_state": 0}
        pipeline = make_pipeline(VSRTransformer(**parameters), LinearRegression()).fit(X, y)
        assert_allclose(pipeline.predict(X), VSRRegressor(**parameters).fit(X, y).predict(X))

    @pytest.mark.parametrize(
        ("function_set", "target", "names"),
        [
            (("add", "sin"), lambda X: np.sin(X).sum(axis=1), ["sin(age)", "sin(`rooms per head`)"]),
            (("mul", "sum"), lambda X: X.sum(axis=1) ** 2, ["sum(x)**2"]),
            (("mul", "dot"), lambda X: (X * X).sum(axis=1), ["age**2", "`rooms per head`**2"]),
        ],
        ids=["sin", "sum", "dot"],
    )
    def test_terms_of_any_kind(self, function_set, target, names, table):
        X, _ = table
        frame = pd.DataFrame(X, columns=NAMES)
        parameters = {"function_set": function_set, "coefficients": "per_feature"}
        transformer = small(max_length=6, max_time=None, **parameters).fit(frame, target(X))
        assert_array_equal(transformer.get_feature_names_out(), names)
        assert_allclose(transformer.transform(frame).sum(axis=1), target(X))

    def test_constant_vectors_stay_in_shared_columns(self, table):
        X, _ = table
        parameters = {"function_set": ("w", "dot"), "coefficients": "shared", "population_size": 500, "max_length": 3}
        transformer = small(**parameters).fit(X, X @ [1.0, 2.0])
        (name,) = transformer.get_feature_names_out(["a", "b"])
        assert_allclose(transformer.transform(X)[:, 0], Formula(str(transformer.formula_))(X) - transformer.formula_([[0, 0]]))
        first, _, second = name.partition("*b + ")
        assert float(first) > float(second.removesuffix("*a")) > 0

    def test_several_outputs_have_their_terms_once(self, table):
        X, y = table
        transformer = small().fit(X, np.column_stack([y, 1 - 2 * y]))
        assert len(transformer.formulas_) == 2
        assert_array_equal(transformer.get_feature_names_out(), ["x0**3", "x1**3", "x0", "x1"])

    @pytest.mark.parametrize("target", ["noise", "constant"])
    def test_where_no_formula_explains_anything_there_is_a_column_all_the_same(self, target, table):
        X, y = table
        y = np.random.default_rng(1).normal(size=200) if target == "noise" else np.full(200, 7.0)
        transformer = small().fit(X, y)
        assert transformer.formula_.degree > 0
        assert transformer.transform(X).shape[1] >= 1
        if target == "constant":
            assert_array_equal(transformer.transform(X), X)

    def test_selection_by_loss_takes_the_end_of_the_front(self, table):
        transformer = small(method="exhaustive", selection="loss", max_degree=4).fit(*table)
        assert transformer.transform(table[0]).shape == (200, 8)

    def test_repeated_and_weighted_rows_are_the_same(self, table):
        X, y = table
        counts = np.random.default_rng(1).integers(0, 4, size=200)
        weighted = small().fit(X, y, sample_weight=counts)
        repeated = small().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        assert_array_equal(weighted.get_feature_names_out(), repeated.get_feature_names_out())


class TestTask:
    def test_labels_are_classes(self, labelled):
        X, y = labelled
        transformer = small().fit(X, y)
        assert len(transformer.formulas_) == 3
        expected = small(task="regression", selection="bic").fit(X, (y[:, None] == np.unique(y)).astype(float))
        assert_array_equal(transformer.transform(X), expected.transform(X))

    @pytest.mark.parametrize(("task", "n_formulas"), [("auto", 1), ("regression", 1), ("classification", 3)])
    def test_numbers_are_numbers_unless_said_otherwise(self, task, n_formulas, labelled):
        X, y = load_iris(return_X_y=True)
        assert len(small(task=task).fit(X, y).formulas_) == n_formulas
        assert len(small(task=task).fit(X, pd.Series(y)).formulas_) == n_formulas

    def test_categories_of_pandas_are_labels_even_where_they_are_numbers(self):
        X, y = load_iris(return_X_y=True)
        assert len(small().fit(X, pd.Series(y, dtype="category")).formulas_) == 3
        with pytest.warns(DataConversionWarning):
            assert len(small().fit(X, pd.DataFrame({"kind": pd.Categorical(y)})).formulas_) == 3

    def test_numbers_among_objects_are_numbers(self, table):
        X, y = table
        assert_array_equal(small().fit(X, y.astype(object)).transform(X), small().fit(X, y).transform(X))

    @pytest.mark.parametrize("to", [list, pd.Series, pd.Categorical, lambda y: y.astype(object)])
    def test_labels_in_any_container(self, to, labelled):
        X, y = labelled
        assert len(small().fit(X, to(y)).formulas_) == 3

    def test_booleans_are_two_classes(self, table):
        X, y = table
        assert small().fit(X, y > 0).formula_ == small(selection="bic").fit(X, (y > 0).astype(float)).formula_

    def test_labels_need_two_classes(self, table):
        with pytest.raises(ValueError, match="two classes"):
            small().fit(table[0], ["a"] * 200)

    def test_labels_are_no_numbers(self, labelled):
        with pytest.raises(ValueError, match=r"y must be numbers, got 'setosa'"):
            small(task="regression").fit(*labelled)
        with pytest.raises(ValueError, match="continuous"):
            small(task="classification").fit(labelled[0], labelled[0][:, 0])
        with pytest.raises(ValueError, match="'task'"):
            small(task="ranking").fit(*labelled)

    def test_a_label_of_weight_zero_is_no_class(self, labelled):
        X, y = labelled
        assert len(small().fit(X, y, sample_weight=y != "setosa").formulas_) == 1


class TestDomain:
    @pytest.fixture
    def logarithms(self):
        X = np.random.default_rng(0).uniform(0.1, 3, size=(100, 2))
        return X, np.log(X).sum(axis=1)

    def test_beyond_it_is_an_error(self, logarithms):
        transformer = small(function_set=("log",), coefficients="per_feature", max_length=3).fit(*logarithms)
        assert_array_equal(transformer.get_feature_names_out(), ["log(x0)", "log(x1)"])
        with pytest.raises(ValueError, match=r"got 2 of 3 rows .* index 0"):
            transformer.transform([[1.0, -1.0], [1.0, 1.0], [0.0, 1.0]])

    def test_rows_of_weight_zero_need_not_be_in_it(self, logarithms):
        X, y = logarithms
        weights = np.append(np.ones(100), 0)
        transformer = small(function_set=("log",), coefficients="per_feature", max_length=3)
        transformer.fit(np.append(X, [[-1.0, -1.0]], axis=0), np.append(y, 0), sample_weight=weights)
        assert_allclose(transformer.transform(X), np.log(X))


class TestTools:
    @pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
    def test_set_output(self, library, table):
        X, y = table
        frame = library.DataFrame({name: X[:, column] for column, name in enumerate(NAMES)})
        transformer = small().set_output(transform=library.__name__).fit(frame, y)
        result = transformer.transform(frame)
        assert isinstance(result, library.DataFrame)
        assert list(result.columns) == ["age**3", "`rooms per head`**3", "age", "`rooms per head`"]
        assert_allclose(result["age**3"], X[:, 0] ** 3)

    def test_names_are_the_features_own(self, table):
        X, y = table
        transformer = small().fit(pd.DataFrame(X, columns=NAMES), y)
        with pytest.raises(ValueError, match="input_features"):
            transformer.get_feature_names_out(["a", "b"])
        with pytest.raises(NotFittedError):
            clone(transformer).get_feature_names_out()

    def test_grid_search_in_a_pipeline(self, labelled):
        X, y = labelled
        pipeline = Pipeline([("terms", small()), ("model", LogisticRegression(max_iter=10_000))])
        grid = {"terms__coefficients": ["shared", "per_feature"], "terms__max_degree": [1, 2]}
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
        assert search.best_params_["terms__coefficients"] == "per_feature"
        assert search.best_score_ > 0.9

    def test_a_stored_one_gives_the_same(self, table):
        X, y = table
        transformer = small(function_set=("add", "mul", "w", "sin", "dot"), coefficients="shared", max_length=16).fit(X, y)
        restored = pickle.loads(pickle.dumps(transformer))
        assert_array_equal(restored.transform(X), transformer.transform(X))
        assert_array_equal(restored.get_feature_names_out(), transformer.get_feature_names_out())

    def test_parameters_set_after_fit_wait_for_the_next(self, table):
        X, y = table
        transformer = small().fit(X, y)
        before = transformer.transform(X)
        assert_array_equal(transformer.set_params(coefficients="shared").transform(X), before)

    def test_the_same_seed_gives_the_same_terms_and_leaves_the_global_state_alone(self, table):
        X, y = table
        state = np.random.get_state()[1].copy()
        first, second = (small(function_set=("add", "mul", "sin", "dot"), max_length=16).fit(X, y) for _ in range(2))
        assert_array_equal(np.random.get_state()[1], state)
        assert_array_equal(first.get_feature_names_out(), second.get_feature_names_out())

    def test_report_and_neuron_formula(self, table):
        X, y = table
        transformer = small().fit(pd.DataFrame(X, columns=NAMES), y)
        assert "age**3" in transformer.report()
        assert str(transformer.neuron_formula()) == "x**3 + x"

    def test_with_numbers_behind_it(self, table):
        X, y = table
        assert make_pipeline(small(), Ridge()).fit(X, y).score(X, y) > 0.99
