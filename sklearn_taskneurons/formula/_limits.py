"""The bounds on a formula, in one place.

They keep every operation on a formula, including the refusal of a hostile text, within a few
hundredths of a second; the largest formula that is of use to anyone is far smaller.
"""

from typing import Final

MAX_CHARACTERS: Final = 100_000
MAX_LENGTH: Final = 1000  # nodes, as written and as expanded
MAX_DEPTH: Final = 100  # levels of nesting; a chain of sums or of products is one level
MAX_TOKENS: Final = 10 * MAX_LENGTH  # numbers, names, vectors, operators and brackets
MAX_NUMBER_CHARACTERS: Final = 400
MAX_EXPONENT: Final = 32
MAX_DEGREE: Final = 32  # total power of a term
MAX_TERMS: Final = 256
MAX_BITS: Final = 16_384  # of an exact coefficient's numerator or denominator
MAX_WORK: Final = 12_000  # multiplications and additions of coefficients while a formula is expanded
