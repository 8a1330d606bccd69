"""The models, by name: each is made for a task, a seed and a number of threads. To change or add one, edit this file.

References have their libraries' defaults but for what a comment says.
"""

import logging
from importlib.util import find_spec

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def linear(task, seed, n_threads):
    """Ridge regression with the strength chosen by cross-validation, or logistic regression; scaled."""
    model = LogisticRegression(max_iter=1000) if task == "classification" else RidgeCV(np.logspace(-3, 3, 13))
    return make_pipeline(StandardScaler(), model)


def mlp(task, seed, n_threads):
    """scikit-learn's MLP with early stopping; inputs and the target of a regression are scaled."""
    if task == "classification":
        return make_pipeline(StandardScaler(), MLPClassifier(early_stopping=True, random_state=seed))
    model = make_pipeline(StandardScaler(), MLPRegressor(early_stopping=True, random_state=seed))
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def hist_gb(task, seed, n_threads):
    """scikit-learn's gradient boosting."""
    estimator = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return estimator(random_state=seed)


def lightgbm(task, seed, n_threads):
    """LightGBM [Ke et al. 2017]."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = LGBMClassifier if task == "classification" else LGBMRegressor
    return estimator(random_state=seed, n_jobs=n_threads, verbose=-1)


def quiet_lightning():
    """Let PyTorch Lightning, which pytabkit trains with, report no devices and no tips."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def realmlp(task, seed, n_threads):
    """RealMLP with tuned defaults [Holzmüller et al. 2024]."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    quiet_lightning()
    estimator = RealMLP_TD_Classifier if task == "classification" else RealMLP_TD_Regressor
    return estimator(device="cpu", random_state=seed, n_threads=n_threads)


def tabm(task, seed, n_threads):
    """TabM with the defaults of pytabkit [Gorishniy et al. 2025]."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    quiet_lightning()
    estimator = TabM_D_Classifier if task == "classification" else TabM_D_Regressor
    return estimator(device="cpu", random_state=seed, n_threads=n_threads)


def kan(task, seed, n_threads):
    """Kolmogorov-Arnold network of pykan, a small one; see kan.py."""
    from benchmarks.accuracy.kan import KANClassifier, KANRegressor

    estimator = KANClassifier if task == "classification" else KANRegressor
    return make_pipeline(StandardScaler(), estimator(width=8, random_state=seed))


def tnlearn(task, seed, n_threads):
    """Network of tnlearn, of neurons that it finds; inputs and the target of a regression are scaled."""
    from benchmarks.accuracy.tnlearn_network import NetworkClassifier, NetworkRegressor

    estimator = NetworkClassifier if task == "classification" else NetworkRegressor
    model = make_pipeline(StandardScaler(), estimator(random_state=seed))
    return model if task == "classification" else TransformedTargetRegressor(model, transformer=StandardScaler())


def task_neuron(task, seed, **parameters):
    """Return our estimator, its defaults but for `parameters`."""
    from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor

    estimator = TaskNeuronClassifier if task == "classification" else TaskNeuronRegressor
    return estimator(random_state=seed, **parameters)


# Neurons that are not found for the task, which is what finding them has to beat.
LINEAR = "x"
GENERIC = "x**3 + x**2 + x"
QUADRATIC = "dot(w, x)*dot(w, x) + x"


def random_polynomial(seed):
    """Return one to four of the powers 1 to 5, drawn at random."""
    rng = np.random.default_rng(seed)
    powers = rng.choice(np.arange(1, 6), size=rng.integers(1, 5), replace=False)
    return " + ".join(f"x**{power}" if power > 1 else "x" for power in sorted(powers.tolist(), reverse=True))


MODELS = {
    "linear": linear,
    "mlp": mlp,
    "hist_gb": hist_gb,
    "lightgbm": lightgbm,
    "realmlp": realmlp,
    "tabm": tabm,
    "kan": kan,
    "tnlearn": tnlearn,
    "taskneuron": lambda task, seed, n_threads: task_neuron(task, seed),
    "taskneuron_linear": lambda task, seed, n_threads: task_neuron(task, seed, formula=LINEAR),
    "taskneuron_generic": lambda task, seed, n_threads: task_neuron(task, seed, formula=GENERIC),
    "taskneuron_quadratic": lambda task, seed, n_threads: task_neuron(task, seed, formula=QUADRATIC),
    "taskneuron_random": lambda task, seed, n_threads: task_neuron(task, seed, formula=random_polynomial(seed)),
}

# Module and distribution of what does not come with the project.
REQUIRES = {
    "lightgbm": ("lightgbm", "lightgbm"),
    "realmlp": ("pytabkit", "pytabkit"),
    "tabm": ("pytabkit", "pytabkit"),
    "kan": ("kan", "pykan"),
    "tnlearn": ("tnlearn", "tnlearn"),
}


def missing(name):
    """Return the distribution that has to be installed for a model, or None where it can be used."""
    module, distribution = REQUIRES.get(name, (None, None))
    return distribution if module is not None and find_spec(module) is None else None
