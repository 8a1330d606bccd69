"""Exact expansion: every expression becomes a sum of monomials, with fractions for coefficients.

The rules are those of a commutative ring: products distribute over sums, powers are multiplied out, sums over the
features move past everything that is one number a row, and division by a monomial gives negative exponents.
Functions of anything but a constant, and reciprocals of sums, are kept as atoms.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from sklearn_taskneurons.formula._atoms import CONSTANT, Monomial, Polynomial
from sklearn_taskneurons.formula._coefficients import (
    UNIT,
    ZERO,
    Coefficient,
    Scaled,
    Weight,
    checked,
    checked_power,
    content,
    entry_sum,
    exact,
    rounded_vector,
    split,
    vector,
    whole_numbers,
)
from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._expression import Expression, Node, Type, node_type
from sklearn_taskneurons.formula._limits import MAX_DEGREE
from sklearn_taskneurons.formula._writer import Writer
from sklearn_taskneurons.formula.functions import (
    ADD,
    ARITIES,
    DIV,
    DOT,
    FUNCTIONS,
    MUL,
    NEG,
    NUMBER,
    POW,
    SUB,
    SUM,
    VECTOR,
    X,
    array_function,
)

_Members: TypeAlias = list[tuple[Monomial, Weight | None]]


class Algebra:
    """The operations on polynomials over one set of atoms."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.atoms = writer.atoms
        self._operations: dict[int, Callable[..., Polynomial]] = {
            ADD: self.add,
            SUB: lambda a, b: self.add(a, self.scale(b, -UNIT)),
            NEG: lambda a: self.scale(a, -UNIT),
            MUL: self.multiply,
            DIV: self.divide,
            DOT: lambda a, b: self.row_sum(self.multiply(a, b)),
            SUM: self.row_sum,
        }

    def expand(self, expression: Expression) -> Polynomial:
        """Return the polynomial of scalars that an expression is, summed over the features when it is a vector.

        An ExpansionError has the index of the node that is at fault.
        """
        stack: list[Polynomial] = []
        kinds: list[Type] = []
        for index in range(len(expression) - 1, -1, -1):
            node = expression[index]
            arity = ARITIES[node.opcode]
            arguments = [stack.pop() for _ in range(arity)]
            kinds.append(node_type(node, *(kinds.pop() for _ in range(arity))))
            try:
                stack.append(self.node(node, index, *arguments))
            except ExpansionError as error:
                error.index = index
                raise
        (result,) = stack
        result = self.row_sum(result) if kinds == ["V"] else result
        self.atoms.size(result)
        return result

    def node(self, node: Node, index: int, *arguments: Polynomial) -> Polynomial:
        """Return the polynomial of a node from those of its arguments."""
        opcode, value = node
        if opcode == X:
            return {self.atoms.x(): UNIT}
        if opcode == NUMBER:
            return _constant(exact(value))  # type: ignore[arg-type]
        if opcode == VECTOR:
            if isinstance(value, tuple):
                self.atoms.spend(len(value) // 8)
                return _constant(vector(value))
            return _constant(self.atoms.vectors.free(("w", index)))
        if opcode == POW:
            return self.power(arguments[0], int(value))  # type: ignore[arg-type]
        operation = self._operations.get(opcode)
        return operation(*arguments) if operation else self.apply(opcode, *arguments)

    def add(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """Return the sum."""
        result = dict(a)
        for monomial, coefficient in b.items():
            self._accumulate(result, monomial, coefficient)
        self.atoms.check_terms(result)
        return self._merge_row_sums(result)

    def scale(self, a: Polynomial, factor: Fraction) -> Polynomial:
        """Return a multiple."""
        multiply = self.atoms.vectors.multiply
        return {monomial: multiply(coefficient, factor) for monomial, coefficient in a.items()} if factor else {}

    def multiply(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """Return the product, multiplied out."""
        plain = self._multiply_plain(a, b)
        if plain is not None:
            return self._merge_row_sums(plain)
        result: Polynomial = {}
        for p, left in a.items():
            for q, right in b.items():
                monomial = self.atoms.check_degree(_join(p, q))
                self._accumulate(result, monomial, self.atoms.vectors.multiply(left, right))
            self.atoms.check_terms(result)
        return self._merge_row_sums(result)

    def _multiply_plain(self, a: Polynomial, b: Polynomial) -> Polynomial | None:
        """Return the product of polynomials without vectors for coefficients: in whole numbers, ten times faster."""
        (left, divisor), (right, other) = whole_numbers(a.values()), whole_numbers(b.values())
        if left is None or right is None or not a or not b:
            return None
        degree = max(map(self.atoms.power, a)) + max(map(self.atoms.power, b))
        work = len(b) * (1 + (divisor.bit_length() + other.bit_length() >> 9))
        result: dict[Monomial, int] = {}
        for p, i in zip(a, left, strict=True):
            self.atoms.spend(work)
            for q, j in zip(b, right, strict=True):
                monomial = _join(p, q)
                if degree > MAX_DEGREE and monomial not in result:
                    self.atoms.check_degree(monomial)
                result[monomial] = result.get(monomial, 0) + i * j
            self.atoms.check_terms(result)
        divisor *= other
        return {monomial: checked(Fraction(value, divisor)) for monomial, value in result.items() if value}

    def power(self, a: Polynomial, exponent: int) -> Polynomial:
        """Return a power, multiplied out."""
        if len(a) == 1:
            ((monomial, coefficient),) = a.items()
            if isinstance(coefficient, Fraction):
                raised = tuple((serial, own * exponent) for serial, own in monomial) if exponent else CONSTANT
                return {self.atoms.check_degree(raised): checked_power(coefficient, exponent)}
        result = _constant(UNIT)
        while True:
            if exponent & 1:
                result = self.multiply(result, a)
            exponent >>= 1
            if not exponent:
                return result
            a = self.multiply(a, a)

    def divide(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """Return the quotient: exact for a monomial below the line, else with the reciprocal of the sum."""
        if not b:
            raise ExpansionError("nothing may be divided by zero, and the divisor is zero")
        if len(b) > 1:
            ratio = _ratio(a, b)
            return self._divide_by_sum(a, b) if ratio is None else _constant(ratio)
        ((monomial, coefficient),) = b.items()
        inverse: Monomial = CONSTANT
        for serial, exponent in monomial:
            if self.atoms[serial].opcode == DIV and exponent > 0:
                (divisor,) = self.atoms[serial].arguments
                a = self.multiply(a, self.power(divisor, exponent))  # 1/(1/p) is p
            else:
                inverse = (*inverse, (serial, -exponent))
        return self.multiply(a, {inverse: self.atoms.vectors.invert(coefficient)})

    def _divide_by_sum(self, a: Polynomial, b: Polynomial) -> Polynomial:
        # one atom for all multiples of a sum
        scale, is_decimal = content([self._constant_of(monomial, b[monomial]) for monomial in self.writer.sorted(b)])
        divisor = self._lasting(self.scale(b, 1 / scale))
        if len(divisor) < len(b):
            return self.divide(a, self.scale(divisor, scale))
        self.writer.is_settled = self.writer.is_settled and not is_decimal
        return self.multiply(a, {self.atoms.function(DIV, divisor): 1 / scale})

    def _constant_of(self, monomial: Monomial, coefficient: Coefficient) -> Coefficient:
        """Return what a term is written with: no number beside a free vector, and that of a lone sum in its known vector."""
        if self.atoms.absorbs(monomial):
            return UNIT
        lone = self.atoms.lone_sum(monomial)
        if lone is None or lone.weight is None or isinstance(coefficient, Scaled):
            return coefficient
        return Scaled(coefficient, lone.weight)

    def _lasting(self, a: Polynomial) -> Polynomial:
        """Return a polynomial without the terms that are 0 in floating point, as which it will be written."""
        return {monomial: value for monomial, value in a.items() if not self.writer.vanishes(monomial, value)}

    def apply(self, opcode: int, *arguments: Polynomial) -> Polynomial:
        """Return an elementwise function: a constant of constants, an atom of anything else."""
        lasting = [self._lasting(a) or {CONSTANT: ZERO} for a in arguments]
        if any(a.keys() != {CONSTANT} for a in lasting):
            return {self.atoms.function(opcode, *lasting): UNIT}
        columns = []
        for scale, weight in (split(a[CONSTANT]) for a in lasting):
            if isinstance(weight, int):
                return _constant(self.atoms.vectors.free((FUNCTIONS[opcode].name, *(a[CONSTANT] for a in lasting))))
            columns.append(rounded_vector(scale, weight or (1,)))
        length = max(map(len, columns))
        entries = zip(*(column * (length // len(column)) for column in columns), strict=True)
        return _constant(vector(_function_value(opcode, *entry) for entry in entries))

    def row_sum(self, a: Polynomial) -> Polynomial:
        """Return the sum over the features; what is one number a row is taken out of it."""
        result: Polynomial = {}
        for monomial, coefficient in a.items():
            scalars, vectors = self.atoms.split(monomial)
            if not vectors and isinstance(coefficient, Fraction) and self.atoms.n_features is not None:
                self._accumulate(result, scalars, coefficient * self.atoms.n_features)
            elif not vectors and isinstance(coefficient, Scaled) and not coefficient.is_free:
                self._accumulate(result, scalars, entry_sum(coefficient))
            else:
                scale, weight = split(coefficient)
                product = _join(scalars, self.atoms.row_sum(vectors, weight))
                self._accumulate(result, self.atoms.check_degree(product), scale)
        return self._merge_row_sums(result)

    def _accumulate(self, result: Polynomial, monomial: Monomial, coefficient: Coefficient) -> None:
        """Add one term in place."""
        self.atoms.spend(_cost(coefficient))
        known = result.get(monomial)
        if known is not None:
            coefficient = self.atoms.vectors.add(known, coefficient)
        if coefficient:
            result[monomial] = coefficient
        elif known is not None:
            del result[monomial]

    def _merge_row_sums(self, a: Polynomial) -> Polynomial:
        """Add up the constant vectors of sums over the same vector: ``dot(a, x) + dot(b, x) = dot(a + b, x)``."""
        groups: dict[tuple[Monomial, Monomial], _Members] = {}
        has_weights = False
        for monomial, coefficient in a.items():
            if isinstance(coefficient, Scaled):
                continue  # a vector times one sum is not the same vector times another
            sums = [factor for factor in monomial if self.atoms[factor[0]].opcode == SUM]
            if len(sums) == 1 and sums[0][1] == 1:
                atom = self.atoms[sums[0][0]]
                has_weights = has_weights or atom.weight is not None
                rest = tuple(factor for factor in monomial if factor is not sums[0])
                groups.setdefault((rest, atom.monomial), []).append((monomial, atom.weight))
        if has_weights:
            for (rest, inner), members in groups.items():
                self._merge_group(a, rest, inner, members)
        return a

    def _merge_group(self, a: Polynomial, rest: Monomial, inner: Monomial, members: _Members) -> None:
        """Add up sums over the same vector in place."""
        coefficient: Coefficient = ZERO
        is_free = not inner and any(isinstance(weight, int) for _, weight in members)
        if is_free and isinstance(a.get(rest), Fraction):
            coefficient = a.pop(rest)  # a number that is free takes in every other
        if len(members) == 1 and not coefficient:
            return
        for monomial, weight in members:
            scale = split(a.pop(monomial))[0]
            coefficient = self.atoms.vectors.add(coefficient, scale if weight is None else Scaled(scale, weight))
            self.atoms.spend(_cost(coefficient))
        if coefficient:
            scale, weight = split(coefficient)
            self._accumulate(a, _join(rest, self.atoms.row_sum(inner, weight)), scale)


def _constant(value: Coefficient) -> Polynomial:
    return {CONSTANT: value} if value else {}


def _join(p: Monomial, q: Monomial) -> Monomial:
    """Multiply monomials."""
    if not p or not q:
        return p or q
    exponents = dict(p)
    for serial, exponent in q:
        exponents[serial] = exponents.get(serial, 0) + exponent
    return tuple(sorted((serial, exponent) for serial, exponent in exponents.items() if exponent))


def _ratio(a: Polynomial, b: Polynomial) -> Fraction | None:
    """Return a/b where it is a number."""
    if a.keys() != b.keys():
        return None
    ratios = set()
    for monomial, coefficient in a.items():
        (scale, weight), (divisor, other) = split(coefficient), split(b[monomial])
        if weight != other:
            return None
        ratios.add(scale / divisor)
    return ratios.pop() if len(ratios) == 1 else None


def _cost(coefficient: Coefficient) -> int:
    """Return the work of one operation: longer for long numbers and for vectors."""
    scale, weight = split(coefficient)
    bits = scale.numerator.bit_length() + scale.denominator.bit_length()
    return 1 + (bits >> 9) + (len(weight) >> 5 if isinstance(weight, tuple) else 0)


def _function_value(opcode: int, *arguments: float) -> float:
    """Return a function of numbers as the number it is in floating point."""
    try:
        with np.errstate(all="ignore"):
            value = float(array_function(opcode, np)(*(np.array([[argument]]) for argument in arguments))[0, 0])
        exact(value)  # which only a finite number is
        return value
    except (ValueError, OverflowError):
        name, given = FUNCTIONS[opcode].name, ", ".join(map(repr, arguments))
        raise ExpansionError(f"{name} must have a real and finite value, given {name}({given})") from None
