"""From a trained neuron back to a formula."""

from collections.abc import Sequence

from torch import Tensor

from sklearn_taskneurons.formula import ADD, DIV, DOT, MUL, NUMBER, OPCODES, POW, VECTOR, Expression, Node, X
from sklearn_taskneurons.formula._build import ONE, Summand, applied, call, total
from sklearn_taskneurons.nn._maps import ElementwiseMaps
from sklearn_taskneurons.nn._sums import FunctionOfSums, Product, WeightedSum


def unit_expression(weights: WeightedSum, maps: ElementwiseMaps, bound: float | None, unit: int) -> Expression:
    """Return what a unit computes; ``weights`` must have scales of 1."""
    vectors = [_vector(vector) for vector in maps.vectors]
    own = [
        _substituted(expression, _input(bound), [vectors[index] for index in indices])
        for expression, indices in zip(maps.expressions, maps.vector_indices, strict=True)
    ]
    return _sum(weights, own, unit)


def _sum(weights: WeightedSum, maps: list[Expression], unit: int) -> Expression:
    summands: list[Summand] = []
    if weights.weight is not None:
        rows = weights.weight[unit].view(len(weights.plan.maps), -1)
        summands += [(1.0, [_inner_product(row, maps[index])], []) for row, index in zip(rows, weights.plan.maps, strict=True)]
    summands += [_product(product, maps, unit) for product in weights.products]
    if weights.bias is not None:
        summands.append((weights.bias[unit].item(), [], []))
    return total(summands)


def _product(product: Product, maps: list[Expression], unit: int) -> Summand:
    factors = [
        _inner_product(row, maps[factor.plan.maps[0]])
        for factor in product.factors
        for row in factor.weight[unit :: product.out_features]
    ]
    factors += [_function(function, maps, unit) for function in product.functions]
    return 1.0 if product.amplitude is None else product.amplitude[unit].item(), factors, []


def _function(function: FunctionOfSums, maps: list[Expression], unit: int) -> Expression:
    return applied(function.plan.opcode, *(_sum(argument, maps, unit) for argument in function.arguments))


def _inner_product(row: Tensor, expression: Expression) -> Expression:
    return call(DOT, _vector(row), expression)


def _vector(values: Tensor) -> Expression:
    return (Node(VECTOR, tuple(values.tolist())),)


def _input(bound: float | None) -> Expression:
    x: Expression = (Node(X),)
    if bound is None:
        return x
    square = (Node(MUL), Node(NUMBER, bound**-2), Node(POW, 2), *x)
    return call(DIV, x, call(OPCODES["sqrt"], call(ADD, ONE, square)))


def _substituted(expression: Expression, x: Expression, vectors: Sequence[Expression]) -> Expression:
    """Return the expression with another input and with values for its free vectors, from left to right."""
    remaining = iter(vectors)
    nodes: list[Node] = []
    for node in expression:
        if node.opcode == X:
            nodes += x
        elif node == Node(VECTOR):
            nodes += next(remaining)
        else:
            nodes.append(node)
    return tuple(nodes)
