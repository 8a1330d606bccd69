"""Regression tasks of known structure: the polynomials of the paper, Feynman's equations, formulas over the whole input."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PREFIXES = ("epsilon_", "feynman_", "vector_")
N_ROWS = 2000
NOISE = 0.01
EPSILON_LEVELS = ("low", "medium", "high")
EPSILON_PROBLEMS = range(1, 11)


def names(data_dir):
    """Return the names of the tasks that can be made; those of the paper need its files in the folder."""
    levels = [level for level in EPSILON_LEVELS if (data_dir / f"epsilon_{level}.h5").is_file()]
    epsilon = [f"epsilon_{level}_{number}" for level in levels for number in EPSILON_PROBLEMS]
    return [*epsilon, *FEYNMAN, *VECTOR]


def load(name, data_dir):
    """Return the rows X (N, D) and the targets y (N,) of a task, the same ones every time."""
    if name.startswith("epsilon_"):
        return load_epsilon(name, data_dir)
    task = FEYNMAN.get(name) or VECTOR[name]
    rng = np.random.default_rng([ord(letter) for letter in name])
    X = task.draw(rng)
    y = task.evaluate(X, rng)
    return X, y + NOISE * y.std() * rng.standard_normal(len(y))


def load_epsilon(name, data_dir):
    """Return a problem of the paper's first experiment: 600 rows of 10 features, a polynomial of each, summed, with noise."""
    import h5py

    _, level, number = name.split("_")
    with h5py.File(data_dir / f"epsilon_{level}.h5") as file:
        group = file[f"no{number}"]
        return group["x_train"][:].astype(np.float64), group["y_train"][:].astype(np.float64).ravel()


@dataclass(frozen=True)
class Equation:
    """An equation of single variables, each uniform between its bounds.

    Attributes
    ----------
    bounds : tuple of pair of float
        The bounds of the variables.
    function : callable
        The equation, of one array (N,) for each variable.
    """

    bounds: tuple[tuple[float, float], ...]
    function: Callable[..., np.ndarray]

    def draw(self, rng):
        """Return the variables, (N, D)."""
        lower, upper = np.array(self.bounds, dtype=np.float64).T
        return rng.uniform(lower, upper, size=(N_ROWS, len(self.bounds)))

    def evaluate(self, X, rng):
        """Return the values of the equation, (N,)."""
        return self.function(*X.T)


# Numbers and ranges as in the Feynman symbolic regression database: S.-M. Udrescu and M. Tegmark, "AI Feynman: A
# physics-inspired method for symbolic regression", Science Advances 6, eaay2631 (2020), doi:10.1126/sciadv.aay2631.
FEYNMAN = {
    "feynman_I.6.2b": Equation(
        ((1, 3), (1, 3), (1, 3)), lambda s, t, t1: np.exp(-(((t - t1) / s) ** 2) / 2) / (np.sqrt(2 * np.pi) * s)
    ),
    "feynman_I.8.14": Equation(((1, 5),) * 4, lambda x1, x2, y1, y2: np.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)),
    "feynman_I.9.18": Equation(
        ((1, 2), (1, 2), (1, 2), (3, 4), (1, 2), (3, 4), (1, 2), (3, 4), (1, 2)),
        lambda m1, m2, G, x1, x2, y1, y2, z1, z2: G * m1 * m2 / ((x2 - x1) ** 2 + (y2 - y1) ** 2 + (z2 - z1) ** 2),
    ),
    "feynman_I.11.19": Equation(((1, 5),) * 6, lambda x1, x2, x3, y1, y2, y3: x1 * y1 + x2 * y2 + x3 * y3),
    "feynman_I.12.11": Equation(((1, 5),) * 5, lambda q, E, B, v, theta: q * (E + B * v * np.sin(theta))),
    "feynman_I.13.4": Equation(((1, 5),) * 4, lambda m, v, u, w: m * (v**2 + u**2 + w**2) / 2),
    "feynman_I.24.6": Equation(((1, 3),) * 4, lambda m, o, o0, x: m * (o**2 + o0**2) * x**2 / 4),
    "feynman_I.29.16": Equation(((1, 5),) * 4, lambda x1, x2, t1, t2: np.sqrt(x1**2 + x2**2 - 2 * x1 * x2 * np.cos(t1 - t2))),
    "feynman_I.40.1": Equation(((1, 5),) * 6, lambda n0, m, x, T, g, k: n0 * np.exp(-m * g * x / (k * T))),
    "feynman_I.50.26": Equation(((1, 3),) * 4, lambda x1, o, t, a: x1 * (np.cos(o * t) + a * np.cos(o * t) ** 2)),
    "feynman_II.6.15a": Equation(
        ((1, 3),) * 6, lambda e, p, r, x, y, z: p / (4 * np.pi * e) * 3 * z / r**5 * np.sqrt(x**2 + y**2)
    ),
    "feynman_III.10.19": Equation(((1, 5),) * 4, lambda m, Bx, By, Bz: m * np.sqrt(Bx**2 + By**2 + Bz**2)),
}


@dataclass(frozen=True)
class VectorFormula:
    """A formula in which every feature undergoes the same computation; features are uniform on [-2, 2].

    Attributes
    ----------
    n_features : int
        D.
    function : callable
        The formula, of the rows (N, D) and of three constant vectors (D,), drawn normal and of length 1.
    """

    n_features: int
    function: Callable[..., np.ndarray]

    def draw(self, rng):
        """Return the features, (N, D)."""
        return rng.uniform(-2, 2, size=(N_ROWS, self.n_features))

    def evaluate(self, X, rng):
        """Return the values of the formula, (N,)."""
        vectors = rng.standard_normal((3, self.n_features))
        return self.function(X, *(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))


VECTOR = {
    # Sines: the same for all features, weighted, of an inner product, times the feature.
    "vector_sines": VectorFormula(10, lambda X, a, b, c: np.sin(2 * X).sum(axis=1)),
    "vector_cosines": VectorFormula(5, lambda X, a, b, c: np.cos(3 * X).sum(axis=1)),
    "vector_weighted_sines": VectorFormula(8, lambda X, a, b, c: np.sin(3 * X) @ a),
    "vector_sine_of_product": VectorFormula(6, lambda X, a, b, c: np.sin(2 * X @ a) + X @ b),
    "vector_sine_times_feature": VectorFormula(7, lambda X, a, b, c: (X * np.sin(2 * X)).sum(axis=1)),
    # Inner products: a square, a product, with powers beside it, a cube.
    "vector_square_of_product": VectorFormula(10, lambda X, a, b, c: (X @ a) ** 2),
    "vector_two_products": VectorFormula(15, lambda X, a, b, c: (X @ a) * (X @ b)),
    "vector_products_and_squares": VectorFormula(20, lambda X, a, b, c: (X @ a) * (X @ b) + (X**2) @ c),
    "vector_cube_of_product": VectorFormula(12, lambda X, a, b, c: (X @ a) ** 3),
    # Degree 5 and 4: the same for all features, weighted, and beside a product.
    "vector_quintic": VectorFormula(10, lambda X, a, b, c: (X**5 - 5 * X**3 + 4 * X).sum(axis=1)),
    "vector_weighted_quintic": VectorFormula(12, lambda X, a, b, c: (X**5) @ a - 4 * (X**3) @ b),
    "vector_quintic_and_products": VectorFormula(6, lambda X, a, b, c: (X**5) @ a / 4 + (X @ b) * (X @ c)),
}
