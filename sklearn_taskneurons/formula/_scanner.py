"""The first reading of a formula's text: every character, token by token, before any parser sees it.

What it lets through is a well-formed arithmetic expression of known names, so that the parser proper meets neither a
surprise nor anything that takes long; what it refuses, it refuses at the place where it goes wrong.
"""

import math
import re
from bisect import bisect_right
from difflib import get_close_matches
from typing import Final, NamedTuple, NoReturn

from sklearn_taskneurons.formula._errors import FormulaSyntaxError
from sklearn_taskneurons.formula._expression import Vector
from sklearn_taskneurons.formula._limits import MAX_CHARACTERS, MAX_DEPTH, MAX_LENGTH, MAX_NUMBER_CHARACTERS, MAX_TOKENS
from sklearn_taskneurons.formula.functions import FUNCTIONS, is_called

OPERANDS: Final = frozenset({"x", "w"})

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<vector>\[[-+.,0-9eE \t\r\n]*\])
      | (?P<operator>\*\*|[-+*/^@])
      | (?P<bracket>[(),])""",
    re.VERBOSE,
)
_WORD: Final = re.compile(r"[A-Za-z_0-9.]")
_FEATURE: Final = re.compile(r"[xX]_?[0-9]+")


class Source(NamedTuple):
    """Text for Python's parser, with a way back to the user's text.

    Numbers are written as floating-point numbers, ``^`` as ``**``, and a constant vector as ``w``.
    """

    code: str
    starts: list[int]  # where each token begins in the code
    positions: list[int]  # where it begins in the user's text
    vectors: dict[int, Vector]  # by where they begin in the code

    def position(self, offset: int) -> int:
        """Return the position in the user's text of an offset in the code."""
        return self.positions[bisect_right(self.starts, offset) - 1]


