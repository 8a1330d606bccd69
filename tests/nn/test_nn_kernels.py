"""The kernels of predictions compute what torch's own do."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_taskneurons import TaskNeuronRegressor
from sklearn_taskneurons.nn import _kernels
from sklearn_taskneurons.nn._kernels import cos_, prediction_kernels, product, tanh_

SIZES = st.integers(1, 40)


@given(n_members=st.integers(1, 3), n_units=SIZES, n_columns=SIZES, n_rows=SIZES, has_bias=st.booleans(), by_rows=st.booleans())
def test_product_of_each_member(n_members, n_units, n_columns, n_rows, has_bias, by_rows):
    rng = np.random.default_rng(0)
    weight, columns, bias = (
        torch.tensor(rng.normal(size=(n_members, *shape)), dtype=torch.float32)
        for shape in ((n_units, n_columns), (n_columns, n_rows), (n_units, 1))
    )
    if by_rows:  # in memory, and the columns a view of that
        columns = columns.mT.contiguous().mT
    expected = weight.double().numpy() @ columns.double().numpy() + has_bias * bias.numpy()
    with torch.inference_mode():
        outside = product(weight, columns, bias if has_bias else None)
        with prediction_kernels():
            inside = product(weight, columns, bias if has_bias else None)
    for result in (outside, inside):
        assert result.dtype == torch.float32
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("write", "expected"), [(tanh_, np.tanh), (cos_, np.cos)])
def test_functions_write_over_their_argument(write, expected, dtype):
    x = torch.cat([torch.linspace(-30, 30, 999), torch.tensor([0.0, 1e-30, -1e3, 1e4])]).reshape(17, 59).to(dtype)
    values = expected(x.double().numpy())
    for start in (0, 8):  # whole tensors, and parts of one
        for allowed in (True, False):
            own = x.clone()
            part = own[:, start:]
            with torch.inference_mode():
                if allowed:
                    with prediction_kernels():
                        result = write(part)
                else:
                    result = write(part)
            assert result.data_ptr() == part.data_ptr()
            tolerance = {torch.float32: 1e-6, torch.float64: 1e-12, torch.bfloat16: 1e-2}[dtype]
            np.testing.assert_allclose(result.double(), values[:, start:], atol=tolerance)
            assert torch.equal(own[:, :start], x[:, :start])


def test_they_are_allowed_in_the_block_and_its_thread_only(monkeypatch):
    calls = []
    monkeypatch.setattr(np, "cos", lambda x, out: calls.append(threading.current_thread()))
    cos_(torch.ones(3))
    with prediction_kernels():
        other = threading.Thread(target=cos_, args=(torch.ones(3),))
        other.start()
        other.join()
        assert calls == []
        cos_(torch.ones(3))
    cos_(torch.ones(3))
    assert calls == [threading.current_thread()]


@pytest.mark.parametrize(
    "options", [{"formula": "dot(w, x)*dot(w, x) + x**3 + x"}, {"formula": "x**2 + x", "embedding_size": 3}]
)
def test_predictions_where_torch_is_built_without_them(options, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    model = TaskNeuronRegressor(**options, max_epochs=5, random_state=0).fit(X, X.sum(axis=1))
    predictions = model.predict(X)
    monkeypatch.setattr(_kernels, "_HAS_ONEDNN", False)
    np.testing.assert_allclose(model.predict(X), predictions, rtol=1e-4, atol=1e-5)


def test_predictions_whatever_the_default_dtype():
    X = np.random.default_rng(0).normal(size=(300, 4))
    model = TaskNeuronRegressor("x**2 + x", max_epochs=5, random_state=0).fit(X, X.sum(axis=1))
    predictions = model.predict(X)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_array_equal(model.predict(X), predictions)
    finally:
        torch.set_default_dtype(before)
