"""Networks of task-based convolutions as estimators: what they promise beyond scikit-learn's checks."""

import pickle
import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from sklearn_taskneurons import (
    ConvTaskNeuronClassifier,
    ConvTaskNeuronRegressor,
    Formula,
    VSRClassifier,
    VSRRegressor,
)
from sklearn_taskneurons._conv_task_neuron._base import BaseConvTaskNeuron
from sklearn_taskneurons.nn import TaskNeuronCNN, count_multiplications, count_parameters

SMALL = {"channels": (4,), "hidden_layer_sizes": (), "max_epochs": 3, "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


def classifier(formula="x**2 + x", **parameters):
    return ConvTaskNeuronClassifier(formula, **SMALL | parameters)


def regressor(formula="x**2 + x", **parameters):
    return ConvTaskNeuronRegressor(formula, **SMALL | parameters)


class TestImages:
    def test_rows_and_images_are_the_same(self):
        rng = np.random.default_rng(0)
        images, y = rng.normal(size=(40, 3, 4, 6)), rng.normal(size=40)
        rows = images.reshape(40, -1)
        first, second = regressor().fit(images, y), regressor(image_shape=(3, 4, 6)).fit(rows, y)
        assert first.image_shape_ == second.image_shape_ == (3, 4, 6)
        expected = first.predict(images)
        for prediction in (first.predict(rows), second.predict(rows), second.predict(images), first.predict(images.tolist())):
            assert_array_equal(prediction, expected)
        assert first.n_features_in_ == 72

    @pytest.mark.parametrize(("n_features", "shape"), [(64, (1, 8, 8)), (1, (1, 1, 1)), (4, (1, 2, 2)), (10, (1, 1, 10))])
    def test_rows_without_a_shape_are_squares_or_lines(self, n_features, shape):
        X = np.random.default_rng(0).normal(size=(30, n_features))
        model = regressor(channels=(4, 4)).fit(X, X[:, 0])
        assert model.image_shape_ == shape
        assert model.net_.module_.networks[0].image_shape == shape

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"image_shape": (1, 8, 9)}, r"as X has columns, 64, got \(1, 8, 9\), which are 72"),
            ({"image_shape": (8, 8)}, "three numbers"),
            ({"image_shape": (1, 64.0, 1)}, "image_shape must be whole numbers of at least 1"),
            ({"image_shape": (1, -8, -8)}, "image_shape must be whole numbers of at least 1"),
            ({"pool_size": 3}, r"at least \(3, 3\)|at least \(9, 9\)"),
            ({"kernel_size": 4}, "kernel_size must be odd"),
            ({"kernel_size": (3, 3, 3)}, "kernel_size"),
            ({"channels": (8, 0)}, "channels must be whole numbers of at least 1"),
            ({"channels": ()}, "channels"),
            ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes"),
            ({"max_shift": 8}, "max_shift must be less than the longer side"),
            ({"max_shift": -1}, "max_shift"),
            ({"formula": "3"}, "depend on x"),
            ({"formula": "sin([1, 2]*x)"}, "in_features must be 2"),
            ({"device": "abacus"}, "device"),
            ({"callbacks": ["print"]}, "callbacks must be skorch callbacks"),
            ({"search": VSRClassifier(p_mutation=0.9), "formula": "auto"}, "p_mutation"),
        ],
    )
    @pytest.mark.parametrize("formula", ["x", "auto"])
    def test_what_does_not_go_together_is_refused_before_any_work(self, formula, parameters, message, digits, monkeypatch):
        monkeypatch.setattr("sklearn_taskneurons._conv_task_neuron._base.train_autoencoder", pytest.fail)
        with pytest.raises(ValueError, match=message):
            classifier(**{"formula": formula, "channels": (4, 4)} | parameters).fit(*digits)

    def test_images_of_another_shape_than_given_are_refused(self, digits):
        X, y = digits
        with pytest.raises(ValueError, match=r"the shape of the images, \(1, 8, 8\), got \(1, 4, 16\)"):
            classifier(image_shape=(1, 4, 16)).fit(X.reshape(-1, 1, 8, 8), y)
        model = classifier().fit(X, y)
        with pytest.raises(ValueError, match=r"images of the shape \(1, 8, 8\)"):
            model.predict(X.reshape(-1, 1, 4, 16))
        with pytest.raises(ValueError, match="not empty"):
            model.predict(np.zeros((3, 1, 0, 8)))

    def test_arrays_of_other_numbers_of_axes_are_refused(self, digits):
        images = digits[0].reshape(-1, 1, 8, 8, 1)
        for X in (images, list(images)):
            with pytest.raises(ValueError, match=r"\(n_samples, height, width\), got an array of .* \(300, 1, 8, 8, 1\)"):
                classifier().fit(X, digits[1])

    def test_images_of_one_channel_need_no_axis_for_it(self, digits):
        X, y = digits
        X = X[:, :48]  # of which rows alone do not tell the shape
        expected = regressor("auto", code_size=3, image_shape=(1, 6, 8)).fit(X, y)
        model = regressor("auto", code_size=3).fit(X.reshape(-1, 6, 8), y)
        assert model.image_shape_ == (1, 6, 8)
        for images in (X, X.reshape(-1, 6, 8), X.reshape(-1, 1, 6, 8), list(X.reshape(-1, 6, 8))):
            assert_array_equal(model.predict(images), expected.predict(X))
        assert_array_equal(model.reconstruct(X.reshape(-1, 6, 8)), expected.reconstruct(X).reshape(-1, 6, 8))
        with pytest.raises(ValueError, match=r"images of the shape \(1, 6, 8\), as in the first fit, got \(1, 8, 6\)"):
            model.predict(X.reshape(-1, 8, 6))

    @pytest.mark.parametrize("shape", [(8, 9, 3), (5, 5, 3), (9, 8, 4), (8, 8, 1), (8, 1, 3)])
    def test_channels_that_come_last_are_confirmed_or_brought_first(self, shape):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(20, *shape)), rng.normal(size=20)
        message = r"np.moveaxis\(X, -1, 1\) makes them .* image_shape=" + re.escape(str(shape))
        with pytest.raises(ValueError, match=message):
            regressor().fit(X, y)
        with pytest.raises(ValueError, match=message):
            regressor().partial_fit(X, y)
        confirmed = regressor(image_shape=shape, pool_size=1).fit(X, y)
        assert confirmed.image_shape_ == shape
        assert_array_equal(confirmed.predict(X), confirmed.predict(X.reshape(20, -1)))
        first = (shape[2], *shape[:2])
        moved = np.moveaxis(X, -1, 1)
        model = regressor().fit(moved, y)
        assert model.image_shape_ == first
        brings = r"np.moveaxis\(X, -1, 1\) brings the channels of X to the front"
        with pytest.raises(ValueError, match=brings):
            model.predict(X)
        with pytest.raises(ValueError, match=brings):
            regressor(image_shape=first).fit(X, y)

    def test_a_single_image_is_none_of_a_batch(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(20, 3, 8, 6)), rng.normal(size=20)
        model = regressor().fit(X, y)
        with pytest.raises(ValueError, match=r"as in the first fit, got \(1, 8, 6\); X\[None\] holds a single one"):
            model.predict(X[0])
        assert_array_equal(model.predict(X[0][None]), model.predict(X)[:1])

    @pytest.mark.parametrize("shape", [(3, 8, 3), (4, 4, 3), (1, 8, 3), (1, 8, 1), (8, 3, 2), (5, 9, 5)])
    def test_shapes_that_may_be_meant_are_taken_as_they_are(self, shape):
        rng = np.random.default_rng(0)
        assert regressor().fit(rng.normal(size=(20, *shape)), rng.normal(size=20)).image_shape_ == shape

    def test_numbers_of_parameters_may_be_numpys(self, digits):
        parameters = {"image_shape": np.array([1, 4, 16]), "pool_size": np.array([1, 4]), "kernel_size": np.array([3, 5])}
        network = classifier(**parameters).fit(*digits).net_.module_.networks[0]
        assert network.image_shape == (1, 4, 16)
        assert (network.blocks[0].pool_size, network.blocks[0].convolution.kernel_size) == ((1, 4), (3, 5))

    def test_a_channel_is_scaled_as_one(self):
        rng = np.random.default_rng(0)
        images = rng.normal(size=(50, 2, 3, 4)) * np.array([2.0, 30.0])[:, None, None] + 5
        scaler = regressor().fit(images, images[:, 0, 0, 0]).scaler_
        for numbers, expected in ((scaler.center, images.mean((0, 2, 3))), (scaler.scale, images.std((0, 2, 3)))):
            assert_allclose(numbers.reshape(2, 12), np.repeat(expected[:, None], 12, axis=1))

    @pytest.mark.parametrize("formula", ["x**2 + x", "auto"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float16, np.float32])
    def test_images_of_short_numbers_are_the_same(self, formula, dtype, digits):
        X, y = digits
        X = np.round(X)
        first, second = classifier(formula, code_size=3).fit(X, y), classifier(formula, code_size=3).fit(X.astype(dtype), y)
        assert_array_equal(second.predict_proba(X.astype(dtype)), first.predict_proba(X))
        if formula == "auto":
            assert_array_equal(second.encode(X.astype(dtype)), first.encode(X))

    @pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
    def test_images_of_short_numbers_are_not_copied(self, dtype, monkeypatch):
        seen = []
        fit_scaler = BaseConvTaskNeuron._fit_scaler
        monkeypatch.setattr(
            BaseConvTaskNeuron, "_fit_scaler", lambda model, X, weights: seen.append(X) or fit_scaler(model, X, weights)
        )
        images = np.ones((20, 3, 4, 5), dtype=dtype)
        regressor().fit(images, np.arange(20))
        assert seen[0].dtype == dtype
        assert np.shares_memory(seen[0], images)


