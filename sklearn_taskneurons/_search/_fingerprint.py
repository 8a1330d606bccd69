"""What a search depends on, in a form that can be kept in a file and compared."""

import json
import math
from dataclasses import asdict
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._scores import Scorer
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons.formula._origin import digest
from sklearn_taskneurons.formula.functions import FUNCTIONS, opcodes_of

Fingerprint: TypeAlias = dict[str, Any]

# They say when to stop and change nothing before: a search that is done may go on with others.
_STOPPING_RULES: Final = ("generations", "n_iter_no_change")
_TOLERANCE: Final = 1e-9  # sums over the same rows differ from machine to machine in their last digits


def fingerprint(scorer: Scorer, settings: SearchSettings, n_islands: int, migration_interval: int | None) -> Fingerprint:
    """Return all that must be equal for a search to go on as if it had never stopped, but for the generator."""
    evolution = {name: value for name, value in asdict(settings).items() if name not in _STOPPING_RULES}
    own = {"code of own functions": {name: digest(code) for name, code in _own_functions(settings).items()}}
    islands = {"n_islands": n_islands, "migration_interval": migration_interval if n_islands > 1 else None}
    data = {"n_features": scorer.n_features, "n_outputs": scorer.n_outputs, **scorer.fingerprint()}
    # As it will be read from a file: tuples have become lists.
    result: Fingerprint = json.loads(json.dumps({**evolution, **own, **islands, **data}, default=plain))
    return result


def _own_functions(settings: SearchSettings) -> dict[str, tuple[object, object]]:
    """Return what the functions of the user's own among those of a search compute, by their names."""
    functions = [FUNCTIONS[opcode] for opcode in opcodes_of(settings.function_set).values()]
    return {own.name: (own.numpy_function, own.torch_function) for own in functions if own.is_own}


def plain(value: NDArray[Any] | np.generic) -> Any:
    """Return the number of a parameter with a type of NumPy, or those of an array, as the state of some generators is."""
    return value.tolist()


def differences(saved: Fingerprint, current: Fingerprint) -> list[str]:
    """Return what differs, each with both values."""
    names = [*saved, *(name for name in current if name not in saved)]
    found = [(name, saved.get(name), current.get(name)) for name in names]
    return [f"{name}: {ours!r} then, {theirs!r} now" for name, ours, theirs in found if not _equal(ours, theirs)]


def _equal(a: Any, b: Any) -> bool:
    """Return whether values are equal, floating-point numbers but for rounding."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(ours, theirs) for ours, theirs in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_TOLERANCE)
    return bool(a == b)
