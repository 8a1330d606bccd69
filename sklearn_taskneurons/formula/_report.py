"""A formula for a reader: a line for each term, the features by their names."""

from collections.abc import Sequence

from sklearn_taskneurons.formula._build import product
from sklearn_taskneurons.formula._expression import Node
from sklearn_taskneurons.formula._printer import Printer
from sklearn_taskneurons.formula._terms import Term, expanded_summands
from sklearn_taskneurons.formula.functions import VECTOR


def checked_names(names: Sequence[str] | None, n_features: int | None) -> list[str] | None:
    """Return the names of the features: ``x0, x1, ...`` if none are given and their number is known."""
    if names is None:
        return None if n_features is None else [f"x{j}" for j in range(n_features)]
    if n_features not in (None, len(names)):
        raise ValueError(f"feature_names must have the formula's {n_features} entries, given {len(names)}")
    return [str(name) for name in names]


def report_text(terms: Sequence[Term], names: list[str] | None, digits: int | None) -> str:
    """Return a line for each term, and what is to be known to read them."""
    printer = Printer(digits, names)
    summands, kind = expanded_summands(terms)
    expressions = [product(*summand) for summand in summands]
    lines = ["the sum over the features x of"] if kind == "V" else []
    for index, text in enumerate(map(printer.text, expressions)):
        sign, text = ("-", text[1:]) if text.startswith("-") else ("+" if index else " ", text)
        lines.append(f"  {sign} {text}")
    if not expressions:
        lines.append("    0")
    if names is not None and printer.mentions_x:
        lines.append(f"where x is each of {', '.join(map(printer.name, names))}")
    if any(Node(VECTOR) in expression for expression in expressions):
        lines.append("where each w is a free constant vector")
    return "\n".join(lines)
