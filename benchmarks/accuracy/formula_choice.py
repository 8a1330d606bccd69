"""Rules by which a network gets its formula, compared on networks of one small size.

python -m benchmarks.accuracy.formula_choice --data-dir DIR --validation --max-rows 2000 --seeds 1 --out FILE.jsonl

The rules: "auto"; "front", the same without the candidates that the default search has not found; the best formula of the
search by the Bayesian information criterion ("bic") or by cross-validation ("cv"), without a comparison of networks; and
neurons that are the same for all tasks. Options, file and report are those of python -m benchmarks.accuracy.
"""

import sys

from sklearn.base import BaseEstimator

from benchmarks.accuracy import models
from benchmarks.accuracy.run import read_options, run, show
from sklearn_taskneurons import VSRRegressor

# Small enough that a rule is a matter of seconds; what is compared is the neurons, not what else can be done.
SIZE = {"hidden_layer_sizes": (16, 8), "embedding_size": 0, "activation": "tanh", "n_members": 2}
SIZE |= {"solver": "adamw", "max_epochs": 60}

# Where only the search is wanted.
SEARCH_ONLY = {"hidden_layer_sizes": (1,), "n_members": 1, "max_epochs": 1}

QUINTIC = "x**5 + x**4 + x**3 + x**2 + x"


class BySearch(BaseEstimator):
    """A network of the formula that the search selects."""

    def __init__(self, task, selection, random_state):
        self.task = task
        self.selection = selection
        self.random_state = random_state

    def fit(self, X, y):
        """Search, then train."""
        search = VSRRegressor(selection=self.selection)
        found = models.task_neuron(self.task, self.random_state, search=search, **SEARCH_ONLY).fit(X, y)
        formula = found.search_.neuron_formula()
        self.network_ = models.task_neuron(self.task, self.random_state, formula=formula, **SIZE).fit(X, y)
        self.formula_, self.n_parameters_ = self.network_.formula_, self.network_.n_parameters_
        return self

    def predict(self, X):
        """Return what the network predicts."""
        return self.network_.predict(X)


def network(**parameters):
    """Return what makes a network of the common size."""
    return lambda task, seed, n_threads: models.task_neuron(task, seed, **SIZE, **parameters)


RULES = {
    "auto": network(),
    "front": network(search=VSRRegressor()),
    "bic": lambda task, seed, n_threads: BySearch(task, "bic", seed),
    "cv": lambda task, seed, n_threads: BySearch(task, "cv", seed),
    "linear": network(formula=models.LINEAR),
    "generic": network(formula=models.GENERIC),
    "quintic": network(formula=QUINTIC),
    "quintic_and_product": network(formula=f"dot(w, x)*dot(w, x) + {QUINTIC}"),
    "random": lambda task, seed, n_threads: network(formula=models.random_polynomial(seed))(task, seed, n_threads),
}


def main(arguments=None):
    """Measure what is not in the file yet, and report."""
    options = read_options(arguments, __doc__, list(RULES))
    if not options.report:
        run(options, {None: RULES})
    show(options)


if __name__ == "__main__":
    sys.exit(main())