class TestNetwork:
    def test_it_learns_digits(self):
        X, y = load_digits(return_X_y=True)
        model = classifier(channels=(8,), max_epochs=20).fit(X[::3], y[::3])
        assert model.score(X[1::3], y[1::3]) > 0.93

    def test_its_members_are_networks_of_convolutions(self, digits):
        X, y = digits
        how = {"kernel_size": (3, 5), "pooling": "average", "pool_size": (2, 1), "activation": "tanh"}
        model = classifier(n_members=2, label_smoothing=0.0, **how).fit(X, y)
        networks = model.net_.module_.networks
        assert all(isinstance(network, TaskNeuronCNN) for network in networks)
        expected = TaskNeuronCNN((1, 8, 8), (4,), 10, "x**2 + x", (3, 5), "tanh", False, "average", (2, 1))
        assert str(networks[0]) == str(networks[1]) == str(expected)
        assert model.n_parameters_ == 2 * count_parameters(expected)
        assert model.n_multiplications_ == 2 * count_multiplications(expected, (1, 8, 8))
        rows = torch.tensor(model.scaler_.transform(X), dtype=torch.float32).view(-1, 1, 8, 8)
        outputs = [torch.softmax(network.eval()(rows), -1).detach() for network in networks]
        assert_allclose(model.predict_proba(X), (outputs[0] + outputs[1]) / 2, atol=1e-6)
        assert not torch.allclose(*outputs, atol=1e-3)

    @pytest.mark.parametrize(("parameters", "shift"), [({}, 1), ({"max_shift": 0}, 0), ({"max_shift": 3}, 3)])
    def test_large_images_are_shifted_unless_told_otherwise(self, parameters, shift, digits):
        augmentation = classifier(**parameters).fit(*digits).net_.iterator_train__augmentation
        assert (augmentation.max_shift if augmentation else 0) == shift

    def test_small_images_and_lines_are_not_shifted(self):
        X = np.random.default_rng(0).normal(size=(30, 90))
        assert regressor().fit(X, X[:, 0]).net_.iterator_train__augmentation is None
        assert regressor(horizontal_flip=True).fit(X, X[:, 0]).net_.iterator_train__augmentation.horizontal_flip

    def test_mirrored_images_are_learned_from_their_mirror_images(self):
        rng = np.random.default_rng(0)
        X = rng.uniform(size=(200, 1, 6, 6))
        X[:, :, :, 3:] *= 0.1
        y = X[:, 0, 2, 0] - X[:, 0, 3, 1]
        parameters = {"max_epochs": 40, "max_shift": 0}
        models = (regressor(horizontal_flip=flip, **parameters).fit(X, y) for flip in (False, True))
        plain, mirrored = (model.score(X[..., ::-1], y) for model in models)
        assert mirrored > plain + 0.2

    def test_the_regressor_learns_several_targets(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 1, 6, 6))
        y = np.column_stack([X.mean((1, 2, 3)), X[:, 0, :3].mean((1, 2))])
        model = regressor("x", max_epochs=40).fit(X[:200], y[:200])
        assert model.predict(X).shape == (300, 2)
        assert model.score(X[200:], y[200:]) > 0.8


