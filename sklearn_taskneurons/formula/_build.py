"""Expressions put together from smaller ones, so that their text reads well."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from sklearn_taskneurons.formula._expression import Expression, Node, fold
from sklearn_taskneurons.formula.functions import ADD, ARITIES, DIV, MUL, NEG, NUMBER, POW, SUB

# a coefficient, what it multiplies, and what the product is divided by
Summand: TypeAlias = tuple[float, Sequence[Expression], Sequence[Expression]]

ONE: Final[Expression] = (Node(NUMBER, 1.0),)
MINUS_ONE: Final[Expression] = (Node(NUMBER, -1.0),)
ZERO: Final[Expression] = (Node(NUMBER, 0.0),)


def call(opcode: int, *arguments: Expression) -> Expression:
    """Return the application of a function to its arguments."""
    return (Node(opcode), *(node for argument in arguments for node in argument))


def applied(opcode: int, *arguments: Expression) -> Expression:
    """Return an elementwise function of its arguments; division stands for the reciprocal of one."""
    return call(DIV, ONE, *arguments) if opcode == DIV else call(opcode, *arguments)


def power(base: Expression, exponent: int) -> Expression:
    """Return a power; the first is the base itself."""
    return base if exponent == 1 else (Node(POW, exponent), *base)


def product(coefficient: float, numerators: Sequence[Expression], denominators: Sequence[Expression] = ()) -> Expression:
    """Return ``coefficient * numerators / denominators`` as a chain that needs no inner parentheses."""
    factors, divisors = _flattened(numerators)
    divisors.extend(denominators)
    if coefficient == -1 and factors:
        factors[0] = call(NEG, factors[0])
    elif coefficient != 1 or not factors:
        factors.insert(0, (Node(NUMBER, coefficient),))
    quotient = _chain(factors)
    if not any(divisor[0].opcode in (ADD, SUB) for divisor in divisors):
        divisors = [_chain(divisors)] if divisors else []
    # sums are divided by one after the other: a product of them would be multiplied out
    for divisor in divisors:
        quotient = call(DIV, quotient, divisor)
    return quotient


def _flattened(factors: Sequence[Expression]) -> tuple[list[Expression], list[Expression]]:
    """Return the factors of a product with those that are products or quotients taken apart."""
    numerators: list[Expression] = []
    denominators: list[Expression] = []
    stack = list(reversed(factors))
    while stack:
        factor = stack.pop()
        if factor[0].opcode not in (MUL, DIV):
            if factor != ONE:
                numerators.append(factor)
            continue
        left, right = _operands(factor)
        if factor[0].opcode == MUL:
            stack.append(right)
        else:
            denominators.append(right)
        stack.append(left)
    return numerators, denominators


def _operands(expression: Expression) -> tuple[Expression, Expression]:
    """Return the two operands of an expression's root."""
    end = missing = 1
    while missing:
        missing += ARITIES[expression[end].opcode] - 1
        end += 1
    return expression[1:end], expression[end:]


def _chain(factors: list[Expression]) -> Expression:
    # prefix order puts the operators of a left-leaning chain first
    return (*(Node(MUL),) * (len(factors) - 1), *(node for factor in factors for node in factor))


def total(summands: Iterable[Summand]) -> Expression:
    """Return a sum of products, each given as for `product`; a negative one is subtracted."""
    result: Expression | None = None
    for coefficient, numerators, denominators in summands:
        if result is None:
            result = product(coefficient, numerators, denominators)
        else:
            opcode = SUB if coefficient < 0 else ADD
            result = call(opcode, result, product(abs(coefficient), numerators, denominators))
    return ZERO if result is None else result


def rounded_expression(expression: Expression, digits: int) -> Expression:
    """Return an expression with its numbers rounded to significant digits; factors of 1 are left out."""

    def rounded(value: float) -> float:
        return float(f"{value:.{digits}g}")

    def node(node: Node, *parts: Expression) -> Expression:
        value = node.value
        if isinstance(value, tuple):
            return (Node(node.opcode, tuple(map(rounded, value))),)
        if node.opcode == NUMBER and value is not None:
            return (Node(NUMBER, rounded(value)),)
        if node.opcode in (MUL, DIV) and parts[1] in (ONE, MINUS_ONE):
            return parts[0] if parts[1] == ONE else _negative(parts[0])
        if node.opcode == MUL and parts[0] in (ONE, MINUS_ONE):
            return parts[1] if parts[0] == ONE else _negative(parts[1])
        return (node, *(inner for part in parts for inner in part))

    return fold(expression, node)


def _negative(expression: Expression) -> Expression:
    """Return an expression with its sign changed."""
    (opcode, value), *rest = expression
    if opcode == NUMBER and isinstance(value, float):
        return (Node(NUMBER, -value), *rest)
    return call(NEG, expression)
