"""The optimizer of a net whose parameters are one vector."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import AdamW, adamw


class VectorAdamW(AdamW):
    """AdamW [1]_ of a single vector.

    For a small network, what torch puts around the update of the parameters takes longer than the update: a range for the
    profiler, hooks, groups of tensors by device and type. Here is little of it; update, settings and state are torch's.

    Parameters
    ----------
    params : iterable of torch.nn.Parameter
        The vector alone.
    lr, betas, eps, weight_decay, fused
        As for :class:`torch.optim.AdamW`.

    Raises
    ------
    ValueError
        If there are other parameters beside the vector.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, :arxiv:`1711.05101`.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, fused=fused)

    # torch's own methods import its compiler when they are first called, which takes about as long as to import torch.

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the vector."""
        params = [*(vector for group in self.param_groups for vector in group["params"]), *param_group["params"]]
        if len(params) != 1:
            raise ValueError(f"there must be a single parameter, got {len(params)}")
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the vector, once it has a gradient; return what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups[0]
        vector = group["params"][0]
        if vector.grad is None:
            return loss
        state = self.state[vector] or self._begin(vector)
        beta1, beta2 = group["betas"]
        adamw(
            [vector],
            [vector.grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            fused=group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        return loss

    step.hooked = True  # type: ignore[attr-defined]  # so torch puts nothing around it

    def _begin(self, vector: nn.Parameter) -> dict[str, Tensor]:
        """Return the state before the first step."""
        state: dict[str, Tensor] = self.state[vector]
        # The fused update counts steps where the vector is, the others on the CPU, whatever the caller's default is.
        device = vector.device if self.param_groups[0]["fused"] else "cpu"
        state["step"] = torch.zeros((), dtype=torch.float32, device=device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(vector), torch.zeros_like(vector)
        return state
