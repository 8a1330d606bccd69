"""What two copies of a function have in common: where its code stands, and what the code is."""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

import numpy as np

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def origin(value: Any, *enclosing: Any) -> object:
    """Return what is equal for a function, or a value that it refers to, and its copies, in this process or from another.

    A function compares by its place, its code, and the values that it has taken from where it was defined; modules
    and other names that it looks up only when it is called are left out, as is what does not tell its content.
    """
    if any(value is outer for outer in enclosing):
        return len(enclosing)  # it refers to itself

    def inner(part: Any) -> object:
        return origin(part, *enclosing, value)

    if isinstance(value, FunctionType):
        return _function(value, inner)
    if isinstance(value, CodeType):
        return _code(value, inner)
    if isinstance(value, MethodType):
        return MethodType, inner(value.__func__), inner(value.__self__)
    if isinstance(value, partial):
        return partial, inner(value.func), inner(value.args), inner(value.keywords)
    if isinstance(value, tuple | list):
        return type(value), tuple(map(inner, value))
    if isinstance(value, set | frozenset):
        return type(value), tuple(sorted(map(inner, value), key=repr))  # in an order that is the same in every process
    if isinstance(value, dict):
        return dict, tuple((inner(key), inner(entry)) for key, entry in value.items())
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    # the text of a float says whether 0 is negative, and is that of a NaN
    return type(value).__module__, type(value).__qualname__, _ADDRESS.sub("", repr(value))


def digest(value: Any) -> str:
    """Return the origin of a function, or of several, as a short text."""
    return hashlib.blake2b(repr(origin(value)).encode(), digest_size=16).hexdigest()


def _function(function: FunctionType, inner: Callable[[Any], object]) -> object:
    values = [_content(cell) for cell in function.__closure__ or ()]
    parts = (function.__code__, function.__defaults__, function.__kwdefaults__, values)
    return function.__module__, function.__qualname__, *map(inner, parts)


def _content(cell: Any) -> Any:
    """Return the value of a closure's cell; None while it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _code(code: CodeType, inner: Callable[[Any], object]) -> object:
    """Return what code does, without the lines and names of local variables that it has in its file."""
    signature = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_code, signature, code.co_names, inner(code.co_consts)
