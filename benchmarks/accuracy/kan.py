"""pykan's networks as estimators: small, trained on batches by Adam, the weights of the best held-out epoch kept.

Z. Liu et al., "KAN: Kolmogorov-Arnold Networks", ICLR 2025, arXiv:2404.19756.
"""

import copy
import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from torch import nn

GRID = 3
ORDER = 3
# A spline's coefficients, and its scale and the base function's.
PARAMETERS_OF_EDGE = GRID + ORDER + 2
BATCH_SIZE = 256
LEARNING_RATE = 1e-2


class BaseKAN(BaseEstimator):
    """One hidden layer of `width` nodes, or of as many as make at least `min_parameters`; inputs have to be scaled."""

    def __init__(self, width=8, *, min_parameters=None, max_epochs=100, n_iter_no_change=20, random_state=0):
        self.width = width
        self.min_parameters = min_parameters
        self.max_epochs = max_epochs
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state

    def _fit(self, X, y, n_outputs, loss, classes):
        from kan import KAN

        width = self.width
        if self.min_parameters is not None:
            width = math.ceil(self.min_parameters / (PARAMETERS_OF_EDGE * (X.shape[1] + n_outputs)))
        parts = train_test_split(X, y, test_size=0.1, random_state=self.random_state, stratify=classes)
        X_fit, X_held, y_fit, y_held = (torch.as_tensor(part) for part in parts)
        with torch.random.fork_rng():  # the class seeds the global generators
            self.module_ = KAN(
                [X.shape[1], width, n_outputs], grid=GRID, k=ORDER, grid_range=[-3, 3], symbolic_enabled=False,
                save_act=False, auto_save=False, seed=self.random_state,
            )  # fmt: skip
            self._train(X_fit, y_fit, X_held, y_held, loss)
        learned = [value for name, value in self.module_.named_parameters() if "symbolic" not in name and value.requires_grad]
        self.n_parameters_ = sum(value.numel() for value in learned)
        self.remarks_ = {"hidden_layer_sizes": [width]}
        return self

    def _train(self, X, y, X_held, y_held, loss):
        module, best, since = self.module_, (np.inf, None), 0
        optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
        order = torch.Generator().manual_seed(self.random_state)
        for epoch in range(self.max_epochs):
            self.n_iter_ = epoch + 1
            for rows in torch.randperm(len(X), generator=order).split(BATCH_SIZE):
                optimizer.zero_grad()
                loss(module(X[rows]), y[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                held = float(loss(module(X_held), y_held))
            since += 1
            if held < best[0]:
                best, since = (held, copy.deepcopy(module.state_dict())), 0
            if since == self.n_iter_no_change:
                break
        if best[1] is None:
            raise FloatingPointError("the loss of a KAN must be finite, and was not after any epoch")
        module.load_state_dict(best[1])

    def _outputs(self, X):
        with torch.no_grad():
            return self.module_(torch.as_tensor(np.asarray(X, dtype=np.float32))).numpy()


class KANRegressor(RegressorMixin, BaseKAN):
    """Least squares on the standardized target."""

    def fit(self, X, y):
        """Train the network."""
        self.center_, self.scale_ = float(np.mean(y)), float(np.std(y)) or 1.0
        targets = ((y - self.center_) / self.scale_).astype(np.float32)[:, None]
        return self._fit(X.astype(np.float32), targets, 1, nn.functional.mse_loss, None)

    def predict(self, X):
        """Return the values, (N,)."""
        return self._outputs(X)[:, 0] * self.scale_ + self.center_


class KANClassifier(ClassifierMixin, BaseKAN):
    """Least cross-entropy."""

    def fit(self, X, y):
        """Train the network."""
        self.classes_, numbers = np.unique(y, return_inverse=True)
        return self._fit(X.astype(np.float32), numbers, len(self.classes_), nn.functional.cross_entropy, numbers)

    def predict(self, X):
        """Return the labels, (N,)."""
        return self.classes_[self._outputs(X).argmax(axis=1)]
