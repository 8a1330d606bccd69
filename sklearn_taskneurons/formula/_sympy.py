"""An expression as a SymPy expression."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from sklearn_taskneurons.formula._coefficients import exact
from sklearn_taskneurons.formula._expression import Expression, Node, entrywise, fold
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, FUNCTIONS, MUL, NEG, NUMBER, OPCODES, POW, SUB, SUM, VECTOR, X


def sympy_sum(expression: Expression, n_features: int, symbols: str | Sequence[Any]) -> Any:
    """Return an expression, summed over the features, as a SymPy expression."""
    try:
        import sympy
    except ImportError as error:
        raise ImportError(
            "to_sympy must have SymPy, which is not installed; pip install 'sklearn_taskneurons[sympy]' installs it"
        ) from error
    given = [f"{symbols}{j}" for j in range(n_features)] if isinstance(symbols, str) else list(symbols)
    inputs = [sympy.Symbol(str(symbol)) if isinstance(symbol, str) else symbol for symbol in given]
    if len(inputs) != n_features:
        raise ValueError(f"symbols must have one entry for each of the {n_features} features, given {len(inputs)}")
    translator = _Translator(sympy, inputs, expression)
    taken = {str(symbol) for entry in inputs for symbol in getattr(entry, "free_symbols", ())} & translator.free_names()
    if taken:
        raise ValueError(f"symbols must have other names than the free vectors' {', '.join(sorted(taken))}")
    value = fold(expression, translator.node)
    return sympy.Add(*value) if isinstance(value, list) else value


class _Translator:
    """Vectors are lists of SymPy expressions, one for each feature."""

    def __init__(self, sympy: Any, inputs: list[Any], expression: Expression) -> None:
        self.sympy = sympy
        self.inputs = inputs
        # fold visits the leaves from right to left
        self.n_free = sum(node == Node(VECTOR) for node in expression)
        self.free = count(1)

    def free_names(self) -> set[str]:
        """Return the names of the symbols of all free vectors."""
        return {name for index in range(self.n_free) for name in self._names(index)}

    def node(self, node: Node, *arguments: Any) -> Any:
        """Return the value of a node."""
        opcode, value = node
        if opcode == X:
            return self.inputs
        if opcode == NUMBER:
            return self._number(value)  # type: ignore[arg-type]
        if opcode == VECTOR:
            if isinstance(value, tuple):
                return [self._number(entry) for entry in value]
            index = self.n_free - next(self.free)
            return [self.sympy.Symbol(name) for name in self._names(index)]
        if opcode in (DOT, SUM):
            products = entrywise(lambda a, b: a * b, len(self.inputs), *arguments) if opcode == DOT else arguments[0]
            return self.sympy.Add(*products)
        return entrywise(self._function(node), len(self.inputs), *arguments)

    def _names(self, index: int) -> list[str]:
        return [f"w{index}_{j}" for j in range(len(self.inputs))]

    def _function(self, node: Node) -> Callable[..., Any]:
        operations: dict[int, Callable[..., Any]] = {
            ADD: lambda a, b: a + b,
            SUB: lambda a, b: a - b,
            MUL: lambda a, b: a * b,
            DIV: lambda a, b: a / b,
            NEG: lambda a: -a,
            POW: lambda a: a ** int(node.value),  # type: ignore[arg-type]
            OPCODES["abs"]: abs,
        }
        name = FUNCTIONS[node.opcode].name
        if FUNCTIONS[node.opcode].is_own:
            undefined: Callable[..., Any] = self.sympy.Function(name)
            return undefined
        return operations.get(node.opcode) or getattr(self.sympy, name)

    def _number(self, value: float) -> Any:
        fraction = exact(value)
        return self.sympy.Rational(fraction.numerator, fraction.denominator)
