"""
Neurons for the task against linear neurons
===========================================

A target that depends on squares is easy for neurons that compute squares. Linear neurons have to build them out of
many bent pieces. Both networks see the same rows, and the linear one has more neurons, so that it has no fewer parameters.
"""

import numpy as np
from matplotlib import pyplot
from sklearn.model_selection import train_test_split

from sklearn_taskneurons import TaskNeuronRegressor
from sklearn_taskneurons.plotting import LossCurveDisplay

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 8))
y = X[:, 0] ** 2 - X[:, 1] ** 2 + 0.5 * X[:, 2] + rng.normal(scale=0.1, size=len(X))
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# One formula is searched, the other one is given.

_, ax = pyplot.subplots(layout="constrained")
for name, formula, size in [("found", "auto", 16), ("linear", "x", 70)]:
    network = TaskNeuronRegressor(formula, hidden_layer_sizes=(size,), random_state=0)
    network.fit(X_train, y_train)
    LossCurveDisplay.from_estimator(network, name=name, ax=ax)
    score = network.score(X_test, y_test)
    print(f"{name}: {network.formula_.round(2)}")
    print(f"    {network.n_parameters_} parameters, R squared on test rows {score:.3f}")
