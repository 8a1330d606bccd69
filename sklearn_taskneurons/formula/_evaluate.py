"""The value of an expression on a NumPy array or a torch tensor, in its library, type and device."""

import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from sklearn_taskneurons.formula._expression import Expression, Node, expression_type, fold
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula.functions import ADD, DIV, DOT, MUL, NEG, NUMBER, POW, SUB, SUM, VECTOR, X, array_function

_OPERATORS: Final[dict[int, Callable[..., Any]]] = {
    ADD: operator.add,
    SUB: operator.sub,
    MUL: operator.mul,
    DIV: operator.truediv,
    NEG: operator.neg,
}

# Of an array, that are evaluated at once; 1 MB.
BLOCK_NUMBERS: Final = 1 << 17


def evaluate(expression: Expression, X: Any, vectors: Sequence[Any] | None = None, axis: int = -1) -> Any:
    """Return the value of an expression on the rows of X.

    Parameters
    ----------
    expression : Expression
        Nodes in prefix order.
    X : ndarray or torch.Tensor
        The input, its features along `axis`; usually of shape (N, D). Whole numbers are taken as the
        library's default floating type.
    vectors : sequence of arrays, default=None
        A value for each free constant vector ``w``, from left to right: of shape (D,), or any shape
        that broadcasts with X.
    axis : int, default=-1
        The axis of X that holds the features.

    Returns
    -------
    ndarray or torch.Tensor
        With as many axes as X: broadcastable to X's shape for a vector expression; of length 1 along
        `axis` for a scalar one. Values that are not real or not finite are NaN or infinite, without a
        warning.

    Raises
    ------
    ValueError
        If the number of `vectors` is not that of the free ``w`` in the expression, a vector's length is
        not the number of features, or values of X are masked.
    TypeError
        If X has complex numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_taskneurons.formula import Formula, evaluate
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> evaluate(Formula("x**2").expression, X)
    array([[ 1.,  4.],
           [ 9., 16.]])
    >>> evaluate(Formula("dot(w, x)").expression, X, vectors=[np.array([1.0, -1.0])])
    array([[-1.],
           [-1.]])
    """
    n_free = sum(node.opcode == VECTOR and node.value is None for node in expression)
    given = () if vectors is None else tuple(vectors)
    if len(given) != n_free:
        raise ValueError(f"one vector must be given for each free w; the expression has {n_free}, given {len(given)}")
    evaluator = _Evaluator(X, given, axis)
    # harmless for tensors; an array's overflow shows in its values
    with np.errstate(all="ignore"):
        return fold(expression, evaluator.node)


def row_values(expression: Expression, X: Any, n_features: int | None) -> Any:
    """Return the value of an expression without free vectors for each row of X, summed over the features."""
    values = as_floating(X)
    if values.ndim != 2:
        raise ValueError(f"X must have two axes, rows and features, given {values.ndim}")
    if n_features not in (None, values.shape[1]):
        raise ValueError(f"X must have the formula's {n_features} features, given {values.shape[1]}")
    if Node(VECTOR) in expression:
        raise ValueError(f"a formula must have no free vector w to have a value, given {expression_text(expression)}")
    # What a function makes of many rows is in memory several times, and in cache only block by block.
    n_rows = max(1, BLOCK_NUMBERS // max(1, values.shape[1]))
    if array_library(values) is not np or len(values) <= n_rows:
        return _values_of(expression, values)
    return np.concatenate([_values_of(expression, values[start : start + n_rows]) for start in range(0, len(values), n_rows)])


def _values_of(expression: Expression, values: Any) -> Any:
    library = array_library(values)
    result = evaluate(expression, values)
    if expression_type(expression) == "S":
        n_rows = values.shape[0]
        # each row of a constant gets a number of its own, so that the caller may write into the values
        return (result if len(result) == n_rows else library.tile(result, (n_rows, 1)))[:, 0]
    with np.errstate(all="ignore"):
        return library.broadcast_to(result, values.shape).sum(-1)


class _Evaluator:
    """The value of one node from those of its arguments."""

    def __init__(self, values: Any, vectors: tuple[Any, ...], axis: int) -> None:
        self.library = array_library(values)
        self.values = as_floating(values)
        self.axis = axis
        self.vectors = list(vectors)
        self.shape = [1] * self.values.ndim

    def node(self, node: Node, *arguments: Any) -> Any:
        opcode = node.opcode
        if opcode in _OPERATORS:
            return _OPERATORS[opcode](*arguments)
        if opcode == X:
            return self.values
        if opcode == NUMBER:
            return self._constant(node.value).reshape(self.shape)
        if opcode == VECTOR:
            # fold visits the leaves from right to left, so the last vector comes first
            return self._vector(self.vectors.pop() if node.value is None else node.value)
        if opcode == POW:
            return raised(arguments[0], int(node.value))  # type: ignore[arg-type]
        if opcode == SUM:
            return self._row_sum(arguments[0])
        if opcode == DOT:
            return self._row_sum(arguments[0] * arguments[1])
        return array_function(opcode, self.library)(*arguments)

    def _constant(self, value: Any) -> Any:
        if self.library is np:
            return np.asarray(value, dtype=self.values.dtype)
        return self.library.as_tensor(value, dtype=self.values.dtype, device=self.values.device)

    def _vector(self, value: Any) -> Any:
        vector = self._constant(value)
        if vector.ndim != 1:
            return vector
        n_features = self.values.shape[self.axis]
        if vector.shape[0] != n_features:
            raise ValueError(f"a constant vector must have an entry for each of the {n_features} features, given {len(vector)}")
        shape = list(self.shape)
        shape[self.axis] = n_features
        return vector.reshape(shape)

    def _row_sum(self, value: Any) -> Any:
        return value.sum(self.axis, keepdims=True)


def array_library(values: Any) -> Any:
    """Return the module that computes with `values`: torch for its tensors, otherwise numpy.

    Torch is never imported here: whoever has a tensor has imported it.
    """
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(values, torch.Tensor) else np


def as_floating(values: Any) -> Any:
    """Return `values` as they are, or in the default floating type when they are whole numbers.

    So are arrays of float16, a type to store numbers in, whose squares are infinite from 256 on.
    """
    library = array_library(values)
    if library is np:
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            raise ValueError("X must have no masked values; X.filled gives them a value")
        array = np.asarray(values)
        if np.issubdtype(array.dtype, np.floating) and array.dtype != np.float16:
            return array
        _check_real(array.dtype.kind == "c", array.dtype)
        return array.astype(np.float64)
    if values.is_floating_point():
        return values
    _check_real(values.is_complex(), values.dtype)
    return values.to(library.get_default_dtype())


def _check_real(is_complex: bool, dtype: Any) -> None:
    if is_complex:
        raise TypeError(f"X must have real numbers, given {dtype}")


def raised(base: Any, exponent: int) -> Any:
    """Raise by repeated squaring: many times faster than a general power, and good for negative bases."""
    if exponent == 0:
        return array_library(base).ones_like(base)
    result = None
    while True:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        if not exponent:
            return result
        base = base * base
