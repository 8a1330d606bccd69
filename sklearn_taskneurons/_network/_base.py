"""What the estimators with networks share: from validated rows to trained networks and back to their outputs."""

import copy
import time
import warnings
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_taskneurons._device import plain_torch, resolve_device, seeded_torch, to_tensor
from sklearn_taskneurons._fit_tasks import CallbackSupportMixin, FitTasks
from sklearn_taskneurons._network._candidates import (
    HELD_OUT_FRACTION,
    candidates,
    check_loss,
    check_search,
    choose,
    default_search,
    n_splits,
)
from sklearn_taskneurons._network._given_callbacks import given_callbacks
from sklearn_taskneurons._network._parameters import resolved
from sklearn_taskneurons._network._split import hold_out
from sklearn_taskneurons._network._weights import weighty_rows
from sklearn_taskneurons._search import deadline_after
from sklearn_taskneurons._threads import single_torch_thread
from sklearn_taskneurons._training import held_out_losses, make_table, predict, resume, train
from sklearn_taskneurons._vsr import VSRRegressor
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn import ACTIVATIONS, count_multiplications, count_parameters
from sklearn_taskneurons.nn._checks import whole_numbers
from sklearn_taskneurons.nn._plan import union

# Fewer held-out rows cannot tell a better epoch from a lucky one.
AUTO_HELD_OUT_ROWS = 10

# The weight decay for N rows is this over N: what is known before counts as many rows, whatever their number.
AUTO_WEIGHT_DECAY = 200.0
MOST_WEIGHT_DECAY = 1.0

# Of the time that is left, what each step of the choice of the formula may take; the rest is for training.
SHARE_OF_TIME = 0.25


