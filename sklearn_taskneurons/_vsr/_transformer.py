"""The terms of a formula that vectorized symbolic regression finds, as features for other estimators."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from sklearn_taskneurons._all_or_nothing import all_or_nothing
from sklearn_taskneurons._fit_tasks import with_callbacks
from sklearn_taskneurons._search import LOSS_NAMES, TermColumns, deadline_after, distinct_terms
from sklearn_taskneurons._validation import check_numbers, check_weights
from sklearn_taskneurons._vsr._base import BaseVSR
from sklearn_taskneurons._vsr._cluster import (
    ClusterRows,
    are_numbers_on_cluster,
    cluster_settings,
    is_on_cluster,
    search_on_cluster,
)
from sklearn_taskneurons._vsr._losses import check_loss_of_labels, check_outputs, is_squared_error
from sklearn_taskneurons._vsr._pareto import best_first
from sklearn_taskneurons._vsr._targets import (
    are_numbers,
    check_finite,
    check_labels,
    class_indicators,
    class_numbers,
)
from sklearn_taskneurons.formula import Formula


class VSRTransformer(TransformerMixin, BaseVSR):
    """Features by vectorized symbolic regression: the terms of a formula that explains the targets.

    Genetic programming [1]_ [2]_ searches a formula over the whole row ``x`` that explains the targets, and its terms become
    columns for any estimator that follows in a pipeline. Coefficients and constants are left to that estimator.

    Parameters
    ----------
    task : {"auto", "regression", "classification"}, default="auto"
        What the targets are: numbers that the formula explains, or labels, whose indicators it explains. "auto" takes
        numbers as numbers, be they labels or not, and everything else as labels, as is what pandas has as categories. Say
        "classification" whenever labels are numbers: what is found would depend on how they are numbered.
    method : {"genetic", "exhaustive"}, default="genetic"
        How the formula is found. "exhaustive" tries every set of powers up to `max_degree`, at most 14, and so finds the
        best polynomial of each number of terms with certainty; it needs refitted constants and a function set of
        polynomials, and none of the parameters from `population_size` to `n_jobs`.
    function_set : sequence of str or of what :func:`make_function` returns, default=("add", "sub", "mul", "neg")
        The functions of the formulas, of "add", "sub", "mul", "div", "neg", "pow", "dot", "sum", "sin", "cos", "tan",
        "tanh", "exp", "log", "sqrt" and "abs"; "w" adds constant vectors. Formulas of the first three, "neg" and "pow"
        alone are scored from moments. Nothing is protected: a formula that is not finite on the data loses.
    coefficients : {"auto", "per_feature", "shared"}, default="auto"
        What the refitted constants of a formula's terms are, and so what the columns are. "per_feature" gives each feature
        a number in each term, and a column; "shared" gives each term one number, as in [1]_, and one column: its sum over
        the features. With "auto" formulas of both kinds are on the front, and the one that is selected decides.
    refit_constants : bool, default=True
        Solve for the constants of the terms by least squares, in closed form. False leaves them to evolution, as in
        [1]_: they are shared, and ``coefficients="per_feature"`` is an error.
    linear_scaling : bool, default=True
        Score programs with their best slope and intercept [3]_. Where the constants of a polynomial are refitted, both are
        among them.
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
        The number of populations, each of `population_size` programs, that exchange their best ones along a ring.
    migration_interval : int or None, default=10
        After how many generations programs migrate; None makes the islands searches of their own, whose fronts are merged.
    n_jobs : int or None, default=None
        How many islands are advanced at the same time; None is 1 unless :class:`joblib.parallel_config` says otherwise, which
        also decides where: in processes, threads or on a cluster. The result is the same.
    device : str or torch.device, default="cpu"
        Where programs are evaluated that are no polynomials: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
        Polynomials are scored from moments, which takes no device.
    selection : {"auto", "cv", "bic", "mdl", "knee", "loss"}, default="auto"
        Which formula of the Pareto front gives its terms, of those that depend on x, as :class:`VSRRegressor` describes; for
        labels "auto" is "bic".
    max_time : float or None, default=None
        After how many seconds, above 0, the search ends with the best so far, as in :class:`VSRRegressor`.
    checkpoint : str, path or None, default=None
        A file that the state of the search is written to, about every second and at the end. Where it exists, `fit` goes on
        from there and ends in the same formula as without a stop. Searches on other data, such as the folds of a
        cross-validation, need files of their own; of what steers a search only `generations` and `n_iter_no_change` may change.
        The file also holds the generators of random numbers, so that another `random_state` is without effect.
    warm_start : bool, default=False
        Whether `fit` continues with the last population.
    callbacks : list of callable or None, default=None
        Called after each generation with a dict: "generation", "best_loss", "seconds" and more, as in ``history_``. One
        that returns True ends the search.
    verbose : int, default=0
        With 1 and more, a progress line is written to the standard error stream.
    random_state : int, RandomState instance or None, default=None
        Decides all random choices. An int gives the same terms every time.
    loss : {"squared_error", "absolute_error", "huber"} or callable, default="squared_error"
        Of what the weighted mean over the rows is minimised, as :class:`VSRRegressor` describes: with another than
        "squared_error" gross errors of the targets hide fewer terms. It is for targets that are numbers; the indicators of
        labels have no such errors.

    Attributes
    ----------
    formula_ : Formula
        The formula whose terms are the columns: that of the first output, or of the first class. It is the best of the front
        that depends on x, and ``x`` where none does, so that there is always a column.
    formulas_ : list of Formula
        The formula of each output or class. They were found jointly; a term of any of them is a column.
    pareto_front_ : list of ParetoPoint
        The best formula of each complexity: ``complexity``, ``loss``, ``score``, ``formula``, by rising complexity.
        ``pandas.DataFrame(pareto_front_)`` is a table of it.
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
    >>> from sklearn_taskneurons import VSRTransformer
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = 3 * X[:, 0] ** 3 - X[:, 1]
    >>> transformer = VSRTransformer(random_state=0).fit(X, y)
    >>> transformer.get_feature_names_out()
    array(['x0**3', 'x1**3', 'x2**3', 'x0', 'x1', 'x2'], dtype=object)
    >>> transformer.transform([[2.0, 3.0, 4.0]])
    array([[ 8., 27., 64.,  2.,  3.,  4.]])
    >>> shared = VSRTransformer(coefficients="shared", random_state=0).fit(X, (X**3 - X).sum(axis=1))
    >>> shared.get_feature_names_out()
    array(['sum(x**3)', 'sum(x)'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = BaseVSR._parameter_constraints | {
        "task": [StrOptions({"auto", "regression", "classification"})],
        "loss": [StrOptions({"squared_error", *LOSS_NAMES}), callable],
    }

    def __init__(
        self,
        *,
        task="auto",
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
        max_time=None,
        checkpoint=None,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
        loss="squared_error",
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
            loss=loss,
        )
        self.task = task

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Search the terms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers. Where the functions are polynomials, `X`, `y` and `sample_weight` may be arrays or
            dataframes of dask: their rows are reduced to moments where they are, block by block. They are read once more to
            see that the terms are finite, and labels once before, for the classes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets: finite numbers, or labels of shape (n_samples,), two different ones at least.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0; all 1 by default. A row of weight 2 counts like two rows.

        Returns
        -------
        VSRTransformer
            The fitted estimator itself.

        Raises
        ------
        FileNotFoundError
            If the folder of `checkpoint` does not exist.
        ValueError
            If a parameter, the data or the weights are not as described; the estimator is then as it was.
        """
        deadline = deadline_after(self.max_time)
        if is_on_cluster(X):
            return self._fit_on_cluster(X, y, sample_weight, deadline)
        settings = self._settings()
        has_numbers = self.task == "regression" or (self.task == "auto" and are_numbers(y))
        if not has_numbers:
            check_loss_of_labels(self)
        X, y = validate_data(
            self,
            X,
            y,
            reset=not self._continues(),
            dtype=np.float64,
            multi_output=has_numbers,
            y_numeric=has_numbers,
            ensure_min_samples=2,
        )
        weights = check_weights(sample_weight, X)
        if has_numbers:
            y = check_outputs(self, check_numbers(y))
        else:
            used = weights > 0
            classes, numbers = class_numbers(check_labels(y)[used])
            X, y, weights = X[used], class_indicators(numbers, len(classes)), weights[used]
        self._search_rows(X, y, weights, settings, deadline, of_labels=not has_numbers)
        return self._select(lambda columns: np.isfinite(columns.values(X[weights > 0])).all())

    def transform(self, X):
        """Return the values of the terms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The terms without their coefficients, float64.

        Raises
        ------
        ValueError
            If a term has no finite value for a row of `X`, as the logarithm of a negative number.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        values = self._columns().values(X)
        check_finite(values, "the terms of the formula")
        return values

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            The names of the features: ``feature_names_in_`` where there are any, else by default ``x0, x1, ...``.

        Returns
        -------
        ndarray of str objects
            As formulas are written, for instance "age**3", or "sum(x**3)" for a column that is a sum over the features.

        Raises
        ------
        ValueError
            If `input_features` are not as many as the features, or not ``feature_names_in_``.
        """
        check_is_fitted(self)
        return np.array(self._columns().names(_check_feature_names_in(self, input_features).tolist()), dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = is_squared_error(self)
        return tags

    def _fit_on_cluster(self, X, y, sample_weight, deadline):
        """Fit on collections of dask."""
        settings = cluster_settings(self, X)
        rows = ClusterRows(X, y, sample_weight)
        if self.task == "regression" or (self.task == "auto" and are_numbers_on_cluster(y)):
            search_on_cluster(self, settings, deadline, X, y, sample_weight)
        else:
            labels = rows.labels(None)
            search_on_cluster(self, settings, deadline, X, *rows.encoded(labels), labels.n_rows)
        return self._select(rows.are_finite)

    def _select(self, are_finite):
        """Take the best formula of the front that depends on x and whose columns are finite on the rows."""
        found = [(formulas, self._has_own(formulas)) for formulas in best_first(self.pareto_front_)]
        # Where nothing is found, every feature is a column, or with shared coefficients their sum.
        for formulas, per_feature in [*found, ((Formula("x"),), self._coefficients() != "shared")]:
            self.formulas_, self._per_feature = list(formulas), per_feature
            columns = self._columns()
            if columns.count and are_finite(columns):
                break
        self.formula_ = self.formulas_[0]
        return self

    def _columns(self):
        """Return the columns anew: formulas are stored as text, and the way to their terms is short."""
        terms = distinct_terms(self.formulas_, per_feature=self._per_feature)
        return TermColumns(terms, self.n_features_in_, per_feature=self._per_feature)
