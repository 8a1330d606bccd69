"""What a formula knows about its expression, or the error if it is none."""

from collections.abc import Sequence
from typing import NamedTuple

from sklearn_taskneurons.formula._canonical import canonical_terms
from sklearn_taskneurons.formula._checks import check_bounds, vector_length
from sklearn_taskneurons.formula._errors import ExpansionError, FormulaSyntaxError
from sklearn_taskneurons.formula._expression import Expression, Type, expression_type
from sklearn_taskneurons.formula._limits import MAX_LENGTH
from sklearn_taskneurons.formula._printer import expression_text
from sklearn_taskneurons.formula._terms import Term, expanded_expression


class Contents(NamedTuple):
    """What all that a formula does is made of."""

    expanded: Expression
    expression: Expression
    n_features: int | None
    terms: tuple[Term, ...]
    text: str
    type: Type


def contents(expression: Expression, text: str | None = None, positions: Sequence[int] | None = None) -> Contents:
    """Return the contents of a formula; the text and the positions of its nodes, where there are any, are for errors."""
    try:
        check_bounds(expression)
        kind = expression_type(expression)
        n_features = vector_length(expression)
        terms = canonical_terms(expression, n_features)
        expanded = expanded_expression(terms)
        if len(expanded) > MAX_LENGTH:
            raise ExpansionError(f"a formula must expand to at most {MAX_LENGTH} nodes, given {len(expanded)}")
    except ExpansionError as error:
        position = None if positions is None or error.index is None else positions[error.index]
        if text is None and len(expression) <= MAX_LENGTH:
            text = expression_text(expression)
        raise FormulaSyntaxError(error.message, text, position) from None
    except TypeError as error:  # a scalar where a vector must stand
        raise FormulaSyntaxError(str(error), text) from None
    return Contents(expanded, expression, n_features, terms, expression_text(expression), kind)