class TestFormula:
    def test_a_given_formula_needs_no_autoencoder(self, digits, monkeypatch):
        monkeypatch.setattr("sklearn_taskneurons._conv_task_neuron._base.train_autoencoder", pytest.fail)
        model = classifier(Formula("x**2 + x")).fit(*digits)
        assert model.formula_ == Formula("x**2 + x")
        for name in ("autoencoder_", "code_scaler_", "search_", "formula_candidates_", "encode", "reconstruct"):
            assert not hasattr(model, name)

    def test_auto_searches_over_codes(self, digits):
        X, y = digits
        model = classifier("auto", code_size=5, max_epochs=15).fit(X, y)
        codes = model.encode(X)
        assert codes.shape == (len(X), 5) == (len(X), model.search_.n_features_in_)
        assert abs(codes).max() < 3
        assert model.search_.predict(codes).shape == (len(X), 10)
        chosen = [candidate.formula for candidate in model.formula_candidates_ if candidate.chosen]
        assert chosen == [model.formula_] == [model.net_.module_.networks[0].blocks[0].convolution.formula]

    def test_codes_tell_more_of_an_image_than_its_mean(self, digits):
        X, y = digits
        model = classifier("auto", max_epochs=40).fit(X, y)
        images = model.reconstruct(X.reshape(-1, 1, 8, 8))
        assert images.shape == (len(X), 1, 8, 8)
        assert_array_equal(images.reshape(len(X), -1), model.reconstruct(X))
        assert np.mean((model.reconstruct(X) - X) ** 2) < 0.6 * np.mean((X - X.mean(axis=0)) ** 2)

    @pytest.mark.parametrize("search", [VSRClassifier(method="exhaustive", max_degree=2), VSRRegressor(generations=2)])
    def test_the_search_that_is_given_is_used_and_not_touched(self, search, digits):
        model = classifier("auto", search=search, code_size=3).fit(*digits)
        assert type(model.search_) is type(search)
        assert not hasattr(search, "formula_")

    def test_nothing_of_an_earlier_search_stays(self, digits):
        model = classifier("auto", code_size=3).fit(*digits)
        assert hasattr(model, "autoencoder_")
        model.set_params(formula="x").fit(*digits)
        assert not hasattr(model, "autoencoder_")
        with pytest.raises(AttributeError, match="encode"):
            model.encode(digits[0])


