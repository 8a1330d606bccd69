"""The values of formulas, in NumPy and torch, against closed forms."""

import warnings

import numpy as np
import pytest
import torch

from sklearn_taskneurons.formula import FUNCTIONS, SUM, Formula, _evaluate, evaluate

RNG = np.random.default_rng(0)
DATA = RNG.uniform(0.2, 2.0, size=(7, 3))
A = np.array([0.5, -2.0, 3.0])

CASES = [
    ("x", lambda x: x.sum(1)),
    ("3", lambda x: np.full(len(x), 3.0)),
    ("x**0", lambda x: np.full(len(x), 3.0)),
    ("x + 1", lambda x: (x + 1).sum(1)),
    ("sum(x) + 1", lambda x: x.sum(1) + 1),
    ("0.068*x**3 + 0.15*x + 0.76", lambda x: (0.068 * x**3 + 0.15 * x + 0.76).sum(1)),
    ("x**31 - x**7", lambda x: (x**31 - x**7).sum(1)),
    ("(-x)**5", lambda x: -(x**5).sum(1)),
    ("dot(x, x)", lambda x: (x**2).sum(1)),
    ("dot([0.5, -2, 3], x)", lambda x: x @ A),
    ("[0.5, -2, 3]*x", lambda x: x @ A),
    ("[0.5, -2, 3]", lambda x: np.full(len(x), 1.5)),
    ("dot([0.5, -2, 3], [1, 1, 2])", lambda x: np.full(len(x), 4.5)),
    ("dot([0.5, -2, 3], x)*sum(x**2) + 2", lambda x: (x @ A) * (x**2).sum(1) + 2),
    ("x*dot([0.5, -2, 3], x)", lambda x: x.sum(1) * (x @ A)),
    ("x/sum(x)", lambda x: np.ones(len(x))),
    ("1/x - x/2", lambda x: (1 / x - x / 2).sum(1)),
    ("6@x**2 + 2@x - 3", lambda x: (6 * x**2 + 2 * x - 3).sum(1)),
    ("sin(2)*x", lambda x: np.sin(2.0) * x.sum(1)),
    ("sin(x*sum(x))", lambda x: np.sin(x * x.sum(1, keepdims=True)).sum(1)),
    *((f"{f.name}(x)", lambda x, f=f: getattr(np, f.array_name)(x).sum(1)) for f in FUNCTIONS[SUM + 1 :] if not f.is_own),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_values_are_those_of_the_closed_form(text, expected):
    formula = Formula(text)
    values = formula(DATA)
    assert values.shape == (7,)
    np.testing.assert_allclose(values, expected(DATA), rtol=1e-12)
    np.testing.assert_allclose(formula.expand()(DATA), expected(DATA), rtol=1e-11)
    tensor = formula(torch.from_numpy(DATA))
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), expected(DATA), rtol=1e-12)


@pytest.mark.parametrize("text", ["sin(2)*x + 0.1", "3", "dot([0.5, -2, 3], x)", "exp(x)/x**2", "[0.5, -2, 3]"])
def test_the_type_of_the_input_is_kept(text):
    formula = Formula(text)
    assert formula(DATA.astype(np.float32)).dtype == np.float32
    for dtype in (torch.float16, torch.float32, torch.bfloat16):
        assert formula(torch.from_numpy(DATA).to(dtype)).dtype == dtype
    assert formula(torch.from_numpy(DATA).to("meta")).device.type == "meta"


def test_whole_numbers_are_taken_as_floating_point():
    data = np.arange(6).reshape(2, 3)
    np.testing.assert_allclose(Formula("0.5*x")(data), [1.5, 6.0])
    np.testing.assert_allclose(Formula("0.5*x")(data.tolist()), [1.5, 6.0])
    assert Formula("0.5*x")(torch.from_numpy(data)).tolist() == [1.5, 6.0]


def test_arrays_of_half_precision_are_computed_in_double():
    data = np.array([[300.0, 1.0]], dtype=np.float16)
    values = Formula("x**2")(data)
    assert values.dtype == np.float64
    assert values.tolist() == [90001.0]


@pytest.mark.parametrize("text", ["x", "3", "x**0", "dot([0.5, -2, 3], x)", "sum([1, 2, 3])", "[1, 2, 3]", "sum(x) + 1"])
@pytest.mark.parametrize("n_rows", [1, 7])
def test_the_values_belong_to_the_caller(text, n_rows):
    formula, data = Formula(text), DATA[:n_rows].copy()
    for convert in (np.asarray, torch.from_numpy):
        values = formula(convert(data))
        expected = np.asarray(values) - np.arange(n_rows)
        values -= convert(np.arange(n_rows, dtype=float))
        np.testing.assert_array_equal(np.asarray(values), expected)
    np.testing.assert_array_equal(data, DATA[:n_rows])


@pytest.mark.parametrize(
    "data", [DATA + 1j, (DATA + 1j).tolist(), torch.from_numpy(DATA + 1j)], ids=["array", "list", "tensor"]
)
def test_complex_numbers_are_refused(data):
    with pytest.raises(TypeError, match=r"X must have real numbers, given .*complex128"):
        Formula("x")(data)


def test_masked_values_are_refused():
    with pytest.raises(ValueError, match="X must have no masked values"):
        Formula("x")(np.ma.masked_greater(DATA, 1.0))
    np.testing.assert_array_equal(Formula("x")(np.ma.masked_greater(DATA, 9.0)), DATA.sum(1))


