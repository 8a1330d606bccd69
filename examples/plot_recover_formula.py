"""
Recover a formula from noisy data
=================================

The data come from a cubic formula over ten features, with noise. The search keeps the best formula of each
complexity, so we see what every further term buys, and the formula that made the data appears where the loss
stops falling.
"""

import numpy as np

from sklearn_taskneurons import Formula, VSRRegressor
from sklearn_taskneurons.plotting import ParetoFrontDisplay

truth = Formula("4*x**3 - 2*x + 1")
rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(600, 10))
y = truth(X) + rng.normal(scale=0.5, size=len(X))

vsr = VSRRegressor(coefficients="shared", random_state=0).fit(X, y)
print("true: ", truth)
print("found:", vsr.formula_.round(3))

# %%
# The Pareto front: the number of nodes, 1 minus R squared on these rows, and the formula. After the fourth line
# further powers follow the noise.

for point in vsr.pareto_front_[:7]:
    formula = point.formula.round(2)
    print(f"{point.complexity:>3}  {point.loss:.4f}  {formula}")

# %%
# The mark is ``formula_``, the simplest formula whose error in cross-validation is not measurably above the least one.

display = ParetoFrontDisplay.from_estimator(vsr)
display.selected_line_.set_label("formula_")
_ = display.ax_.legend()
