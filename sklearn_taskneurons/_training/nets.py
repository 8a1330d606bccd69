"""The skorch net of the estimators, around any module with members, seeded and ready to train."""

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, PrintLog
from skorch.utils import TeeGenerator
from torch import nn

from sklearn_taskneurons._device import seeded_torch
from sklearn_taskneurons._training.augmentation import Augmentation
from sklearn_taskneurons._training.batches import RowOrder, TensorBatches, TensorTable
from sklearn_taskneurons._training.best_epoch import BestEpoch
from sklearn_taskneurons._training.losses import MemberLoss, SquaredErrorLoss
from sklearn_taskneurons._training.muon import Solver, VectorMuon
from sklearn_taskneurons._training.vector import parameter_vector, places_of, tied
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn import Activation, TaskNeuronMLP

# The names of the callbacks that every net has.
OWN_CALLBACKS = ("best_epoch", "epoch_timer", "train_loss", "valid_loss", "print_log")
# After these the training may stop.
STOPPING_EVENTS = ("on_batch_end", "on_epoch_end")
# Rows of a table that go forward at once in validation.
VALID_BATCH_SIZE = 65536


class StopTraining(KeyboardInterrupt):
    """Ends training where it is.

    skorch takes the interrupt of the keyboard, and nothing else, as the wish to end in order.
    """


class VerboseLog(PrintLog):  # type: ignore[misc]  # skorch has no types
    """Print a table of the epochs where the net is verbose; to make it takes longer than an epoch of a small network."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Print the line of the epoch."""
        if net.verbose:
            super().on_epoch_end(net, **kwargs)


