"""From text to an expression: what the scanner lets through is read by Python's own grammar."""

import ast
from fractions import Fraction
from typing import Final, NamedTuple, NoReturn

from sklearn_taskneurons.formula._coefficients import checked, checked_power, exact
from sklearn_taskneurons.formula._errors import ExpansionError, FormulaSyntaxError
from sklearn_taskneurons.formula._expression import Expression, Node, Type, fold, node_type
from sklearn_taskneurons.formula._limits import MAX_EXPONENT
from sklearn_taskneurons.formula._printer import number_text
from sklearn_taskneurons.formula._scanner import Source, scan
from sklearn_taskneurons.formula.functions import (
    ADD,
    ARITIES,
    DIV,
    DOT,
    FUNCTIONS,
    MUL,
    NEG,
    NUMBER,
    OPCODES,
    POW,
    SUB,
    VECTOR,
    X,
)

_MATMUL: Final = -1  # until the types of its operands tell which of MUL and DOT it is
_BINARY: Final[dict[type[ast.operator], int]] = {
    ast.Add: ADD,
    ast.Sub: SUB,
    ast.Mult: MUL,
    ast.Div: DIV,
    ast.MatMult: _MATMUL,
}
_MAX_TOWER: Final = 10  # exponents of exponents


class Parsed(NamedTuple):
    """An expression, with the position in the text of each of its nodes."""

    expression: Expression
    positions: tuple[int, ...]


def parse(text: str) -> Parsed:
    """Return the expression that a text says, or raise FormulaSyntaxError."""
    source = scan(text)
    try:
        tree = ast.parse(source.code, mode="eval")
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise FormulaSyntaxError("a formula must be an arithmetic expression that is not nested too deep", text) from None
    parser = _Parser(text, source)
    nodes, positions = parser.prefix(tree.body)
    return Parsed(parser.resolve(nodes, positions), tuple(positions))


