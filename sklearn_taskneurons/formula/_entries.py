"""What a vector's entry is for a single feature, as text with the feature's name."""

from collections.abc import Sequence

from sklearn_taskneurons.formula._build import ONE
from sklearn_taskneurons.formula._expression import Expression, Node, fold
from sklearn_taskneurons.formula._printer import Printer
from sklearn_taskneurons.formula.functions import DOT, MUL, NUMBER, SUM


def entry_texts(expression: Expression, names: Sequence[str], digits: int | None = None) -> list[str]:
    """Return the text of each entry of a vector.

    Parameters
    ----------
    expression : Expression
        Of type V, without free vectors.
    names : sequence of str of length D
        The names of the features.
    digits : int or None, default=None
        The number of significant digits; None for all.

    Returns
    -------
    list of str of length D
        What is summed over the features remains a function of ``x``.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula
    >>> entry_texts(Formula("sin([1, 2]*x)/sum(x)").expression, ["age", "rooms per head"])
    ['sin(age)/sum(x)', 'sin(2*`rooms per head`)/sum(x)']
    """
    printer = Printer(digits)
    return [printer.entry(_entry(expression, place), str(name)) for place, name in enumerate(names)]


def _entry(expression: Expression, place: int) -> Expression:
    """Return an expression with the entry of its vectors for one feature."""

    def step(node: Node, *parts: tuple[Expression, Expression]) -> tuple[Expression, Expression]:
        """Return the expression as it is, and its entry."""
        whole = (node, *(inner for part in parts for inner in part[0]))
        if node.opcode in (SUM, DOT):
            return whole, whole
        if isinstance(node.value, tuple):
            return whole, (Node(NUMBER, node.value[place]),)
        entries = [part[1] for part in parts]
        if node.opcode == MUL and ONE in entries:
            entries.remove(ONE)
            return whole, entries[0]
        return whole, (node, *(inner for entry in entries for inner in entry))

    return fold(expression, step)[1]
