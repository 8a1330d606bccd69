"""How LaTeX writes functions of the user's own: templates with places for the arguments."""

import re
from collections.abc import Sequence
from typing import Final

from sklearn_taskneurons.formula._printer import ATOM_LEVEL, POWER_LEVEL, SUM_LEVEL

_OPENING: Final = ("(", "[", "{", ",", ";", r"\lvert", r"\lVert", r"\lfloor", r"\lceil", r"\langle")
_CLOSING: Final = (")", "]", "}", ",", ";", r"\}", r"\rvert", r"\rVert", r"\rfloor", r"\rceil", r"\rangle")
_FENCE: Final = re.compile(r"\\([lr])(?:vert|Vert|floor|ceil|angle)(?![A-Za-z])")
_SPACING: Final = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[!,:;]|\s")  # what does not matter around brackets

# the outline of a template, in which \1 stands for what is in braces and \2 for what is in brackets
_BRACES: Final = re.compile(r"\{[^{}()\[\]]*\}")
_BRACKETS: Final = re.compile(r"\([^{}()\[\]]*\)|\[[^{}()\[\]]*\]")
_CALL: Final = re.compile("(\\\\?[A-Za-z]+\1?([_^][\\w\1]|')*)?\2")  # brackets, perhaps after a name with indices
_TIGHT: Final = re.compile("\\\\[dt]?frac\1\1|\\\\sqrt\2?\1|(\\\\?[A-Za-z]+|\1|\2)\\^[\\w\1]")  # fractions, roots, powers


def filled(template: str, bare: Sequence[str], wrapped: Sequence[str]) -> str:
    """Return a template with the arguments in their places, all at once; every other brace is LaTeX's own.

    Parameters
    ----------
    template : str
        With ``{0}`` and, where there are two arguments, ``{1}``.
    bare : sequence of str
        The arguments for places between brackets, braces or commas.
    wrapped : sequence of str
        The arguments for all other places, in parentheses where they need them. The braces of these places stay, so that
        what is before one, such as a root, takes all of the argument.
    """

    def argument(place: re.Match[str]) -> str:
        index = int(place[1])
        before, after = (_SPACING.sub("", side) for side in (template[: place.start()], template[place.end() :]))
        is_enclosed = before.endswith(_OPENING) and after.startswith(_CLOSING)
        return bare[index] if is_enclosed else f"{{{wrapped[index]}}}"

    return re.sub(rf"\{{([0-{len(bare) - 1}])\}}", argument, template)


def template_level(template: str) -> int:
    """Return how tightly a template holds together; one of an unknown outline could be a sum."""
    outline = _FENCE.sub(lambda fence: "(" if fence[1] == "l" else ")", _SPACING.sub("", template))
    previous = ""
    while outline != previous:
        previous, outline = outline, _BRACKETS.sub("\2", _BRACES.sub("\1", outline))
    return ATOM_LEVEL if _CALL.fullmatch(outline) else POWER_LEVEL if _TIGHT.fullmatch(outline) else SUM_LEVEL
