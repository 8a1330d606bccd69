"""The LaTeX of an expression."""

from typing import Final

from sklearn_taskneurons.formula._expression import Node, Type
from sklearn_taskneurons.formula._latex_templates import filled, template_level
from sklearn_taskneurons.formula._printer import (
    ATOM_LEVEL,
    POWER_LEVEL,
    PRODUCT_LEVEL,
    SIGN_LEVEL,
    SUM_LEVEL,
    Piece,
    Printer,
    number_text,
)
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, FUNCTIONS, MUL, NEG, NUMBER, POW, SUB, VECTOR, X

_MAX_ENTRIES: Final = 8
_CIRCLE: Final = "\1"  # in the exponent of a vector, until it is known whether features are named
_DOT: Final = "\2"  # between vectors
_ESCAPES: Final = str.maketrans(
    {
        "\\": r"\backslash ",
        "{": r"\{",
        "}": r"\}",
        "_": r"\_",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "&": r"\&",
        "^": r"\hat{\ }",
        "~": r"\sim ",
        " ": r"\ ",
    }
)


class LatexPrinter(Printer):
    """Writes expressions as LaTeX: vectors bold, elementwise powers with a circle, products of vectors with a dot."""

    x = FUNCTIONS[X].latex or "x"

    def name(self, name: str) -> str:
        """Return the name of a feature, upright."""
        return rf"\mathrm{{{name.translate(_ESCAPES)}}}"

    def whole(self, text: str) -> str:
        """Return the text of a vector."""
        return super().whole(text).replace(_CIRCLE, r"\circ ").replace(_DOT, r" \odot ")

    def single(self, text: str, name: str) -> str:
        """Return the text of a vector's entry for one feature: a number, with ordinary powers and products."""
        return super().single(text, name).replace(_CIRCLE, "").replace(_DOT, r"\,")

    def number(self, value: float) -> str:
        """Return a number, its power of ten written as one."""
        mantissa, _, exponent = number_text(value, self.digits).partition("e")
        if not exponent:
            return mantissa
        power = f"10^{{{int(exponent)}}}"
        return power if mantissa == "1" else rf"{mantissa} \cdot {power}"

    def times(self, number: str, factor: str) -> str:
        """Return a number times something."""
        return rf"{number}\,{factor}"

    def wrap(self, part: Piece, level: int) -> str:
        """Return a piece, in parentheses that grow with it if it holds together less tightly than `level`."""
        return part.text if part.level >= level else rf"\left({part.text}\right)"

    def node(self, node: Node, kind: Type, *parts: Piece) -> tuple[str, int]:
        """Return the LaTeX of a node and how tightly it holds together."""
        opcode, value = node
        template = FUNCTIONS[opcode].latex or ""
        if opcode == X:
            return super().node(node, kind)
        if opcode == NUMBER:
            return self._number(self.number(value))  # type: ignore[arg-type]
        if opcode == VECTOR:
            return (self._vector(value) if isinstance(value, tuple) else template), ATOM_LEVEL
        if opcode == MUL:
            return self._product(*parts), PRODUCT_LEVEL
        if opcode in (ADD, SUB):
            if opcode == ADD and parts[1].opcode == DOT and parts[1].text.startswith("-"):
                return f"{parts[0].text} - {parts[1].text[1:]}", SUM_LEVEL  # a sum over named features
            # a sign in the middle of a line stands in parentheses
            right = self.wrap(parts[1], ATOM_LEVEL if parts[1].text.startswith("-") else PRODUCT_LEVEL)
            return template.format(parts[0].text, right), SUM_LEVEL
        if opcode == DIV:
            return template.format(*(part.text for part in parts)), ATOM_LEVEL
        if opcode == NEG:
            # a product stands as it is, unless it would put one sign after another
            is_product = parts[0].opcode == MUL and not parts[0].text.startswith("-")
            return template.format(self.wrap(parts[0], PRODUCT_LEVEL if is_product else POWER_LEVEL)), SIGN_LEVEL
        if opcode == POW:
            exponent = f"{_CIRCLE if kind == 'V' else ''}{int(value)}"  # type: ignore[arg-type]
            return template.format(self.wrap(self._base(parts[0]), ATOM_LEVEL), exponent), POWER_LEVEL
        if FUNCTIONS[opcode].is_own:
            wrapped = [self.wrap(self._base(part), ATOM_LEVEL) for part in parts]
            return filled(template, [part.text for part in parts], wrapped), template_level(template)
        return template.format(*(part.text for part in parts)), ATOM_LEVEL

    @staticmethod
    def _number(text: str) -> tuple[str, int]:
        """Return the text of a number and how tightly it holds together; a power of ten may be all of it."""
        level = PRODUCT_LEVEL if r"\cdot" in text else POWER_LEVEL if "^" in text else ATOM_LEVEL
        return text, SIGN_LEVEL if text.startswith("-") else level

    @staticmethod
    def _base(piece: Piece) -> Piece:
        """Return a piece as it is before an exponent, which would seem to be that of a fraction's numerator alone."""
        return piece._replace(level=PRODUCT_LEVEL) if piece.opcode == DIV else piece

    def _product(self, left: Piece, right: Piece) -> str:
        first = self.wrap(left, PRODUCT_LEVEL)
        second = self.wrap(right, POWER_LEVEL)
        if left.kind == right.kind == "V":
            return f"{first}{_DOT}{second}"
        if right.opcode == NUMBER or second[0].isdigit() or (right.opcode == POW and right.text[0].isdigit()):
            return rf"{first} \cdot {second}"
        return self.times(first, second)

    def _vector(self, values: tuple[float, ...]) -> str:
        entries = [self.number(value) for value in values]
        if len(entries) > _MAX_ENTRIES:
            entries[3:-1] = [r"\ldots"]
        return r"\left(" + r",\, ".join(entries) + r"\right)"
