"""What a search may and may not go on with, and how a callback ends it."""

import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest

from sklearn_taskneurons import VSRRegressor, VSRTransformer, make_function

OTHER_PROCESS = """
import pickle, sys
from sklearn_taskneurons import make_function
for index in range(2):
    make_function(lambda a: a**5, name=f"earlier_{'ab'[index]}")
model, X, y = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps([point.loss for point in model.fit(X, y).pareto_front_]))
"""


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2))
    return X, (X**3).sum(axis=1) + rng.normal(size=200)


def small(**parameters):
    parameters = {"population_size": 30, "generations": 3, "n_iter_no_change": None, "random_state": 0} | parameters
    return VSRRegressor(**parameters)


class TestWarmStart:
    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            (("add", "sin", "w", "dot"), ("add", "mul"), r"\['mul'\] besides and without \['dot', 'sin', 'w'\]"),
            (("add", "mul"), ("add", "mul", "w", "dot"), r"\['dot', 'w'\] besides and without \[\]"),
            (("add", "sin"), ("add", "cos"), r"\['cos'\] besides and without \['sin'\]"),
        ],
    )
    def test_other_functions_are_refused(self, before, after, message, table):
        model = small(warm_start=True, function_set=before).fit(*table)
        model.set_params(function_set=after)
        with pytest.raises(ValueError, match=rf"search with function_set=\[.*{message}"):
            model.fit(*table)
        with pytest.raises(ValueError, match="function_set"):  # before the data are looked at
            model.fit(None, None)

    def test_functions_of_ones_own_may_have_other_places(self, table):
        make_function(lambda a: a / 3, name="a_third")
        bell = make_function(lambda a: 1 / (1 + a * a), name="a_bell")
        model = small(warm_start=True, function_set=("add", "mul", bell)).fit(*table)
        sent = cloudpickle.dumps((model, *table))
        result = subprocess.run([sys.executable, "-c", OTHER_PROCESS], input=sent, capture_output=True)
        assert result.returncode == 0, result.stderr.decode()
        here = [point.loss for point in model.fit(*table).pareto_front_]
        np.testing.assert_allclose(pickle.loads(result.stdout), here)

    def test_their_order_is_no_other_set(self, table):
        model = small(warm_start=True, function_set=("add", "mul")).fit(*table)
        assert model.set_params(function_set=["mul", "add", "mul"]).fit(*table).n_iter_ == 6

    def test_another_number_of_islands_is_refused(self, table):
        model = small(warm_start=True).fit(*table)
        with pytest.raises(ValueError, match="search on 1 islands; got n_islands=2"):
            model.set_params(n_islands=2).fit(None, None)

    def test_every_set_of_powers_goes_on_with_nothing(self, table):
        model = small(warm_start=True).fit(*table).set_params(method="exhaustive").fit(*table)
        assert [record["generation"] for record in model.history_] == [1]
        assert model.n_iter_ == 1
        assert model.set_params(method="genetic").fit(*table).n_iter_ == 3


@pytest.mark.parametrize(
    ("answer", "n_iter"), [(True, 1), (np.True_, 1), (False, 3), (np.False_, 3), (None, 3), (1, 3), ("True", 3)]
)
def test_only_a_true_truth_value_ends_a_search(answer, n_iter, table):
    assert small(callbacks=[lambda record: answer]).fit(*table).n_iter_ == n_iter


class TestMessages:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"init_depth": (3,)}, r"init_depth must be \(low, high\), two whole numbers; got \(3,\)"),
            ({"init_depth": (1.5, 2)}, r"init_depth must be \(low, high\), two whole numbers; got \(1.5, 2\)"),
            ({"const_range": (3,)}, r"const_range must be \(low, high\), two numbers; got \(3,\)"),
            ({"const_range": ("a", "b")}, r"const_range must be \(low, high\), two numbers; got \('a', 'b'\)"),
        ],
    )
    def test_pairs_are_pairs_of_numbers(self, parameters, message, table):
        with pytest.raises(ValueError, match=message):
            small(**parameters).fit(*table)

    def test_cross_validation_of_one_row(self, table):
        X, y = table
        with pytest.raises(ValueError, match=r"selection='cv' needs rows of positive weight in at least two folds.*; got 1"):
            small(selection="cv").partial_fit(X[:1], y[:1])

    @pytest.mark.parametrize("function_set", [("add", "mul"), ("add", "sin")])
    def test_cross_validation_of_one_fold(self, function_set, table):
        weights = (np.arange(200) == 2).astype(float)
        model = VSRTransformer(selection="cv", function_set=function_set)
        with pytest.raises(ValueError, match=r"selection='cv' needs rows of positive weight in at least two folds.*; got 1"):
            model.fit(*table, weights)