def scan(text: str) -> Source:
    """Return the source for a formula's text, or raise FormulaSyntaxError."""
    if len(text) > MAX_CHARACTERS:
        message = f"a formula must have at most {MAX_CHARACTERS} characters, given {len(text)}"
        raise FormulaSyntaxError(message, text[:MAX_CHARACTERS])
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.source = Source("", [], [], {})
        self.pieces: list[str] = []
        self.length = 0  # of the code so far
        self.open: list[tuple[int, bool]] = []  # position of each open parenthesis, and whether it is a call's
        self.called: str | None = None  # the function whose parenthesis must follow
        self.wants_operand = True
        self.signs = 0
        self.operands = 0

    def scan(self) -> Source:
        position, text = 0, self.text
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self._bad_character(position)
            kind, token = str(match.lastgroup), match.group()
            if kind != "space":
                self._token(kind, token, position)
            position = match.end()
        self._end()
        return self.source._replace(code=" ".join(self.pieces))

    def _token(self, kind: str, token: str, position: int) -> None:
        if self.called is not None and token != "(":
            name = self.called
            self._fail(f"{name} must be followed by its arguments, as in {name}(x), given {_shown(token)}", position)
        if len(self.pieces) == MAX_TOKENS:
            self._fail(f"a formula must have at most {MAX_TOKENS} numbers, names, operators and brackets", position)
        if kind == "bracket":
            self._bracket(token, position)
            piece = token
        elif kind == "operator":
            piece = self._operator(token, position)
        else:
            piece = self._operand(kind, token, position)
        self.source.starts.append(self.length)
        self.source.positions.append(position)
        self.pieces.append(piece)
        self.length += len(piece) + 1

    def _operand(self, kind: str, token: str, position: int) -> str:
        if kind == "name":
            self._check_name(token, position)
        if not self.wants_operand:
            self._fail(f"an operator must stand before {_shown(token)}, and none does", position)
        self.operands += 1
        if self.operands > MAX_LENGTH:
            self._fail(f"a formula must have at most {MAX_LENGTH} numbers and names, given more", position)
        self.signs = 0
        if kind == "name" and is_called(token):
            self.called = token
            return token
        self.wants_operand = False
        if kind == "number":
            return self._number(token, position)
        if kind == "vector":
            self.source.vectors[self.length] = self._vector(token, position)
            return "w"
        return token

    def _check_name(self, name: str, position: int) -> None:
        if name in OPERANDS or is_called(name):
            return
        symbols = {function.name: function.symbol for function in FUNCTIONS if function.symbol is not None}
        shown = repr(name if len(name) <= 30 else name[:30] + "...")
        if name in symbols:
            hint = f"write the operator {symbols[name]}"
        elif _FEATURE.fullmatch(name):
            hint = "x stands for all features at once, and dot([0, 1, ...], x) for some of them"
        else:
            names = ("x", "w", *(function.name for function in FUNCTIONS if is_called(function.name)))
            close = ["log"] if name == "ln" else get_close_matches(name[:30].lower(), names, n=1, cutoff=0.7)
            hint = f"did you mean {close[0]}? " if close else ""
            hint += f"the names are {', '.join(names)}"
        self._fail(f"unknown name {shown}; {hint}", position)

    def _number(self, token: str, position: int) -> str:
        following = self.text[position + len(token) : position + len(token) + 1]
        if _WORD.match(following):
            self._fail("a number must be followed by an operator, as in 3*x", position + len(token))
        return repr(self._value(token, position))

    def _value(self, token: str, position: int) -> float:
        if len(token) > MAX_NUMBER_CHARACTERS:
            self._fail(f"a number must have at most {MAX_NUMBER_CHARACTERS} characters, given {len(token)}", position)
        try:
            value = float(token)
        except ValueError:
            self._fail(f"the entries of a constant vector must be numbers, given {_shown(token.strip())}", position)
        if not math.isfinite(value):
            self._fail(f"a number must be within the range of floating-point numbers, given {_shown(token)}", position)
        return value

    def _vector(self, token: str, position: int) -> Vector:
        values = []
        start = position + 1
        for entry in token[1:-1].split(","):
            blank = len(entry) - len(entry.lstrip())
            values.append(self._value(entry, start + blank))
            start += len(entry) + 1
        return tuple(values)

    def _operator(self, token: str, position: int) -> str:
        if self.wants_operand:
            if token not in "+-":
                self._fail(f"a number, a name or a parenthesis must stand before {token}", position)
            self.signs += 1
            if self.signs > MAX_DEPTH:
                self._fail(f"at most {MAX_DEPTH} signs may follow each other, given more", position)
        self.wants_operand = True
        return "**" if token == "^" else token

    def _bracket(self, token: str, position: int) -> None:
        if token == "(":
            if not self.wants_operand:
                self._fail("an operator must stand before the parenthesis, and none does", position)
            if len(self.open) == MAX_DEPTH:
                self._fail(f"parentheses must be nested at most {MAX_DEPTH} deep, given deeper", position)
            self.open.append((position, self.called is not None))
            self.called = None
            self.signs = 0
            return
        if self.wants_operand:
            self._fail(f"a number, a name or a parenthesis must stand before {token}", position)
        if not self.open:
            self._fail("a parenthesis must be open here, and none is", position)
        if token == ")":
            self.open.pop()
        elif not self.open[-1][1]:
            self._fail("a comma must stand between the arguments of a function", position)
        else:
            self.wants_operand = True

    def _end(self) -> None:
        end = len(self.text.rstrip())
        if not self.pieces:
            raise FormulaSyntaxError("a formula must not be empty", self.text)
        if self.called is not None:
            self._fail(f"{self.called} must be followed by its arguments, as in {self.called}(x), and the text ends", end)
        if self.wants_operand:
            self._fail("a number, a name or a parenthesis must follow, and the text ends", end)
        if self.open:
            self._fail("a parenthesis must be closed, and this one is not", self.open[-1][0])

    def _bad_character(self, position: int) -> NoReturn:
        character = self.text[position]
        if character in "[]":
            self._fail("a constant vector must be a list of numbers, as in [0.1, -2, 3]", position)
        hint = {
            ".": "names have no parts, and a number begins or ends with a digit",
            "−": "write - for the minus sign",
            "·": "write * for a product",
            "×": "write * for a product",
            "²": "write x**2 for a square",
            "³": "write x**3 for a cube",
        }.get(character, "letters, digits, + - * / ^ @ ( ) [ ] , and . are")
        self._fail(f"the character {character!a} is not part of the language; {hint}", position)

    def _fail(self, message: str, position: int) -> NoReturn:
        raise FormulaSyntaxError(message, self.text, position)


def _shown(token: str) -> str:
    return repr(token if len(token) <= 30 else token[:30] + "...")
