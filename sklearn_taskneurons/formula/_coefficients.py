"""Exact coefficients: a fraction, a constant vector of fractions, or a free vector times a fraction."""

from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._limits import MAX_BITS

ZERO: Final = Fraction(0)
UNIT: Final = Fraction(1)


class Free(NamedTuple):
    """`scale` times a free constant vector; equal serials are the same vector."""

    serial: int
    scale: Fraction


FractionVector: TypeAlias = tuple[Fraction, ...]
# a plain tuple is a constant vector; Free is a tuple too, so it is asked for first everywhere
Coefficient: TypeAlias = Fraction | FractionVector | Free


def exact(value: float) -> Fraction:
    """Return the number that the shortest decimal text of `value` says: 1/10 for 0.1."""
    return Fraction(repr(float(value)))


def rounded(value: Fraction) -> float:
    """Return the nearest floating-point number."""
    try:
        return float(value)
    except OverflowError:
        raise ExpansionError("the coefficients must be within the range of floating-point numbers, and one is not") from None


def checked(value: Fraction) -> Fraction:
    """Return `value`, or raise if it has grown so long that computing with it takes long."""
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise ExpansionError("the numbers multiply to too many digits")
    return value


def checked_power(value: Fraction, exponent: int) -> Fraction:
    """Return a power, or raise before it takes long."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) * exponent > 2 * MAX_BITS:
        raise ExpansionError("the numbers multiply to too many digits")
    return checked(value**exponent)


def vector(entries: FractionVector) -> Fraction | FractionVector:
    """Return a constant vector, or the one fraction that all its entries are."""
    first = entries[0]
    return first if all(entry == first for entry in entries) else entries


def is_zero(coefficient: Coefficient) -> bool:
    """Tell whether a coefficient is the number 0 (a vector of zeros has become that number)."""
    return isinstance(coefficient, Fraction) and not coefficient


class FreeVectors:
    """The free vectors of one formula; what is computed from free vectors is a free vector again.

    The same computation on the same vectors gives the same serial, so that equal terms merge; anything
    else gives a new one, so that terms never cancel that differ.
    """

    def __init__(self) -> None:
        self._serials: dict[object, int] = {}

    def new(self, origin: object, scale: Fraction = UNIT) -> Free:
        """Return the free vector of this origin."""
        return Free(self._serials.setdefault(origin, len(self._serials)), scale)

    def add(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return ``a + b``."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return checked(a + b)
        if isinstance(a, Free) or isinstance(b, Free):
            return self._add_free(a, b)
        if isinstance(a, Fraction):
            a, b = b, a
        if isinstance(b, Fraction):
            return vector(tuple(checked(entry + b) for entry in a))  # type: ignore[union-attr]
        return vector(tuple(checked(p + q) for p, q in zip(a, b, strict=True)))  # type: ignore[arg-type]

    def _add_free(self, a: Coefficient, b: Coefficient) -> Coefficient:
        if isinstance(a, Free) and isinstance(b, Free) and a.serial == b.serial:
            scale = checked(a.scale + b.scale)
            return Free(a.serial, scale) if scale else ZERO
        if is_zero(a) or is_zero(b):
            return a if is_zero(b) else b
        return self.new(("add", frozenset((a, b))))

    def multiply(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return the elementwise product."""
        if isinstance(a, Fraction):
            a, b = b, a
        if isinstance(b, Fraction):
            if isinstance(a, Fraction):
                return checked(a * b)
            if not b:
                return ZERO
            if isinstance(a, Free):
                return Free(a.serial, checked(a.scale * b))
            return tuple(checked(entry * b) for entry in a)
        if isinstance(a, Free) and isinstance(b, Free):
            return self.new(("mul", *sorted((a.serial, b.serial))), checked(a.scale * b.scale))
        if isinstance(a, Free) or isinstance(b, Free):
            free, known = (a, b) if isinstance(a, Free) else (b, a)
            return self.new(("mul", free.serial, known), free.scale)  # type: ignore[union-attr]
        return vector(tuple(checked(p * q) for p, q in zip(a, b, strict=True)))

    def invert(self, a: Coefficient) -> Coefficient:
        """Return ``1/a``, elementwise."""
        if isinstance(a, Free):
            return self.new(("inv", a.serial), 1 / a.scale)
        if isinstance(a, Fraction):
            return 1 / a
        if not all(a):
            raise ExpansionError("nothing may be divided by zero, and an entry of the divisor is zero")
        return tuple(1 / entry for entry in a)


def split_scale(coefficient: Coefficient) -> tuple[Fraction, FractionVector | int | None]:
    """Return a coefficient as a fraction and a weight: None, a vector that leads with 1, or a free serial."""
    if isinstance(coefficient, Free):
        return coefficient.scale, coefficient.serial
    if isinstance(coefficient, Fraction):
        return coefficient, None
    scale = next(entry for entry in coefficient if entry)
    return scale, coefficient if scale == 1 else tuple(entry / scale for entry in coefficient)


def join_scale(scale: Fraction, weight: FractionVector | int | None) -> Coefficient:
    """Undo `split_scale`."""
    if weight is None:
        return scale
    if isinstance(weight, int):
        return Free(weight, scale)
    return weight if scale == 1 else tuple(entry * scale for entry in weight)
