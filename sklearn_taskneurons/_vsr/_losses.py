"""What a loss other than the squared error asks of a search."""

from sklearn.utils import column_or_1d

from sklearn_taskneurons._search import Loss


def make_loss(estimator):
    """Return the loss of a search, None for the squared error; raise ValueError if the other parameters do not go with it."""
    if is_squared_error(estimator):
        return None
    loss = Loss(estimator.loss)
    wrong = {
        "selection": ("'bic', 'knee' or 'loss'", estimator.selection in ("cv", "mdl")),
        "optimizer_iterations": ("0", estimator.optimizer_iterations > 0),
    }
    for name, (wanted, is_wrong) in wrong.items():
        if is_wrong:
            raise ValueError(
                f"{name} must be {wanted} where loss is not 'squared_error', as other losses have no closed form; got "
                f"{name}={getattr(estimator, name)!r} and loss={estimator.loss!r}"
            )
    return loss


def is_squared_error(estimator):
    """Return whether a search minimises squared errors."""
    return isinstance(estimator.loss, str) and estimator.loss == "squared_error"


def check_loss_of_labels(estimator):
    """Raise ValueError unless a loss goes with labels, whose indicators are explained jointly."""
    if not is_squared_error(estimator):
        raise ValueError(
            f"loss must be 'squared_error' where y are labels, whose indicators are explained; got {estimator.loss!r}"
        )


def check_outputs(estimator, y):
    """Return targets as a search takes them; raise ValueError unless the loss goes with the number of outputs."""
    if is_squared_error(estimator):
        return y
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(
            f"y must be one column where loss is not 'squared_error'; got {y.shape[1]} columns and loss={estimator.loss!r}: "
            "use sklearn.multioutput.MultiOutputRegressor"
        )
    return column_or_1d(y, warn=True)
