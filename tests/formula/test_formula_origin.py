"""A name stands for one function: what counts as the same one, and what as another."""

import functools
import os
import pickle
import subprocess
import sys
import textwrap

import cloudpickle
import numpy as np
import pytest

from sklearn_taskneurons import Formula, make_function
from sklearn_taskneurons.formula._origin import digest, origin


def scaled_by(factor, steps=(1, 2), knots=None):
    def inner(a):
        return a * factor if knots is None else np.interp(a, knots, knots)

    def scaled(a, unit=1.0, *, power=1):
        return sum(inner(a) * step for step in steps) * unit**power

    return scaled


def itself(depth):
    def countdown(a, left=depth):
        return a if left == 0 else countdown(a + 1.0, left - 1)

    return countdown


class Gain:
    def __init__(self, factor):
        self.factor = factor

    def __repr__(self):
        return f"Gain({self.factor})"

    def __call__(self, a):
        return self.factor * a

    def twice(self, a):
        return 2 * self(a)


def renamed(function):
    """Return a function as if it were defined in the place of every other."""
    function.__qualname__ = "renamed"
    return function


def pickled(value):
    """Return a value as another process is sent it, with the code of what is defined here."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        return cloudpickle.dumps(value)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def with_option(**options):
    function = scaled_by(3.0)
    function.__kwdefaults__ = options
    return function


KNOTS = np.arange(3.0)
PAIRS = {
    "constants": (renamed(lambda a: 2 * a), renamed(lambda a: 3 * a)),
    "types": (renamed(lambda a: a * (a.ndim == 1)), renamed(lambda a: a * (a.ndim == 1.0))),
    "signs": (renamed(lambda a: np.copysign(a, 0.0)), renamed(lambda a: np.copysign(a, -0.0))),
    "operators": (renamed(lambda a: a + 2), renamed(lambda a: a - 2)),
    "names": (renamed(lambda a: np.floor(a)), renamed(lambda a: np.ceil(a))),
    "nested": (renamed(lambda a: (lambda b: 2 * b)(a)), renamed(lambda a: (lambda b: 3 * b)(a))),
    "signature": (renamed(lambda a: a * 1.0), renamed(lambda *a: a[0] * 1.0)),
    "closure": (scaled_by(2.0), scaled_by(3.0)),
    "closure_tuple": (scaled_by(2.0, (1, 2)), scaled_by(2.0, (1, 3))),
    "closure_list": (scaled_by(2.0, [1, 2]), scaled_by(2.0, [1, 3])),
    "closure_dict": (scaled_by(2.0, {1: 2}), scaled_by(2.0, {1: 3})),
    "closure_set": (scaled_by(2.0, {1, 2}), scaled_by(2.0, {1, 3})),
    "closure_array": (scaled_by(2.0, knots=KNOTS), scaled_by(2.0, knots=KNOTS + 1)),
    "defaults": (itself(1), itself(2)),
    "keyword_defaults": (with_option(power=1), with_option(power=2)),
    "partial": (functools.partial(np.multiply, 2.0), functools.partial(np.multiply, 3.0)),
    "objects": (Gain(2), Gain(3)),
    "methods": (Gain(2).twice, Gain(3).twice),
    "ufuncs": (np.sin, np.cos),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_functions_that_differ_have_another_origin(kind):
    first, second = PAIRS[kind]
    assert origin(first) != origin(second)
    assert digest(first) != digest(second)


@pytest.mark.parametrize("kind", PAIRS)
def test_copies_have_the_same_origin(kind):
    first, _ = PAIRS[kind]
    copy = pickle.loads(pickled(first))
    assert origin(copy) == origin(first)
    assert hash(origin(copy)) == hash(origin(first))
    assert digest(copy) == digest(first)


def test_a_digest_is_the_same_in_every_process():
    # Texts are hashed in another way in each process, and with them sets are put in another order.
    program = """
        from sklearn_taskneurons.formula._origin import digest

        print(digest([lambda a: str(a) in {"one", "two", "three", "four", "five"}, {"one", "two", "three", "four"}]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    digests = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(digests[0].strip()) == 32
    assert digests == digests[:1] * 3


def test_what_is_defined_later_is_no_content_yet():
    def early(a):
        return late(a)

    before = origin(early)

    def late(a):
        return a

    assert origin(early) != before


def test_a_name_stands_for_one_function():
    known = make_function(scaled_by(2.0), name="origin_one")
    assert make_function(scaled_by(2.0), name="origin_one") is known
    with pytest.raises(ValueError, match="no other function has, nor an earlier version of this one, given 'origin_one'"):
        make_function(scaled_by(3.0), name="origin_one")
    with pytest.raises(ValueError, match="no other function has"):
        make_function(scaled_by(2.0), name="origin_one", torch_function=abs)
    np.testing.assert_array_equal(Formula("origin_one(x)")(np.ones((1, 2))), [12.0])


def test_another_process_knows_what_it_is_sent_twice():
    make_function(scaled_by(2.0, knots=KNOTS), name="origin_sent")
    sent = [pickled(Formula(text)) for text in ("origin_sent(x)", "x - origin_sent(x)")]
    script = (
        "import pickle, sys\n"
        "first, second = map(pickle.loads, pickle.load(sys.stdin.buffer))\n"
        "import numpy as np\n"
        "print(first(np.ones((1, 2)))[0], second(np.ones((1, 2)))[0])"
    )
    result = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(sent), capture_output=True)
    assert result.stdout.split() == [b"6.0", b"-4.0"], result.stderr.decode()
    assert pickle.loads(sent[0]) == Formula("origin_sent(x)")


@pytest.mark.parametrize("name", ["or", "if", "lambda", "not", "in", "is"])
def test_keywords_are_no_names(name):
    with pytest.raises(ValueError, match=f"must not be a keyword of Python.*'{name}'"):
        make_function(np.sin, name=name)
