import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sklearn_taskneurons._search._graph import Graph
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons.formula import Formula, evaluate

few = hypothesis_settings(deadline=None, max_examples=20, derandomize=True)
ANYTHING = ("add", "sub", "mul", "div", "neg", "pow", "dot", "w", "sum", "sin", "exp", "log", "abs")


def graph_of(*texts, n_features=2):
    population = Population.from_expressions([Formula(text).expression for text in texts])
    return Graph(population, np.arange(1.0, n_features + 1.0)[None])  # every w is [1, 2, ...]


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_every_program_has_its_formula_s_values(seed, n_features):
    rng = np.random.default_rng(seed)
    population = Grammar(SearchSettings(function_set=ANYTHING, max_length=30)).ramped(rng, 60, (0, 5))
    bank = rng.standard_normal((256, n_features))
    graph = Graph(population, bank)
    for size in (7, 7, 3):  # arrays are used again, then made anew
        X = rng.standard_normal((size, n_features))
        found = graph.predict(X)[graph.programs]
        for row in range(len(population)):
            with np.errstate(all="ignore"):
                value = evaluate(population.expression(row, bank), X)
                expected = np.broadcast_to(value.sum(axis=1), size)
            np.testing.assert_allclose(found[row], expected, rtol=1e-9)


def test_equal_subexpressions_are_computed_once():
    graph = graph_of("(x + 1)*(x + 1)", "sin(x + 1)", "x + 1", "(x + 2)*(x + 1)", "(x + 1)*(x + 1)")
    assert graph.n_programs == 4
    assert graph.programs[0] == graph.programs[4]
    # x + 1, x + 2, three functions of them; and four results to write
    assert len(graph._plan.steps) == 5 + 4


def test_what_does_not_depend_on_x_is_computed_beforehand():
    graph = graph_of("(2*3 + sin(4))*x", "dot(w, w + 2) + 5", "w*3")
    assert len(graph._plan.steps) == 1 + 3
    X = np.array([[1.0, 2.0], [0.5, 0.0], [3.0, 1.0]])
    expected = [(6 + np.sin(4)) * X.sum(axis=1), np.full(3, 16.0), np.full(3, 9.0)]
    np.testing.assert_allclose(graph.predict(X)[graph.programs], expected)


def test_few_arrays_are_kept():
    text = "x"
    for number in range(1, 45):
        text = f"sin({text}) + {number}"
    graph = graph_of(text, n_features=1000)
    assert len(graph._plan.steps) > 80
    assert graph.n_values <= 4 * 1000 + 1
