"""The crossing from numpy to torch: devices, dtypes and seeds."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def resolve_device(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> torch.device:
    """Return the torch device that ``device`` names; "auto" is CUDA where there is one, else the CPU.

    Raises
    ------
    ValueError
        If the name is unknown to torch, or no such device is there, or it has no numbers of this dtype.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
        torch.zeros((), dtype=dtype, device=resolved).item()  # "meta" has no values
    except (AssertionError, RuntimeError, TypeError) as error:
        numbers = str(dtype).removeprefix("torch.")
        raise ValueError(
            f"device must be 'auto' or a device that torch can use here for {numbers}, got {str(device)!r}: {error}"
        ) from error
    return resolved


def to_tensor(array: NDArray[Any], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
    """Copy an array to a tensor of this dtype; numbers too large for it become its largest ones."""
    array = np.asarray(array, order="C")  # torch knows no negative strides
    if array.dtype.kind == "f" and dtype == torch.float32 and array.dtype.itemsize > 4:
        limit = np.finfo(np.float32).max
        array = np.clip(array, -limit, limit)
    return torch.tensor(array, dtype=dtype, device=device)


def to_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's values as an array."""
    return tensor.detach().cpu().numpy()


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute inside the block in the dtypes of the tensors and with gradients, in whatever mode of torch the caller is."""
    with ExitStack() as modes:
        for device_type in filter(torch.is_autocast_enabled, ("cpu", "cuda")):
            modes.enter_context(torch.autocast(device_type, enabled=False))
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        yield


def generator_of(seed: int, *key: int) -> torch.Generator:
    """Return a generator on the CPU whose numbers a seed and whole numbers that tell its uses apart decide."""
    # Mixed well, since torch's generator knows only the lower 32 bits of a seed.
    mixed = np.random.SeedSequence(seed, spawn_key=key).generate_state(1)
    return torch.Generator().manual_seed(int(mixed[0]))


class _Seeding:
    """What the blocks of `seeded_torch` wait for."""

    lock = threading.RLock()

    @classmethod
    def forget_others(cls) -> None:
        """Take another lock: a forked process has not the thread that may have held this one."""
        cls.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Seeding.forget_others)


@contextmanager
def seeded_torch(seed: int) -> Iterator[None]:
    """Let torch draw by a seed inside the block, and on the CPU; its generator is then as it was.

    All threads draw from that one generator: the blocks of several threads wait for each other.
    """
    # Not torch.manual_seed, which also seeds all other devices.
    generator = torch.default_generator
    with _Seeding.lock, torch.device("cpu"):
        state = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(state)
