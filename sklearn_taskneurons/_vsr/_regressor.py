"""Vectorized symbolic regression as a scikit-learn estimator."""

import time
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_taskneurons._progress import ProgressLine
from sklearn_taskneurons._search import (
    CRITERIA,
    POLYNOMIAL_FUNCTIONS,
    Record,
    RefitScorer,
    SearchSettings,
    SearchState,
    make_scorer,
    search,
    search_exhaustively,
    selection_scores,
)
from sklearn_taskneurons._validation import check_weights
from sklearn_taskneurons._vsr._pareto import neuron_formula, pareto_point

# With "auto", no power beyond this one, and no more columns of powers than can be solved in a moment.
AUTO_MAX_DEGREE = 8
AUTO_MAX_COLUMNS = 1024

# The parameters that are settings of the search, by the same names.
_SETTINGS = (
    "population_size",
    "generations",
    "n_iter_no_change",
    "tournament_size",
    "p_crossover",
    "p_mutation",
    "p_constant_mutation",
    "p_reproduction",
    "elite_fraction",
    "max_length",
    "parsimony_coefficient",
)


class VSRRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Vectorized symbolic regression: find a formula in which every feature undergoes the same computation.

    A formula over the whole row ``x`` is evolved by genetic programming [1]_ [2]_; its value, one number for each
    feature, is summed over the features. Polynomials are scored from moments of the data, so that a generation takes the
    same time for any number of rows.

    Parameters
    ----------
    method : {"genetic", "exhaustive"}, default="genetic"
        How the formula is found. "exhaustive" tries every set of powers up to `max_degree`, at most 14, and so finds the
        best polynomial of each number of terms with certainty; it needs refitted constants and a function set of
        polynomials, and none of the parameters from `population_size` to `parsimony_coefficient`.
    function_set : sequence of str, default=("add", "sub", "mul", "neg")
        The functions of the formulas, of "add", "sub", "mul", "div", "neg", "pow", "dot", "sum", "sin", "cos", "tan",
        "tanh", "exp", "log", "sqrt" and "abs"; "w" adds constant vectors. Formulas of the first three, "neg" and "pow"
        alone are scored from moments. Nothing is protected: a formula that is not finite on the data loses.
    coefficients : {"per_feature", "shared"}, default="per_feature"
        What the refitted constants of a formula's terms are: a number for each feature, which makes an additive model, or
        one number, as in [1]_.
    refit_constants : bool, default=True
        Solve for the constants of the terms by least squares, in closed form. False leaves them to evolution, as in
        [1]_, which needs ``coefficients="shared"``.
    linear_scaling : bool, default=True
        Score programs with their best slope and intercept [3]_. Where the constants of a polynomial are refitted, both are
        among them.
    max_degree : int or "auto", default="auto"
        The highest power of x in a polynomial, in [1, 32]. "auto" is 8, or less where a number for each feature and power
        would be more than a third of the rows, or more than 1024 numbers.
    population_size : int, default=500
        The number of programs of a generation, at least 2.
    generations : int, default=80
        The largest number of generations, at least 1.
    n_iter_no_change : int or None, default=20
        Stop after so many generations without a better formula of any complexity; None never does.
    tournament_size : int, default=15
        How many programs, drawn at random, compete to become a parent.
    p_crossover : float, default=0.3
        The probability that an offspring is a program with a subtree of another one.
    p_mutation : float, default=0.5
        That it has a subtree or a node replaced at random.
    p_constant_mutation : float, default=0.1
        That a constant is perturbed or drawn anew.
    p_reproduction : float, default=0.1
        That it is a copy. The four probabilities add up to 1.
    elite_fraction : float, default=0.05
        The fraction of best programs that go on unchanged.
    init_depth : tuple of two int, default=(2, 6)
        The smallest and largest depth of the first programs (ramped half-and-half [2]_).
    const_range : tuple of two float, default=(-20, 20)
        Random constants are whole numbers in [low, high).
    max_length : int, default=64
        The largest number of nodes of a program.
    parsimony_coefficient : float, default=0.0
        What each node adds to the loss when programs compete, at least 0.
    selection : {"bic", "loss"}, default="bic"
        Which formula of the Pareto front is taken: the one with the best Bayesian information criterion [4]_, or the one
        with the least loss.
    max_time : float or None, default=None
        After how many seconds the search ends with the best so far.
    warm_start : bool, default=False
        Whether `fit` continues with the last population.
    callbacks : list of callable or None, default=None
        Called after each generation with a dict: "generation", "best_loss", "seconds" and more, as in ``history_``. One
        that returns True ends the search.
    verbose : int, default=0
        With 1 and more, a progress line is written to the standard error stream.
    random_state : int, RandomState instance or None, default=None
        Decides all random choices. An int gives the same formula every time.

    Attributes
    ----------
    formula_ : Formula
        The formula that was selected; for several outputs, that of the first.
    formulas_ : list of Formula
        The formula of each output. They have the same terms, found jointly, and constants of their own.
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
    .. [4] G. Schwarz, "Estimating the Dimension of a Model", Annals of Statistics 6(2), 1978,
       :doi:`10.1214/aos/1176344136`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_taskneurons import VSRRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> y = (0.5 * X**3 - 2 * X).sum(axis=1)
    >>> search = VSRRegressor(coefficients="shared", random_state=0).fit(X, y)
    >>> search.formula_.round(3)
    Formula('0.5*x**3 - 2*x')
    >>> round(search.score(X, y), 3)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"genetic", "exhaustive"})],
        "function_set": ["array-like"],
        "coefficients": [StrOptions({"per_feature", "shared"})],
        "refit_constants": ["boolean"],
        "linear_scaling": ["boolean"],
        "max_degree": [StrOptions({"auto"}), Interval(Integral, 1, 32, closed="both")],
        "population_size": [Interval(Integral, 2, None, closed="left")],
        "generations": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tournament_size": [Interval(Integral, 1, None, closed="left")],
        "p_crossover": [Interval(Real, 0, 1, closed="both")],
        "p_mutation": [Interval(Real, 0, 1, closed="both")],
        "p_constant_mutation": [Interval(Real, 0, 1, closed="both")],
        "p_reproduction": [Interval(Real, 0, 1, closed="both")],
        "elite_fraction": [Interval(Real, 0, 1, closed="both")],
        "init_depth": [tuple, list],
        "const_range": [tuple, list],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "parsimony_coefficient": [Interval(Real, 0, None, closed="left")],
        "selection": [StrOptions(set(CRITERIA))],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        method="genetic",
        function_set=("add", "sub", "mul", "neg"),
        coefficients="per_feature",
        refit_constants=True,
        linear_scaling=True,
        max_degree="auto",
        population_size=500,
        generations=80,
        n_iter_no_change=20,
        tournament_size=15,
        p_crossover=0.3,
        p_mutation=0.5,
        p_constant_mutation=0.1,
        p_reproduction=0.1,
        elite_fraction=0.05,
        init_depth=(2, 6),
        const_range=(-20, 20),
        max_length=64,
        parsimony_coefficient=0.0,
        selection="bic",
        max_time=None,
        warm_start=False,
        callbacks=None,
        verbose=0,
        random_state=None,
    ):
        self.method = method
        self.function_set = function_set
        self.coefficients = coefficients
        self.refit_constants = refit_constants
        self.linear_scaling = linear_scaling
        self.max_degree = max_degree
        self.population_size = population_size
        self.generations = generations
        self.n_iter_no_change = n_iter_no_change
        self.tournament_size = tournament_size
        self.p_crossover = p_crossover
        self.p_mutation = p_mutation
        self.p_constant_mutation = p_constant_mutation
        self.p_reproduction = p_reproduction
        self.elite_fraction = elite_fraction
        self.init_depth = init_depth
        self.const_range = const_range
        self.max_length = max_length
        self.parsimony_coefficient = parsimony_coefficient
        self.selection = selection
        self.max_time = max_time
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Search the formula.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers. They are taken as they are: scale them first if their units differ and
            coefficients are shared.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, finite numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0; all 1 by default. A row of weight 2 counts like two rows.

        Returns
        -------
        VSRRegressor
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter, the data or the weights are not as described.
        """
        deadline = None if self.max_time is None else time.monotonic() + self.max_time
        settings = self._settings()
        continues = self.warm_start and getattr(self, "_state", None) is not None
        X, y = validate_data(
            self, X, y, reset=not continues, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        weights = check_weights(sample_weight, X)
        scorer = make_scorer(
            X,
            y,
            weights,
            settings=settings,
            degree=self._degree(X.shape[1], np.count_nonzero(weights)),
            linear_scaling=self.linear_scaling,
            refit_constants=self.refit_constants,
            coefficients=self.coefficients,
        )
        progress = ProgressLine() if self.verbose else None
        callback = self._callback(progress)
        if self.method == "exhaustive" and isinstance(scorer, RefitScorer):
            result = search_exhaustively(scorer, callback=callback, deadline=deadline)
        else:
            rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
            state = self._state if continues else None
            result = search(scorer, settings, rng, callback=callback, deadline=deadline, state=state)
        if progress:
            progress.close()
        if result.interrupted:
            warnings.warn("The search was interrupted; the best formulas so far are kept.", ConvergenceWarning, stacklevel=2)
        self._state: SearchState | None = result.state
        self.history_: list[Record] = [*self.history_, *result.history] if continues else result.history
        self.n_iter_ = len(self.history_)
        # Weights that count rows add up to their number at least; of others only the ratios matter.
        self._keep(result.front, max(result.total_weight, np.count_nonzero(weights)), y.ndim)
        return self

    def predict(self, X):
        """Predict the targets: the values of the formulas.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted targets, float64, in the shape of the targets at `fit`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self._y_ndim == 1:
            return self.formula_(X)
        return np.stack([formula(X) for formula in self.formulas_], axis=1)

    def report(self, digits=3):
        """Write the selected formulas out, with the names of the features.

        Parameters
        ----------
        digits : int, default=3
            The number of significant digits.

        Returns
        -------
        str
            Lines to be printed.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return "\n".join(formula.report(names, digits=digits) for formula in self.formulas_)

    def neuron_formula(self):
        """Return the formula of a neuron: the best of the front that depends on x, its constant vectors left free.

        Returns
        -------
        Formula
            For a target that no formula in x explains, the formula of the linear neuron, ``x``.
        """
        check_is_fitted(self)
        return neuron_formula(self.pareto_front_)

    def _settings(self):
        """Check what the search may do; its errors come before any work."""
        if self.refit_constants is False and self.coefficients != "shared":
            raise ValueError(
                f"coefficients must be 'shared' where refit_constants is False: a program has no constants for each feature; "
                f"got {self.coefficients!r}"
            )
        polynomial = POLYNOMIAL_FUNCTIONS.issuperset(self.function_set)
        if self.method == "exhaustive" and not (self.refit_constants and polynomial):
            raise ValueError(
                f"method='exhaustive' needs refit_constants=True and functions of {sorted(POLYNOMIAL_FUNCTIONS)} only, got "
                f"refit_constants={self.refit_constants} and function_set={self.function_set!r}"
            )
        total = self.p_crossover + self.p_mutation + self.p_constant_mutation + self.p_reproduction
        if abs(total - 1) > 1e-9:
            raise ValueError(f"p_crossover, p_mutation, p_constant_mutation and p_reproduction must add up to 1, got {total:g}")
        return SearchSettings(
            function_set=tuple(self.function_set),
            init_depth=tuple(self.init_depth),
            const_range=tuple(self.const_range),
            **{name: getattr(self, name) for name in _SETTINGS},
        )

    def _degree(self, n_features, n_rows):
        if self.max_degree != "auto":
            return self.max_degree
        if self.coefficients == "shared":
            return AUTO_MAX_DEGREE
        columns = min(n_rows // 3, AUTO_MAX_COLUMNS)
        return int(np.clip(columns // n_features, 1, AUTO_MAX_DEGREE))

    def _callback(self, progress):
        """Return what is called after each generation."""

        def call(record):
            if progress:
                progress.show(f"generation {record['generation']}: loss {record['best_loss']:.4g}")
            wishes = [callback(dict(record)) is True for callback in self.callbacks or ()]
            return any(wishes)

        return call

    def _keep(self, front, n_rows, y_ndim):
        """Set what was found."""
        scores = selection_scores(front, n_rows, self.selection)
        self._y_ndim = y_ndim
        self.pareto_front_ = [pareto_point(entry, score, y_ndim) for entry, score in zip(front, scores.tolist(), strict=True)]
        self.formulas_ = list(front[int(np.argmax(scores))].formulas)
        self.formula_ = self.formulas_[0]
