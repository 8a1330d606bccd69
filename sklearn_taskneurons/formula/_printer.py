"""The text of an expression, with as few parentheses as parse back to the same expression."""

from typing import Final

from sklearn_taskneurons.formula._expression import Expression, Node, fold
from sklearn_taskneurons.formula.functions import ADD, DIV, FUNCTIONS, MUL, NEG, NUMBER, POW, SUB, VECTOR, X

# how tightly a piece of text holds together: Python's own precedence
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)
_BINARY: Final = {ADD: (" + ", _SUM), SUB: (" - ", _SUM), MUL: ("*", _PRODUCT), DIV: ("/", _PRODUCT)}


def number_text(value: float, digits: int | None = None) -> str:
    """Return the shortest text that gives `value` back, or `digits` significant ones; 3 for 3.0."""
    text = repr(float(value)) if digits is None else f"{value:.{digits}g}"
    return text.removesuffix(".0")


def vector_text(values: tuple[float, ...]) -> str:
    """Return a constant vector as a list of numbers."""
    return f"[{', '.join(map(number_text, values))}]"


def expression_text(expression: Expression) -> str:
    """Return the text of an expression; it parses to the very same expression."""
    return fold(expression, _node_text)[0]


def _node_text(node: Node, *parts: tuple[str, int]) -> tuple[str, int]:
    opcode, value = node
    if opcode == X:
        return "x", _ATOM
    if opcode == NUMBER:
        text = number_text(value)  # type: ignore[arg-type]
        return text, _SIGN if text.startswith("-") else _ATOM
    if opcode == VECTOR:
        return vector_text(value) if isinstance(value, tuple) else "w", _ATOM
    if opcode in _BINARY:
        symbol, precedence = _BINARY[opcode]
        left, right = parts
        return f"{_wrap(left, precedence)}{symbol}{_wrap(right, precedence + 1)}", precedence
    if opcode == NEG:
        (part,) = parts
        # a bare number after a minus sign would be read as a negative number
        return f"-({part[0]})" if part[0][0] in "0123456789" and _is_number(part) else f"-{_wrap(part, _SIGN)}", _SIGN
    if opcode == POW:
        (part,) = parts
        return f"{_wrap(part, _ATOM)}**{int(value)}", _POWER  # type: ignore[arg-type]
    return f"{FUNCTIONS[opcode].name}({', '.join(text for text, _ in parts)})", _ATOM


def _is_number(part: tuple[str, int]) -> bool:
    """Tell a number from anything else that begins with a digit: nothing else is an atom."""
    return part[1] == _ATOM


def _wrap(part: tuple[str, int], precedence: int) -> str:
    text, own = part
    return text if own >= precedence else f"({text})"