class BaseNetwork(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """Networks of task-based neurons; subclasses say what the networks are, mixins what the targets are."""

    # What "auto" is of the rows of a step.
    _auto_batch_size: ClassVar[int]
    # The highest power that is tried where no search is given.
    _max_degree: ClassVar[int]
    # What a fit finds out on the way to the formula, and nothing that is left of it where the formula is given.
    _found_on_the_way: ClassVar[tuple[str, ...]] = ("search_", "formula_candidates_")
    # The types of numbers that are taken as they are; others become the first.
    _dtypes: ClassVar[tuple[type[np.number[Any]], ...]] = (np.float64, np.float32)

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "formula": [str, Formula],
        "search": [None, VSRRegressor],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "device": "no_validation",  # torch knows which there are
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    # What the targets are: the mixins' part.

    @abstractmethod
    def _start_targets(self, y, weights):
        """Learn from the first rows what the targets are; return the number of the network's outputs."""

    def _cover_targets(self, y):
        """Learn from the rows of any fit, the first or a further one, within what range the targets are."""

    @abstractmethod
    def _network_targets(self, y):
        """Return what the network is trained on: float (N, O) or class numbers (N,)."""

    @abstractmethod
    def _search_targets(self, y):
        """Return what the formula is searched for: numbers, (N,) or (N, O)."""

    @abstractmethod
    def _loss(self):
        """Return what the networks minimize."""

    @abstractmethod
    def _strata(self, y):
        """Return the classes of which held-out rows have their proportions; None if there are none."""

    # What the networks are: the subclasses' part.

    @abstractmethod
    def _fit_scaler(self, X, weights):
        """Return how the columns are scaled."""

    @abstractmethod
    def _try_network(self, formula):
        """Make a network of any size; it says what does not go together."""

    @abstractmethod
    def _make_net(self, n_rows, n_outputs, options):
        """Return the net of `formula_` for so many scaled rows; the options say how any net is trained."""

    @abstractmethod
    def _auto_steps(self):
        """Return how many steps training takes by "auto", and the least and the most epochs for them."""

    def _form(self, n_rows):
        """Return by name what the parameters say of what the networks for so many rows are, so that it can be compared."""
        given = self._given_formula()
        return {
            "formula": union([self.formula_ if given is None else given]),  # what neurons keep of it
            "hidden_layer_sizes": whole_numbers("hidden_layer_sizes", self.hidden_layer_sizes),
            "n_members": self.n_members,
        }

    def _augmentation(self, seed):
        """Return what is done to the batches of the training; it says what it cannot do."""

    @abstractmethod
    def _shared_options(self, n_rows):
        """Return what the networks have in common with the small ones by which formulas are compared."""

    def _features(self, X, y, weights, seed, deadline):
        """Return over what the formula is searched."""
        return self.scaler_.transform(X)

    # The way of the data.

    def _validate(self, X, *y, reset, **checks):
        """Return what scikit-learn makes of the rows, and of the targets."""
        return validate_data(self, X, *y, reset=reset, dtype=list(self._dtypes), **checks)

    @plain_torch()
    @single_torch_thread()
    def _fit(self, X, y, weights):
        """Fit on validated rows, from the start or, with `warm_start`, from where the last fit ended."""
        self._check_parameters()
        deadline = deadline_after(self.max_time)
        split_seed, search_seed, net_seed = check_random_state(self.random_state).randint(2**31 - 1, size=3).tolist()
        X, y, weights = weighty_rows(X, y, weights)
        parts = self._split(y, self.net_.module_.n_members if self._continues() else self.n_members, split_seed)
        if self._continues():
            self._resume(X)
        else:
            self._start(X, y, weights, search_seed, net_seed, deadline)
        self._cover_targets(y)
        table = self._table(X, y, weights)
        rows, held_out = (table, None) if parts is None else map(table.subset, parts)
        self._train(rows, held_out, self._max_epochs(len(rows)), deadline)
        return self

    def _continues(self):
        return self.warm_start and hasattr(self, "net_")

    @plain_torch()
    @single_torch_thread()
    def _partial_fit(self, X, y, weights):
        """Train one epoch on validated rows; the first rows decide the scaling and the formula."""
        deadline = deadline_after(self.max_time)
        X, y, weights = weighty_rows(X, y, weights)
        if hasattr(self, "net_"):
            self._validate_params()  # scikit-learn does so in the first call only
            self._resume(X)
        else:
            self._check_parameters()
            _, search_seed, net_seed = check_random_state(self.random_state).randint(2**31 - 1, size=3).tolist()
            self._start(X, y, weights, search_seed, net_seed, deadline)
        self._cover_targets(y)
        self._train(self._table(X, y, weights), None, 1, deadline)
        return self

    def _check_rows(self, X):
        """Warn where the scaling does not suit the rows that training goes on with."""

    def _check_parameters(self):
        """Raise what can be known to be wrong before any work begins."""
        resolve_device(self.device)
        given_callbacks(self.callbacks)
        self._augmentation(0)
        formula = self._given_formula()
        if formula is None and self.search is not None:
            check_search(self.search)
        # On the device "meta" it would cost no memory, but the seconds that torch takes to load what runs there.
        with seeded_torch(0):
            self._try_network(formula or "x")

    def _given_formula(self):
        return None if isinstance(self.formula, str) and self.formula == "auto" else Formula(self.formula)

    def _split(self, y, n_members, seed):
        """Return for each member the rows to train on, and those to choose its best epoch by; None if none is held out."""
        if not resolved(self.early_stopping, len(y) * self.validation_fraction >= AUTO_HELD_OUT_ROWS):
            return None
        parts = hold_out(self._strata(y), len(y), self.validation_fraction, n_members, seed)
        return [to_tensor(rows, torch.int64) for rows in parts]

    def _start(self, X, y, weights, search_seed, net_seed, deadline):
        """Decide everything that training does not change, and make the network."""
        n_outputs = self._start_targets(y, weights)
        self.scaler_ = self._fit_scaler(X, weights)
        self.formula_ = self._find_formula(X, y, weights, n_outputs, search_seed, deadline)
        self._n_rows, self._callbacks = len(X), given_callbacks(self.callbacks)
        options = self._training_options(len(X)) | {"loss": self._loss(), "augmentation": self._augmentation(net_seed)}
        options |= {"callbacks": copy.deepcopy(self._callbacks), "device": resolve_device(self.device), "seed": net_seed}
        self.net_ = self._make_net(len(X), n_outputs, options)
        self._first_form = self._form(len(X))
        self.n_parameters_ = count_parameters(self.net_.module_)
        self.n_multiplications_ = count_multiplications(self.net_.module_, (self.scaler_.n_scalings * X.shape[1],))
        self.loss_curve_, self.validation_loss_curve_, self.n_iter_ = [], [], 0

    def _resume(self, X):
        """Let a copy of the network go on with rows, trained as the parameters say now; "auto" remains what it was."""
        self._check_form()
        self._check_rows(X)
        before, self._callbacks = self._callbacks, given_callbacks(self.callbacks)
        self.net_ = resume(
            self.net_,
            augmentation=self._augmentation(self.net_.iterator_train__order.seed),
            callbacks=None if self._callbacks == before else copy.deepcopy(self._callbacks),
            loss=self._loss(),
            device=resolve_device(self.device),
            **self._training_options(self._n_rows),
        )

    def _check_form(self):
        """Raise if a parameter says that the network, which goes on as it is, is another one."""
        before, now = self._first_form, self._form(self._n_rows)
        changed = [f"{name}={now[name]!r} in place of {before[name]!r}" for name in before if now[name] != before[name]]
        if changed:
            raise ValueError(
                "parameters that say what the network is must be as in the first fit while its training goes on, got "
                f"{', '.join(changed)}; fit with warm_start=False begins anew"
            )

    def _training_options(self, n_rows):
        """Return how any net of so many rows is trained."""
        return {
            "lr": self.lr,
            "weight_decay": self._weight_decay(n_rows),
            "batch_size": self._batch_size(n_rows),
            "max_epochs": self._max_epochs(n_rows),
            "verbose": self.verbose,
            "solver": "adamw",
        }

    def _find_formula(self, X, y, weights, n_outputs, seed, deadline):
        """Return the formula that is given, or the best one of the candidates that a search has found."""
        for name in self._found_on_the_way:
            self.__dict__.pop(name, None)  # that of an earlier fit
        given = self._given_formula()
        if given is not None:
            return given
        targets = self._search_targets(y)
        check_loss(self.search, targets)
        X = self._features(X, y, weights, seed, deadline)
        self._run_search(X, targets, weights, seed, deadline)
        pool = candidates(self.search_.pareto_front_, self.search_.max_degree if self.search is None else 0)
        losses = self._held_out_losses(pool, X, y, weights, n_outputs, seed, deadline)
        self.formula_candidates_ = choose(pool, losses)
        return next(candidate.formula for candidate in self.formula_candidates_ if candidate.chosen)

    def _run_search(self, X, y, weights, seed, deadline):
        search = default_search(X.shape[1], len(X), self._max_degree) if self.search is None else clone(self.search)
        if search.random_state is None:
            search.set_params(random_state=seed)
        if search.selection == "auto":
            # How formulas go on beyond the rows does not matter to a network, which bounds its inputs.
            search.set_params(selection="bic")
        left = share_of_time(deadline)
        if left is not None:
            search.set_params(max_time=left if search.max_time is None else min(left, search.max_time))
        # Of a network's weights only the ratios matter; a search takes them for counts of rows.
        self.search_ = search.fit(X, y, sample_weight=weights * (len(weights) / weights.sum()))
        # What only a search's own partial_fit reads may weigh more than all else.
        vars(self.search_).pop("_blocks", None)
        if self.search_._interrupted:
            raise KeyboardInterrupt

    def _held_out_losses(self, pool, X, y, weights, n_outputs, seed, deadline):
        """Return the losses of the candidates, None where there are too few rows or too little time to compare them."""
        n_repeats = n_splits(len(y))
        if not n_repeats or len(pool) == 1 or (y == y[0]).all():
            return None
        losses = held_out_losses(
            [candidate.formula for candidate in pool],
            X,
            self._network_targets(y),
            weights,
            hold_out(self._strata(y), len(y), HELD_OUT_FRACTION, n_repeats, seed),
            out_features=n_outputs,
            loss=self._loss(),
            weight_decay=self._weight_decay(len(X)),
            device=resolve_device(self.device),
            deadline=deadline_after(share_of_time(deadline)),
            seed=seed,
            **self._shared_options(len(X)),
        )
        return losses if np.isfinite(losses).any() else None

    def _weight_decay(self, n_rows):
        return resolved(self.weight_decay, min(AUTO_WEIGHT_DECAY / n_rows, MOST_WEIGHT_DECAY))

    def _batch_size(self, n_rows):
        return resolved(self.batch_size, min(self._auto_batch_size, n_rows))

    def _max_epochs(self, n_rows):
        """Return the largest number of epochs; few rows need more of them to make as many steps."""
        steps_of_an_epoch = -(-n_rows // self._batch_size(n_rows))
        n_steps, least, most = self._auto_steps()
        return resolved(self.max_epochs, int(np.clip(-(-n_steps // steps_of_an_epoch), least, most)))

    def _table(self, X, y, weights):
        return make_table(
            X,
            self._network_targets(y),
            weights,
            transform=self.scaler_.transform,
            n_members=self.net_.module_.n_members,
            device=self.net_.device,
        )

    def _train(self, table, validation, max_epochs, deadline):
        tasks = FitTasks(self, "epoch", max_epochs, self._predicting)
        try:
            training = train(
                self.net_,
                table,
                validation,
                max_epochs=max_epochs,
                n_iter_no_change=self.n_iter_no_change,
                tol=self.tol,
                deadline=deadline,
                on_epoch=tasks.next,
                keep_interrupted=True,
            )
        finally:
            tasks.close()
        if training.stopped == "diverged":
            warnings.warn(
                "Training ended at a loss or weights that are not finite; the best weights before are kept, and a smaller lr "
                "may help.",
                ConvergenceWarning,
                stacklevel=2,
            )
        elif training.stopped == "time" and not training.n_iter:
            warnings.warn(
                f"max_time={self.max_time} ended the training before its first epoch; the weights are hardly trained.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.loss_curve_ = self.loss_curve_ + training.loss_curve
        self.validation_loss_curve_ = self.validation_loss_curve_ + training.validation_loss_curve
        self.n_iter_ += training.n_iter

    def _predicting(self):
        """Return what a copy of the estimator needs to predict as the networks do at the end of an epoch."""
        net = copy.copy(self.net_)
        net.module_ = copy.deepcopy(self.net_.module_)
        return {"net_": net}

    def __sklearn_is_fitted__(self):
        # Labels and shapes are known before what is wrong with a parameter.
        return hasattr(self, "net_")

    def _outputs(self, X):
        """Return what the networks give for rows not yet validated, float64 (N, M, O)."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return predict(self.net_, X, self.scaler_.transform)


def share_of_time(deadline):
    """Return the seconds that one step of the choice of the formula may take, None without a deadline."""
    return None if deadline is None else max(SHARE_OF_TIME * (deadline - time.monotonic()), 1e-3)
