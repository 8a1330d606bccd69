"""The error that points at the part of a formula that is wrong."""

from typing import Final

_BEFORE: Final = 36
_AFTER: Final = 24


class FormulaSyntaxError(ValueError):
    """A text that is no formula, or a formula beyond the bounds.

    Parameters
    ----------
    message : str
        What must hold, and what was given.
    text : str or None, default=None
        The text of the formula, cut off where it is beyond the longest allowed.
    position : int or None, default=None
        Where in `text` the offending part begins, counted from 0; None when it is the whole.

    Attributes
    ----------
    message, text, position
        As given. ``str(error)`` shows the message and, where there is a position, that part of the
        text with a caret below it.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula, FormulaSyntaxError
    >>> try:  # doctest: +ELLIPSIS
    ...     Formula("x**2 + 3*y")
    ... except FormulaSyntaxError as error:
    ...     print(error)
    unknown name 'y'; the names are x, w, dot, sum, sin, cos, tan, tanh, exp, log, sqrt, abs...
      x**2 + 3*y
               ^
    """

    def __init__(self, message: str, text: str | None = None, position: int | None = None) -> None:
        super().__init__(message, text, position)
        self.message = message
        self.text = text
        self.position = position

    def __str__(self) -> str:
        if self.text is None or self.position is None:
            return self.message
        first = max(0, self.position - _BEFORE)
        last = min(len(self.text), self.position + _AFTER)
        head = "..." if first else ""
        tail = "..." if last < len(self.text) else ""
        # every character is shown as one column, so that the caret stays below what it points at
        shown = "".join(_shown(character) for character in self.text[first:last])
        return f"{self.message}\n  {head}{shown}{tail}\n  {' ' * (len(head) + self.position - first)}^"


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isascii() and character.isprintable() else "?"


class ExpansionError(Exception):
    """What is wrong with a node of an expression; the formula turns its index into a position."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.index = index