class _Parser:
    def __init__(self, text: str, source: Source) -> None:
        self.text = text
        self.source = source
        self.tower = 0

    def prefix(self, root: ast.expr) -> tuple[list[Node], list[int]]:
        """Return the nodes below `root` in prefix order, without recursion, and their positions."""
        nodes: list[Node] = []
        positions: list[int] = []
        stack: list[ast.expr] = [root]
        while stack:
            item = stack.pop()
            node, operands, place = self._node(item)
            if node is not None:
                nodes.append(node)
                positions.append(self.source.position(place.col_offset))
            stack.extend(reversed(operands))
        return nodes, positions

    def _node(self, item: ast.expr) -> tuple[Node | None, list[ast.expr], ast.expr]:
        """Return the node of a piece of syntax, its operands, and the piece that errors point at."""
        match item:
            case ast.Constant(value=float(value)):
                return Node(NUMBER, value), [], item
            case ast.Name(id="x"):
                return Node(X), [], item
            case ast.Name(id="w"):
                return Node(VECTOR, self.source.vectors.get(item.col_offset)), [], item
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return None, [operand], item
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float(value)) as operand) if (
                operand.col_offset == item.col_offset + 2  # no parenthesis between: a negative number
            ):
                return Node(NUMBER, -value), [], item
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Node(NEG), [operand], item
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return Node(POW, self._exponent(right, left)), [left], item
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return Node(_BINARY[type(op)]), [left, right], right if isinstance(op, ast.Div) else item
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in OPCODES:
                return self._call(name, arguments, item), arguments, item
        self._fail("a formula must be made of numbers, x, w, operators and functions", item)

    def _call(self, name: str, arguments: list[ast.expr], item: ast.expr) -> Node:
        opcode = OPCODES[name]
        if len(arguments) != ARITIES[opcode]:
            expected = "one argument" if ARITIES[opcode] == 1 else "two arguments"
            self._fail(f"{name} must have {expected}, given {len(arguments)}", item)
        return Node(opcode)

    def _exponent(self, item: ast.expr, base: ast.expr) -> int:
        rule = f"an exponent must be a whole number from 0 to {MAX_EXPONENT}"
        if self.tower == _MAX_TOWER:
            self._fail(f"exponents must not have exponents of more than {_MAX_TOWER} levels", item)
        self.tower += 1
        nodes, positions = self.prefix(item)
        self.tower -= 1
        try:
            value = fold(self.resolve(nodes, positions), _constant)
        except ExpansionError as error:
            self._fail(f"{rule}; {error.message}", item)
        if value is None:
            base_is_number = isinstance(base, ast.Constant) and isinstance(base.value, float) and base.value > 0
            hint = f"; write exp(log({number_text(base.value)})*{_hinted(item)})" if base_is_number else ""  # type: ignore[attr-defined]
            self._fail(f"{rule}, and must not depend on x or w{hint}", item)
        if value.denominator != 1 or not 0 <= value <= MAX_EXPONENT:
            self._fail(f"{rule}, given {_shown(value)}{_exponent_hint(value, _hinted(base))}", item)
        return int(value)

    def resolve(self, nodes: list[Node], positions: list[int]) -> Expression:
        """Return the expression with every ``@`` resolved by the types of its operands, all types checked."""
        resolved = list(nodes)
        stack: list[tuple[Type, int]] = []
        for index in range(len(nodes) - 1, -1, -1):
            node = nodes[index]
            count = 2 if node.opcode == _MATMUL else ARITIES[node.opcode]
            arguments = [stack.pop() for _ in range(count)]
            kinds = [kind for kind, _ in arguments]
            if node.opcode == _MATMUL:
                node = resolved[index] = Node(DOT if kinds == ["V", "V"] else MUL)
            if FUNCTIONS[node.opcode].takes_vectors and "S" in kinds:
                name, position = FUNCTIONS[node.opcode].name, positions[arguments[kinds.index("S")][1]]
                raise FormulaSyntaxError(
                    f"the arguments of {name} must be vectors, such as x, and this one is one number a row", self.text, position
                )
            stack.append((node_type(node, *kinds), index))
        return tuple(resolved)

    def _fail(self, message: str, item: ast.expr) -> NoReturn:
        raise FormulaSyntaxError(message, self.text, self.source.position(item.col_offset))


def _constant(node: Node, *arguments: Fraction | None) -> Fraction | None:
    """Return the exact value of arithmetic on numbers, None for anything else."""
    opcode, value = node
    if opcode == NUMBER:
        return exact(value)  # type: ignore[arg-type]
    numbers = [argument for argument in arguments if argument is not None]
    if len(numbers) < len(arguments) or opcode not in (ADD, SUB, MUL, DIV, NEG, POW):
        return None
    if opcode == POW:
        return checked_power(numbers[0], int(value))  # type: ignore[arg-type]
    if opcode == NEG:
        return -numbers[0]
    a, b = numbers
    if opcode == DIV and not b:
        raise ExpansionError("nothing may be divided by zero, and the divisor is zero")
    return checked(a + b if opcode == ADD else a - b if opcode == SUB else a * b if opcode == MUL else a / b)


def _shown(value: Fraction) -> str:
    """Return a number for a message, even one far out of range."""
    try:
        return number_text(float(value))
    except OverflowError:
        return "a larger one"


def _hinted(item: ast.expr) -> str:
    """Return how a hint writes a base or an exponent: what is more than x is the reader's to put in."""
    return "x" if isinstance(item, ast.Name) and item.id == "x" else "(...)"


def _exponent_hint(value: Fraction, base: str) -> str:
    root = f"sqrt({base.strip('()')})"
    if value == Fraction(1, 2):
        return f"; write {root}"
    if value == -1:
        return f"; write 1/{base}"
    if value.denominator == 1 and -MAX_EXPONENT <= value < 0:
        return f"; write 1/{base}**{-value}"
    if value.denominator == 2 and 0 < value <= MAX_EXPONENT:
        return f"; write {root}**{value.numerator}"
    return ""
