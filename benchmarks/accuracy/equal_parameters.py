"""Neurons compared at equal numbers of parameters.

python -m benchmarks.accuracy.equal_parameters --data-dir DIR [--sets paper] [--budgets 340,600] [--seeds 5] --out FILE.jsonl

Networks of two hidden layers (h, h/2), h the largest with which the fitted number of parameters is within the budget, differ in
their neurons only: found for the task, a generic polynomial, quadratic, a random polynomial, a linear one. "linear_best" has
the smallest h with which it has at least as many parameters as the budget, and is the best of twelve by the loss on its own
held-out rows: ReLU and tanh, three learning rates, one and two hidden layers. "taskneuron_best" chooses in the same way among
the formulas that "taskneuron" has to choose from, each in the widest networks of one and of two hidden layers for it, and
"generic_best" has the generic polynomial only, and the same choice of layers. A KAN has one hidden layer and, too, at least as
many parameters as the budget.
Options, file and report are those of python -m benchmarks.accuracy.
"""

import sys
from functools import partial
from itertools import product

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import models
from benchmarks.accuracy.run import read_options, run, show

BUDGETS = (340, 600, 1300)

# What the networks are, parameters of the estimators: to compare others, edit these. SHARED holds for all, linear ones too.
# A second scaling of the features costs a weight for each, and learned functions of them many, which at these sizes are better
# spent on units.
SHARED: dict = {"n_members": 1, "scaling": "robust", "embedding_size": 0, "activation": "tanh"}
NEURONS = {
    "taskneuron": lambda seed: {"formula": "auto"},
    "taskneuron_generic": lambda seed: {"formula": models.GENERIC},
    "taskneuron_quadratic": lambda seed: {"formula": models.QUADRATIC},
    "taskneuron_random": lambda seed: {"formula": models.random_polynomial(seed)},
    "taskneuron_linear": lambda seed: {"formula": models.LINEAR},
}
# The linear networks to beat are such as everybody has, without a learned scale of the features; taskneuron_linear has it.
# Among them the choice is by held-out rows, so there must be some.
BASELINE = {"formula": models.LINEAR, "elementwise_affine": False, "early_stopping": True}
ACTIVATIONS = ("relu", "tanh")
LEARNING_RATES = (1.5e-3, 5e-3, 1.5e-2)
LAYERS = (1, 2)

# The formula is found before the size of the network is known: its terms decide how wide the layers can be. How it is
# found does not depend on the network's size and epochs, so a small one that is hardly trained gives the same formula.
TO_FIND = {"hidden_layer_sizes": 2, "max_epochs": 1}

# Enough to make a network of the right shape and count its parameters.
ROWS_TO_COUNT = 60


