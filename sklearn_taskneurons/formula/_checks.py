"""What must hold for an expression, wherever it comes from."""

import math
from collections.abc import Iterable
from numbers import Integral
from operator import index
from typing import Any

from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._expression import Expression, Node, fold
from sklearn_taskneurons.formula._limits import MAX_DEPTH, MAX_EXPONENT, MAX_LENGTH
from sklearn_taskneurons.formula.functions import ADD, ARITIES, DIV, FUNCTIONS, MUL, NUMBER, POW, SUB, VECTOR

_CHAINS = ({ADD, SUB}, {MUL, DIV})


def normal_nodes(nodes: Iterable[Any]) -> Expression:
    """Return nodes with plain Python values; raise ValueError if they are no expression in prefix order."""
    result = tuple(_normal_node(*node) for node in nodes)
    missing = 1  # operands that are still to come
    for node in result:
        if missing == 0:
            raise ValueError("an expression must end where its first node is complete, and more nodes follow")
        missing += ARITIES[node.opcode] - 1
    if missing:
        raise ValueError(f"every node of an expression must have its operands, and {missing} are missing")
    return result


def _normal_node(opcode: Any, value: Any = None) -> Node:
    opcode = index(opcode)
    if not 0 <= opcode < len(FUNCTIONS):
        raise ValueError(f"an opcode must be from 0 to {len(FUNCTIONS) - 1}, given {opcode}")
    if opcode == NUMBER:
        return Node(opcode, _finite(value))
    if opcode == VECTOR and value is not None:
        vector = tuple(map(_finite, value))
        if not vector:
            raise ValueError("a constant vector must have at least one entry, given none")
        return Node(opcode, vector)
    if opcode == POW:
        if value != int(value) or not 0 <= value <= MAX_EXPONENT:
            raise ValueError(f"an exponent must be a whole number from 0 to {MAX_EXPONENT}, given {value!r}")
        return Node(opcode, int(value))
    return Node(opcode)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"the numbers of an expression must be finite, given {number}")
    return number


def check_bounds(expression: Expression) -> None:
    """Raise ExpansionError if an expression is too long or nested too deep."""
    if len(expression) > MAX_LENGTH:
        raise ExpansionError(f"a formula must have at most {MAX_LENGTH} nodes, given {len(expression)}", MAX_LENGTH)
    levels = fold(expression, _levels)[0]
    if levels > MAX_DEPTH:
        raise ExpansionError(f"a formula must be nested at most {MAX_DEPTH} levels deep, given {levels}")


def _levels(node: Node, *arguments: tuple[int, int]) -> tuple[int, int]:
    """Return the levels of nesting and the opcode; a chain such as ``a + b - c`` is one level."""
    levels = [depth for depth, _ in arguments]
    chain = next((opcodes for opcodes in _CHAINS if node.opcode in opcodes), None)
    if chain is not None and arguments[0][1] in chain:
        levels[0] -= 1
    return 1 + max(levels, default=0), node.opcode


def check_digits(digits: Any) -> None:
    """Raise ValueError unless so many significant digits can be written."""
    if isinstance(digits, bool) or not isinstance(digits, Integral) or digits < 1:
        raise ValueError(f"digits must be a whole number of at least 1, given {digits!r}")


def vector_length(expression: Expression) -> int | None:
    """Return the length of the constant vectors, None without any; raise ExpansionError if they differ."""
    length: int | None = None
    for place, (opcode, value) in enumerate(expression):
        if opcode == VECTOR and isinstance(value, tuple):
            if length is not None and len(value) != length:
                raise ExpansionError(f"constant vectors must have equal lengths, given {length} and {len(value)}", place)
            length = len(value)
    return length
