"""The text of an expression, with as few parentheses as parse back to the same expression."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sklearn_taskneurons.formula._checks import check_digits
from sklearn_taskneurons.formula._expression import Expression, Node, Type, Vector, fold, node_type
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, FUNCTIONS, MUL, NEG, NUMBER, POW, SUB, VECTOR, X

# how tightly a piece of text holds together: Python's own precedence
SUM_LEVEL, PRODUCT_LEVEL, SIGN_LEVEL, POWER_LEVEL, ATOM_LEVEL = range(5)
_BINARY: Final = {
    ADD: (" + ", SUM_LEVEL),
    SUB: (" - ", SUM_LEVEL),
    MUL: ("*", PRODUCT_LEVEL),
    DIV: ("/", PRODUCT_LEVEL),
}
PLACE: Final = "\0"  # where x stands in the text of a vector, until it is known whether features are named
_PLAIN_NAME: Final = re.compile(r"[^\W\d][\w.]*")
_TAKEN_NAMES: Final = ("x", "w")  # of the vectors of the language, beside which features stand


class Piece(NamedTuple):
    """The text of a subexpression, and what a printer must know to put it into a larger one."""

    text: str
    level: int
    kind: Type
    opcode: int
    vector: Vector | None = None
    has_vectors: bool = False  # whether a known vector is in it outside of any sum over the features


def number_text(value: float, digits: int | None = None) -> str:
    """Return the shortest text that gives `value` back, or `digits` significant ones; 3 for 3.0."""
    text = repr(float(value)) if digits is None else f"{value:.{digits}g}"
    return text.removesuffix(".0")


def expression_text(expression: Expression) -> str:
    """Return the text of an expression; it parses to the very same expression."""
    return Printer().text(expression)


class Printer:
    """Writes expressions as text.

    With `names`, one for each feature, a sum over the features with a known vector is written out, largest entries first.
    """

    x = "x"

    def __init__(self, digits: int | None = None, names: Sequence[str] | None = None) -> None:
        if digits is not None:
            check_digits(digits)
        self.digits = digits
        self.mentions_x = False  # whether any text so far names x rather than a feature
        self.names = None if names is None else [self.name(str(name)) for name in names]

    def text(self, expression: Expression) -> str:
        """Return the text of an expression."""
        return self._whole(fold(expression, self._piece).text)

    def entry(self, expression: Expression, name: str) -> str:
        """Return the text of a vector's entry for one feature: ``x`` is its name but in sums over the features."""
        return self.single(fold(expression, self._piece).text, self.name(name))

    def _whole(self, text: str) -> str:
        self.mentions_x = self.mentions_x or PLACE in text
        return self.whole(text)

    def _piece(self, node: Node, *parts: Piece) -> Piece:
        kind = node_type(node, *(part.kind for part in parts))
        vector = node.value if isinstance(node.value, tuple) else None
        if node.opcode == DOT and self.names is not None:
            written = self._features(parts[0].vector, parts[1])
            if written is not None:
                return Piece(*written, kind, node.opcode)
        if node.opcode == MUL and self._is_rounded_to_one(parts[0]):
            return parts[1]
        text, level = self.node(node, kind, *parts)
        if parts and parts[0].kind == "V" and kind == "S":
            text = self._whole(text)
        has_vectors = kind == "V" and (vector is not None or any(part.has_vectors for part in parts))
        return Piece(text, level, kind, node.opcode, vector, has_vectors)

    def _is_rounded_to_one(self, part: Piece) -> bool:
        return self.digits is not None and part.opcode == NUMBER and part.text == "1"

    def _features(self, weights: Vector | None, part: Piece) -> tuple[str, int] | None:
        """Return a sum over the features, written out, and how tightly it holds together; None if it cannot be."""
        if weights is None or self.names is None or part.has_vectors:
            return None
        entries = sorted(zip(weights, self.names, strict=True), key=lambda entry: -abs(entry[0]))
        text = ""
        for weight, name in entries:
            if weight:
                sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
                factor = self.single(self.wrap(part, PRODUCT_LEVEL), name)
                number = self.number(abs(weight))
                text += sign + (factor if number == "1" else self.times(number, factor))
        # a single feature without a number is as tight as what is summed
        count = len(weights) - weights.count(0.0)
        level = SUM_LEVEL if count > 1 else SIGN_LEVEL if text.startswith("-") else PRODUCT_LEVEL
        is_bare = count == 1 and self.number(max(weights)) == "1"
        return (text, part.level if is_bare else level) if text else ("0", ATOM_LEVEL)

    # what a language of its own writes otherwise

    def name(self, name: str) -> str:
        """Return the name of a feature; one that is no plain word, or means something else, is put between backticks."""
        return name if _PLAIN_NAME.fullmatch(name) and name not in _TAKEN_NAMES else f"`{name}`"

    def whole(self, text: str) -> str:
        """Return the text of a vector."""
        return text.replace(PLACE, self.x)

    def single(self, text: str, name: str) -> str:
        """Return the text of a vector's entry for one feature."""
        return text.replace(PLACE, name)

    def number(self, value: float) -> str:
        """Return a number."""
        return number_text(value, self.digits)

    def times(self, number: str, factor: str) -> str:
        """Return a number times something."""
        return f"{number}*{factor}"

    def wrap(self, part: Piece, level: int) -> str:
        """Return a piece, in parentheses if it holds together less tightly than `level`."""
        return part.text if part.level >= level else f"({part.text})"

    def node(self, node: Node, kind: Type, *parts: Piece) -> tuple[str, int]:
        """Return the text of a node and how tightly it holds together."""
        opcode, value = node
        if opcode == X:
            return PLACE, ATOM_LEVEL
        if opcode == NUMBER:
            text = self.number(value)  # type: ignore[arg-type]
            return text, SIGN_LEVEL if text.startswith("-") else ATOM_LEVEL
        if opcode == VECTOR:
            return f"[{', '.join(map(self.number, value))}]" if isinstance(value, tuple) else "w", ATOM_LEVEL
        if opcode in _BINARY:
            symbol, level = _BINARY[opcode]
            return f"{self.wrap(parts[0], level)}{symbol}{self.wrap(parts[1], level + 1)}", level
        if opcode == NEG:
            # a bare number after a minus sign would be read as a negative number
            bare = parts[0].opcode == NUMBER and parts[0].level == ATOM_LEVEL
            return "-" + self.wrap(parts[0], ATOM_LEVEL + 1 if bare else SIGN_LEVEL), SIGN_LEVEL
        if opcode == POW:
            return f"{self.wrap(parts[0], ATOM_LEVEL)}**{int(value)}", POWER_LEVEL  # type: ignore[arg-type]
        return f"{FUNCTIONS[opcode].name}({', '.join(part.text for part in parts)})", ATOM_LEVEL