class TestTraining:
    @pytest.mark.parametrize("formula", ["auto", "x**2 + x"])
    def test_same_seed_same_model_and_the_caller_is_left_alone(self, formula, digits):
        state, numpy_state, threads = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
        first, second, third = (
            classifier(formula, code_size=3, random_state=seed).fit(*digits).predict_proba(digits[0]) for seed in (1, 1, 2)
        )
        assert_array_equal(first, second)
        assert abs(first - third).max() > 1e-4
        assert torch.equal(torch.get_rng_state(), state)
        assert_array_equal(np.random.get_state()[1], numpy_state)
        assert torch.get_num_threads() == threads

    def test_a_pickle_predicts_the_same(self, digits):
        X, y = digits
        model = classifier("auto", code_size=3).fit(X, y)
        copied = pickle.loads(pickle.dumps(model))
        assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
        assert_array_equal(copied.reconstruct(X), model.reconstruct(X))

    @pytest.mark.filterwarnings("ignore:max_time=0.5 ended the training before its first epoch")  # on a busy machine
    def test_time_that_is_up_leaves_a_model(self, digits):
        model = classifier("auto", max_epochs=10**6, max_time=0.5).fit(*digits)
        assert model.n_iter_ < 10**6
        assert np.isfinite(model.predict_proba(digits[0])).all()

    @pytest.mark.usefixtures("tenth_step_interrupted")
    def test_an_interrupted_fit_leaves_a_model(self, digits):
        with pytest.warns(UserWarning, match="interrupted"):
            model = classifier(max_epochs=50).fit(*digits)
        assert model.n_iter_ < 10
        assert np.isfinite(model.predict_proba(digits[0])).all()

    def test_early_stopping_holds_for_both_nets(self, digits):
        model = classifier("auto", code_size=3, early_stopping=True).fit(*digits)
        assert len(model.validation_loss_curve_) == model.n_iter_ == 3
        assert "valid_loss" in model.autoencoder_.history[-1]
        model = classifier("auto", code_size=3, early_stopping=False).fit(*digits)
        assert model.validation_loss_curve_ == []
        assert "valid_loss" not in model.autoencoder_.history[-1]

    def test_warm_start_goes_on(self, digits):
        model = classifier(warm_start=True).fit(*digits)
        model.fit(*digits)
        assert len(model.net_.history) == 6
        assert len(model.loss_curve_) == 6
        with pytest.raises(ValueError, match="features"):
            model.fit(digits[0][:, :36], digits[1])

    def test_partial_fit_learns_block_by_block(self, digits):
        X, y = digits
        model = classifier()
        with pytest.raises(ValueError, match="classes"):
            model.partial_fit(X[:100], y[:100])
        model.partial_fit(X[:100], y[:100], classes=range(10))
        for block in np.array_split(np.arange(300), 3) * 12:
            model.partial_fit(X[block].reshape(-1, 1, 8, 8), y[block])
        assert model.n_iter_ == 37
        assert model.score(X, y) > 0.9

    def test_images_without_weight_do_not_matter(self, digits):
        X, y = digits
        weights = (np.arange(len(X)) < 100).astype(float)
        other = np.where(weights > 0, y, 0)
        first, second = (regressor("auto", code_size=3).fit(X, target, weights).predict(X) for target in (y, other))
        assert_array_equal(first, second)

    def test_balanced_classes_count_the_same(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(400, 36)), (np.arange(400) % 20 == 0).astype(int)
        X[:, :6] += 0.5 * y[:, None]
        models = (classifier(class_weight=weight, max_epochs=15).fit(X, y) for weight in (None, "balanced"))
        plain, balanced = (model.predict_proba(X)[:, 1].mean() for model in models)
        assert balanced > plain + 0.2
