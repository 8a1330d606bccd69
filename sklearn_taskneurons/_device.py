"""The crossing from numpy to torch: devices, dtypes, seeds and threads."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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


_seeding = threading.RLock()


@contextmanager
def seeded_torch(seed: int) -> Iterator[None]:
    """Let torch draw by a seed inside the block, and on the CPU; its generator is then as it was.

    All threads draw from that one generator: the blocks of several threads wait for each other.
    """
    # Not torch.manual_seed, which also seeds all other devices.
    generator = torch.default_generator
    with _seeding, torch.device("cpu"):
        state = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(state)


@dataclass
class _Blocks:
    """How many blocks of `single_torch_thread` are open in each thread, and what was set before: in it, and before all."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    depths: Counter[int] = field(default_factory=Counter)
    own: dict[int, int] = field(default_factory=dict)
    n_threads: int = 1


_blocks = _Blocks()


@contextmanager
def single_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread inside the block: small layers lose more by waiting than they gain.

    Blocks may stand inside of each other, and those of several threads overlap: torch has a number for each thread, and those
    that begin take the last one set.
    """
    thread = threading.get_ident()
    try:
        with _blocks.lock:
            current = torch.get_num_threads()  # only after this does a thread that has just begun keep what is set
            _blocks.n_threads = _blocks.n_threads if _blocks.depths else current
            # A thread that has begun since then has the 1 of the others' blocks.
            _blocks.own.setdefault(thread, current if current > 1 else _blocks.n_threads)
            _blocks.depths[thread] += 1
            torch.set_num_threads(1)
        yield
    finally:
        with _blocks.lock:
            _blocks.depths[thread] -= 1
            if not _blocks.depths[thread]:
                del _blocks.depths[thread]
                torch.set_num_threads(_blocks.own.pop(thread))
