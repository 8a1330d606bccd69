"""The one table of everything a formula can be made of; the opcode is the index.

Two types of value exist: a *vector* (V) has one value for each feature of a row, a *scalar* (S) one
value for each row. Elementwise functions keep the type of their arguments, a scalar acting on every
element of a vector; ``dot`` and ``sum`` take vectors and return a scalar.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from sklearn_taskneurons.formula._origin import origin


@dataclass(frozen=True, slots=True)
class Function:
    """A row of the table: what a node of an expression does.

    ``array_name`` is the function's name in both :mod:`numpy` and :mod:`torch`; ``symbol`` is its
    infix or prefix operator, if it is written with one. ``latex`` is a template of :meth:`str.format`, and that of a function
    of the user's own one of `make_function`. ``takes_vectors`` demands vector arguments and makes the result a scalar.
    ``numpy_function`` and ``torch_function`` are what a function of the user's own computes.
    """

    name: str
    arity: int
    array_name: str | None = None
    symbol: str | None = None
    latex: str | None = None
    takes_vectors: bool = False
    numpy_function: Callable[..., Any] | None = None
    torch_function: Callable[..., Any] | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is one of the user's own."""
        return self.numpy_function is not None

    def __reduce__(self) -> tuple[Callable[..., "Function"], tuple[Any, ...]]:
        # Where it is restored, it takes its place in the table.
        return _known, tuple(getattr(self, field.name) for field in fields(self))


# Functions of the user's own come behind these.
FUNCTIONS: Final[list[Function]] = [
    # leaves
    Function("x", 0, latex=r"\mathbf{x}"),
    Function("number", 0),  # the node's value is the number: S
    Function("w", 0, latex=r"\mathbf{w}"),  # a constant vector; its value is None while it is free: V
    # arithmetic
    Function("add", 2, "add", "+", "{0} + {1}"),
    Function("sub", 2, "subtract", "-", "{0} - {1}"),
    Function("mul", 2, "multiply", "*", r"{0} \odot {1}"),
    Function("div", 2, "divide", "/", r"\frac{{{0}}}{{{1}}}"),
    Function("neg", 1, "negative", "-", "-{0}"),
    Function("pow", 1, symbol="**", latex="{0}^{{{1}}}"),  # the node's value is the exponent, a whole number
    # from vectors to a scalar
    Function("dot", 2, latex=r"\langle {0}, {1} \rangle", takes_vectors=True),
    Function("sum", 1, latex=r"\operatorname{{sum}}({0})", takes_vectors=True),
    # elementwise
    Function("sin", 1, "sin", latex=r"\sin({0})"),
    Function("cos", 1, "cos", latex=r"\cos({0})"),
    Function("tan", 1, "tan", latex=r"\tan({0})"),
    Function("tanh", 1, "tanh", latex=r"\tanh({0})"),
    Function("exp", 1, "exp", latex=r"\exp({0})"),
    Function("log", 1, "log", latex=r"\log({0})"),
    Function("sqrt", 1, "sqrt", latex=r"\sqrt{{{0}}}"),
    Function("abs", 1, "abs", latex=r"\lvert {0} \rvert"),
]

# As many rows the table can have; programs keep an opcode in a byte.
MAX_FUNCTIONS: Final = 64

OPCODES: Final[dict[str, int]] = {function.name: opcode for opcode, function in enumerate(FUNCTIONS)}
ARITIES: Final[list[int]] = [function.arity for function in FUNCTIONS]

X, NUMBER, VECTOR, ADD, SUB, MUL, DIV, NEG, POW, DOT, SUM = range(11)


def add_function(function: Function) -> Function:
    """Return the function of this name in the table, to which it is added if there is none yet.

    Raises
    ------
    ValueError
        If the name stands for another function, be it an earlier one of the same place, or the table is full.
    """
    if function.name not in OPCODES:
        if len(FUNCTIONS) == MAX_FUNCTIONS:
            raise ValueError(f"there can be at most {MAX_FUNCTIONS} functions, and {function.name!r} would be one more")
        OPCODES[function.name] = len(FUNCTIONS)
        FUNCTIONS.append(function)
        ARITIES.append(function.arity)
    known = FUNCTIONS[OPCODES[function.name]]
    if _key(known) != _key(function):
        raise ValueError(
            f"name must be one that no other function has, nor an earlier version of this one, given {function.name!r}"
        )
    return known


def lasting_key(opcode: int) -> bytes:
    """Return what stands for a function in all processes, in which those of the user's own have different opcodes."""
    function = FUNCTIONS[opcode]
    return function.name.encode() if function.is_own else opcode.to_bytes(2, "little")


def opcodes_of(names: Iterable[str]) -> dict[str, int]:
    """Return the functions of these names with the opcodes that they have in this process."""
    return {name: OPCODES[name] for name in names}


def portable(opcode: int) -> "str | Function":
    """Return what an opcode is to be pickled as, which is another one elsewhere: a name, or a function of the user's own."""
    function = FUNCTIONS[opcode]
    return function if function.is_own else function.name


def restored(kind: Callable[..., Any], function: "str | Function", *values: Any) -> Any:
    """Return a ``kind`` of values behind an opcode that was pickled by `portable`."""
    return kind(OPCODES[function.name if isinstance(function, Function) else function], *values)


def is_called(name: str) -> bool:
    """Return whether a name is that of a function that is written as a call."""
    return name in OPCODES and FUNCTIONS[OPCODES[name]].arity > 0 and FUNCTIONS[OPCODES[name]].symbol is None


def array_function(opcode: int, library: Any) -> Callable[..., Any]:
    """Return an elementwise function in an array library, NumPy or torch."""
    function = FUNCTIONS[opcode]
    if function.array_name is not None:
        implementation: Callable[..., Any] = getattr(library, function.array_name)
        return implementation
    own = function.numpy_function if library.__name__ == "numpy" else function.torch_function or function.numpy_function
    if own is None:
        raise TypeError(f"{function.name} must be an elementwise function")
    return own if function.arity == 1 else _broadcasting(own, library)


def _broadcasting(function: Callable[..., Any], library: Any) -> Callable[..., Any]:
    """Return a function of the user's own that takes a scalar beside a vector; what the user wrote takes equal shapes."""
    broadcast = library.broadcast_arrays if library.__name__ == "numpy" else library.broadcast_tensors
    return lambda *arguments: function(*broadcast(*arguments))


def _known(*values: Any) -> Function:
    return add_function(Function(*values))


def _key(function: Function) -> tuple[object, ...]:
    """Return what two copies of a function have in common: what it computes, and how it is written."""
    values = origin(function.numpy_function), origin(function.torch_function)
    return function.name, function.arity, function.symbol, function.latex, *values
