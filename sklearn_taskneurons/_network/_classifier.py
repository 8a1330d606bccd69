"""What the classifiers have in common: labels, their weights, and probabilities."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import unique_labels

from sklearn_taskneurons._all_or_nothing import all_or_nothing
from sklearn_taskneurons._fit_tasks import with_callbacks
from sklearn_taskneurons._network._parameters import resolved
from sklearn_taskneurons._network._weights import in_range, weighty_rows
from sklearn_taskneurons._training import CrossEntropyLoss
from sklearn_taskneurons._validation import check_weights, class_weights
from sklearn_taskneurons._vsr import VSRClassifier, VSRRegressor
from sklearn_taskneurons._vsr._targets import check_labels, class_indicators

# Smoothing brings rare classes nearer to the others: of "auto", their mean probability is to grow by no larger a share.
MOST_EXCESS = 0.1
MOST_LABEL_SMOOTHING = 0.1


class NetworkClassifierMixin(ClassifierMixin):
    """Labels for the networks of `BaseNetwork`, which follows it among the bases."""

    _classifier_constraints: ClassVar[dict[str, Any]] = {
        "search": [None, VSRRegressor, VSRClassifier],
        "label_smoothing": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

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
            The features, finite numbers; `ConvTaskNeuronClassifier` takes images, too, see its `image_shape`.
        y : array-like of shape (n_samples,)
            The labels: numbers, strings or booleans.
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
        continues = self._continues()
        X, y, weights = self._validated(X, y, sample_weight, first=not continues)
        if not continues:
            self.classes_ = _classes(y)
        return self._fit(X, *self._numbers_and_weights(y, weights))

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on all of these rows; those of the first call decide the scaling and the formula.

        An error leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronClassifier` takes images, too, see its `image_shape`.
        y : array-like of shape (n_samples,)
            The labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call, no more later. ``class_weight="balanced"`` balances the rows of
            each call.
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
            If a parameter, the data or the weights are not as described, `classes` is missing in the first call or differs
            from the first call's, or `y` has other labels.
        """
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit, got None")
        X, y, weights = self._validated(X, y, sample_weight, first)
        if first:
            self.classes_ = _classes(classes)
        elif classes is not None and not np.array_equal(_classes(classes), self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_}, got {_classes(classes)}")
        return self._partial_fit(X, *self._numbers_and_weights(y, weights))

    def predict(self, X):
        """Predict the most probable labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronClassifier` takes images, too, see its `image_shape`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The labels, of the type of the labels at `fit`.
        """
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]

    def predict_proba(self, X):
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronClassifier` takes images, too, see its `image_shape`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The probabilities in [0, 1], float64, in the order of ``classes_``: the mean of those of the members, without the
            part by which `label_smoothing` had them learn less certain ones.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers; `ConvTaskNeuronClassifier` takes images, too, see its `image_shape`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The natural logarithms, float64, in the order of ``classes_``.
        """
        outputs = self._outputs(X)
        return self.net_.criterion_.log_probabilities(outputs)

    def _validated(self, X, y, sample_weight, first):
        X, y = self._validate(X, y, reset=first, ensure_min_samples=2 if first else 1)
        # A label that only rows of weight 0 have is no class.
        return weighty_rows(X, check_labels(y), in_range(check_weights(sample_weight, X)))

    def _numbers_and_weights(self, y, weights):
        """Return the numbers of the rows' classes, and what the rows weigh with the weights of these."""
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y must have labels of {self.classes_} only, got {unknown}")
        of_classes = class_weights(self.class_weight, y, weights, self.classes_)
        return np.searchsorted(self.classes_, y), weights * in_range(of_classes)

    def _loss(self):
        return CrossEntropyLoss(resolved(self.label_smoothing, self._auto_label_smoothing))

    def _strata(self, y):
        return y

    def _start_targets(self, y, weights):
        totals = np.bincount(y, weights, minlength=len(self.classes_))
        self._auto_label_smoothing = _label_smoothing(totals / totals.sum())
        return len(self.classes_)

    def _network_targets(self, y):
        return y

    def _search_targets(self, y):
        if isinstance(self.search, VSRClassifier):
            return self.classes_[y]
        return class_indicators(y, len(self.classes_))


def _label_smoothing(shares):
    """Return what "auto" is for classes of these shares, of which some may be in rows to come."""
    # Smoothed by s, a class of share p has the mean probability (1 - s) * p + s / K.
    rarest = shares[shares > 0].min()
    gap = 1 / len(shares) - rarest
    return min(MOST_LABEL_SMOOTHING, MOST_EXCESS * rarest / gap) if gap > 0 else MOST_LABEL_SMOOTHING


def _classes(labels):
    """Return the distinct labels, sorted, of the type that they have."""
    unique_labels(labels)  # which says what cannot be labels
    return np.unique(column_or_1d(labels))
