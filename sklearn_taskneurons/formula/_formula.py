"""The class Formula."""

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

from sklearn_taskneurons.formula._build import rounded_expression
from sklearn_taskneurons.formula._checks import check_digits, normal_nodes
from sklearn_taskneurons.formula._contents import Contents, contents
from sklearn_taskneurons.formula._evaluate import row_values
from sklearn_taskneurons.formula._expression import Expression, Node, Type, depth
from sklearn_taskneurons.formula._identity import fingerprint
from sklearn_taskneurons.formula._immutable import Immutable
from sklearn_taskneurons.formula._latex import LatexPrinter
from sklearn_taskneurons.formula._limits import MAX_CHARACTERS
from sklearn_taskneurons.formula._parser import parse
from sklearn_taskneurons.formula._report import checked_names, report_text
from sklearn_taskneurons.formula._sympy import sympy_sum
from sklearn_taskneurons.formula._terms import Term, demanding_expression
from sklearn_taskneurons.formula.functions import FUNCTIONS, VECTOR, Function


class Formula(Immutable):
    """A formula over the input vector of a neuron.

    A formula is immutable and hashable, prints itself as text that parses back to the same formula, and pickles as
    that text; one of vectors so long that the text exceeds the bound for texts pickles as its nodes. Its value is one
    number for each row of the input.

    Parameters
    ----------
    formula : str or Formula
        The text, in the language of the Notes; at most 100,000 characters, 1000 nodes and 256 terms of degree 32.

    Raises
    ------
    FormulaSyntaxError
        If the text is no formula or exceeds a bound; it points at the offending part.
    TypeError
        If `formula` is neither a str nor a Formula.

    Notes
    -----
    There are two types of value: a vector (V) has one entry for each feature of a row, a scalar (S) is one number
    for each row.

    ==========================  ==============================================================================
    ``x``                       the input (V)
    ``0.5``, ``-3``, ``1e-3``   a number (S); it means what its decimal text says
    ``[0.1, -2, 3]``            a constant vector with an entry for each feature (V)
    ``w``                       a free constant vector, each occurrence its own (V)
    ``+ - * /``                 elementwise; a scalar acts on every entry of a vector
    ``**`` or ``^``             a power with a whole number from 0 to 32
    ``@``                       a scalar times anything, or the inner product of two vectors
    ``dot(V, V)``, ``sum(V)``   the inner product, the sum over the features (S)
    ``sin cos tan tanh``        elementwise functions, of the type of their argument, and those that
    ``exp log sqrt abs``        :func:`make_function` adds, of one or two arguments: V if any of them is
    ==========================  ==============================================================================

    A formula whose value is a vector is summed over the features, so that the 1 of ``x + 1`` counts for each feature.

    Two formulas are equal when they expand to the same terms: products are multiplied out, functions and reciprocals of
    sums are not rewritten. A formula with a free vector stands for a family: any number or vector that multiplies or
    adds to a free vector is absorbed by it.

    Examples
    --------
    >>> from sklearn_taskneurons.formula import Formula
    >>> formula = Formula("x*(0.068*x^2 + 0.15) + 0.76")
    >>> formula
    Formula('x*(0.068*x**2 + 0.15) + 0.76')
    >>> formula.expand()
    Formula('0.068*x**3 + 0.15*x + 0.76')
    >>> formula == Formula("0.76 + 0.15*x + 0.068*x**3")
    True
    >>> import numpy as np
    >>> formula(np.array([[0.0, 0.0], [1.0, -1.0], [1.0, 2.0]])).round(3)
    array([1.52 , 1.52 , 2.582])
    """

    __slots__ = ("__weakref__", "_contents", "_key")

    _contents: Contents
    _key: tuple[int | None, object] | None  # made when it is first asked for

    def __init__(self, formula: "str | Formula") -> None:
        if isinstance(formula, Formula):
            self._set(formula._contents)
        elif isinstance(formula, str):
            expression, positions = parse(str(formula))
            self._set(contents(expression, str(formula), positions))
        else:
            raise TypeError(f"a formula must be a str or a Formula, given {type(formula).__name__}")

    @classmethod
    def from_expression(cls, expression: Iterable[Node]) -> "Formula":
        """Make a formula of nodes in prefix order.

        Parameters
        ----------
        expression : iterable of Node
            Nodes, or pairs of an opcode and a value; NumPy numbers and arrays are taken as plain ones.

        Returns
        -------
        Formula
            Its :attr:`expression` is the one given.

        Raises
        ------
        ValueError
            If the nodes are no expression (FormulaSyntaxError if they are, but exceed a bound).

        Examples
        --------
        >>> from sklearn_taskneurons.formula import MUL, NUMBER, POW, Formula, X
        >>> Formula.from_expression([(MUL, None), (NUMBER, 0.5), (POW, 3), (X, None)])
        Formula('0.5*x**3')
        """
        nodes = normal_nodes(expression)
        formula = cls.__new__(cls)
        formula._set(contents(nodes))
        return formula

    def _set(self, contents: Contents) -> None:
        object.__setattr__(self, "_contents", contents)
        object.__setattr__(self, "_key", None)

    def __reduce__(self) -> tuple[Callable[..., "Formula"], tuple[Any, ...]]:
        if len(self._contents.text) > MAX_CHARACTERS:
            return type(self).from_expression, (self.expression,)
        # Functions of the user's own go along: without them the text would mean nothing elsewhere.
        own = dict.fromkeys(FUNCTIONS[node.opcode] for node in self.expression if FUNCTIONS[node.opcode].is_own)
        return (_restored, (type(self), self._contents.text, *own)) if own else (type(self), (self._contents.text,))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Formula):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[int | None, object]:
        """Return what equal formulas have in common."""
        if self._key is None:
            # without known vectors the expanded form is unique; with them a product has many forms
            expanded, n_features = self._contents.expanded, self.n_features
            key = (n_features, expanded if n_features is None else fingerprint(expanded, n_features))
            object.__setattr__(self, "_key", key)
            return key
        return self._key

    def __str__(self) -> str:
        return self._contents.text

    def __repr__(self) -> str:
        return f"Formula({self._contents.text!r})"

    @property
    def expression(self) -> Expression:
        """The formula as written: nodes in prefix order."""
        return self._contents.expression

    @property
    def terms(self) -> tuple[Term, ...]:
        """The canonical sum of terms: powers by falling degree, then functions, then the constant; () for 0."""
        return self._contents.terms

    @property
    def type(self) -> Type:
        """The type of the formula as written: "V" if it is summed over the features, "S" if not."""
        return self._contents.type

    @property
    def n_features(self) -> int | None:
        """The number of features that its constant vectors demand; None when any number will do."""
        return self._contents.n_features

    @property
    def is_free(self) -> bool:
        """Whether a free constant vector ``w`` is in it."""
        return Node(VECTOR) in self.expression

    @property
    def length(self) -> int:
        """The number of nodes."""
        return len(self.expression)

    @property
    def depth(self) -> int:
        """The number of nodes on the longest way from the root to a leaf."""
        return depth(self.expression)

    @property
    def degree(self) -> int | None:
        """The highest total power of x in a term; None when some term is no polynomial of x."""
        degrees = [term.degree for term in self.terms]
        return None if None in degrees else max((degree for degree in degrees if degree is not None), default=0)

    def expand(self) -> "Formula":
        """Return the canonical form: the sum of :attr:`terms`, which remains the same when it is expanded again.

        Returns
        -------
        Formula
            Equal to this one. Equal formulas without known constant vectors expand to the same text.

        Examples
        --------
        >>> from sklearn_taskneurons.formula import Formula
        >>> Formula("(dot(w, x) + 1)*x - x").expand()
        Formula('x*dot(w, x)')
        >>> Formula("3 + dot([1, 2], x - 1) + sum(x)").expand()
        Formula('dot([2, 3], x)')
        """
        expanded = self._contents.expanded
        if self.n_features is not None and not any(isinstance(node.value, tuple) for node in expanded):
            expanded = demanding_expression(self.terms, self.n_features)
        return type(self).from_expression(expanded)

    def round(self, digits: int = 3) -> "Formula":
        """Return the formula with its numbers rounded.

        Parameters
        ----------
        digits : int, default=3
            The number of significant digits, at least 1.

        Returns
        -------
        Formula
            The formula as written, with rounded numbers; factors that are 1 then are left out.

        Raises
        ------
        ValueError
            If `digits` is less than 1, or so small that the rounded formula has no value, as where two numbers whose
            difference divides become equal; :meth:`report` and :meth:`latex`, which only write numbers shorter, can show it.

        Examples
        --------
        >>> from sklearn_taskneurons.formula import Formula
        >>> Formula("0.068123*x**3 + 1234.5").round(2)
        Formula('0.068*x**3 + 1200')
        """
        check_digits(digits)
        rounded = rounded_expression(self.expression, digits)
        try:
            return type(self).from_expression(rounded)
        except ValueError as error:
            message = f"rounded to {digits} significant digits the formula has no value, and more must be kept: {error}"
            raise ValueError(message) from None

    def report(self, feature_names: Sequence[str] | None = None, digits: int | None = 3) -> str:
        """Return the canonical form for a reader: a line for each term, the features by their names.

        Parameters
        ----------
        feature_names : sequence of str of length D, default=None
            The names of the features; ``x0, x1, ...`` if None and the formula demands a number of them.
        digits : int or None, default=3
            The number of significant digits, at least 1; None for all.

        Returns
        -------
        str
            A sum over the features with a known constant vector is written out, the largest entries first.

        Raises
        ------
        ValueError
            If the number of names is not that of the features which the formula demands, or `digits` is less than 1.

        Examples
        --------
        >>> from sklearn_taskneurons.formula import Formula
        >>> print(Formula("dot([0.3141, 0, -1.5], x) + dot([0, 1, 0.2], x**2) - 2").report(["age", "rooms", "income"]))
            rooms**2 + 0.2*income**2
          - 1.5*income + 0.314*age
          - 2
        >>> print(Formula("0.068*x**3 + 0.15*x").report(["age", "rooms"]))
        the sum over the features x of
            0.068*x**3
          + 0.15*x
        where x is each of age, rooms
        """
        return report_text(self.terms, checked_names(feature_names, self.n_features), digits)

    def latex(self, feature_names: Sequence[str] | None = None, digits: int | None = None) -> str:
        r"""Return the formula in LaTeX.

        Parameters
        ----------
        feature_names : sequence of str of length D, default=None
            If given, the canonical form is written, with these names in sums that have known vectors; else it is as written.
        digits : int or None, default=None
            The number of significant digits, at least 1; None for all.

        Returns
        -------
        str
            For math mode. Vectors are bold, elementwise powers have a circle, products of vectors a dot.

        Raises
        ------
        ValueError
            If the number of names is not that of the features which the formula demands, or `digits` is less than 1.

        Examples
        --------
        >>> from sklearn_taskneurons.formula import Formula
        >>> print(Formula("0.068*x**3 + dot(w, x)**2").latex())
        0.068\,\mathbf{x}^{\circ 3} + \langle \mathbf{w}, \mathbf{x} \rangle^{2}
        >>> print(Formula("dot([0.5, -2], x)").latex(["age", "n_rooms"]))
        -2\,\mathrm{n\_rooms} + 0.5\,\mathrm{age}
        """
        if feature_names is None:
            return LatexPrinter(digits).text(self.expression)
        return LatexPrinter(digits, checked_names(feature_names, self.n_features)).text(self._contents.expanded)

    def _repr_latex_(self) -> str:
        """Return the formula for a notebook."""
        return f"${self.latex(digits=3)}$"

    def to_sympy(self, n_features: int | None = None, symbols: str | Sequence[Any] = "x") -> Any:
        """Return the formula as a SymPy expression of the single features.

        Parameters
        ----------
        n_features : int or None, default=None
            The number of features; None for the number that the formula demands.
        symbols : str or sequence of str or SymPy expressions, default="x"
            The prefix of the features' symbols, or their names, or the symbols themselves.

        Returns
        -------
        sympy.Expr
            Numbers are exact rationals. A free vector ``w`` becomes the symbols ``w0_0, w0_1, ...``, the next ``w1_0, ...``.

        Raises
        ------
        ImportError
            If SymPy is not installed.
        TypeError
            If the number of features is no whole number.
        ValueError
            If the number of features is neither given nor demanded, or not the formula's, or not that of the symbols, or a
            symbol has the name of one of a free vector.

        Examples
        --------
        >>> from sklearn_taskneurons.formula import Formula
        >>> Formula("0.5*x**2 + 1").to_sympy(2)
        x0**2/2 + x1**2/2 + 2
        """
        if not isinstance(n_features, Integral | None):
            raise TypeError(f"n_features must be a whole number or None, names are for symbols=; given {n_features!r}")
        demanded = self.n_features
        n_features = demanded if n_features is None else n_features
        if n_features is None or n_features < 1 or demanded not in (None, n_features):
            rule = "at least 1 where the formula demands no number" if demanded is None else f"the formula's {demanded}"
            raise ValueError(f"n_features must be {rule}, given {n_features}")
        return sympy_sum(self.expression, n_features, symbols)

    def __call__(self, X: Any) -> Any:
        """Return the value of the formula for each row.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (N, D)
            The rows. An array is evaluated by NumPy, a tensor by torch, in its own type and on its device; an array of float16
            or of whole numbers in float64.

        Returns
        -------
        ndarray or torch.Tensor of shape (N,)
            One value for each row; NaN or infinite where it is not real or not finite.

        Raises
        ------
        ValueError
            If X has not two axes or not the number of features that the formula demands, or masked values, or the formula has
            free vectors.
        TypeError
            If X has complex numbers.
        """
        return row_values(self.expression, X, self.n_features)


def _restored(cls: type[Formula], text: str, *functions: Function) -> Formula:
    """Return a formula of functions that have taken their places in the table when they were restored."""
    return cls(text)