def hidden_sizes(width, n_layers=2):
    """Return the sizes of one or two hidden layers."""
    return (width, max(1, width // 2))[:n_layers]


class WithinBudget(BaseEstimator):
    """Our estimator with hidden layers (h, h/2), h the largest that fits into a number of parameters."""

    def __init__(self, task, parameters, budget, random_state):
        self.task = task
        self.parameters = parameters
        self.budget = budget
        self.random_state = random_state

    def fit(self, X, y):
        """Find the formula where it is to be found, then the size, then train."""
        make = partial(models.task_neuron, self.task, self.random_state, **SHARED, **self.parameters)
        formula = make(**TO_FIND).fit(X, y).formula_
        self.network_ = fit_within(self.budget, partial(make, formula=formula), X, y)
        if self.network_ is None:
            raise ValueError(f"the budget must have room for one neuron of {formula}, got {self.budget}")
        self.formula_, self.n_parameters_ = self.network_.formula_, self.network_.n_parameters_
        self.remarks_ = {"hidden_layer_sizes": list(self.network_.hidden_layer_sizes)}
        return self

    def predict(self, X):
        """Return what the network predicts."""
        return self.network_.predict(X)


class BestByHeldOut(BaseEstimator):
    """The best of several networks, by the loss on their own held-out rows; a subclass says of which."""

    def __init__(self, task, budget, random_state):
        self.task = task
        self.budget = budget
        self.random_state = random_state

    def fit(self, X, y):
        """Train all, keep the one with the lowest held-out loss."""
        self.network_ = min(self._networks(X, y), key=lambda network: min(network.validation_loss_curve_))
        self.formula_, self.n_parameters_ = self.network_.formula_, self.network_.n_parameters_
        self.remarks_ = {"hidden_layer_sizes": list(self.network_.hidden_layer_sizes)}
        self.remarks_ |= {"activation": self.network_.activation, "lr": self.network_.lr}
        return self

    def predict(self, X):
        """Return what the chosen network predicts."""
        return self.network_.predict(X)


class BestFormula(BestByHeldOut):
    """Of all candidate formulas, in one and in two hidden layers, the one whose widest network within a budget is the best."""

    def _networks(self, X, y):
        make = partial(models.task_neuron, self.task, self.random_state, early_stopping=True, **SHARED)
        for formula, n_layers in product(self._formulas(X, y), LAYERS):
            network = fit_within(self.budget, partial(make, formula=formula), X, y, n_layers)
            if network is not None:
                yield network

    def _formulas(self, X, y):
        found = models.task_neuron(self.task, self.random_state, **SHARED, **TO_FIND).fit(X, y)
        return [candidate.formula for candidate in found.formula_candidates_]


class BestGeneric(BestFormula):
    """The generic formula in one or in two hidden layers, for a comparison in which all but the formula is equal."""

    def _formulas(self, X, y):
        return [models.GENERIC]


class BestLinear(BestByHeldOut):
    """The best of several linear networks with at least a number of parameters."""

    def _networks(self, X, y):
        make = partial(models.task_neuron, self.task, self.random_state, **SHARED, **BASELINE)
        layers = [self._sizes(make, X, y, n_layers) for n_layers in LAYERS]
        for activation, lr, sizes in product(ACTIVATIONS, LEARNING_RATES, layers):
            yield make(hidden_layer_sizes=sizes, activation=activation, lr=lr).fit(X, y)

    def _sizes(self, make, X, y, n_layers):
        below = widest(lambda width: count(make(hidden_layer_sizes=hidden_sizes(width, n_layers)), X, y) < self.budget)
        return hidden_sizes(below + 1, n_layers)


CHOSEN = {"taskneuron_best": BestFormula, "generic_best": BestGeneric, "linear_best": BestLinear}


def fit_within(budget, make, X, y, n_layers=2):
    """Return the widest network that fits into a budget, trained, or None where not even one unit does."""
    width = widest(lambda width: count(make(hidden_layer_sizes=hidden_sizes(width, n_layers)), X, y) <= budget)
    return make(hidden_layer_sizes=hidden_sizes(width, n_layers)).fit(X, y) if width else None


def count(network, X, y):
    """Return the number of parameters that a network has once it is fitted, from a fit on a few rows with all classes."""
    rows = np.arange(min(ROWS_TO_COUNT, len(X)))
    if "Classifier" in type(network).__name__:
        rows = np.union1d(rows, np.unique(y, return_index=True)[1])
    return network.set_params(max_epochs=1, early_stopping=False).fit(X[rows], y[rows]).n_parameters_


def widest(fits):
    """Return the largest width that fits, 0 where none does, by doubling and bisection."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def kan(task, budget, seed):
    """Return the smallest KAN with at least as many parameters as the budget."""
    from benchmarks.accuracy.kan import KANClassifier, KANRegressor

    estimator = KANClassifier if task == "classification" else KANRegressor
    return make_pipeline(StandardScaler(), estimator(min_parameters=budget, random_state=seed))


def factories(budget):
    """Return the models of a budget, by name, as functions of task, seed and number of threads."""
    made = {
        name: lambda task, seed, n_threads, of=of: WithinBudget(task, of(seed), budget, seed) for name, of in NEURONS.items()
    }
    made |= {name: lambda task, seed, n_threads, best=best: best(task, budget, seed) for name, best in CHOSEN.items()}
    made["kan"] = lambda task, seed, n_threads: kan(task, budget, seed)
    return made


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    names = [*NEURONS, *CHOSEN, "kan"]
    options = read_options(arguments, __doc__, names, seeds=5, budgets=BUDGETS)
    if not options.report:
        run(options, {budget: factories(budget) for budget in options.budgets})
    show(options)


if __name__ == "__main__":
    sys.exit(main())
