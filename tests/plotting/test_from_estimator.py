import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_taskneurons import TaskNeuronRegressor, VSRClassifier, VSRRegressor, VSRTransformer
from sklearn_taskneurons.plotting import LossCurveDisplay, ParetoFrontDisplay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2))
Y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.1 * RNG.normal(size=80)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def search():
    return VSRRegressor(random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def network():
    return TaskNeuronRegressor(max_epochs=3, early_stopping=True, random_state=0).fit(X, Y)


def test_the_front_of_a_search_has_its_formula_marked(search):
    display = ParetoFrontDisplay.from_estimator(search)

    assert display.loss == [point.loss for point in search.pareto_front_]
    assert display.formulas[display.selected] == search.formula_


def test_the_front_of_a_network_is_that_of_its_search(network):
    display = ParetoFrontDisplay.from_estimator(network, color="red")

    assert display.formulas == [point.formula for point in network.search_.pareto_front_]
    assert display.formulas[display.selected] == network.search_.formula_
    assert display.line_.get_color() == "red"


def test_formulas_of_classes_are_marked_though_their_coefficients_were_fitted_anew():
    iris = load_iris()
    classifier = VSRClassifier(random_state=0).fit(iris.data, iris.target)
    display = ParetoFrontDisplay.from_estimator(classifier)
    selected = display.formulas[display.selected]

    assert [f.degree for f in selected] == [f.degree for f in classifier.formulas_]
    assert [len(f.terms) for f in selected] == [len(f.terms) for f in classifier.formulas_]


def test_a_transformer_has_a_front():
    assert ParetoFrontDisplay.from_estimator(VSRTransformer(random_state=0).fit(X, Y)).selected is not None


def test_pipelines_and_searches_over_parameters_show_what_they_end_with(search):
    pipeline = make_pipeline(StandardScaler(), VSRRegressor(random_state=0))
    grid = GridSearchCV(pipeline, {"vsrregressor__max_degree": [2, 3]}, cv=2).fit(X, Y)
    best = grid.best_estimator_[-1]

    assert ParetoFrontDisplay.from_estimator(grid).formulas == [point.formula for point in best.pareto_front_]
    assert ParetoFrontDisplay.from_estimator(make_pipeline("passthrough", search)).loss[-1] == search.pareto_front_[-1].loss


def test_the_losses_of_a_network_have_its_name(network):
    _, ax = pyplot.subplots()
    display = LossCurveDisplay.from_estimator(network, ax=ax)

    assert display.ax_ is ax
    assert display.loss_curve == network.loss_curve_
    assert display.validation_loss_curve == network.validation_loss_curve_
    assert ax.get_legend().get_texts()[0].get_text() == "TaskNeuronRegressor, training"
    assert LossCurveDisplay.from_estimator(network, name="mine").name == "mine"


def test_the_losses_of_other_networks_can_be_drawn_beside_them():
    mlp = MLPRegressor(max_iter=300, tol=1e-2, random_state=0).fit(X, Y)

    assert LossCurveDisplay.from_estimator(mlp).loss_curve == mlp.loss_curve_


@pytest.mark.parametrize("other", [VSRRegressor(), TaskNeuronRegressor("x", max_epochs=1).fit(X, Y), Ridge().fit(X, Y)])
def test_what_has_no_front_is_refused(other):
    with pytest.raises(ValueError, match=r"must be fitted and have pareto_front_.*got (VSR|TaskNeuron|Ridge)"):
        ParetoFrontDisplay.from_estimator(other)


def test_what_has_no_losses_is_refused(search):
    with pytest.raises(ValueError, match=r"must be fitted and have loss_curve_, got VSRRegressor"):
        LossCurveDisplay.from_estimator(search)
