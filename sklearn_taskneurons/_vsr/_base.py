"""What the estimators that search a formula share: the parameters, the search itself and what it leaves behind."""

import os
import warnings
from abc import ABCMeta
from itertools import zip_longest
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_taskneurons._device import resolve_device
from sklearn_taskneurons._fit_tasks import CallbackSupportMixin, FitTasks
from sklearn_taskneurons._progress import ProgressLine
from sklearn_taskneurons._search import (
    CRITERIA,
    MAX_DEPTH,
    POLYNOMIAL_FUNCTIONS,
    Record,
    SearchSettings,
    SearchState,
    check_state,
    folds_of,
    forms_of,
    make_scorer,
    own_degree,
    search,
    search_exhaustively,
    wants_end,
)
from sklearn_taskneurons._vsr._blocks import FEWEST_TO_CROSS_VALIDATE, N_FOLDS, count_rows, moments_suffice
from sklearn_taskneurons._vsr._functions import function_names, is_polynomial
from sklearn_taskneurons._vsr._losses import make_loss
from sklearn_taskneurons._vsr._pareto import Selection, has_own_weights, neuron_formula
from sklearn_taskneurons.formula._limits import MAX_DEGREE

# With "auto", no power beyond this one.
AUTO_MAX_DEGREE = 8

# The parameters that are settings of the search, by the same names.
_SETTINGS = (
    "population_size",
    "generations",
    "n_iter_no_change",
    "tournament_size",
    "p_crossover",
    "p_mutation",
    "p_constant_mutation",
    "elite_fraction",
    "max_length",
    "parsimony_coefficient",
)


