"""What the parameters of networks must be, and what they do."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from skorch.callbacks import BatchScoring, Callback, EpochScoring, TrainEndCheckpoint

from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor, VSRRegressor, make_function

ONLY_FOR_ARRAYS = make_function(lambda a: np.arctan(a) + a, name="only_for_arrays")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    return X, X[:, 0] ** 3 - X[:, 1] + 0.1 * rng.normal(size=120)


def small(**parameters):
    return TaskNeuronRegressor(**{"formula": "x**3 + x", "max_epochs": 10, "random_state": 0} | parameters)


class TestParameters:
    @pytest.mark.parametrize(
        ("parameter", "message"),
        [
            ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes"),
            ({"hidden_layer_sizes": (8.5,)}, "hidden_layer_sizes"),
            ({"activation": "no activation"}, "activation"),
            ({"device": "abacus"}, "device"),
            ({"validation_fraction": 1.5}, "validation_fraction"),
            ({"early_stopping": True, "validation_fraction": 0.001}, "validation_fraction"),
            ({"lr": 0}, "lr"),
            ({"scaling": "no scaling"}, "scaling"),
            ({"hidden_formula": "x +"}, "x \\+"),
            ({"hidden_formula": "3"}, "depend on x"),
            ({"hidden_formula": "sin([1, 2]*x)"}, "in_features must be 2"),
            ({"search": VSRRegressor(init_depth=(3, 2)), "formula": "auto"}, "init_depth"),
            ({"search": VSRRegressor(tournament_size=0), "formula": "auto"}, "tournament_size"),
            ({"search": VSRRegressor(function_set=("add", ONLY_FOR_ARRAYS)), "formula": "auto"}, "must take tensors"),
            ({"callbacks": ["print"]}, "callbacks must be skorch callbacks, .* got 'print'"),
            ({"callbacks": [("epochs", max)]}, "callbacks must be skorch callbacks"),
            ({"callbacks": [("score", EpochScoring("r2"))]}, "callbacks must not be scores"),
            ({"callbacks": [BatchScoring]}, "callbacks must not be scores"),
            ({"callbacks": [("a", Callback()), ("a", Callback())]}, "callbacks must have names of their own, .* got .'a', 'a'"),
            ({"callbacks": [("valid_loss", Callback())]}, "callbacks must have names of their own"),
            ({"callbacks": [(1, Callback())]}, "callbacks must have names of their own"),
            ({"device": "meta"}, "device must be .* got 'meta'"),
        ],
    )
    @pytest.mark.parametrize("formula", ["x", "auto"])
    def test_wrong_ones_are_refused_before_any_search(self, formula, parameter, message, table, monkeypatch):
        monkeypatch.setattr(VSRRegressor, "fit", pytest.fail)
        with pytest.raises(ValueError, match=message):
            small(**{"formula": formula} | parameter).fit(*table)

    def test_what_was_refused_is_not_fitted(self, table):
        model = TaskNeuronClassifier("x", hidden_layer_sizes=0)
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            model.fit(table[0], table[1] > 0)
        with pytest.raises(NotFittedError):
            model.predict(table[0])

    def test_an_int_is_one_hidden_layer(self, table):
        X, y = table
        assert_array_equal(
            small(hidden_layer_sizes=8).fit(X, y).predict(X), small(hidden_layer_sizes=(8,)).fit(X, y).predict(X)
        )

    def test_counts_of_the_paper(self, table):
        # 8-12-5-1 with two terms: 322 multiplications and 340 parameters for California housing (the paper's Table IV).
        X = np.random.default_rng(0).normal(size=(20, 8))
        paper = {"hidden_formula": "x**3 + x", "elementwise_affine": False, "embedding_size": 0, "n_members": 1}
        model = small(formula="0.068*x**3 + 0.15*x + 0.76", hidden_layer_sizes=(12, 5), **paper).fit(X, X[:, 0])
        assert (model.n_multiplications_, model.n_parameters_) == (322, 340)

    def test_counts_of_all_members(self, table):
        X, y = table
        model = small(hidden_layer_sizes=(5,), embedding_size=2, n_members=3).fit(X, y)
        # Two scales and a shift of 3 features, 5 units of two terms, one output of one term; and two functions of each feature
        # that have 8 frequencies and phases, 8 weights for their waves, a bias and a weight for each unit.
        multiplications = (6 + 5 * 6 + 5) + (3 * 8 + 6 * 8 + 6 * 5)
        assert model.n_multiplications_ == 3 * multiplications
        assert model.n_parameters_ == 3 * (multiplications + (3 + 5 + 1) + (3 * 8 + 6))

    @pytest.mark.parametrize(("n_rows", "size", "activation"), [(1999, 0, "tanh"), (2000, 4, "mixed")])
    def test_many_rows_teach_steps_and_bends(self, n_rows, size, activation):
        X = np.random.default_rng(0).normal(size=(n_rows, 2))
        options = {"formula": "x", "max_epochs": 1, "random_state": 0}
        auto = TaskNeuronRegressor(**options).fit(X, X[:, 0])
        given = TaskNeuronRegressor(**options, embedding_size=size, activation=activation).fit(X, X[:, 0])
        assert auto.n_parameters_ == given.n_parameters_
        assert_array_equal(auto.predict(X), given.predict(X))

    def test_callbacks_watch_the_training(self, table):
        class Count(Callback):
            def __init__(self):
                self.epochs = 0

            def on_epoch_end(self, net, **kwargs):
                self.epochs += 1

        given = Count()
        model = small(callbacks=[("count", given), Count]).fit(*table)
        assert [dict(model.net_.callbacks_)[name].epochs for name in ("count", "Count")] == [model.n_iter_] * 2
        assert given.epochs == 0

    def test_checkpoints_are_written(self, table, tmp_path):
        small(callbacks=[TrainEndCheckpoint(dirname=tmp_path)]).fit(*table)
        assert {path.suffix for path in tmp_path.iterdir()} == {".pt", ".json"}

    def test_scaling_none_takes_columns_as_they_are(self, table):
        X, _ = table
        assert_array_equal(small(scaling=None).fit(*table).scaler_.transform(X), X)
