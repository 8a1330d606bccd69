"""Fully connected networks of task-based neurons, whatever their targets are."""

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_taskneurons._network import BaseNetwork, resolved
from sklearn_taskneurons._training import SCALINGS, SOLVERS, fit_scaler, make_net
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn import ACTIVATIONS, TaskNeuronMLP
from sklearn_taskneurons.nn._checks import whole_numbers

# From so many rows on a network can follow steps and bends, and what it needs for that is "auto"; fewer rows do not teach it.
ENOUGH_ROWS = 2000
AUTO_EMBEDDING_SIZE = 4

# The steps that training takes, and the least and the most epochs for them. Muon needs half of them, but where layers are
# narrow, and nearly all of a matrix is one direction, it is hardly faster than AdamW.
AUTO_STEPS = {"muon": (1000, 15, 500), "adamw": (2000, 30, 500)}
NARROW = 8


class BaseTaskNeuron(BaseNetwork):
    """A multi-layer perceptron of task-based neurons; mixins say what the targets are."""

    _auto_batch_size = 256
    _max_degree = 8

    _parameter_constraints: ClassVar[dict[str, Any]] = BaseNetwork._parameter_constraints | {
        "hidden_formula": [str, Formula],
        "elementwise_affine": ["boolean"],
        "embedding_size": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "activation": [StrOptions({"auto", "mixed", *ACTIVATIONS})],
        "solver": [StrOptions(set(SOLVERS))],
        "scaling": [StrOptions(set(SCALINGS)), None],
    }

    def __init__(
        self,
        formula="auto",
        *,
        search=None,
        hidden_layer_sizes=(64, 32),
        hidden_formula="x",
        elementwise_affine=True,
        embedding_size="auto",
        activation="auto",
        n_members=4,
        solver="muon",
        max_epochs="auto",
        batch_size="auto",
        lr=1e-2,
        weight_decay="auto",
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        scaling="mixed",
        max_time=None,
        device="cpu",
        callbacks=None,
        verbose=0,
        warm_start=False,
        random_state=None,
    ):
        self.formula = formula
        self.search = search
        self.hidden_layer_sizes = hidden_layer_sizes
        self.hidden_formula = hidden_formula
        self.elementwise_affine = elementwise_affine
        self.embedding_size = embedding_size
        self.activation = activation
        self.n_members = n_members
        self.solver = solver
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scaling = scaling
        self.max_time = max_time
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_parameters(self):
        formula = self._given_formula()
        if formula is not None and formula.n_features not in (None, self.n_features_in_):
            raise ValueError(
                f"the vectors in formula must have one entry for each of the {self.n_features_in_} features, "
                f"got {formula.n_features}"
            )
        super()._check_parameters()

    def _check_rows(self, X):
        columns = self.scaler_.columns_far_out(X)
        if len(columns):
            names = getattr(self, "feature_names_in_", np.arange(X.shape[1]))[columns]
            warnings.warn(
                f"of the columns {names.tolist()} half of the values lie beyond nearly all of the first rows, which decide how "
                "columns are scaled, so that the network hardly tells them apart; begin with rows of all kinds, or fit anew",
                stacklevel=2,
            )

    def _fit_scaler(self, X, weights):
        return fit_scaler(X, weights, self.scaling)

    def _run_search(self, X, y, weights, seed, deadline):
        # Of several scalings the first: the network begins with it, and a formula is to have one value of each feature.
        super()._run_search(X[:, : self.n_features_in_], y, weights, seed, deadline)

    def _try_network(self, formula):
        sizes = whole_numbers("hidden_layer_sizes", self.hidden_layer_sizes)
        TaskNeuronMLP(self.n_features_in_, sizes, 1, formula, hidden_formula=self.hidden_formula)

    def _make_net(self, n_rows, n_outputs, options):
        form = self._form(n_rows) | self._shared_options(n_rows)
        del form["scaling"]  # which the rows have behind them
        return make_net(self.n_features_in_, n_outputs, **form, **options)

    def _form(self, n_rows):
        return super()._form(n_rows) | {
            "hidden_formula": Formula(self.hidden_formula),
            "elementwise_affine": self.elementwise_affine,
            "embedding_size": resolved(self.embedding_size, AUTO_EMBEDDING_SIZE if n_rows >= ENOUGH_ROWS else 0),
            "activation": self._shared_options(n_rows)["activation"],
            "scaling": self.scaling,
        }

    def _training_options(self, n_rows):
        return super()._training_options(n_rows) | {"solver": self.solver}

    def _auto_steps(self):
        is_narrow = min(whole_numbers("hidden_layer_sizes", self.hidden_layer_sizes), default=0) < NARROW
        return AUTO_STEPS["adamw" if is_narrow else self.solver]

    def _shared_options(self, n_rows):
        return {
            "n_scalings": self.scaler_.n_scalings,
            "elementwise_affine": self.elementwise_affine,
            "bound_input": not self.scaler_.is_bounded,
            "activation": resolved(self.activation, "mixed" if n_rows >= ENOUGH_ROWS else "tanh"),
        }
