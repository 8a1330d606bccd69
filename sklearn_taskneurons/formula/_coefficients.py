"""Exact coefficients: a fraction, or a fraction times a constant vector, known or free."""

import math
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from sklearn_taskneurons.formula._errors import ExpansionError
from sklearn_taskneurons.formula._limits import MAX_BITS

ZERO: Final = Fraction(0)
UNIT: Final = Fraction(1)
_LARGE: Final = 1000  # whole numbers from here on are written with a power of ten before them

# whole numbers without a common divisor of which the first that is not 0 is positive: one weight for all
# multiples of a vector, and much faster than fractions; an int is the serial number of a free vector
Weight: TypeAlias = tuple[int, ...] | int


class Scaled(NamedTuple):
    """`scale` times a constant vector."""

    scale: Fraction
    weight: Weight

    @property
    def is_free(self) -> bool:
        """Whether the vector is a free one."""
        return isinstance(self.weight, int)


Coefficient: TypeAlias = Fraction | Scaled


def exact(value: float) -> Fraction:
    """Return the number that the shortest decimal text of `value` says: 1/10 for 0.1."""
    return Fraction(Decimal(repr(float(value))))


def rounded(value: Fraction) -> float:
    """Return the nearest floating-point number."""
    return _quotient(value.numerator, value.denominator)


def rounded_vector(scale: Fraction, weight: tuple[int, ...]) -> tuple[float, ...]:
    """Return the floating-point numbers nearest to a vector's entries."""
    numerator, denominator = scale.numerator, scale.denominator
    return tuple([_quotient(numerator * entry, denominator) for entry in weight])


