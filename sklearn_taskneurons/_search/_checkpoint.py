"""The whole state of a search in a file, so that one that was killed goes on as if it had not been."""

import io
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._fingerprint import Fingerprint, differences, plain
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._scores import Scores
from sklearn_taskneurons._search._state import Island, Record, SearchState
from sklearn_taskneurons.formula.functions import FUNCTIONS, OPCODES, opcodes_of

_FORMAT: Final = 3
_SECONDS: Final = 1.0  # between two writings, at least
_SHARE: Final = 0.05  # of the time, at most, that goes into writing
_GENERATORS: Final = {kind.__name__: kind for kind in np.random.BitGenerator.__subclasses__()}


class Saved(NamedTuple):
    """What a file holds: where the search stood, what it had told, and what it depends on."""

    state: SearchState
    history: list[Record]
    fingerprint: Fingerprint


class Checkpoint:
    """Writes where a search stands into a file now and then, and reads it again.

    At most one second in twenty goes into writing, however slow the disk is. When it happens depends on the clock, but
    what is written does not: whole rounds, after which the search continues in the same way.

    Parameters
    ----------
    path : str or path-like
        The file, in a folder that exists.
    fingerprint : dict
        What the search depends on.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: Fingerprint) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"the checkpoint must lie in a folder that exists; got {str(self.path)!r}")
        self._fingerprint = fingerprint
        self._next = time.monotonic() + _SECONDS
        self._unwritten: Saved | None = None

    def restore(self) -> Saved | None:
        """Return what the file holds, or None if there is no file.

        Raises
        ------
        ValueError
            If it is not a checkpoint, or one of another search.
        """
        if not self.path.exists():
            return None
        saved = load(self.path)
        found = differences(saved.fingerprint, self._fingerprint)
        if found:
            raise ValueError(
                f"a search goes on only with the data and the settings that it began with; in {str(self.path)!r} differ "
                f"{'; '.join(found)}. Remove the file, or name another one, to begin anew"
            )
        return saved

    def offer(self, state: SearchState, history: list[Record]) -> None:
        """Write where the search stands, if it is time to."""
        self._unwritten = Saved(state, list(history), self._fingerprint)
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write what was offered last and is not in the file yet."""
        if self._unwritten is None:
            return
        began = time.monotonic()
        save(self.path, self._unwritten)
        self._unwritten = None
        ended = time.monotonic()
        self._next = ended + max(_SECONDS, (ended - began) / _SHARE)


def save(path: str | os.PathLike[str], saved: Saved) -> None:
    """Write a checkpoint: at every moment the file is the old one or the new one.

    Arrays and a text in JSON, in NumPy's archive of arrays: to read them runs no code, as to unpickle would.

    Parameters
    ----------
    path : str or path-like
        The file.
    saved : Saved
        What to write.
    """
    state, path = saved.state, Path(path)
    arrays: dict[str, NDArray[Any]] = {"bank": state.bank}
    if state.front.programs is not None:
        arrays |= {"front.loss": state.front.loss, "front.complexity": state.front.complexity}
        arrays |= _of_population("front", state.front.programs)
    for index, island in enumerate(state.islands):
        arrays |= _of_population(str(index), island.population)
        if island.known is not None:
            hashes, scores = island.known
            arrays |= {f"{index}.hashes": hashes, f"{index}.loss": scores.loss, f"{index}.complexity": scores.complexity}
    text = {
        "format": _FORMAT,
        "fingerprint": saved.fingerprint,
        "generation": state.generation,
        "unimproved": state.unimproved,
        "opcodes": opcodes_of(sorted(state.functions)),
        "history": saved.history,
        "generators": [island.rng.bit_generator.state for island in state.islands],
    }
    arrays["text"] = np.frombuffer(json.dumps(text, default=plain).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    _replace(path, content.getbuffer())


def load(path: str | os.PathLike[str]) -> Saved:
    """Read a checkpoint.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Saved

    Raises
    ------
    ValueError
        If the file is not a checkpoint, is damaged, or has the format of another version.
    """
    content = io.BytesIO(Path(path).read_bytes())
    try:
        with np.load(content, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        text = json.loads(arrays["text"].tobytes())
        version = text["format"]
    except Exception:  # whatever the readers stumble over; NumPy's advice is for other files, and unsafe
        raise ValueError(
            f"{str(path)!r} must be a whole checkpoint, as a search has written it; got another file, or one that is damaged. "
            "Remove the file, or name another one, to begin anew"
        ) from None
    if version != _FORMAT:
        raise ValueError(f"the checkpoint {str(path)!r} must have the format {_FORMAT}; got {version!r}")
    try:
        return _from_arrays(arrays, text)
    except Exception as error:
        raise ValueError(f"{str(path)!r} must be a whole checkpoint of a search; it cannot be read: {error}") from error


def _from_arrays(arrays: dict[str, NDArray[Any]], text: dict[str, Any]) -> Saved:
    """Return what arrays and text say."""
    front = Front()
    if "front.loss" in arrays:
        front.programs = _population("front", arrays, text["opcodes"])
        front.loss, front.complexity = arrays["front.loss"], arrays["front.complexity"].astype(np.intp)
    islands = []
    for index, state in enumerate(text["generators"]):
        bit_generator = _GENERATORS[state["bit_generator"]](0)
        bit_generator.state = state
        island = Island(_population(str(index), arrays, text["opcodes"]), np.random.Generator(bit_generator))
        if f"{index}.hashes" in arrays:
            scores = Scores(arrays[f"{index}.loss"], arrays[f"{index}.complexity"].astype(np.intp))
            island.known = arrays[f"{index}.hashes"], scores
        islands.append(island)
    functions = frozenset(text["opcodes"])
    state = SearchState(islands, arrays["bank"], front, text["generation"], text["unimproved"], functions)
    return Saved(state, text["history"], text["fingerprint"])


def _of_population(name: str, population: Population) -> dict[str, NDArray[Any]]:
    """Return the arrays of a population by their names in the file."""
    return {f"{name}.opcode": population.opcode, f"{name}.value": population.value, f"{name}.size": population.size}


def _population(name: str, arrays: dict[str, NDArray[Any]], opcodes: dict[str, int]) -> Population:
    """Return a population with the opcodes of this process, where functions had others; its arrays must fit each other."""
    population = Population(*(arrays[f"{name}.{part}"] for part in ("opcode", "value", "size")))
    kinds = [array.dtype for array in (population.opcode, population.value, population.size)]
    shapes = {array.shape for array in (population.opcode, population.value, population.size)}
    fits = kinds == [np.uint8, np.float64, np.int16] and len(shapes) == 1 and population.opcode.ndim == 2
    known = [opcode for opcode, function in enumerate(FUNCTIONS) if not function.is_own] + [*opcodes.values()]
    if not fits or not np.isin(population.opcode, known).all() or population.length.min() < 1:
        raise ValueError(f"the arrays of the population {name!r} do not fit each other")
    return population.moved({opcode: OPCODES[function] for function, opcode in opcodes.items() if function in OPCODES})


def _replace(path: Path, content: memoryview) -> None:
    """Put a new file in the place of an old one, so that not even a power failure leaves a part of it."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
