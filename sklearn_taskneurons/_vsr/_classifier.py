"""Vectorized symbolic regression of logits: a scikit-learn classifier."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_taskneurons._all_or_nothing import all_or_nothing
from sklearn_taskneurons._fit_tasks import with_callbacks
from sklearn_taskneurons._search import TermColumns, deadline_after, distinct_terms
from sklearn_taskneurons._validation import check_weights, class_weights
from sklearn_taskneurons._vsr._base import BaseVSR
from sklearn_taskneurons._vsr._blocks import count_rows
from sklearn_taskneurons._vsr._cluster import ClusterRows, cluster_settings, is_on_cluster, search_on_cluster
from sklearn_taskneurons._vsr._logistic import fit_logits
from sklearn_taskneurons._vsr._pareto import best_first
from sklearn_taskneurons._vsr._targets import check_finite, check_labels, class_indicators, class_numbers
from sklearn_taskneurons.formula import Formula


class VSRClassifier(ClassifierMixin, BaseVSR):
    """Classification by vectorized symbolic regression: the logits are formulas in which features undergo the same computation.

    Genetic programming [1]_ [2]_ searches formulas over the whole row ``x`` that explain the indicators of the classes, all
    with the same terms. The terms of the best one are the columns of a multinomial logistic regression with a quadratic
    penalty, and its coefficients make them formulas of the logits.

    Parameters
    ----------
    method : {"genetic", "exhaustive"}, default="genetic"
        How the formula is found. "exhaustive" tries every set of powers up to `max_degree`, at most 14; it needs refitted
        constants and a function set of polynomials, and none of the parameters from `population_size` to `n_jobs`.
    function_set : sequence of str or of what :func:`make_function` returns, default=("add", "sub", "mul", "neg")
        The functions of the formulas, as :class:`VSRRegressor` lists them.
    coefficients : {"auto", "per_feature", "shared"}, default="auto"
        What the coefficients of a formula's terms are, in the search and in the logits: a number for each feature, or one
        number, as in [1]_. With "auto" formulas of both kinds are on the front, and the one that is selected decides.
    refit_constants : bool, default=True
        Whether the search solves for the constants of the terms by least squares, in closed form. False leaves them to
        evolution, as in [1]_: they are shared, and ``coefficients="per_feature"`` is an error. The coefficients of the
        logits are always fitted.
    linear_scaling : bool, default=True
        Score programs with their best slope and intercept [3]_; refitted constants of polynomials have both among them.
    optimizer_iterations : int, default=0
        The largest number of steps in which constants inside functions are optimised, as :class:`VSRRegressor` describes.
    max_degree : int or "auto", default="auto"
        The highest power of x in a polynomial, in [1, 32]. "auto" is 8, or less where a number for each feature and power
        would be too many for the rows, as :class:`VSRRegressor` describes; of other functions no bound.
    population_size : int, default=500
        The number of programs of a generation, at least 2.
    generations : int, default=80
        The largest number of generations, at least 1.
    n_iter_no_change : int or None, default=20
        Stop after so many generations, at least 1, without a better formula of any complexity, or after five where a formula
        fits exactly. With None only the latter ends a search early.
    tournament_size : int, default=15
        How many programs, drawn at random, compete to become a parent, at least 1.
    p_crossover : float, default=0.3
        The probability, in [0, 1], that an offspring is a program with a subtree of another one.
    p_mutation : float, default=0.5
        That it has a subtree or a node replaced at random.
    p_constant_mutation : float, default=0.1
        That a constant is perturbed or drawn anew. The three probabilities add up to 1 at most; the rest are copies.
    elite_fraction : float, default=0.05
        The fraction, in [0, 1], of best programs that go on unchanged.
    init_depth : tuple of two int, default=(2, 6)
        The smallest and largest depth of the first programs, at least 0 (ramped half-and-half [2]_).
    const_range : tuple of two float, default=(-20, 20)
        Random constants are whole numbers in [low, high), low being less than high.
    max_length : int, default=64
        The largest number of nodes of a program, at least 1.
    max_depth : int or None, default=None
        The largest depth of a program, a single node having 0, in [1, 90]; None is 90.
    nested_constraints : dict or None, default=None
        How often functions may stand inside of each other, as :class:`VSRRegressor` describes.
    parsimony_coefficient : float, default=0.0
        What each node adds to the loss when programs compete, at least 0.
    n_islands : int, default=1
        The number of populations that evolve side by side and exchange their best programs along a ring.
    migration_interval : int or None, default=10
        After how many generations programs migrate; None makes the islands searches of their own, whose fronts are merged.
    n_jobs : int or None, default=None
        How many islands are advanced at the same time, as :class:`VSRRegressor` describes. The result is the same.
    device : str or torch.device, default="cpu"
        Where programs are evaluated that are no polynomials: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
    selection : {"auto", "cv", "bic", "mdl", "knee", "loss"}, default="auto"
        Which formula of the Pareto front gives its terms, as :class:`VSRRegressor` describes; "auto" is "bic".
    C : float, default=1.0
        The inverse of the strength of the penalty, above 0, on the variance of what the terms of each feature, and all other
        terms together, add to the logits: units and origins do not matter. Of one term it is that on a standardized column.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label, at least 0; "balanced" weighs every class the same, whatever its number of rows. A
        class of weight 0 is left out.
    max_time : float or None, default=None
        After how many seconds, above 0, the search ends with the best so far, as in :class:`VSRRegressor`. The logits are
        fitted after it, however long that takes.
    checkpoint : str, path or None, default=None
        A file that keeps the state of the search, from which `fit` goes on where it exists, as :class:`VSRRegressor` describes.
    warm_start : bool, default=False
        Whether `fit` continues with the last population.
    callbacks : list of callable or None, default=None
        Called after each generation with a dict, as in ``history_``. One that returns True ends the search.
    verbose : int, default=0
        With 1 and more, a progress line is written to the standard error stream.
    random_state : int, RandomState instance or None, default=None
        Decides all random choices. An int gives the same formulas every time.

    Attributes
    ----------
    formula_ : Formula
        The formula of the first logit: with two classes the log-odds of ``classes_[1]``, else the logit of ``classes_[0]``.
    formulas_ : list of Formula
        The formula of each logit, one for two classes, else one for each class, in the order of ``classes_``.
    classes_ : ndarray of shape (n_classes,)
        The labels of the rows of positive weight, sorted.
    pareto_front_ : list of ParetoPoint
        The best formula of the classes' indicators of each complexity: ``complexity``, ``loss``, ``score``, ``formula``, by
        rising complexity. ``pandas.DataFrame(pareto_front_)`` is a table of it.
    history_ : list of dict
        What the callbacks were given.
    n_iter_ : int
        The number of generations.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the features; only where the data had string names.

    References
    ----------
    .. [1] F.-L. Fan et al., "No One-Size-Fits-All Neurons: Task-based Neurons for Artificial Neural Networks",
       :arxiv:`2405.02369`.
    .. [2] J. R. Koza, "Genetic Programming", MIT Press, 1992.
    .. [3] M. Keijzer, "Improving Symbolic Regression with Interval Arithmetic and Linear Scaling", EuroGP 2003,
       :doi:`10.1007/3-540-36599-0_7`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_taskneurons import VSRClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> y = np.where((X**2).sum(axis=1) > 1.5, "outside", "inside")
    >>> model = VSRClassifier(coefficients="shared", max_degree=2, random_state=0).fit(X, y)
    >>> [str(term.factors[0]) for term in model.formula_.terms]
    ['sum(x**2)', 'sum(x**0)']
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = BaseVSR._parameter_constraints | {
        "C": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        method="genetic",
        function_set=("add", "sub", "mul", "neg"),
        coefficients="auto",
        refit_constants=True,
        linear_scaling=True,
        optimizer_iterations=0,
        max_degree="auto",
        population_size=500,
        generations=80,
        n_iter_no_change=20,
        tournament_size=15,
        p_crossover=0.3,
        p_mutation=0.5,
        p_constant_mutation=0.1,
        elite_fraction=0.05,
        init_depth=(2, 6),
        const_range=(-20, 20),
        max_length=64,
        max_depth=None,
        nested_constraints=None,
        parsimony_coefficient=0.0,
        n_islands=1,
        migration_interval=10,
        n_jobs=None,
        device="cpu",
        selection="auto",
        C=1.0,
        class_weight=None,
        max_time=None,
        checkpoint=None,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        super().__init__(
            method=method,
            function_set=function_set,
            coefficients=coefficients,
            refit_constants=refit_constants,
            linear_scaling=linear_scaling,
            optimizer_iterations=optimizer_iterations,
            max_degree=max_degree,
            population_size=population_size,
            generations=generations,
            n_iter_no_change=n_iter_no_change,
            tournament_size=tournament_size,
            p_crossover=p_crossover,
            p_mutation=p_mutation,
            p_constant_mutation=p_constant_mutation,
            elite_fraction=elite_fraction,
            init_depth=init_depth,
            const_range=const_range,
            max_length=max_length,
            max_depth=max_depth,
            nested_constraints=nested_constraints,
            parsimony_coefficient=parsimony_coefficient,
            n_islands=n_islands,
            migration_interval=migration_interval,
            n_jobs=n_jobs,
            device=device,
            selection=selection,
            max_time=max_time,
            checkpoint=checkpoint,
            warm_start=warm_start,
            callbacks=callbacks,
            verbose=verbose,
            random_state=random_state,
        )
        self.C = C
        self.class_weight = class_weight

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Search the terms and fit the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers. Where the functions are polynomials, `X`, `y` and `sample_weight` may be arrays or
            dataframes of dask: their rows are reduced to moments where they are, block by block. They are read once more for
            the classes before, and once more after: the logistic regression takes the terms of the best formula of all rows
            into the memory of this process. Whatever `X` is, it takes about 16 bytes for each row and column, which is a term
            or, where features have coefficients of their own, a term of one feature.
        y : array-like of shape (n_samples,)
            The labels: numbers, strings or booleans, two different ones at least.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0; all 1 by default. A row of weight 2 counts like two rows, one of weight 0
            like none: a label that only such rows have is no class.

        Returns
        -------
        VSRClassifier
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter, the data or the weights are not as described; the estimator is then as it was.
        """
        deadline = deadline_after(self.max_time)
        if is_on_cluster(X):
            return self._fit_on_cluster(X, y, sample_weight, deadline)
        settings = self._settings()
        X, y = validate_data(self, X, y, reset=not self._continues(), dtype=np.float64, ensure_min_samples=2)
        y = check_labels(y)
        weights = check_weights(sample_weight, X)
        weighted = weights * class_weights(self.class_weight, y, weights)
        used = weighted > 0
        classes, numbers = class_numbers(y[used])
        X, weights, weighted = X[used], weights[used], weighted[used]
        targets = class_indicators(numbers, len(classes))
        # The weights of classes say what matters, not how much is known: they make no more rows.
        self._search_rows(X, targets, weighted, settings, deadline, n_rows=count_rows(weights), of_labels=True)
        self.classes_ = classes
        return self._fit_logits(lambda columns: columns.values(X), numbers, weighted)

    def decision_function(self, X):
        """Return the logits: the values of the formulas.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            The log-odds of ``classes_[1]`` where there are two classes, else a logit for each class.

        Raises
        ------
        ValueError
            If a formula has no finite value for a row of `X`, as the logarithm of a negative number.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        logits = np.stack([formula(X) for formula in self.formulas_], axis=1)
        check_finite(logits, "the formulas")
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X):
        """Predict the most probable labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers for which the formulas are finite.

        Returns
        -------
        ndarray of shape (n_samples,)
            The labels, of the type of the labels at `fit`.
        """
        logits = self.decision_function(X)
        return self.classes_[(logits > 0).astype(np.intp) if logits.ndim == 1 else logits.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers for which the formulas are finite.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The probabilities in [0, 1], float64, in the order of ``classes_``.
        """
        logits = self.decision_function(X)
        return softmax(logits, axis=1) if logits.ndim == 2 else np.column_stack([expit(-logits), expit(logits)])

    def predict_log_proba(self, X):
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers for which the formulas are finite.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The natural logarithms, float64, in the order of ``classes_``.
        """
        logits = self.decision_function(X)
        return log_softmax(logits, axis=1) if logits.ndim == 2 else np.column_stack([log_expit(-logits), log_expit(logits)])

    def _titles(self):
        if len(self.classes_) == 2:
            return [f"log-odds of {self.classes_[1]}:"]
        return [f"logit of {label}:" for label in self.classes_]

    def _fit_on_cluster(self, X, y, sample_weight, deadline):
        """Fit on collections of dask; the columns of the terms come here for the logistic regression."""
        settings = cluster_settings(self, X)
        rows = ClusterRows(X, y, sample_weight)
        labels = rows.labels(self.class_weight)
        search_on_cluster(self, settings, deadline, X, *rows.encoded(labels), labels.n_rows)
        self.classes_ = labels.classes
        return self._fit_logits(lambda columns: rows.values(columns, labels), *rows.numbers(labels))

    def _fit_logits(self, values, numbers, weights):
        """Fit the logits to the best terms of the front that are finite on all rows; `values` gives their columns.

        A sum that is finite can have terms that are not, as in x**9 - x**9 + x, where programs keep their own constants.
        """
        for formulas in best_first(self.pareto_front_):
            per_feature = self._has_own(formulas)
            terms = TermColumns(distinct_terms(formulas, per_feature=per_feature), self.n_features_in_, per_feature=per_feature)
            if np.isfinite(columns := values(terms)).all():
                break
        else:
            columns, terms = np.empty((len(numbers), 0)), TermColumns([], self.n_features_in_, per_feature=False)
        logits = fit_logits(columns, numbers, weights, self.C, terms.groups)
        self.formulas_ = [
            Formula.from_expression(terms.expression(coefficients, float(intercept)))
            for coefficients, intercept in zip(logits.coefficients, logits.intercept.tolist(), strict=True)
        ]
        self.formula_ = self.formulas_[0]
        return self
