"""Vectorized symbolic regression as a scikit-learn estimator."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_taskneurons._all_or_nothing import all_or_nothing
from sklearn_taskneurons._fit_tasks import with_callbacks
from sklearn_taskneurons._search import LOSS_NAMES, POLYNOMIAL_FUNCTIONS, deadline_after
from sklearn_taskneurons._validation import check_numbers, check_weights
from sklearn_taskneurons._vsr._base import BaseVSR
from sklearn_taskneurons._vsr._blocks import RowBlocks, moments_suffice
from sklearn_taskneurons._vsr._cluster import cluster_settings, is_on_cluster, search_on_cluster
from sklearn_taskneurons._vsr._losses import check_outputs, is_squared_error
from sklearn_taskneurons._vsr._pareto import best_first


def _is_scored_from_moments(estimator):
    """Tell whether blocks of rows can be added; raise AttributeError, which says why, if not."""
    if moments_suffice(estimator):
        return True
    raise AttributeError(
        f"partial_fit needs functions of {sorted(POLYNOMIAL_FUNCTIONS)} only and loss='squared_error', which are scored from "
        f"moments of the rows; got function_set={estimator.function_set!r} and loss={estimator.loss!r}"
    )


class VSRRegressor(MultiOutputMixin, RegressorMixin, BaseVSR):
    """Vectorized symbolic regression: find a formula in which every feature undergoes the same computation.

    A formula over the whole row ``x`` is evolved by genetic programming [1]_ [2]_; its value, one number for each
    feature, is summed over the features. Polynomials are scored from moments of the data, so that a generation takes the
    same time for any number of rows.

    Parameters
    ----------
    method : {"genetic", "exhaustive"}, default="genetic"
        How the formula is found. "exhaustive" tries every set of powers up to `max_degree`, at most 14, and so finds the
        best polynomial of each number of terms with certainty; it needs refitted constants and a function set of
        polynomials, and none of the parameters from `population_size` to `n_jobs`.
    function_set : sequence of str or of what :func:`make_function` returns, default=("add", "sub", "mul", "neg")
        The functions of the formulas, of "add", "sub", "mul", "div", "neg", "pow", "dot", "sum", "sin", "cos", "tan",
        "tanh", "exp", "log", "sqrt" and "abs"; "w" adds constant vectors. Formulas of the first three, "neg" and "pow"
        alone are scored from moments. Nothing is protected: a formula that is not finite on the data loses.
    coefficients : {"auto", "per_feature", "shared"}, default="auto"
        What the refitted constants of a formula's terms are: a number for each feature, which makes an additive model, or
        one number, as in [1]_. With "auto" every program is scored both ways, each up to its own degree, and formulas of
        both kinds are on the front. Programs that are no polynomials compete with one number for each term in any case.
    refit_constants : bool, default=True
        Solve for the constants of the terms by least squares, in closed form. False leaves them to evolution, as in
        [1]_: they are shared, and ``coefficients="per_feature"`` is an error.
    linear_scaling : bool, default=True
        Score programs with their best slope and intercept [3]_. Where the constants of a polynomial are refitted, both are
        among them.
    optimizer_iterations : int, default=0
        The largest number of Levenberg-Marquardt steps in which the constants inside a program's functions and products, such
        as the 2.7 in ``sin(2.7*x)``, are optimised on up to 1024 rows, with the best coefficients of the terms in each step
        (variable projection). In each generation it is done for some of the best and for some other programs; arguments of
        functions get a factor for it, and what is better joins the generation. At the end the constants of the front,
        vectors among them, are optimised on all rows, with ten times as many steps. It needs refitted constants. Polynomials
        have no such constants and no cost; functions of one's own that do not take tensors are left as they are.
    max_degree : int or "auto", default="auto"
        The highest power of x in a polynomial, in [1, 32]. "auto" is 8, or less where a number for each feature and power
        would be more than a third of the rows, or more than 1024 numbers. With ``coefficients="auto"`` such numbers have
        this lower degree whatever `max_degree` is, and are left out where there are as many features as rows. It is without
        effect where `function_set` has functions that are no polynomials.
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
        The largest depth of a program, a single node having 0, in [1, 90] and at least that of the first programs; None is 90.
    nested_constraints : dict or None, default=None
        How often functions may be nested: ``{"sin": {"sin": 0, "cos": 1}}`` allows no ``sin`` in the argument of a
        ``sin``, and at most one ``cos`` on any way from there to a leaf. It holds for programs, whose sums of terms may be
        multiplied out in the formulas.
    parsimony_coefficient : float, default=0.0
        What each node adds to the loss when programs compete, at least 0.
    n_islands : int, default=1
        The number of populations that evolve side by side, each of `population_size` programs, and exchange their best ones
        along a ring.
    migration_interval : int or None, default=10
        After how many generations programs migrate; None makes the islands searches of their own, whose best formulas
        are put together. It is without effect on a single island.
    n_jobs : int or None, default=None
        How many islands are advanced at the same time; None is 1 unless :class:`joblib.parallel_config` says otherwise, which
        also decides where: in processes, threads or on a cluster. The result is the same.
    device : str or torch.device, default="cpu"
        Where programs are evaluated that are no polynomials: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
        Polynomials with refitted constants are scored without it.
    selection : {"auto", "cv", "bic", "mdl", "knee", "loss"}, default="auto"
        Which formula of the Pareto front is taken. "cv" is the simplest one whose error in 5-fold cross-validation of its
        refitted constants exceeds the least one by no more than a standard error of the difference [7]_, or 2 %: of five rows
        of positive weight, one behind the other, each is in another fold, in an order as if drawn at random, and no second pass
        over the data is needed. Polynomials of powers above 1 are left out, with a score of -inf, whose standard error, where
        one feature is half its range beyond its values, is larger than the standard deviation of `y`; and the simplest formula,
        where others are better in four folds. "bic" is the one with the best Bayesian information criterion [4]_; "mdl" the one
        by which the targets have the shortest description, by normalized maximum likelihood [8]_; "knee" that where the
        logarithm of the loss lies farthest below the line from the simplest formula to the last [5]_, and "bic" where none lies
        below it; "loss" the one with the least loss. "auto" is "cv" from 100 rows on and "mdl" for fewer, but "bic" with
        functions that are no polynomials, where `refit_constants` is False and for another `loss`.
    max_time : float or None, default=None
        After how many seconds, above 0, the search ends with the best so far. Where programs are evaluated on the rows, a
        tenth of it is kept for the formulas of the front, of which the best are fitted first.
    checkpoint : str, path or None, default=None
        A file that the state of the search is written to, about every second and at the end. Where it exists, `fit` goes on
        from there and ends in the same formula as without a stop. Searches on other data, such as the folds of a
        cross-validation, need files of their own; of what steers a search only `generations` and `n_iter_no_change` may change.
        The file also holds the generators of random numbers, so that another `random_state` is without effect.
    warm_start : bool, default=False
        Whether `fit` and `partial_fit` continue with the last population.
    callbacks : list of callable or None, default=None
        Called after each generation with a dict: "generation", "best_loss", "seconds" and more, as in ``history_``. One
        that returns True ends the search.
    verbose : int, default=0
        With 1 and more, a progress line is written to the standard error stream.
    random_state : int, RandomState instance or None, default=None
        Decides all random choices. An int gives the same formula every time.
    loss : {"squared_error", "absolute_error", "huber"} or callable, default="squared_error"
        Of what the weighted mean over the rows is minimised: a function of the residual, prediction less target. "huber" is
        half the square up to 1, in units of the target, and a straight line beyond, as in :class:`torch.nn.HuberLoss`. A
        callable takes a tensor of float64 of shape (N,) and returns one, differentiable, elementwise, at least 0, 0 at 0 and
        not falling from there to either side. Other losses than "squared_error" have no closed form: coefficients are found
        by iteratively reweighted least squares [6]_, those of the formulas on the front, and of all sets of powers with
        ``method="exhaustive"``, to the end, those of programs that compete by two steps after a fit by least squares. It needs
        one output, no optimised constants and another `selection` than "cv" and "mdl"; "bic" takes residuals for drawn from a
        density proportional to ``exp(-loss / s)``.

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
    .. [5] V. Satopaa et al., "Finding a 'Kneedle' in a Haystack: Detecting Knee Points in System Behavior", ICDCS Workshops
       2011, :doi:`10.1109/ICDCSW.2011.20`.
    .. [6] P. W. Holland, R. E. Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares", Communications in
       Statistics - Theory and Methods 6(9), 1977, :doi:`10.1080/03610927708827533`.
    .. [7] L. Breiman et al., "Classification and Regression Trees", 1984, chapter 3.4.3, :doi:`10.1201/9781315139470`.
    .. [8] T. Roos, P. Myllymäki, J. Rissanen, "MDL Denoising Revisited", IEEE Transactions on Signal Processing 57, 2009,
       :arxiv:`cs/0609138`, after J. Rissanen, "MDL denoising", 2000.

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

    _parameter_constraints: ClassVar[dict[str, Any]] = BaseVSR._parameter_constraints | {
        "loss": [StrOptions({"squared_error", *LOSS_NAMES}), callable]
    }

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Search the formula.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers. They are taken as they are: scale them first if their units differ and
            coefficients are shared. Where the functions are polynomials, `X`, `y` and `sample_weight` may be arrays or
            dataframes of dask: their rows are reduced to moments where they are, block by block.
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
        FileNotFoundError
            If the folder of `checkpoint` does not exist.
        ValueError
            If a parameter, the data or the weights are not as described; the estimator is then as it was.
        """
        if is_on_cluster(X):
            deadline = deadline_after(self.max_time)
            self._blocks: RowBlocks | None = search_on_cluster(self, cluster_settings(self, X), deadline, X, y, sample_weight)
            return self._select(y.ndim)
        return self._fit(X, y, sample_weight, None, reset=not self._continues(), ensure_min_samples=2)

    @available_if(_is_scored_from_moments)
    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Add a block of rows, and search the formula for all rows so far.

        The rows are not kept, but moments of them, whose size does not depend on their number; :meth:`fit` starts with new
        ones and may be the first block. The formula after the last block is, but for rounding, that of :meth:`fit` on all
        rows with the same ``random_state``, an int: ``max_degree="auto"`` goes by all rows so far. With ``warm_start=True``
        each call continues with the last population instead of a new one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, finite numbers, with as many outputs in every block.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows, at least 0 and not all 0; all 1 by default.

        Returns
        -------
        VSRRegressor
            The estimator itself.

        Raises
        ------
        AttributeError
            If `function_set` has functions that are no polynomials, or `loss` is another one: these need the rows.
        ValueError
            If a parameter, the data or the weights are not as described, or if `function_set`, `coefficients`,
            `refit_constants`, `max_degree` or `selection` no longer go with the first block.
        """
        if self.checkpoint is not None:
            raise ValueError(f"checkpoint must be None for partial_fit, whose data grow; got {self.checkpoint!r}")
        blocks = getattr(self, "_blocks", None)
        if blocks is None and hasattr(self, "formula_"):
            raise ValueError(
                "partial_fit must follow a fit whose functions were polynomials and whose loss was 'squared_error', as others "
                "keep nothing to add rows to; got an estimator whose function_set or loss has been changed since: take a clone "
                "of it"
            )
        return self._fit(X, y, sample_weight, blocks, reset=blocks is None, ensure_min_samples=1)

    def predict(self, X):
        """Predict the targets: the values of the formulas.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The features, finite numbers.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted targets, float64, in the shape of the targets at `fit`; nan or infinite where a formula has no finite
            value, as the logarithm of a negative number.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self._y_ndim == 1:
            return self.formula_(X)
        return np.stack([formula(X) for formula in self.formulas_], axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = is_squared_error(self)
        return tags

    def _fit(self, X, y, sample_weight, blocks, **how):
        """Add rows to the blocks before, if there are any, and search on all of them."""
        deadline = deadline_after(self.max_time)
        settings = self._settings()
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, **how)
        y = check_outputs(self, check_numbers(y))
        weights = check_weights(sample_weight, X)
        if moments_suffice(self):
            empty = self._no_rows(X.shape[1])
            if blocks is not None:
                self._check_block(blocks, y, empty)
            blocks = (blocks or empty).added(X, y, weights)
            self._search_blocks(blocks, settings, deadline, y_ndim=y.ndim)
        else:
            self._search_rows(X, y, weights, settings, deadline)
        # Only now: a block whose search did not end in a formula is not there.
        self._blocks = blocks
        return self._select(y.ndim)

    def _no_rows(self, n_features):
        """Return moments of the degree that many rows would have: that of the rows so far needs a part of these."""
        return RowBlocks.empty(self._forms(n_features), self._criterion() == "cv")

    def _check_block(self, blocks, y, wanted):
        """Raise ValueError unless a block goes with those before; `wanted` are the moments that the parameters ask for."""
        known = blocks.first
        if blocks.kind() != wanted.kind():
            forms, n_parts = blocks.kind()
            made = " and ".join(f"of degree {form.degree}{' for each feature' if form.per_feature else ''}" for form in forms)
            raise ValueError(
                "coefficients, refit_constants, max_degree and selection must be those of the first block, which make moments "
                f"{made} in {n_parts} parts, got "
                f"coefficients={self.coefficients!r}, refit_constants={self.refit_constants}, max_degree={self.max_degree!r} "
                f"and selection={self.selection!r}"
            )
        if (y.ndim, y.size) != (self._y_ndim, len(y) * known.n_outputs):
            shape = "(n_samples,)" if self._y_ndim == 1 else f"(n_samples, {known.n_outputs})"
            raise ValueError(f"y must have the shape {shape} of the first block, got {y.shape}")

    def _select(self, y_ndim):
        """Take the best formula of the front."""
        for name, value in self._attributes(self.pareto_front_, y_ndim).items():
            setattr(self, name, value)
        return self

    def _attributes(self, points, y_ndim):
        formulas = list(best_first(points)[0])
        return {"formulas_": formulas, "formula_": formulas[0], "_y_ndim": y_ndim}
