"""Programs as sums of terms, in a canonical form: what is equal by simple algebra is computed once.

Row sums distribute over ``+``, ``-``, ``neg`` and factors that are scalars, so the prediction of a program
is a sum of columns, one for each of its terms, and programs share most of these.
"""

from collections.abc import Callable
from hashlib import blake2b
from math import isfinite
from operator import attrgetter
from struct import pack
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons.formula.functions import (
    ADD,
    DIV,
    DOT,
    FUNCTIONS,
    MUL,
    NEG,
    POW,
    SUB,
    SUM,
    X,
    array_function,
    lasting_key,
)

Constant: TypeAlias = float | Floats  # a number, or a vector of shape (D,)

_KEY_BYTES: Final = 16
_BY_KEY: Final = attrgetter("key")


class Term:
    """A function of sums that is not a sum itself; equal terms of an algebra are one object.

    Attributes
    ----------
    opcode, exponent : int
        The function, or that of ``x``; the exponent of a power, otherwise 0.
    arguments : tuple of Sum
    varies : bool
        Whether values differ between features, so that a row has D of them.
    key : bytes
        A hash of what the term is, which does not depend on what else there is.
    """

    __slots__ = ("__weakref__", "arguments", "exponent", "key", "opcode", "row_sum", "varies")

    def __init__(self, opcode: int, arguments: "tuple[Sum, ...]", exponent: int, key: bytes) -> None:
        self.opcode = opcode
        self.arguments = arguments
        self.exponent = exponent
        self.key = key
        takes_vectors = FUNCTIONS[opcode].takes_vectors
        self.varies = opcode == X or (not takes_vectors and any(argument.varies for argument in arguments))
        self.row_sum: Sum | None = None  # once it is known


class Sum:
    """A sum of terms with coefficients, and a constant; never changed.

    Parameters
    ----------
    terms : dict of Term to float
        Coefficients; one that is 0 stays, as the term may not be finite.
    constant : float or ndarray of shape (D,)
        The constant.
    is_vector : bool
        Whether this stands for D values a row, equal ones perhaps.
    """

    __slots__ = ("_key", "constant", "is_vector", "terms")

    def __init__(self, terms: dict[Term, float], constant: Constant, is_vector: bool) -> None:
        self.terms = terms
        self.constant = constant
        self.is_vector = is_vector
        self._key: bytes | None = None

    @property
    def varies(self) -> bool:
        """Whether the values of a row differ between features."""
        return isinstance(self.constant, np.ndarray) or any(term.varies for term in self.terms)

    @property
    def key(self) -> bytes:
        """A hash of the values of a row."""
        if self._key is None:
            self._key = self._content_key()
        return self._key

    def _content_key(self) -> bytes:
        is_array = isinstance(self.constant, np.ndarray)
        if len(self.terms) == 1 and not is_array and self.constant == 0.0:
            ((term, coefficient),) = self.terms.items()
            if coefficient == 1.0:
                return term.key
        constant = np.asarray(self.constant + 0.0).tobytes() if is_array else pack("<d", self.constant + 0.0)
        parts = [pack("<?I", is_array, len(self.terms)), constant]
        for term, coefficient in self.sorted():
            parts += [term.key, pack("<d", coefficient + 0.0)]
        return blake2b(b"".join(parts), digest_size=_KEY_BYTES).digest()

    def sorted(self) -> list[tuple[Term, float]]:
        """Return terms and coefficients in an order that depends on nothing else."""
        if len(self.terms) < 2:
            return list(self.terms.items())
        return sorted(self.terms.items(), key=_by_key_of_term)


