"""Convolutional networks of task-based neurons, whatever their targets are."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_taskneurons._conv_task_neuron._autoencoder import encode, reconstruct, train_autoencoder
from sklearn_taskneurons._conv_task_neuron._images import ImageShape, as_rows, find_image_shape, remedy
from sklearn_taskneurons._device import resolve_device
from sklearn_taskneurons._network import BaseNetwork, resolved, share_of_time
from sklearn_taskneurons._search import deadline_after
from sklearn_taskneurons._training import Augmentation, fit_channel_scaler, fit_column_scaler, make_net_of
from sklearn_taskneurons.nn import TaskNeuronCNN
from sklearn_taskneurons.nn._checks import whole_numbers
from sklearn_taskneurons.nn._cnn import POOLINGS
from sklearn_taskneurons.nn._side_by_side import SideBySide

# Images that go forward at once in validation: a convolution makes many numbers of each.
VALID_BATCH_SIZE = 256
# Images with shorter sides have no pixel to give away.
AUTO_SHIFT_SIDE = 8
# Numbers of a code: as many as a digit or a garment has ways to differ, and the search soon tries all their powers.
AUTO_CODE_SIZE = 16
# The steps that training takes, and the least and the most epochs for them.
AUTO_STEPS = 1000, 20, 300


def _has_autoencoder(model):
    check_is_fitted(model)
    if not hasattr(model, "autoencoder_"):
        raise AttributeError("there is an autoencoder only after a fit with formula='auto'")
    return True


class BaseConvTaskNeuron(BaseNetwork):
    """A convolutional network of task-based neurons; mixins say what the targets are."""

    _auto_batch_size = 64
    # Each term is a convolution more in every block, and blocks make powers of powers.
    _max_degree = 2
    _found_on_the_way = (*BaseNetwork._found_on_the_way, "autoencoder_", "code_scaler_")
    _network = TaskNeuronCNN
    image_shape_: ImageShape
    # What images are kept in: as float64 they would take up to eight times the memory.
    _dtypes = (*BaseNetwork._dtypes, np.float16, np.uint8, np.uint16)

    _parameter_constraints: ClassVar[dict[str, Any]] = BaseNetwork._parameter_constraints | {
        "image_shape": ["array-like", None],
        "code_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "channels": ["array-like", Interval(Integral, 1, None, closed="left")],
        "kernel_size": ["array-like", Interval(Integral, 1, None, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
        "pool_size": [StrOptions({"auto"}), "array-like", Interval(Integral, 1, None, closed="left")],
        "max_shift": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "horizontal_flip": ["boolean"],
    }

    def __init__(
        self,
        formula="auto",
        *,
        image_shape=None,
        search=None,
        code_size="auto",
        channels=(32, 64),
        kernel_size=3,
        pooling="max",
        pool_size="auto",
        hidden_layer_sizes=(64,),
        activation="relu",
        max_shift="auto",
        horizontal_flip=False,
        n_members=1,
        max_epochs="auto",
        batch_size="auto",
        lr=2e-3,
        weight_decay=0.05,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        max_time=None,
        device="cpu",
        callbacks=None,
        verbose=0,
        warm_start=False,
        random_state=None,
    ):
        self.formula = formula
        self.image_shape = image_shape
        self.search = search
        self.code_size = code_size
        self.channels = channels
        self.kernel_size = kernel_size
        self.pooling = pooling
        self.pool_size = pool_size
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.max_shift = max_shift
        self.horizontal_flip = horizontal_flip
        self.n_members = n_members
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.max_time = max_time
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.warm_start = warm_start
        self.random_state = random_state

    @available_if(_has_autoencoder)
    def encode(self, X):
        """Return the codes of images, over which `search_` has searched.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, channels, height, width) or (n_samples, height, width)
            The images, finite numbers.

        Returns
        -------
        ndarray of shape (n_samples, code_size)
            What the autoencoder makes of each image, scaled, float64 in (-3, 3).

        Raises
        ------
        AttributeError
            If there is no autoencoder: before `fit`, and where the formula was given.
        ValueError
            If the images are not finite numbers, or not of the shape of those of `fit`.
        """
        rows = self._validate(X, reset=False)
        return self.code_scaler_.transform(encode(self.autoencoder_, rows, self.scaler_.transform))

    @available_if(_has_autoencoder)
    def reconstruct(self, X):
        """Return what of images is left in their codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, channels, height, width) or (n_samples, height, width)
            The images, finite numbers.

        Returns
        -------
        ndarray of the shape of `X`
            The images that the autoencoder makes of the codes, in the units of `X`, float64.

        Raises
        ------
        AttributeError
            If there is no autoencoder: before `fit`, and where the formula was given.
        ValueError
            If the images are not finite numbers, or not of the shape of those of `fit`.
        """
        rows = self._validate(X, reset=False)
        images = self.scaler_.inverse_transform(reconstruct(self.autoencoder_, rows, self.scaler_.transform))
        return images.reshape(np.shape(X))

    def _validate(self, X, *y, reset, **checks):
        rows, shape = as_rows(X)
        if not reset and shape not in (None, self.image_shape_):
            is_single = np.shape(X) == self.image_shape_
            raise ValueError(
                f"X must hold images of the shape {self.image_shape_}, as in the first fit, got {shape}"
                f"{'; X[None] holds a single one' if is_single else remedy(shape, self.image_shape_)}"
            )
        validated = super()._validate(rows, *y, reset=reset, **checks)
        if reset:
            self.image_shape_ = find_image_shape(self.n_features_in_, self.image_shape, shape)
        return validated

    def _try_network(self, formula):
        self._network(**self._architecture(1, formula))

    def _fit_scaler(self, X, weights):
        return fit_channel_scaler(X, weights, self.image_shape_[0])

    def _features(self, X, y, weights, seed, deadline):
        """Return the codes of the images, by an autoencoder that is trained for it."""
        self.autoencoder_ = train_autoencoder(
            X,
            weights,
            self.scaler_.transform,
            self._split(y, 1, seed),
            image_shape=self.image_shape_,
            code_size=resolved(self.code_size, min(AUTO_CODE_SIZE, X.shape[1])),
            max_epochs=self._max_epochs(len(X)),
            deadline=deadline_after(share_of_time(deadline)),
            options=self._training_options(len(X))
            | {"valid_batch_size": VALID_BATCH_SIZE, "device": resolve_device(self.device), "seed": seed},
        )
        codes = encode(self.autoencoder_, X, self.scaler_.transform)
        self.code_scaler_ = fit_column_scaler(codes, weights)
        return self.code_scaler_.transform(codes)

    def _make_net(self, n_rows, n_outputs, options):
        arguments = {"network": self._network, "n_members": self.n_members, "input_shape": self.image_shape_}
        arguments |= self._architecture(n_outputs, self.formula_)
        return make_net_of(SideBySide, arguments, valid_batch_size=VALID_BATCH_SIZE, **options)

    def _architecture(self, n_outputs, formula):
        channels = whole_numbers("channels", self.channels)
        pool = resolved(self.pool_size, tuple(2 if size >= 2 ** len(channels) else 1 for size in self.image_shape_[1:]))
        return {
            "image_shape": self.image_shape_,
            "channels": channels,
            "out_features": n_outputs,
            "formula": formula,
            "kernel_size": _for_both_axes("kernel_size", self.kernel_size),
            "activation": self.activation,
            "batch_norm": False,
            "pooling": self.pooling,
            "pool_size": _for_both_axes("pool_size", pool),
            "hidden_layer_sizes": whole_numbers("hidden_layer_sizes", self.hidden_layer_sizes),
        }

    def _form(self, n_rows):
        architecture = self._architecture(1, None)
        names = "channels", "kernel_size", "activation", "pooling", "pool_size"
        shape = self.image_shape_ if self.image_shape is None else whole_numbers("image_shape", self.image_shape)
        return super()._form(n_rows) | {"image_shape": shape} | {name: architecture[name] for name in names}

    def _auto_steps(self):
        return AUTO_STEPS

    def _augmentation(self, seed):
        shift = resolved(self.max_shift, int(min(self.image_shape_[1:]) >= AUTO_SHIFT_SIDE))
        if shift >= max(self.image_shape_[1:]):
            raise ValueError(f"max_shift must be less than the longer side of an image of {self.image_shape_}, got {shift}")
        if not shift and not self.horizontal_flip:
            return None
        return Augmentation(self.image_shape_, shift, self.horizontal_flip, seed)

    def _shared_options(self, n_rows):
        return {"elementwise_affine": True, "bound_input": False, "activation": "tanh"}


def _for_both_axes(name, value):
    numbers = whole_numbers(name, value)
    return numbers * 2 if len(numbers) == 1 else numbers
