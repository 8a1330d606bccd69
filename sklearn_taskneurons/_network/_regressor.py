"""What the regressors have in common: targets, their scaling and their range."""

from sklearn.base import MultiOutputMixin, RegressorMixin, _fit_context

from sklearn_taskneurons._all_or_nothing import all_or_nothing
from sklearn_taskneurons._fit_tasks import with_callbacks
from sklearn_taskneurons._network._weights import in_range
from sklearn_taskneurons._training import SquaredErrorLoss, fit_target_scaler
from sklearn_taskneurons._validation import check_numbers, check_weights


class NetworkRegressorMixin(MultiOutputMixin, RegressorMixin):
    """Targets for the networks of `BaseNetwork`, which follows it among the bases."""

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Search the formula, unless it is given, and train the network.

        An interrupt from the keyboard ends the training of the network with a warning and keeps the best weights so far. One
        before that, and any error, leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronRegressor` takes images, too, see its `image_shape`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, finite numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0; all 1 by default.

        Returns
        -------
        object
            The fitted estimator itself.

        Raises
        ------
        FormulaSyntaxError
            If `formula` is a text that is no formula.
        ValueError
            If a parameter, the data or the weights are not as described.
        """
        return self._fit(*self._validated(X, y, sample_weight, first=not self._continues()))

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch on all of these rows; those of the first call decide the scaling and the formula.

        An error leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronRegressor` takes images, too, see its `image_shape`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, finite numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0; all 1 by default.

        Returns
        -------
        object
            The estimator itself.

        Raises
        ------
        FormulaSyntaxError
            If `formula` is a text that is no formula.
        ValueError
            If a parameter, the data or the weights are not as described, or `X` or `y` has not the columns of the first call.
        """
        return self._partial_fit(*self._validated(X, y, sample_weight, first=not hasattr(self, "net_")))

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronRegressor` takes images, too, see its `image_shape`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted targets, float64, in the shape of the targets at `fit`: the mean of what the members predict, none
            beyond the targets that they were trained on.
        """
        outputs = self._outputs(X)
        y = self.target_scaler_.inverse_transform(outputs).mean(axis=1)
        return y if self._target_shape else y[:, 0]

    def _validated(self, X, y, sample_weight, first):
        least = 2 if first else 1
        X, y = self._validate(X, y, reset=first, multi_output=True, y_numeric=True, ensure_min_samples=least)
        y = check_numbers(y)
        if first:
            self._target_shape = y.shape[1:]
        elif y.shape[1:] != self._target_shape:
            shape = f"(n_samples, {self.n_outputs_})" if self._target_shape else "(n_samples,)"
            raise ValueError(f"y must have the shape {shape} of the first fit, got {y.shape}")
        return X, y.reshape(len(y), -1), in_range(check_weights(sample_weight, X))

    def _loss(self):
        return SquaredErrorLoss()

    def _strata(self, y):
        return None

    def _start_targets(self, y, weights):
        self.target_scaler_ = fit_target_scaler(y, weights)
        self.n_outputs_ = y.shape[1]
        return self.n_outputs_

    def _cover_targets(self, y):
        self.target_scaler_ = self.target_scaler_.covering(y)

    def _network_targets(self, y):
        return self.target_scaler_.transform(y)

    def _search_targets(self, y):
        targets = self.target_scaler_.transform(y)
        return targets[:, 0] if self.n_outputs_ == 1 else targets
