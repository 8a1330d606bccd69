"""Losses of residuals other than their squares, and the weights by which least squares minimises them."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from sklearn_taskneurons._device import plain_torch
from sklearn_taskneurons.formula._origin import digest

_TRIAL: Final = (-2.0, -0.5, 0.0, 0.5, 2.0)


def _huber(residuals: Tensor) -> Tensor:
    """Return half the square up to 1, and what goes on straight from there."""
    return torch.nn.functional.huber_loss(residuals, torch.zeros_like(residuals), reduction="none")


def _slope_of_huber(residuals: Tensor) -> Tensor:
    return residuals.clamp(-1.0, 1.0)


# With their derivatives, which autograd would take several times as long for.
_NAMED: Final[dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]] = {
    "absolute_error": (torch.abs, torch.sign),
    "huber": (_huber, _slope_of_huber),
}
LOSS_NAMES: Final = tuple(_NAMED)


class Loss:
    """A loss of residuals, predictions less targets: at least 0, 0 at 0, and no less where a residual is larger.

    Parameters
    ----------
    function : {"absolute_error", "huber"} or callable
        A callable takes a tensor of float64 of shape (N,) and returns one of the same shape, each value a differentiable
        function of the one in its place.

    Attributes
    ----------
    name : str
        By what messages know it: of a callable the qualified name.

    Raises
    ------
    ValueError
        If the name is unknown, or what the callable makes of a few residuals is not as described.
    """

    def __init__(self, function: str | Callable[[Tensor], Tensor]) -> None:
        if isinstance(function, str):
            if function not in _NAMED:
                raise ValueError(f"loss must be a callable or one of {sorted(_NAMED)}; got {function!r}")
            self.name = function
            self._function, self._slopes = _NAMED[function]
        else:
            described = function if hasattr(function, "__qualname__") else type(function)
            self.name = f"{described.__module__}.{described.__qualname__}"
            self._function, self._slopes = function, self._differentiated
            self._check()

    def __call__(self, residuals: Tensor) -> Tensor:
        """Return the losses of residuals of any shape."""
        with torch.no_grad():
            return self._function(residuals.reshape(-1)).reshape(residuals.shape)

    def weights(self, residuals: Tensor, smallest: float | Tensor) -> Tensor:
        """Return the weights whose least squares problem has the same gradient: the derivative over the residual.

        Residuals below ``smallest``, numbers that broadcast against them, count as that large: a loss with a kink at 0 has no
        weight there.
        """
        limit = torch.as_tensor(smallest, dtype=residuals.dtype, device=residuals.device)
        clamped = torch.where(residuals < 0.0, torch.minimum(residuals, -limit), torch.maximum(residuals, limit))
        return (self._slopes(clamped) / clamped).clamp(min=0.0)

    @plain_torch()
    def _differentiated(self, residuals: Tensor) -> Tensor:
        """Return the derivative of the function at residuals of any shape."""
        flat = residuals.reshape(-1).clone().requires_grad_()  # whatever mode they were made in
        (slopes,) = torch.autograd.grad(self._function(flat).sum(), flat)
        return slopes.reshape(residuals.shape)

    def fingerprint(self) -> dict[str, str]:
        """Return by what checkpoints know it: its name, and of a callable its code, which others of that name do not have."""
        own = {} if self.name in _NAMED else {"code of the loss": digest(self._function)}
        return {"loss": self.name, **own}

    @plain_torch()
    def _check(self) -> None:
        """Raise ValueError unless a few residuals get losses as described."""
        trial = torch.tensor(_TRIAL, dtype=torch.float64, requires_grad=True)
        shape = tuple(trial.shape)
        wanted = (
            f"loss must return, by functions of torch, a float64 tensor of shape {shape} for one of this shape, the residuals"
        )
        try:
            value = self._function(trial)
        except Exception as error:  # whatever a function of something else stumbles over
            raise ValueError(f"{wanted}; got {type(error).__name__}: {error}") from error
        if not isinstance(value, Tensor) or value.shape != trial.shape or value.dtype != torch.float64:
            raise ValueError(f"{wanted}; got {_described(value)}")
        if not value.requires_grad:
            raise ValueError("loss must be differentiable by torch.autograd; got a value that does not depend on the residuals")
        (slopes,) = torch.autograd.grad(value.sum(), trial)
        losses = value.detach()
        is_fine = torch.isfinite(losses).all() and losses.min() >= 0.0 and losses[2] == 0.0
        if not is_fine or (slopes * trial.detach() < 0.0).any() or losses.max() == 0.0:
            raise ValueError(
                "loss must be finite, 0 for a residual of 0 and not fall from there on to either side, above 0 for some of the "
                f"residuals {list(_TRIAL)}; got {losses.tolist()}"
            )
        if not torch.allclose(self(trial.detach()[1:3]), losses[1:3], rtol=1e-12):
            raise ValueError(
                "each value of loss must depend on the residual in its place alone; got others for fewer residuals"
            )


def _described(value: Any) -> str:
    return f"one of {value.dtype} and shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