class Algebra:
    """Builds sums.

    Parameters
    ----------
    n_features : int
        D.
    """

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self._terms: WeakValueDictionary[bytes, Term] = WeakValueDictionary()
        self._functions: dict[int, Callable[..., Sum]] = {
            ADD: _add,
            SUB: _subtract,
            NEG: _negative,
            MUL: self._product,
            DIV: self._quotient,
            DOT: self._dot,
        }
        self._functions[SUM] = self.row_sum

    def number(self, value: float) -> Sum:
        """Return a number."""
        return Sum({}, value, False)

    def vector(self, value: Floats) -> Sum:
        """Return a constant vector."""
        return Sum({}, value, True)

    def variable(self) -> Sum:
        """Return ``x``."""
        return Sum({self._term(X): 1.0}, 0.0, True)

    def apply(self, opcode: int, arguments: list[Sum], exponent: int = 0) -> Sum:
        """Return a function of sums; ``exponent`` is that of a power."""
        if opcode in self._functions:
            return self._functions[opcode](*arguments)
        is_vector = any(value.is_vector for value in arguments)
        if any(value.terms for value in arguments):
            return Sum({self._term(opcode, *arguments, exponent=exponent): 1.0}, 0.0, is_vector)
        constants = [np.asarray(value.constant) for value in arguments]
        if opcode == POW:
            return Sum({}, _plain(np.power(constants[0], float(exponent))), is_vector)
        return Sum({}, _plain(array_function(opcode, np)(*constants)), is_vector)

    def row_sum(self, value: Sum) -> Sum:
        """Return the sum over features, which is a scalar."""
        constant = self._total(value.constant)
        merged: dict[Term, float] = {}
        for term, coefficient in value.terms.items():
            if not term.varies:
                merged[term] = merged.get(term, 0.0) + self.n_features * coefficient
                continue
            if term.row_sum is None:
                term.row_sum = self._row_sum_of(term)
            for part, factor in term.row_sum.terms.items():
                merged[part] = merged.get(part, 0.0) + coefficient * factor
            constant += coefficient * float(term.row_sum.constant)  # a row sum is a scalar
        return Sum(merged, constant, False)

    def _total(self, constant: Constant) -> float:
        """Return the sum of a constant over features."""
        return float(constant.sum()) if isinstance(constant, np.ndarray) else self.n_features * constant

    def _row_sum_of(self, term: Term) -> Sum:
        """Return the sum over features of a term whose values vary."""
        if term.opcode == MUL:
            return self._dot(*term.arguments)
        if term.opcode == DIV and not term.arguments[1].varies:
            return self._quotient(self.row_sum(term.arguments[0]), term.arguments[1])
        return Sum({self._term(SUM, Sum({term: 1.0}, 0.0, True)): 1.0}, 0.0, False)

    def _term(self, opcode: int, *arguments: Sum, exponent: int = 0) -> Term:
        """Return the one term of this kind."""
        content = lasting_key(opcode) + pack("<I", exponent) + b"".join(argument.key for argument in arguments)
        key = blake2b(content, digest_size=_KEY_BYTES).digest()
        term = self._terms.get(key)
        if term is None:
            # A value that is the same for all features counts as a scalar, whatever it was written as.
            plain = tuple(value if value.varies else Sum(value.terms, value.constant, False) for value in arguments)
            term = self._terms[key] = Term(opcode, plain, exponent, key)
        return term

    def _product(self, first: Sum, second: Sum) -> Sum:
        is_vector = first.is_vector or second.is_vector
        for factor, value in ((first, second), (second, first)):
            if not factor.terms and not isinstance(factor.constant, np.ndarray):
                return _scaled(value, factor.constant, is_vector)
        if not first.terms and not second.terms:
            return Sum({}, first.constant * second.constant, is_vector)
        return self._bilinear(MUL, first, second, is_vector)

    def _dot(self, first: Sum, second: Sum) -> Sum:
        """Return an inner product; what is the same for all features stands outside of it."""
        if not first.terms and not second.terms:
            return self.row_sum(Sum({}, first.constant * second.constant, True))
        for factor, value in ((first, second), (second, first)):
            if not factor.varies:
                return self._product(Sum(factor.terms, factor.constant, False), self.row_sum(value))
        return self._bilinear(DOT, first, second, False)

    def _bilinear(self, opcode: int, first: Sum, second: Sum, is_vector: bool) -> Sum:
        """Return a product, its coefficients outside and its factors in an order of their own."""
        (one, first), (other, second) = _split(first), _split(second)
        first, second = sorted((first, second), key=_BY_KEY)
        return Sum({self._term(opcode, first, second): one * other}, 0.0, is_vector)

    def _quotient(self, first: Sum, second: Sum) -> Sum:
        is_vector = first.is_vector or second.is_vector
        if not first.terms and not second.terms:
            return Sum({}, _plain(np.divide(first.constant, second.constant)), is_vector)
        if not second.terms and not isinstance(second.constant, np.ndarray):
            return _scaled(first, float(np.divide(1.0, second.constant)), is_vector)
        (one, first), (other, second) = _split(first), _split(second)
        return Sum({self._term(DIV, first, second): float(np.divide(one, other))}, 0.0, is_vector)


def _by_key_of_term(item: tuple[Term, float]) -> bytes:
    return item[0].key


def direction(value: Sum) -> Sum:
    """Return what is left of a scalar when slope and intercept do not matter: no constant, first coefficient 1."""
    terms = value.sorted()
    leading = next((coefficient for _, coefficient in terms if coefficient), 1.0)
    scaled = {term: coefficient / leading for term, coefficient in terms}
    if not isfinite(float(value.constant)) or not all(map(isfinite, scaled.values())):
        return value
    return Sum(scaled, 0.0, False)


def _add(first: Sum, second: Sum, sign: float = 1.0) -> Sum:
    merged = dict(first.terms)
    for term, coefficient in second.terms.items():
        merged[term] = merged.get(term, 0.0) + sign * coefficient
        if merged[term] == 0.0 and term.opcode == X:
            del merged[term]  # x is finite
    return Sum(merged, first.constant + sign * second.constant, first.is_vector or second.is_vector)


def _subtract(first: Sum, second: Sum) -> Sum:
    return _add(first, second, -1.0)


def _negative(value: Sum) -> Sum:
    return _scaled(value, -1.0, value.is_vector)


def _scaled(value: Sum, factor: float, is_vector: bool) -> Sum:
    terms = {term: factor * coefficient for term, coefficient in value.terms.items()}
    return Sum(terms, factor * value.constant, is_vector)


def _split(value: Sum) -> tuple[float, Sum]:
    """Return a coefficient and the rest of a value: the term itself where there is but one."""
    if len(value.terms) == 1 and not isinstance(value.constant, np.ndarray) and value.constant == 0.0:
        ((term, coefficient),) = value.terms.items()
        return coefficient, Sum({term: 1.0}, 0.0, value.is_vector)
    return 1.0, value


def _plain(value: Any) -> Constant:
    """Return a scalar array as a number."""
    return value if isinstance(value, np.ndarray) and value.ndim else float(value)
