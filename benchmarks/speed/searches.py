"""The same search by VSRRegressor and by gplearn, timed: tournaments of 15, crossover 0.3, mutation 0.6, no fitted constant."""

import statistics
import time
import warnings

import numpy as np

from sklearn_taskneurons import VSRRegressor

CONSTANTS = (-20.0, 20.0)


def our_search(X, y, functions, options, seed):
    """Return a fitted VSRRegressor, and what its search took and brought."""
    model = VSRRegressor(
        function_set=functions,
        const_range=CONSTANTS,
        coefficients="shared",
        refit_constants=False,
        linear_scaling=False,
        population_size=options.population,
        generations=options.generations,
        n_iter_no_change=None,
        tournament_size=15,
        p_crossover=0.3,
        p_mutation=0.5,
        p_constant_mutation=0.1,
        random_state=seed,
    )
    seconds = time_of(lambda: model.fit(X, y))
    return model, {
        "seconds": seconds,
        "programs_per_second": options.population * model.n_iter_ / seconds,
        "mean_length": statistics.mean(record["mean_length"] for record in model.history_),
        "loss": loss_of(model.predict(X), y),
    }


def gplearn_search(X, y, functions, options, seed):
    """Return what a search of gplearn took, with its prediction, and brought."""
    from gplearn.genetic import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=options.population,
        generations=options.generations,
        tournament_size=15,
        init_depth=(2, 6),
        function_set=functions,
        const_range=CONSTANTS,
        metric="mse",
        p_crossover=0.3,
        p_subtree_mutation=0.3,
        p_hoist_mutation=0.0,
        p_point_mutation=0.3,
        n_jobs=1,
        random_state=seed,
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own overflows, and its use of scikit-learn's older interfaces
        model.fit(X, y)
        prediction = model.predict(X)
    seconds = time.perf_counter() - started
    generations = len(model.run_details_["generation"])
    return {
        "seconds": seconds,
        "ms_per_generation": 1e3 * seconds / generations,
        "programs_per_second": options.population * generations / seconds,
        "mean_length": statistics.mean(model.run_details_["average_length"]),
        "loss": loss_of(prediction, y),
    }


def loss_of(prediction, y):
    """Return the mean squared error over the variance of the target."""
    return float(np.mean((y - prediction) ** 2) / y.var())


def time_of(call):
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
