"""Programs as separable models: what constants leave of the targets when the coefficients of the summands are solved."""

from typing import Final, NamedTuple

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from sklearn_taskneurons._device import plain_torch, to_array, to_tensor
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons.formula import evaluate
from sklearn_taskneurons.formula._expression import Expression, Node
from sklearn_taskneurons.formula.functions import ADD, DIV, FUNCTIONS, MUL, NEG, NUMBER, SUB, SUM, VECTOR, X

_RANK_TOLERANCE: Final = 1e-12
_LEAST_LEFT: Final = 1e-8  # of a derivative; of one that the summands make up, as that of 3*x*x, rounding errors are left


class _Summand(NamedTuple):
    """A part of a program that has a coefficient of its own; free vectors stand for its constants."""

    nodes: Expression
    positions: list[int]  # of its constants in the program


class SeparableProgram:
    """A program as a sum of summands, each with a coefficient, that depend on constants.

    Parameters
    ----------
    population : Population
    row : int
        The program.
    bank : ndarray of float64, shape (M, D)
        The constant vectors.
    with_vectors : bool
        Whether constant vectors are among the constants, not only numbers.

    Attributes
    ----------
    start : ndarray of float64, shape (C,)
        The constants that it has, in order.
    owner : ndarray of intp, shape (C,)
        The column of the summand that each of them is in.
    positions : list of int
        The nodes that they come from.
    """

    def __init__(self, population: Population, row: int, bank: Floats, *, with_vectors: bool) -> None:
        self.length = int(population.size[row, 0])
        nodes = population.expression(row, bank)
        sizes = population.size[row].tolist()
        constant = (NUMBER, VECTOR) if with_vectors else (NUMBER,)
        self.summands = []
        for first, last in _summands(nodes, sizes):
            positions = [place for place in range(first, last) if nodes[place].opcode in constant]
            free = tuple(Node(VECTOR) if node.opcode in constant else node for node in nodes[first:last])
            self.summands.append(_Summand(free, positions))
        self.positions = [place for summand in self.summands for place in summand.positions]
        values = [np.atleast_1d(np.array(nodes[place].value, dtype=np.float64)) for place in self.positions]
        self._ends = np.cumsum([len(value) for value in values])[:-1].tolist() if values else []
        self.start: Floats = np.concatenate([np.zeros(0), *values])
        # The summand of each constant: its column behind the one of ones.
        lengths = iter(map(len, values))
        counts = [sum(next(lengths) for _ in summand.positions) for summand in self.summands]
        self.owner = 1 + np.repeat(np.arange(len(counts)), counts)

    @property
    def is_opaque(self) -> bool:
        """Whether a function cannot be differentiated: one of the user's own that does not know tensors."""
        functions = [FUNCTIONS[node.opcode] for summand in self.summands for node in summand.nodes]
        return any(function.is_own and function.torch_function is None for function in functions)

    def split(self, constants: Floats) -> list[Floats]:
        """Return the value of each constant."""
        return np.split(constants, self._ends) if self.positions else []

    @plain_torch()
    def columns(self, constants: Floats, features: Floats) -> Floats:
        """Return ones, the summands, and the derivative of its summand by each constant, for some rows."""
        x = to_tensor(features, torch.float64)
        values = iter(self.split(constants))
        summands = [torch.ones((len(x), 1), dtype=torch.float64)]
        derivatives: list[Tensor] = []
        for summand in self.summands:
            # A row's value depends on that row's copy of a constant alone, so one pass back gives all derivatives.
            copies = [_copies(next(values), len(x)) for _ in summand.positions]
            column = evaluate(summand.nodes, x, copies).sum(dim=1, keepdim=True)
            # A function of the user's own may be a step: then no constant inside leaves a trace.
            total = sum((0.0 * copy.sum() for copy in copies), column.sum())
            summands.append(column.detach())
            if copies:
                derivatives += torch.autograd.grad(total, copies)
        return to_array(torch.cat([*summands, *derivatives], dim=1))


class Projection:
    """What the best coefficients leave of the targets, in the coordinates of a triangular factor, and its derivatives.

    Half the sum of the squares is half the normalised loss, averaged over outputs.

    Parameters
    ----------
    program : SeparableProgram
    rows : Rows
        The data.
    size : int
        Rows that are evaluated together.
    """

    def __init__(self, program: SeparableProgram, rows: Rows, size: int) -> None:
        self._program = program
        self._rows = rows
        self._size = size
        self._scale = np.sqrt(rows.total_weight * rows.targets.variance * rows.n_outputs)
        self._at: Floats | None = None

    def residuals(self, constants: Floats) -> Floats:
        """Return the residuals of all outputs, not finite where a value is not."""
        self._move(constants)
        return self._residuals.flatten()

    def jacobian(self, constants: Floats) -> Floats:
        """Return the derivatives of the residuals, zeros for constants that change nothing which coefficients do not."""
        self._move(constants)
        slopes = self._coefficients[self._program.owner] / self._scale
        return np.concatenate([-self._derivatives * slope for slope in slopes.T])

    def _move(self, constants: Floats) -> None:
        """Solve for the coefficients, once for the same constants."""
        if self._at is not None and np.array_equal(self._at, constants):
            return
        self._at = constants.copy()
        factor = self._rows.factor(lambda X: self._program.columns(constants, X), self._size)
        n_summands, n_outputs = 1 + len(self._program.summands), self._rows.n_outputs
        others = factor[:, n_summands:]
        if not np.isfinite(factor).all():
            self._residuals = np.full((n_outputs, len(factor)), np.inf)
            return
        norms = np.linalg.norm(factor[:, :n_summands], axis=0)
        norms[norms == 0.0] = 1.0
        summands = factor[:, :n_summands] / norms
        solution = scipy.linalg.lstsq(summands, others, cond=_RANK_TOLERANCE, check_finite=False)[0]
        left = others - summands @ solution
        told = np.linalg.norm(left[:, :-n_outputs], axis=0) > _LEAST_LEFT * np.linalg.norm(others[:, :-n_outputs], axis=0)
        self._derivatives = np.where(told, left[:, :-n_outputs], 0.0)
        self._residuals = left[:, -n_outputs:].T / self._scale[:, None]
        self._coefficients = solution[:, -n_outputs:] / norms[:, None]


def _copies(value: Floats, count: int) -> Tensor:
    """Return a copy of a number or a vector for each row, shape (B, 1) or (B, D)."""
    return to_tensor(np.tile(value, (count, 1)), torch.float64).requires_grad_()


def _summands(nodes: Expression, sizes: list[int]) -> list[tuple[int, int]]:
    """Return where the summands of a program begin and end: those that depend on x, without numbers that multiply them."""
    found, places = [], [0]
    while places:
        place = places.pop()
        opcode, first = nodes[place].opcode, place + 1
        end = place + sizes[place]
        second = first + sizes[first] if first < end else end
        if opcode in (ADD, SUB):
            places += [second, first]
        elif opcode in (NEG, SUM):
            places.append(first)
        elif opcode == MUL and nodes[first].opcode == NUMBER:
            places.append(second)
        elif opcode in (MUL, DIV) and nodes[second].opcode == NUMBER:
            places.append(first)
        elif any(node.opcode == X for node in nodes[place:end]):
            found.append((place, end))
    return found