class BaseVSR(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """A search of formulas for targets that are numbers; subclasses say where these come from and what the formulas are for."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"genetic", "exhaustive"})],
        "function_set": ["array-like"],
        "coefficients": [StrOptions({"auto", "per_feature", "shared"})],
        "refit_constants": ["boolean"],
        "linear_scaling": ["boolean"],
        "optimizer_iterations": [Interval(Integral, 0, None, closed="left")],
        "max_degree": [StrOptions({"auto"}), Interval(Integral, 1, MAX_DEGREE, closed="both")],
        "population_size": [Interval(Integral, 2, None, closed="left")],
        "generations": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tournament_size": [Interval(Integral, 1, None, closed="left")],
        "p_crossover": [Interval(Real, 0, 1, closed="both")],
        "p_mutation": [Interval(Real, 0, 1, closed="both")],
        "p_constant_mutation": [Interval(Real, 0, 1, closed="both")],
        "elite_fraction": [Interval(Real, 0, 1, closed="both")],
        "init_depth": ["array-like"],
        "const_range": ["array-like"],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "max_depth": [Interval(Integral, 1, MAX_DEPTH, closed="both"), None],
        "nested_constraints": [dict, None],
        "parsimony_coefficient": [Interval(Real, 0, None, closed="left")],
        "n_islands": [Interval(Integral, 1, None, closed="left")],
        "migration_interval": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Interval(Integral, None, -1, closed="right"), Interval(Integral, 1, None, closed="left"), None],
        "device": "no_validation",  # torch knows which there are
        "selection": [StrOptions({"auto", *CRITERIA})],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "checkpoint": [str, os.PathLike, None],
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
        self.method = method
        self.function_set = function_set
        self.coefficients = coefficients
        self.refit_constants = refit_constants
        self.linear_scaling = linear_scaling
        self.optimizer_iterations = optimizer_iterations
        self.max_degree = max_degree
        self.population_size = population_size
        self.generations = generations
        self.n_iter_no_change = n_iter_no_change
        self.tournament_size = tournament_size
        self.p_crossover = p_crossover
        self.p_mutation = p_mutation
        self.p_constant_mutation = p_constant_mutation
        self.elite_fraction = elite_fraction
        self.init_depth = init_depth
        self.const_range = const_range
        self.max_length = max_length
        self.max_depth = max_depth
        self.nested_constraints = nested_constraints
        self.parsimony_coefficient = parsimony_coefficient
        self.n_islands = n_islands
        self.migration_interval = migration_interval
        self.n_jobs = n_jobs
        self.device = device
        self.selection = selection
        self.max_time = max_time
        self.checkpoint = checkpoint
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state
        self.loss = loss

    def report(self, digits=3):
        """Write the selected formulas out, with the names of the features.

        Parameters
        ----------
        digits : int, default=3
            The number of significant digits.

        Returns
        -------
        str
            Lines to be printed; of several formulas each under its class or the number of its output.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        reports = [formula.report(names, digits=digits) for formula in self.formulas_]
        return "\n".join(line for pair in zip_longest(self._titles(), reports) for line in pair if line is not None)

    def neuron_formula(self):
        """Return the formula of a neuron: the terms of the best of the front that depends on x, without their numbers.

        Returns
        -------
        Formula
            What a network learns weights for: of ``3*x**2 - x + 1`` it is ``x**2 + x``. For a target that no formula in x
            explains it is the formula of the linear neuron, ``x``.
        """
        check_is_fitted(self)
        return neuron_formula(self.pareto_front_)

    def _titles(self):
        """Return what stands above each of the formulas in a report."""
        return [f"output {index}:" for index in range(len(self.formulas_))] if len(self.formulas_) > 1 else []

    def _continues(self):
        """Return whether a search goes on from the one before; one of every set of powers has nothing to go on with."""
        return self.warm_start and self.method == "genetic" and getattr(self, "_state", None) is not None

    def _settings(self):
        """Check what the search may do; its errors come before any work."""
        if not self.refit_constants and self.coefficients == "per_feature":
            raise ValueError(
                "coefficients must be 'shared' or 'auto' where refit_constants is False: a program has no constants for each "
                "feature; got 'per_feature'"
            )
        if self.optimizer_iterations and not self.refit_constants:
            raise ValueError(
                "optimizer_iterations must be 0 where refit_constants is False, which leaves all constants to evolution; "
                f"got {self.optimizer_iterations}"
            )
        if self.method == "exhaustive" and self.checkpoint is not None:
            raise ValueError(f"checkpoint must be None where method='exhaustive', got {self.checkpoint!r}")
        if self.selection in ("cv", "mdl") and not self.refit_constants:
            raise ValueError(
                f"selection={self.selection!r} needs refit_constants=True, as the constants of programs are no least squares; "
                "got refit_constants=False"
            )
        if not all(map(callable, self.callbacks or ())):
            raise ValueError(f"callbacks must hold callables only, got {self.callbacks!r}")
        make_loss(self)
        resolve_device(self.device)
        functions = function_names(self.function_set)
        if self.method == "exhaustive" and not (self.refit_constants and is_polynomial(self)):
            raise ValueError(
                f"method='exhaustive' needs refit_constants=True and functions of {sorted(POLYNOMIAL_FUNCTIONS)} only, got "
                f"refit_constants={self.refit_constants} and function_set={self.function_set!r}"
            )
        settings = SearchSettings(
            function_set=functions,
            init_depth=tuple(self.init_depth),
            max_depth=MAX_DEPTH if self.max_depth is None else self.max_depth,
            nested_constraints=self.nested_constraints or {},
            const_range=tuple(self.const_range),
            **{name: getattr(self, name) for name in _SETTINGS},
        )
        if self._continues():
            check_state(self._state, settings, self.n_islands)
        return settings

    def _coefficients(self):
        """Return how constants are refitted; a program's own ones are shared."""
        return self.coefficients if self.refit_constants else "shared"

    def _has_own(self, formulas):
        """Return whether each feature has coefficients of its own in formulas that were found jointly."""
        if self._coefficients() != "auto":
            return self._coefficients() == "per_feature"
        return has_own_weights(formulas)

    def _degree(self, n_features, n_rows=None):
        """Return the degree for so many rows, or the largest that any number of rows would have."""
        if self.max_degree != "auto":
            return self.max_degree
        if self.coefficients == "per_feature":
            return min(own_degree(n_features, n_rows), AUTO_MAX_DEGREE)
        return AUTO_MAX_DEGREE

    def _forms(self, n_features, n_rows=None):
        """Return the forms of polynomials, each with its degree, for so many rows or for any number."""
        return forms_of(self._coefficients(), self._degree(n_features, n_rows), n_features, n_rows)

    def _criterion(self, n_rows=np.inf, n_used=np.inf, *, of_labels=False):
        """Return by what a formula is selected for so many rows, of which so many are in the data.

        Of many formulas with other functions some predict well by luck, as all have evolved on all rows; and how well
        indicators of labels are predicted says little about what follows.
        """
        if self.selection != "auto":
            return self.selection
        if of_labels or not (self.refit_constants and moments_suffice(self)):
            return "bic"
        if n_rows < FEWEST_TO_CROSS_VALIDATE:
            return "mdl"
        return "cv" if n_used >= N_FOLDS else "bic"

    def _search_rows(self, X, y, weights, settings, deadline, *, n_rows=None, of_labels=False):
        """Search on rows with targets that are numbers, (N,) or (N, O); weights say how many they are unless `n_rows` does."""
        if n_rows is None:
            n_rows = count_rows(weights)
        criterion = self._criterion(n_rows, np.count_nonzero(weights), of_labels=of_labels)
        scorer = make_scorer(
            X,
            y,
            weights,
            settings=settings,
            degree=self._degree(X.shape[1], n_rows),
            linear_scaling=self.linear_scaling,
            refit_constants=self.refit_constants,
            coefficients=self._coefficients(),
            device=self.device,
            folds=folds_of(weights, N_FOLDS) if criterion == "cv" else None,
            n_rows=n_rows,
            optimizer_iterations=self.optimizer_iterations,
            loss=make_loss(self),
            deadline=deadline,
        )
        self._search(scorer, settings, deadline, Selection(criterion, n_rows, y.ndim))

    def _search_blocks(self, blocks, settings, deadline, *, y_ndim, n_rows=None):
        """Search on the moments of rows, which count for as many as they are unless it is said, as it is of labels."""
        criterion = self._criterion(blocks.n_rows, blocks.n_used, of_labels=n_rows is not None)
        if n_rows is None:
            n_rows = blocks.n_rows
        scorer = blocks.scorer(
            self._forms(blocks.first.n_features, n_rows),
            linear_scaling=self.linear_scaling,
            refit_constants=self.refit_constants,
            cross_validate=criterion == "cv",
        )
        self._search(scorer, settings, deadline, Selection(criterion, n_rows, y_ndim))

    def _search(self, scorer, settings, deadline, selection):
        """Search, and keep the front and how it was found."""
        continues = self._continues()
        watcher = _Watcher(self, scorer, selection)
        try:
            if self.method == "exhaustive":
                result = search_exhaustively(scorer, callback=watcher.report, deadline=deadline)
            else:
                rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
                result = search(
                    scorer,
                    settings,
                    rng,
                    n_islands=self.n_islands,
                    migration_interval=self.migration_interval,
                    n_jobs=self.n_jobs,
                    checkpoint=self.checkpoint,
                    callback=watcher.report,
                    watch=watcher.see,
                    deadline=deadline,
                    state=self._state if continues else None,
                )
        finally:
            watcher.close()
        self._interrupted = result.ended == "interrupted"
        if self._interrupted:
            warnings.warn("The search was interrupted; the best formulas so far are kept.", ConvergenceWarning, stacklevel=3)
        self._state: SearchState | None = result.state
        self.history_: list[Record] = [*self.history_, *result.history] if continues else result.history
        self.n_iter_ = len(self.history_)
        self.pareto_front_ = selection.points(result.front)

    def _attributes(self, points, y_ndim):
        """Return with which attributes a copy predicts as if the search ended at this front, None where that takes more."""


class _Watcher:
    """Tells all who watch a search what a generation has brought."""

    def __init__(self, estimator, scorer, selection):
        self.estimator = estimator
        self.scorer = scorer
        self.selection = selection
        self.state = None
        self.progress = ProgressLine() if estimator.verbose else None
        self.tasks = FitTasks(estimator, "generation", None, self.attributes)

    def see(self, state):
        """Take note of where the search stands."""
        self.state = state

    def report(self, record):
        """Pass a generation on; return whether somebody wants no other."""
        if self.progress:
            self.progress.show(f"generation {record['generation']}: loss {record['best_loss']:.4g}")
        wishes = [wants_end(callback(dict(record))) for callback in self.estimator.callbacks or ()]
        wishes.append(self.tasks.next())
        return any(wishes)

    def attributes(self):
        """Return the attributes of the estimator, did the search end here."""
        if self.state is None or self.state.front.programs is None:
            return None
        front = self.scorer.report(self.state.front.programs, self.state.bank)
        return self.estimator._attributes(self.selection.points(front), self.selection.y_ndim)

    def close(self):
        """End the progress line and the tasks."""
        self.tasks.close()
        if self.progress:
            self.progress.close()