def test_no_rows_have_no_values():
    assert Formula("sin(x) + 3")(np.empty((0, 4))).shape == (0,)
    assert Formula("3")(torch.empty(0, 4)).shape == (0,)


def test_gradients_flow_through():
    x = torch.from_numpy(DATA).requires_grad_()
    Formula("x**3 + dot([0.5, -2, 3], x)**2")(x).sum().backward()
    # the formula is a vector: the square is added for each of the three features
    expected = 3 * DATA**2 + 3 * 2 * (DATA @ A)[:, None] * A
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "text", ["log(x)", "sqrt(x)", "1/x", "exp(x*1000)", "1e300*x**9", "log(x - sum(x))", "x/sum(x*0.5 + x**2)", "x*1e308*x*x"]
)
def test_what_is_not_finite_shows_in_the_values_and_warns_nobody(text):
    data = np.array([[-1.0, 0.0], [0.0, 0.0], [1e5, 2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (np.float32, np.float64):
            assert not np.isfinite(Formula(text)(data.astype(dtype))).all()
            assert not torch.isfinite(Formula(text)(torch.from_numpy(data.astype(dtype)))).all()


def test_the_callers_error_settings_are_left_alone():
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        before = np.geterr()
        Formula("1/x + exp(1000*x)")(np.zeros((1, 1)))
        assert np.geterr() == before


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("x", (3,), "two axes, rows and features, given 1"),
        ("x", (3, 2, 2), "two axes, rows and features, given 3"),
        ("dot([1, 2], x)", (3, 1), "the formula's 2 features, given 1"),
        ("dot([1, 2], x)", (3, 3), "the formula's 2 features, given 3"),
        ("sum([1, 2])", (3, 3), "the formula's 2 features, given 3"),
        ("dot(w, x)", (3, 2), "no free vector w"),
    ],
)
def test_call_refuses_what_has_no_value(text, shape, message):
    with pytest.raises(ValueError, match=message):
        Formula(text)(np.zeros(shape))
    with pytest.raises(ValueError, match=message):
        Formula(text)(torch.zeros(shape))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_free_vectors_are_given_from_left_to_right(library):
    convert = torch.from_numpy if library == "torch" else np.asarray
    u, v = RNG.normal(size=(2, 3))
    expression = Formula("dot(w, x)*3 - sin(dot(w, x**2))").expression
    values = evaluate(expression, convert(DATA), vectors=[convert(u), convert(v)])
    assert values.shape == (7, 1)
    np.testing.assert_allclose(np.asarray(values)[:, 0], 3 * (DATA @ u) - np.sin(DATA**2 @ v), rtol=1e-12)


def test_a_free_vector_may_differ_from_row_to_row():
    vectors = RNG.normal(size=(7, 3))
    values = evaluate(Formula("dot(w, x)").expression, DATA, vectors=[vectors])
    np.testing.assert_allclose(values[:, 0], (vectors * DATA).sum(1), rtol=1e-12)


@pytest.mark.parametrize("vectors", [None, [], [A, A]])
def test_each_free_vector_needs_a_value(vectors):
    with pytest.raises(ValueError, match="the expression has 1, given"):
        evaluate(Formula("w*x").expression, DATA, vectors=vectors)


def test_vectors_have_an_entry_for_each_feature():
    with pytest.raises(ValueError, match="each of the 3 features, given 2"):
        evaluate(Formula("[1, 2]*x").expression, DATA)
    with pytest.raises(ValueError, match="each of the 3 features, given 1"):
        evaluate(Formula("w*x").expression, DATA, vectors=[np.ones(1)])


@pytest.mark.parametrize("text", ["x**2 + 1", "dot([0.5, -2, 3], x)*x", "sum(sin(x))", "2", "w*x", "[0.5, -2, 3]"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_features_may_lie_along_any_axis(text, library):
    images = RNG.normal(size=(2, 3, 4, 5))
    expression = Formula(text).expression
    vectors = [A] if "w" in text else None
    convert = torch.from_numpy if library == "torch" else np.asarray
    last = evaluate(expression, convert(np.moveaxis(images, 1, -1)), vectors=vectors)
    second = evaluate(expression, convert(images), vectors=vectors, axis=1)
    assert second.ndim == 4
    expected = np.broadcast_to(np.asarray(last), np.broadcast_shapes(last.shape, (2, 4, 5, 1)))
    actual = np.moveaxis(np.broadcast_to(np.asarray(second), np.broadcast_shapes(second.shape, (2, 1, 4, 5))), 1, -1)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_the_input_is_not_changed():
    data = DATA.copy()
    Formula("-x**5 + abs(x)*2 - x/3")(data)
    np.testing.assert_array_equal(data, DATA)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize(
    "text", ["2", "x**3 - 2*x + 0.5", "dot([1, -2, 3], sin(x))", "sum(x)*sum(x**2) + 1/x", "[1, 2, 3]*exp(x)"]
)
def test_many_rows_are_evaluated_block_by_block(text, dtype, order, monkeypatch):
    formula = Formula(text)
    X = np.asarray(np.random.default_rng(0).integers(-9, 10, size=(50, 3)), dtype=dtype, order=order)
    whole = formula(X)
    for numbers in (1, 21, 150):  # a row, seven, all of them at once
        monkeypatch.setattr(_evaluate, "BLOCK_NUMBERS", numbers)
        values = formula(X)
        assert values.dtype == whole.dtype
        np.testing.assert_array_equal(values, whole)
        values[:] = 0
    assert formula(X[:0]).shape == (0,)
