"""What a formula is: its language, its terms and its values; it knows no data, no search, no network."""

from sklearn_taskneurons.formula._errors import FormulaSyntaxError
from sklearn_taskneurons.formula._evaluate import evaluate
from sklearn_taskneurons.formula._expression import Expression, Node
from sklearn_taskneurons.formula._formula import Formula
from sklearn_taskneurons.formula._make_function import make_function
from sklearn_taskneurons.formula._terms import Composite, RowSum, Term
from sklearn_taskneurons.formula.functions import (
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
    Function,
    X,
)

__all__ = [
    "ADD",
    "ARITIES",
    "DIV",
    "DOT",
    "FUNCTIONS",
    "MUL",
    "NEG",
    "NUMBER",
    "OPCODES",
    "POW",
    "SUB",
    "SUM",
    "VECTOR",
    "Composite",
    "Expression",
    "Formula",
    "FormulaSyntaxError",
    "Function",
    "Node",
    "RowSum",
    "Term",
    "X",
    "evaluate",
    "make_function",
]
