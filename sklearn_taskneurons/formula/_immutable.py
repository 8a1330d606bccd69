"""What it takes not to change."""

from typing import Any, NoReturn, Self


class Immutable:
    """An object whose attributes are set once, with ``object.__setattr__``, and that is its own copy."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} must not be changed, and {name} was to be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} must not be changed, and {name} was to be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