def _quotient(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator + 0.0  # a negative number too small for floating point is 0, not -0
    except OverflowError:
        raise ExpansionError("the coefficients must be within the range of floating-point numbers, and one is not") from None


def checked(value: Fraction) -> Fraction:
    """Return `value`, or raise if it has grown so long that computing with it takes long."""
    _check_bits(max(value.numerator.bit_length(), value.denominator.bit_length()))
    return value


def checked_power(value: Fraction, exponent: int) -> Fraction:
    """Return a power, or raise before it takes long."""
    _check_bits(max(value.numerator.bit_length(), value.denominator.bit_length(), 1) * exponent - exponent)
    return checked(value**exponent)


def _check_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise ExpansionError("the numbers must not multiply to so many digits")


def vector(values: Iterable[float]) -> Coefficient:
    """Return the constant vector with these entries."""
    ratios = [Decimal(repr(value)).as_integer_ratio() for value in values]
    denominator = math.lcm(*(below for _, below in ratios))
    return scaled(Fraction(1, denominator), [above * (denominator // below) for above, below in ratios])


def scaled(scale: Fraction, entries: Sequence[int]) -> Coefficient:
    """Return `scale` times a vector of whole numbers; a number where all its entries are equal."""
    divisor = math.gcd(*entries)
    if not divisor:
        return ZERO
    _check_bits(max(max(entries), -min(entries)).bit_length() - divisor.bit_length())
    if next(entry for entry in entries if entry) < 0:
        divisor = -divisor
    weight = tuple([entry // divisor for entry in entries])
    scale = checked(scale * divisor)
    return scale if weight.count(1) == len(weight) else Scaled(scale, weight)


def whole_numbers(coefficients: Collection[Coefficient]) -> tuple[list[int] | None, int]:
    """Return fractions as whole numbers and their common divisor; None if there are vectors among them."""
    fractions = [coefficient for coefficient in coefficients if isinstance(coefficient, Fraction)]
    if len(fractions) < len(coefficients):
        return None, 1
    divisor = math.lcm(*(fraction.denominator for fraction in fractions))
    _check_bits(divisor.bit_length())
    return [fraction.numerator * (divisor // fraction.denominator) for fraction in fractions], divisor


def split(coefficient: Coefficient) -> tuple[Fraction, Weight | None]:
    """Return a coefficient as a fraction and a weight."""
    return coefficient if isinstance(coefficient, Scaled) else (coefficient, None)


def unit(weight: Weight | None) -> Fraction:
    """Return the power of ten that a vector's entries are divided by where it is a factor of a product.

    Small whole numbers stay as they are. Powers of ten, because they leave decimal numbers exact.
    """
    return UNIT / _power_of_ten(max(max(weight), -min(weight))) if isinstance(weight, tuple) else UNIT


def _power_of_ten(largest: int) -> int:
    return 1 if largest < _LARGE else 10 ** int((largest.bit_length() - 1) * math.log10(2))


def content(coefficients: Sequence[Coefficient]) -> tuple[Fraction, bool]:
    """Return the factor that a sum has in common, with the sign of the first, and whether a power of ten is in it.

    What it leaves are whole numbers if they are small, and otherwise decimal ones of moderate size.
    """
    parts = [split(coefficient) for coefficient in coefficients]
    known = [(scale, weight) for scale, weight in parts if not isinstance(weight, int)]
    if not known:
        return UNIT, False
    denominator = math.lcm(*(scale.denominator for scale, _ in known))
    _check_bits(denominator.bit_length())
    numerators = [scale.numerator * (denominator // scale.denominator) for scale, _ in known]
    common = math.gcd(*numerators)
    largest = max(abs(n) // common * max(map(abs, weight or (1,))) for n, (_, weight) in zip(numerators, known, strict=True))
    ten = _power_of_ten(largest)
    return Fraction(common * (-ten if numerators[0] < 0 else ten), denominator), ten > 1


def entry_sum(coefficient: Scaled) -> Fraction:
    """Return the sum of a known vector's entries."""
    if isinstance(coefficient.weight, int):
        raise TypeError("the entries of a free vector are not known")
    return coefficient.scale * sum(coefficient.weight)


class Vectors:
    """Arithmetic on coefficients, and the free vectors of one formula.

    What is computed from free vectors is a free vector again. The same computation on the same vectors gives the same
    serial, so that equal terms merge; anything else gives a new one, so that terms never cancel that differ.
    """

    def __init__(self) -> None:
        self._serials: dict[object, int] = {}

    @property
    def n_free(self) -> int:
        """How many free vectors there are."""
        return len(self._serials)

    def free(self, origin: object, scale: Fraction = UNIT) -> Scaled:
        """Return the free vector of this origin."""
        return Scaled(scale, self._serials.setdefault(origin, len(self._serials)))

    def add(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return ``a + b``."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return checked(a + b)
        if not a or not b:
            return a or b
        (p, left), (q, right) = split(a), split(b)
        if left == right and left is not None:
            scale = checked(p + q)
            return Scaled(scale, left) if scale else ZERO
        if isinstance(left, int) or isinstance(right, int):
            return self.free(("add", frozenset((a, b))))
        denominator = math.lcm(p.denominator, q.denominator)
        first, second = (int(scale * denominator) for scale in (p, q))
        if left is None or right is None:
            known, times, constant = (left, first, second) if right is None else (right, second, first)
            return scaled(Fraction(1, denominator), [times * entry + constant for entry in known or ()])
        return scaled(Fraction(1, denominator), [first * i + second * j for i, j in zip(left, right, strict=True)])

    def multiply(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return the elementwise product."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return checked(a * b)
        (p, left), (q, right) = split(a), split(b)
        scale = checked(p * q)
        if not scale:
            return ZERO
        if left is None or right is None:
            weight = right if left is None else left
            return scale if weight is None else Scaled(scale, weight)
        if isinstance(left, int) or isinstance(right, int):
            return self.free(("multiply", frozenset((left, right))), scale)
        return scaled(scale, [i * j for i, j in zip(left, right, strict=True)])

    def invert(self, a: Coefficient) -> Coefficient:
        """Return ``1/a``, elementwise; `a` is not the number 0."""
        scale, weight = split(a)
        if weight is None:
            return 1 / scale
        if isinstance(weight, int):
            return self.free(("invert", weight), 1 / scale)
        if not all(weight):
            raise ExpansionError("nothing may be divided by zero, and an entry of the divisor is zero")
        multiple = math.lcm(*weight)
        _check_bits(multiple.bit_length())
        return scaled(1 / (scale * multiple), [multiple // entry for entry in weight])
