"""An expression is a tuple of nodes in prefix order, and everything about it is one fold."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from sklearn_taskneurons.formula.functions import ARITIES, FUNCTIONS, NUMBER, VECTOR, X, portable, restored

Vector: TypeAlias = tuple[float, ...]
Type: TypeAlias = Literal["S", "V"]
Result = TypeVar("Result")


class Node(NamedTuple):
    """One node: its opcode, and the value of a number, a constant vector or an exponent."""

    opcode: int
    value: float | Vector | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (Node, portable(self.opcode), self.value)


Expression: TypeAlias = tuple[Node, ...]


def fold(expression: Expression, function: Callable[..., Result]) -> Result:
    """Reduce an expression from its leaves to its root with ``function(node, *results)``.

    Read from right to left, a prefix expression is a program for a stack machine, so no recursion
    is needed and depth costs no call stack.
    """
    stack: list[Result] = []
    for node in reversed(expression):
        arity = ARITIES[node.opcode]
        arguments = [stack.pop() for _ in range(arity)]
        stack.append(function(node, *arguments))
    (result,) = stack
    return result


def entrywise(function: Callable[..., Result], n_features: int, *arguments: Any) -> Result | list[Result]:
    """Return a function of values of which those of type V are lists, with an entry for each feature."""
    if not any(isinstance(argument, list) for argument in arguments):
        return function(*arguments)
    columns = [argument if isinstance(argument, list) else [argument] * n_features for argument in arguments]
    return [function(*entries) for entries in zip(*columns, strict=True)]


def depth(expression: Expression) -> int:
    """Return the number of nodes on the longest way from the root to a leaf."""
    return fold(expression, lambda node, *depths: 1 + max(depths, default=0))


def node_type(node: Node, *arguments: Type) -> Type:
    """Return the type of a node's value; raise TypeError where a vector must stand and none does."""
    if node.opcode in (X, VECTOR):
        return "V"
    if node.opcode == NUMBER:
        return "S"
    function = FUNCTIONS[node.opcode]
    if function.takes_vectors:
        if "S" in arguments:
            raise TypeError(f"the arguments of {function.name} must be vectors, and one is a scalar")
        return "S"
    return "V" if "V" in arguments else "S"


def expression_type(expression: Expression) -> Type:
    """Return "V" when the value has one entry for each feature, "S" when it is one number a row."""
    return fold(expression, node_type)
