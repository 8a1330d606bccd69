import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search._canonical import Canonical
from sklearn_taskneurons._search._combinations import Combinations
from sklearn_taskneurons._search._graph import Graph
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._workspace import Workspace
from sklearn_taskneurons.formula import Formula, evaluate

few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)
CPU = torch.device("cpu")


def graph_of_sums(sums, n_features, known=()):
    terms = dict.fromkeys(term for value in sums for term in value.terms)
    return Graph(terms, known, n_features, CPU)


def sums_of(*texts, n_features=2):
    bank = np.arange(1.0, n_features + 1.0)[None]  # every w is [1, 2, ...]
    return Canonical(bank).sums(Population.from_expressions([Formula(text).expression for text in texts]))


def predictions(graph, sums, X, given=None, workspace=None):
    workspace = Workspace(CPU) if workspace is None else workspace
    given = torch.zeros((0, len(X)), dtype=torch.float64) if given is None else given
    with np.errstate(all="ignore"):  # as where programs are scored
        columns = graph.run(torch.from_numpy(X.T.copy()), given, workspace)
    order = sorted(range(len(sums)), key=lambda index: -len(sums[index].terms))
    found = np.empty((len(sums), len(X)))
    found[order] = Combinations([sums[index] for index in order], graph.row, CPU).of(columns, workspace).numpy()
    return found


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_every_program_has_its_formula_s_values(grammar, seed, n_features):
    rng = np.random.default_rng(seed)
    population = grammar.ramped(rng, 60, (0, 5))
    bank = rng.standard_normal((256, n_features))
    with np.errstate(all="ignore"):
        sums = Canonical(bank).sums(population)
    graph = graph_of_sums(sums, n_features)
    workspace = Workspace(CPU)
    compared = 0
    for size in (7, 7, 3):  # tensors are used again, then made anew
        X = rng.standard_normal((size, n_features))
        found = predictions(graph, sums, X, workspace=workspace)
        for row in range(len(population)):
            with np.errstate(all="ignore"):
                value, moved = (evaluate(population.expression(row, bank), rows) for rows in (X, X * (1 + 1e-13)))
                expected = np.broadcast_to(value.sum(axis=1), size)
            # The sine of a large number changes with the last digits of x: no two ways of computing it agree.
            ill_conditioned = not np.allclose(value, moved, rtol=1e-9, atol=1e-9)
            # What divides by zero on the way, and then by that, loses, although it may have a value in the end.
            ill_conditioned |= not np.isfinite(found[row]).any()
            scale = np.abs(expected).max()
            if not np.isfinite(expected).all():
                assert not np.isfinite(found[row]).all()
            elif scale < 1e6 and not ill_conditioned:
                np.testing.assert_allclose(found[row], expected, rtol=1e-7, atol=1e-9 * (1 + scale))
                compared += 1
    assert compared > 40


def test_equal_terms_are_computed_once():
    sums = sums_of("sin(x + 1)", "3*sin(1 + x) + x", "cos(x + 1) - x", "sin(x + 1)")
    graph = graph_of_sums(sums, 2)
    # x + 1, a sine and a cosine of it, and the sums over features of these and of x
    assert len(graph._steps) == 3 + 3
    assert len(graph.computed) == 3


def test_what_does_not_depend_on_x_is_no_step():
    sums = sums_of("(2*3 + sin(4))*x", "dot(w, w + 2) + 5", "w*3")
    graph = graph_of_sums(sums, 2)
    assert len(graph._steps) == 1
    X = np.array([[1.0, 2.0], [0.5, 0.0], [3.0, 1.0]])
    expected = [(6 + np.sin(4)) * X.sum(axis=1), np.full(3, 16.0), np.full(3, 9.0)]
    np.testing.assert_allclose(predictions(graph, sums, X), expected)


def test_columns_that_are_given_are_not_computed(rng):
    sums = sums_of("sin(x)", "cos(x)*dot(x, x)", "dot(x, x)*dot(x, x)")
    X = rng.normal(size=(6, 2))
    whole = graph_of_sums(sums, 2)
    expected = predictions(whole, sums, X)
    columns = whole.run(torch.from_numpy(X.T.copy()), torch.zeros((0, 6), dtype=torch.float64), Workspace(CPU)).clone()
    known = set(whole.computed[::2])
    part = graph_of_sums(sums, 2, known)
    assert set(part.given) == known
    assert set(part.computed) == set(whole.computed) - known
    given = columns[[whole.row[term] for term in part.given]]
    np.testing.assert_array_equal(predictions(part, sums, X, given), expected)
    # What is given is believed, so the steps do depend on it.
    assert not np.allclose(predictions(part, sums, X, given + 1.0), expected)


def test_few_arrays_are_kept():
    text = "x"
    for number in range(1, 45):
        text = f"sin({text}) + {number}"
    graph = graph_of_sums(sums_of(text, n_features=1000), 1000)
    assert len(graph._steps) > 80
    assert graph.n_values <= 3 * 1000 + 1


def test_a_vector_and_a_scalar_share_no_place(rng):
    X = rng.normal(size=(5, 2))
    texts = [
        "(w + dot(x, x))*sin(x)",
        "sin(w + sum(x))",
        "sin(x*sum(x)) + x*x",
        "(sum(x) + 2*x + w)**3",
        "(x + 3)**0 + x/(w + x)",
    ]
    sums = sums_of(*texts)
    w, total = np.array([1.0, 2.0]), X.sum(axis=1, keepdims=True)
    expected = [
        (w + (X * X).sum(axis=1, keepdims=True)) * np.sin(X),
        np.sin(w + total),
        np.sin(X * total) + X * X,
        (total + 2 * X + w) ** 3,
        1 + X / (w + X),
    ]
    found = predictions(graph_of_sums(sums, 2), sums, X)
    np.testing.assert_allclose(found, [value.sum(axis=1) for value in expected], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 5])
def test_memory_is_used_again_and_grows(size):
    workspace = Workspace(CPU)
    first = workspace.tensor("a", (2, size))
    assert workspace.tensor("a", (size, 2)).data_ptr() == first.data_ptr()
    assert workspace.tensor("b", (2, size)).data_ptr() != first.data_ptr()
    larger = workspace.tensor("a", (40, size))
    assert larger.shape == (40, size)
    assert workspace.tensor("a", (2, size)).data_ptr() == larger.data_ptr()
