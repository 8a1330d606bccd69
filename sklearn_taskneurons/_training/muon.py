"""The optimizer of networks for tables: Muon for the matrices of hidden layers, AdamW for all else."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from sklearn_taskneurons._training.optimizer import VectorAdamW
from sklearn_taskneurons._training.vector import Place

Solver: TypeAlias = Literal["muon", "adamw"]
SOLVERS: Final[tuple[Solver, ...]] = get_args(Solver)

# The quintic polynomial of the iteration, which lets small singular values grow 3.4 times and none explode.
COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
# Five, as is usual, did not measure better.
N_ITERATIONS: Final = 3
# The root mean square of an update with orthogonal rows or columns, in units of the learning rate; more than the usual 0.2.
UPDATE_RMS: Final = 0.4
LEAST_NORM: Final = 1e-12


class VectorMuon(VectorAdamW):
    """Muon [1]_ of the matrices in a single vector, and AdamW of its other entries.

    Muon moves a matrix by about the nearest orthogonal one to the mean of its gradients, with Nesterov's momentum, so that the
    speeds of different directions come closer together: the few iterations raise what is small to at most 41 times as much.
    The largest moves do not depend on the shape of the matrix [2]_.

    Parameters
    ----------
    params : iterable of torch.nn.Parameter
        The vector alone.
    lr, betas, eps, weight_decay, fused
        As for :class:`torch.optim.AdamW`. The first of the betas is the momentum of Muon, too, with that of Nesterov.
    matrices : sequence of pairs of int and tuple of int
        Where matrices begin in the vector, and their shapes, (M, A, B).
    solver : {"muon", "adamw"}
        With "adamw" matrices are entries as all others are; it may change from one step to the next.

    Raises
    ------
    ValueError
        If there is no such solver, at the first step at the latest.

    References
    ----------
    .. [1] K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
       https://kellerjordan.github.io/posts/muon/.
    .. [2] J. Liu et al., "Muon is Scalable for LLM Training", 2025, :arxiv:`2502.16982`.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        matrices: Sequence[Place] = (),
        solver: Solver = "muon",
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, fused=fused)
        self.param_groups[0] |= {"matrices": list(matrices), "solver": solver}
        _moved_by_muon(self.param_groups[0])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the vector, once it has a gradient; return what the closure returns."""
        group = self.param_groups[0]
        vector = group["params"][0]
        places = _moved_by_muon(group)
        # AdamW moves all entries in one pass, which takes less time than to leave some out.
        before = [_at(vector.data, place).clone() for place in places]
        loss = super().step(closure)
        if vector.grad is None:
            return loss
        momentum, lr = group["betas"][0], group["lr"]
        for place, values in zip(places, before, strict=True):
            mean = _at(self.state[vector]["exp_avg"], place)
            update = orthogonalized(torch.lerp(_at(vector.grad, place), mean, momentum))
            length = lr * UPDATE_RMS * math.sqrt(max(update.shape[1:]))
            _at(vector.data, place).copy_(values.mul_(1 - lr * group["weight_decay"]).sub_(update, alpha=length))
        return loss

    step.hooked = True  # type: ignore[attr-defined]  # so torch puts nothing around it


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return about the orthogonal matrices that are nearest to matrices, by an iteration of Newton and Schulz.

    Parameters
    ----------
    matrices : torch.Tensor of shape (M, A, B)
        Their singular values become about 1 where they are not much smaller than the largest.

    Returns
    -------
    torch.Tensor of shape (M, A, B)
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalized(matrices.mT).mT
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=LEAST_NORM)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(N_ITERATIONS):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=cubic, alpha=quintic)
        x = torch.baddbmm(x, polynomial, x, beta=linear)
    return x


def _moved_by_muon(group: dict[str, Any]) -> Sequence[Place]:
    match group["solver"]:
        case "muon":
            return group["matrices"]  # type: ignore[no-any-return]
        case "adamw":
            return ()
        case other:
            raise ValueError(f"solver must be one of {SOLVERS}, got {other!r}")


def _at(vector: Tensor, place: Place) -> Tensor:
    start, shape = place
    return vector[start : start + math.prod(shape)].view(shape)
