"""The elementwise maps of a neuron: from the input to the features that are weighted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sklearn_taskneurons.formula import DOT, MUL, NUMBER, POW, SUM, VECTOR, Expression, Node, X
from sklearn_taskneurons.formula._expression import fold
from sklearn_taskneurons.formula.functions import portable, restored
from sklearn_taskneurons.nn._functions import torch_function
from sklearn_taskneurons.nn._members import vector_parameter
from sklearn_taskneurons.nn._powers import LARGE, exponents_of, powers
from sklearn_taskneurons.nn._recording import is_recorded


class _Instruction(NamedTuple):
    """One step: an opcode, its number, literal vector or index of a learned one, and its arguments' steps."""

    opcode: int
    value: Any
    arguments: tuple[int, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (_Instruction, portable(self.opcode), self.value, self.arguments)


class _Compiler:
    """Expressions to steps, each distinct subexpression once, powers by products."""

    def __init__(self) -> None:
        self.steps: dict[_Instruction, int] = {}
        self.powers: dict[int, dict[int, int]] = {}
        self.n_vectors = 0

    def compile(self, expression: Expression) -> tuple[int, tuple[int, ...]]:
        """Return the step that computes an expression, and the indices of its free vectors from left to right."""
        before = self.n_vectors
        output = fold(expression, self.node)
        # The fold visits the leaves from right to left.
        return output, tuple(reversed(range(before, self.n_vectors)))

    def add(self, opcode: int, value: Any = None, arguments: tuple[int, ...] = ()) -> int:
        return self.steps.setdefault(_Instruction(opcode, value, arguments), len(self.steps))

    def node(self, node: Node, *arguments: int) -> int:
        if node.opcode == POW:
            exponent = int(node.value)  # type: ignore[arg-type]  # the exponent of a power is a whole number
            return self.power(arguments[0], exponent) if exponent else self.add(NUMBER, 1.0)
        if node.opcode == VECTOR and node.value is None:
            self.n_vectors += 1  # each occurrence of a free vector is one of its own
            return self.add(VECTOR, self.n_vectors - 1)
        return self.add(node.opcode, node.value, arguments)

    def power(self, base: int, exponent: int) -> int:
        known = self.powers.setdefault(base, {1: base})
        if exponent == 3 and 2 not in known:
            # The one power that torch has a kernel for, in place of two products.
            known[exponent] = self.add(POW, exponent, (base,))
        elif exponent not in known:
            nearest = max(power for power in known if power < exponent)
            first = nearest if 2 * nearest >= exponent else exponent // 2
            factors = self.power(base, first), self.power(base, exponent - first)
            known[exponent] = self.add(MUL, None, factors)
        return known[exponent]


class ElementwiseMaps(nn.Module):
    """Compute the elementwise maps of a formula, one tensor of the input's shape for each.

    Vectors that the formula leaves free, as in ``sin(w*x)``, are parameters shared by all units, of each member its own.
    """

    def __init__(
        self,
        expressions: Sequence[Expression],
        in_features: int,
        n_members: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        compiler = _Compiler()
        self.in_features = in_features
        self.expressions = tuple(expressions)
        # Terms come by falling degree; from the lowest power on, each is the product of two known ones.
        compiled = [compiler.compile(expression) for expression in reversed(expressions)]
        self.outputs = tuple(output for output, _ in reversed(compiled))
        self.vector_indices = tuple(indices for _, indices in reversed(compiled))
        self.steps = tuple(compiler.steps)
        self.exponents = exponents_of(expressions)
        # A vector that meets the input in an inner product must not let the sum grow with the number of features.
        self.adds_features = any(step.opcode in (DOT, SUM) for step in self.steps)
        self.vector_std = in_features**-0.5 if self.adds_features else 1.0
        self.vectors = nn.ParameterList(
            vector_parameter(in_features, n_members, device=device, dtype=dtype) for _ in range(compiler.n_vectors)
        )
        for index, step in enumerate(self.steps):
            if isinstance(step.value, tuple):
                if len(step.value) != in_features:
                    raise ValueError(
                        f"in_features must be {len(step.value)}, the length of a vector inside a function of the formula, "
                        f"got {in_features}"
                    )
                self.register_buffer(f"literal_{index}", torch.empty(in_features, device=device, dtype=dtype))
        self.reset_parameters()

    @property
    def differ(self) -> bool:
        """Whether the maps of one feature may be others than those of the next."""
        return bool(len(self.vectors)) or any(isinstance(step.value, tuple) for step in self.steps)

    def reset_parameters(self) -> None:
        """Draw the free vectors anew, and write those that the formula states."""
        for index, step in enumerate(self.steps):
            if isinstance(step.value, tuple):
                literal = getattr(self, f"literal_{index}")
                literal.copy_(literal.new_tensor(step.value))
        for vector in self.vectors:
            nn.init.normal_(vector, std=self.vector_std)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of ``x`` in the order in which their expressions were given."""
        if self.exponents is None or not x.requires_grad or not torch.is_grad_enabled() or is_recorded() or x.numel() < LARGE:
            return self._values(x)
        return powers(x, self.exponents, self._values)

    def _values(self, x: Tensor) -> list[Tensor]:
        values: list[Any] = []
        for index, (opcode, value, arguments) in enumerate(self.steps):
            if opcode == X:
                values.append(x)
            elif opcode == NUMBER:
                values.append(float(value))
            elif opcode == VECTOR:
                values.append(getattr(self, f"literal_{index}") if isinstance(value, tuple) else self.vectors[value])
            elif opcode == POW:
                values.append(values[arguments[0]] ** value)
            else:
                values.append(torch_function(opcode)(*[values[argument] for argument in arguments]))
        return [values[output] for output in self.outputs]