class TableNet(NeuralNet):  # type: ignore[misc]  # skorch has no types
    """A skorch net with a plain loop over the batches; all else is skorch's.

    For a small network on 128 rows, skorch's way to a step takes as long as a fifth of the step: the closure that
    optimizers such as LBFGS call several times, accumulators for that, conversions of what are tensors already, the mode
    set for each batch, events that no callback listens to. The batches and the optimizer of this package need none of it.
    Callbacks are told the same in the same order, and the history records the same.
    """

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Callable[..., Any], **fit_params: Any
    ) -> None:
        """Run through the batches once, if there are any."""
        if iterator is None:
            return
        history = self.history
        begins, computes, ends = (self._is_heard(f"on_{event}") for event in ("batch_begin", "grad_computed", "batch_end"))
        self._set_training(training)
        n_batches = 0
        for batch in iterator:
            if begins:
                self.notify("on_batch_begin", batch=batch, training=training)
            X, y = batch
            with torch.set_grad_enabled(training):
                y_pred = self.module_(X)
                loss = self.criterion_(y_pred, y)
            if training:
                self._step(batch, loss, computes)
            history.record_batch(f"{prefix}_loss", loss.item())
            history.record_batch(f"{prefix}_batch_size", len(X))
            if ends:
                self.notify("on_batch_end", batch=batch, training=training, loss=loss, y_pred=y_pred)
            n_batches += 1
        history.record(f"{prefix}_batch_count", n_batches)

    def _step(self, batch: Any, loss: torch.Tensor, is_heard: bool) -> None:
        """Move the parameters by the gradient of a loss."""
        self.vector_.grad.zero_()  # type: ignore[union-attr]  # while the net is trained there is one
        loss.backward()  # type: ignore[no-untyped-call]
        if is_heard:
            named_parameters = TeeGenerator(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=named_parameters, batch=batch, training=True)
        with self._tie.frozen():
            self.optimizer_.step()

    def fit(self, X: TensorTable, y: Any = None, **fit_params: Any) -> Self:
        """Train on a table of rows from the start."""
        _check_table(X)
        super().fit(X, y, **fit_params)
        return self

    def partial_fit(self, X: TensorTable, y: Any = None, classes: Any = None, **fit_params: Any) -> Self:
        """Train on a table of rows from where the net stands."""
        _check_table(X)
        if not self.initialized_:
            self.initialize()
        try:
            with tied(self.module_, self.vector_) as self._tie:
                super().partial_fit(X, y, classes, **fit_params)
        finally:
            self.__dict__.pop("_tie", None)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell all callbacks, and only then take over what they have assigned, and stop where one wants to."""
        has_others = len(self.callbacks_) > len(OWN_CALLBACKS)
        watch: BestEpoch = dict(self.callbacks_)["best_epoch"]
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt:
            if has_others:  # by which a callback ends the training, as skorch's own early stopping does
                watch.stopped_ = watch.stopped_ or "callback"
            raise
        if has_others and hasattr(self, "_tie"):
            self._tie.restore()
        if method_name in STOPPING_EVENTS and watch.stopped_ is not None:
            raise StopTraining

    def to(self, device: torch.device | str) -> Self:
        """Move what is trained, and what is known of its steps; the net is not being trained."""
        self.device = str(device)
        self.optimizer__fused = _is_fused(device)
        _move(self.module_, self.optimizer_, device)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Not skorch's pickle within the pickle, in which cloudpickle could not take functions of the user's own along.
        state = {**vars(self), "__cuda_dependent_attributes__": pickle.dumps({})}
        state.pop("_tie", None)  # what a callback stores while the net is trained is not being trained
        if self.initialized_ and torch.device(self.device).type != "cpu":
            # Whoever loads it may have no such device.
            module, optimizer = copy.deepcopy((self.module_, self.optimizer_))
            _move(module, optimizer, "cpu")
            state |= {"module_": module, "optimizer_": optimizer}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # which decides for the CPU, with a warning, where there is no CUDA
        if self.initialized_ and torch.device(self.device).type != "cpu":
            self.to(self.device)

    @property
    def vector_(self) -> nn.Parameter:
        """All parameters as the optimizer has them; those of the module are parts of it while the net is trained."""
        vector: nn.Parameter = self.optimizer_.param_groups[0]["params"][0]
        return vector

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> Any:
        """Let the optimizer see one parameter, for which it takes a third of the time that it takes for six.

        Ours is told where the hidden matrices are; another one that somebody prefers knows nothing of solvers.
        """
        module = self.module_
        args, kwargs = super().get_params_for_optimizer(prefix, [("vector", parameter_vector(module))])
        if self.optimizer is VectorMuon:
            matrices = module.hidden_matrices() if hasattr(module, "hidden_matrices") else ()
            kwargs["matrices"] = places_of(module, matrices)
        else:
            kwargs.pop("solver", None)
        return args, kwargs

    def _is_heard(self, event: str) -> bool:
        """Return whether a callback does anything at an event; to tell those that do not would take longer than they do."""
        return any(getattr(type(callback), event) is not getattr(Callback, event) for _, callback in self.callbacks_)


def _is_fused(device: torch.device | str) -> bool:
    """Return whether AdamW makes one pass over all parameters; small networks wait longer for a dozen than for the rest."""
    return torch.device(device).type in ("cpu", "cuda")


def _move(module: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device | str) -> None:
    """Move a module, and the optimizer of its vector, to which the next training ties it."""
    module.to(device)
    (group,) = optimizer.param_groups
    (vector,) = group["params"]
    state = optimizer.state.pop(vector, {})
    if "fused" in group:
        group["fused"] = _is_fused(device)
    for name, value in state.items():
        if isinstance(value, torch.Tensor):  # but a count of steps is on the CPU, unless the update is fused
            state[name] = value.to(device if value.ndim or group.get("fused") else "cpu")
    # Not the same one with other data, which torch refuses between some devices.
    group["params"] = [nn.Parameter(vector.detach().to(device))]
    optimizer.state[group["params"][0]] = state


def _check_table(X: Any) -> None:
    if not isinstance(X, TensorTable):
        raise TypeError(
            "a net of an estimator is trained by the estimator's own fit and partial_fit, which know how rows are scaled, "
            f"got {type(X).__name__}"
        )


def make_net(
    in_features: int,
    out_features: int,
    formula: Formula | str,
    *,
    hidden_layer_sizes: int | Sequence[int] = (64, 32),
    activation: Activation | Literal["mixed"] = "tanh",
    hidden_formula: Formula | str = "x",
    bound_input: bool = False,
    elementwise_affine: bool = True,
    embedding_size: int = 0,
    n_scalings: int = 1,
    n_members: int = 1,
    **options: Any,
) -> TableNet:
    """Return an initialized net; the seed decides its weights and the order of its rows.

    Parameters
    ----------
    in_features, out_features : int
        The number of features, and of targets or classes.
    formula, hidden_formula : Formula or str
        The form of the neurons of the first layer, and of all others.
    hidden_layer_sizes : int or sequence of int
        The number of units of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu", "mixed"}
        What follows the hidden layers.
    bound_input : bool
        Whether the network bounds its inputs itself; False for inputs that are bounded already.
    elementwise_affine : bool
        Whether it first scales and shifts them by learned numbers, and then bounds them in any case.
    embedding_size : int
        The number of learned functions of each feature beside the formula's terms.
    n_scalings : int
        In how many scalings the inputs have the features.
    n_members : int
        The number of networks that are trained side by side, each on rows of its own.
    **options
        What else `make_net_of` takes.

    Returns
    -------
    TableNet
        Pass it to `train` and `predict`.
    """
    return make_net_of(
        TaskNeuronMLP,
        {
            "in_features": in_features,
            "hidden_layer_sizes": hidden_layer_sizes,
            "out_features": out_features,
            "formula": formula,
            "activation": activation,
            "hidden_formula": hidden_formula,
            "bound_input": bound_input,
            "elementwise_affine": elementwise_affine,
            "zero_output": True,
            "embedding_size": embedding_size,
            "n_scalings": n_scalings,
            "n_members": n_members,
        },
        **options,
    )


def make_net_of(
    module: Callable[..., nn.Module],
    arguments: dict[str, Any],
    *,
    loss: MemberLoss | None = None,
    solver: Solver = "adamw",
    lr: float = 5e-3,
    weight_decay: float = 0.1,
    batch_size: int = 128,
    valid_batch_size: int = VALID_BATCH_SIZE,
    max_epochs: int = 200,
    augmentation: Augmentation | None = None,
    device: torch.device | str = "cpu",
    callbacks: Sequence[Any] | None = None,
    verbose: int = 0,
    seed: int = 0,
) -> TableNet:
    """Return an initialized net around any module with members; the seed decides its weights and the order of its rows.

    Parameters
    ----------
    module : callable
        Returns the module: with the attribute ``n_members``, M, and outputs (N, M, O). If M is more than 1, the first axis of
        each parameter is that of the members, or the module is a `SideBySide`.
    arguments : dict
        What it is called with, beside a ``dtype``.
    loss : MemberLoss or None
        What is minimized; None for the squared error.
    solver : {"muon", "adamw"}
        How the matrices of the hidden layers are moved, if the module is a `TaskNeuronMLP`; all else is moved by AdamW.
    lr, weight_decay : float
        The learning rate, and the weight decay.
    batch_size, valid_batch_size : int
        Rows of a batch in training, and of one that only goes forward, as in validation.
    max_epochs : int
        Epochs of a call of skorch's ``fit``.
    augmentation : Augmentation or None
        What is done to the batches of the training.
    device : torch.device or str
        Where the network is.
    callbacks : sequence of skorch callbacks, or of pairs of name and callback, or None
        What else watches the training.
    verbose : int
        Whether skorch prints a line for each epoch.
    seed : int
        At least 0.

    Returns
    -------
    TableNet
    """
    device = torch.device(device)
    loss = SquaredErrorLoss() if loss is None else loss
    net = TableNet(
        module,
        **{f"module__{name}": value for name, value in arguments.items()},
        module__dtype=torch.float32,  # that of the tables, whatever torch's default is
        criterion=loss,
        predict_nonlinearity=loss.prediction,
        optimizer=VectorMuon,
        optimizer__solver=solver,
        optimizer__weight_decay=weight_decay,
        optimizer__fused=_is_fused(device),
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        iterator_train=TensorBatches,
        iterator_train__order=RowOrder(seed),
        iterator_train__augmentation=augmentation,
        iterator_valid=TensorBatches,
        iterator_valid__batch_size=valid_batch_size,
        train_split=None,
        callbacks=[("best_epoch", BestEpoch()), *(callbacks or ())],
        callbacks__print_log=VerboseLog(),
        device=str(device),
        verbose=verbose,
    )
    with seeded_torch(seed):
        net.initialize()
    return net
