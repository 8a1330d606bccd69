"""Neurons compared at equal numbers of parameters.

python -m benchmarks.accuracy.equal_parameters --data-dir DIR [--sets paper] [--budgets 340,600] [--seeds 5] --out FILE.jsonl

Networks of two hidden layers (h, h/2), h the largest with which the fitted number of parameters is within the budget, differ in
their neurons only: found for the task, a generic polynomial, quadratic, a random polynomial, a linear one. "linear_best" has
the smallest h with which it has at least as many parameters as the budget, no learned scale of the features, and is the best
of twelve by the loss on its own held-out rows: ReLU and tanh, three learning rates, one and two hidden layers; "ranks_best" is
the same of features transformed to normal scores. "taskneuron_best" is the best of twelve, too: two scalings of the features,
three learning rates, one and two hidden layers, the widest within the budget. Its formula is that of the candidates of
"taskneuron" whose widest network is the best on two held-out parts. "generic_best" has the generic polynomial instead and
"control_best" linear neurons, all else equal. A KAN has one hidden layer and at least as many parameters as the budget.
Options, file and report are those of python -m benchmarks.accuracy.
"""

import sys
from functools import partial
from itertools import product

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from benchmarks.accuracy import models
from benchmarks.accuracy.run import read_options, run, show

BUDGETS = (340, 600, 1300)

# What the networks are, parameters of the estimators: to compare others, edit these. Learned functions of each feature cost
# weights, which at these sizes are better spent on units. The solver is that of everybody's linear networks.
SHARED: dict = {"n_members": 1, "embedding_size": 0, "activation": "tanh", "solver": "adamw"}
NEURONS = {
    "taskneuron": lambda seed: {"formula": "auto"},
    "taskneuron_generic": lambda seed: {"formula": models.GENERIC},
    "taskneuron_quadratic": lambda seed: {"formula": models.QUADRATIC},
    "taskneuron_random": lambda seed: {"formula": models.random_polynomial(seed)},
    "taskneuron_linear": lambda seed: {"formula": models.LINEAR},
}
# The linear networks to beat are such as everybody has, without a learned scale of the features.
BASELINE = {"formula": models.LINEAR, "scaling": "robust", "elementwise_affine": False}
ACTIVATIONS = ("relu", "tanh")
LEARNING_RATES = (1.5e-3, 5e-3, 1.5e-2)
LAYERS = (1, 2)
SCALINGS = ("robust", "mixed")

# A single held-out part of few rows prefers a formula by luck; so does a difference of a few percent.
HELD_OUT_PARTS = 2
TOLERANCE = 0.02

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
        network = within(self.budget, partial(make, formula=formula), X, y)
        if network is None:
            raise ValueError(f"the budget must have room for one neuron of {formula}, got {self.budget}")
        self.network_ = network.fit(X, y)
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
        self.network_ = min((network.fit(X, y) for network in self._networks(X, y)), key=held_out_loss)
        self.formula_, self.n_parameters_ = self.network_.formula_, self.network_.n_parameters_
        self.remarks_ = {"hidden_layer_sizes": list(self.network_.hidden_layer_sizes)}
        self.remarks_ |= {name: getattr(self.network_, name) for name in ("scaling", "activation", "lr")}
        return self

    def predict(self, X):
        """Return what the chosen network predicts."""
        return self.network_.predict(X)

    def _make(self, **parameters):
        shared = SHARED | {"early_stopping": True} | parameters  # the choice is by held-out rows, so there must be some
        return models.task_neuron(self.task, self.random_state, **shared)


class BestNeuron(BestByHeldOut):
    """The best of twelve networks of one formula within a budget; "auto" is the candidate that suits the task."""

    def __init__(self, task, budget, random_state, formula="auto"):
        super().__init__(task, budget, random_state)
        self.formula = formula

    def _networks(self, X, y):
        formula = self._find_formula(X, y) if self.formula == "auto" else self.formula
        for scaling, lr, n_layers in product(SCALINGS, LEARNING_RATES, LAYERS):
            make = partial(self._make, formula=formula, scaling=scaling, lr=lr)
            network = within(self.budget, make, X, y, n_layers)
            if network is not None:
                yield network

    def _find_formula(self, X, y):
        """Return the simplest candidate whose widest network is about as good on held-out rows as any candidate's."""
        candidates = self._make(**TO_FIND).fit(X, y).formula_candidates_
        losses = np.array([self._mean_held_out_loss(candidate.formula, X, y) for candidate in candidates])
        return candidates[np.argmax(losses <= losses.min() * (1 + TOLERANCE))].formula

    def _mean_held_out_loss(self, formula, X, y):
        network = within(self.budget, partial(self._make, formula=formula), X, y)
        if network is None:
            return np.inf
        seeds = self.random_state + np.arange(HELD_OUT_PARTS)
        return np.mean([held_out_loss(clone(network).set_params(random_state=seed).fit(X, y)) for seed in seeds.tolist()])


class BestLinear(BestByHeldOut):
    """The best of twelve linear networks with at least a number of parameters."""

    def _networks(self, X, y):
        make = partial(self._make, **BASELINE)
        layers = [self._sizes(make, X, y, n_layers) for n_layers in LAYERS]
        for activation, lr, sizes in product(ACTIVATIONS, LEARNING_RATES, layers):
            yield make(hidden_layer_sizes=sizes, activation=activation, lr=lr)

    def _sizes(self, make, X, y, n_layers):
        below = widest(lambda width: count(make(hidden_layer_sizes=hidden_sizes(width, n_layers)), X, y) < self.budget)
        return hidden_sizes(below + 1, n_layers)


class BestLinearOfRanks(BestLinear):
    """The same of features transformed to normal scores, of which the other networks can learn to take a share."""

    def fit(self, X, y):
        """Transform, then train."""
        n_quantiles = min(1000, len(X))
        self.ranks_ = QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal", random_state=0).fit(X)
        return super().fit(self.ranks_.transform(X), y)

    def predict(self, X):
        """Return what the chosen network predicts."""
        return super().predict(self.ranks_.transform(X))


CHOSEN = {
    "taskneuron_best": BestNeuron,
    "generic_best": partial(BestNeuron, formula=models.GENERIC),
    "control_best": partial(BestNeuron, formula=models.LINEAR),
    "linear_best": BestLinear,
    "ranks_best": BestLinearOfRanks,
}


def within(budget, make, X, y, n_layers=2):
    """Return the widest network that fits into a budget, not trained, or None where not even one unit does."""
    width = widest(lambda width: count(make(hidden_layer_sizes=hidden_sizes(width, n_layers)), X, y) <= budget)
    return make(hidden_layer_sizes=hidden_sizes(width, n_layers)) if width else None


def held_out_loss(network):
    """Return the loss of a network on its own held-out rows, at its best epoch."""
    return min(network.validation_loss_curve_)


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
