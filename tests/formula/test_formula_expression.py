"""The table of functions and the prefix expressions that everything is built on."""

import pickle

import numpy as np
import pytest
import sympy
import torch

from sklearn_taskneurons.formula import (
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
    SUM,
    VECTOR,
    Formula,
    Node,
    X,
)
from sklearn_taskneurons.formula._checks import check_bounds
from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._expression import depth, expression_type, fold


def test_the_opcode_is_the_index_in_the_table():
    assert [FUNCTIONS[opcode].name for opcode in (X, NUMBER, VECTOR, ADD, SUB, MUL, DIV, NEG, POW, DOT, SUM)] == [
        "x",
        "number",
        "w",
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "pow",
        "dot",
        "sum",
    ]
    assert all(OPCODES[function.name] == opcode for opcode, function in enumerate(FUNCTIONS))
    assert [function.arity for function in FUNCTIONS] == ARITIES


def test_numpy_and_torch_know_every_function_by_its_array_name():
    for function in FUNCTIONS:
        if function.array_name is not None:
            assert callable(getattr(np, function.array_name))
            assert callable(getattr(torch, function.array_name))


@pytest.mark.parametrize("name", [function.name for function in FUNCTIONS[SUM + 1 :] if not function.is_own])
def test_sympy_knows_every_elementwise_function(name):
    value = Formula(f"{name}(x)").to_sympy(1).subs(sympy.Symbol("x0"), sympy.Rational(7, 10))
    np.testing.assert_allclose(float(value), Formula(f"{name}(x)")(np.array([[0.7]]))[0], rtol=1e-14)


def test_fold_gives_operands_in_the_order_of_writing():
    expression = Formula("x - 2/dot([1, 2], x)").expression
    assert fold(expression, lambda node, *parts: f"{FUNCTIONS[node.opcode].name}({','.join(parts)})") == (
        "sub(x(),div(number(),dot(w(),x())))"
    )
    assert depth(expression) == 4


def test_fold_refuses_what_is_no_expression():
    with pytest.raises(IndexError):
        fold((Node(ADD), Node(X)), lambda node, *parts: 0)
    with pytest.raises(ValueError, match="unpack"):
        fold((Node(X), Node(X)), lambda node, *parts: 0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x", "V"),
        ("2", "S"),
        ("w", "V"),
        ("2 + x", "V"),
        ("sum(x) + 2", "S"),
        ("sum(x) + x", "V"),
        ("sin(2)", "S"),
        ("sin(x)", "V"),
    ],
)
def test_types(text, kind):
    assert expression_type(Formula(text).expression) == kind


@pytest.mark.parametrize("nodes", [[SUM, NUMBER], [DOT, X, NUMBER], [DOT, SUM, X, X]])
def test_vectors_must_stand_where_they_are_taken(nodes):
    with pytest.raises(TypeError, match="must be vectors"):
        expression_type(tuple(Node(opcode, 1.0 if opcode == NUMBER else None) for opcode in nodes))


def test_a_chain_is_one_level_of_nesting():
    chain = (*[Node(ADD), Node(SUB)] * 200, *[Node(X)] * 401)
    assert depth(chain) == 401
    check_bounds(chain)
    nested = (*[Node(ADD), Node(X)] * 100, Node(X))
    with pytest.raises(ExpansionError, match="at most 100 levels deep, given 101"):
        check_bounds(nested)


def test_a_pickle_holds_names_and_not_the_order_of_the_table(monkeypatch):
    pickled = pickle.dumps(Node(OPCODES["exp"]))
    monkeypatch.setitem(OPCODES, "exp", OPCODES["sin"])
    assert pickle.loads(pickled) == Node(OPCODES["sin"])
