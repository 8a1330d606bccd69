"""The package's names, and what its import must leave alone."""

import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType

import pytest

import sklearn_taskneurons
from sklearn_taskneurons import nn

API_PAGE = Path(__file__).parents[1] / "docs" / "api" / "index.md"
NAMES = [name for name in sklearn_taskneurons.__all__ if not name.startswith("_")]


def run(code: str) -> str:
    """Run code in a fresh interpreter, where nothing has been imported yet."""
    result = subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented_with_an_example(name):
    public = getattr(sklearn_taskneurons, name)
    assert public.__name__ == name
    assert public.__doc__ is not None
    assert ">>> " in public.__doc__


@pytest.mark.parametrize("name", [name for name in nn.__all__ if isinstance(vars(nn)[name], (type, FunctionType))])
def test_every_public_layer_is_documented_with_an_example(name):
    assert ">>> " in getattr(nn, name).__doc__
    assert f"nn.{name}\n" in API_PAGE.read_text()


@pytest.mark.parametrize("module", [sklearn_taskneurons, nn])
def test_names_are_listed_once_and_in_order(module):
    assert module.__all__ == sorted(set(module.__all__))
    assert set(module.__all__) <= set(dir(module))


def test_modules_of_public_names_are_there_without_their_own_import():
    output = run("""
        import sys, sklearn_taskneurons
        before, names = "torch" in sys.modules, dir(sklearn_taskneurons)
        print(before, sklearn_taskneurons.nn.TaskNeuronMLP.__name__, {"formula", "nn", "plotting"} <= set(names))
    """)
    assert output == "False TaskNeuronMLP True"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Neuron'"):
        _ = sklearn_taskneurons.Neuron


def test_star_import_gives_the_public_names():
    output = run("""
        from sklearn_taskneurons import *
        import sklearn_taskneurons
        print(all(name in globals() for name in sklearn_taskneurons.__all__))
    """)
    assert output == "True"


def test_a_formula_needs_neither_pytorch_nor_scikit_learn():
    output = run("""
        import sys
        from sklearn_taskneurons import Formula
        print(Formula("x**2"), [name for name in ("torch", "sklearn", "skorch", "matplotlib", "pandas") if name in sys.modules])
    """)
    assert output == "x**2 []"


def test_the_estimators_import_without_the_extras():
    output = run("""
        import sys
        # PyTorch imports SymPy by itself.
        import torch
        extras = ("dask", "distributed", "matplotlib", "pandas", "polars", "sympy")
        for name in [name for name in sys.modules if name.partition(".")[0] in extras]:
            del sys.modules[name]
        sys.modules |= dict.fromkeys(extras)
        from sklearn_taskneurons import *
        import sklearn_taskneurons.plotting
        print(VSRRegressor().max_degree, sklearn_taskneurons.plotting.__all__)
    """)
    assert output == "auto ['LossCurveDisplay', 'ParetoFrontDisplay']"


def test_import_leaves_random_states_threads_and_warnings_alone():
    output = run("""
        import warnings
        import numpy as np
        import sklearn.base, sklearn.utils, skorch, torch

        def state():
            return (
                np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.get_num_threads(),
                torch.get_default_dtype(), np.geterr(), list(warnings.filters),
            )

        before = state()
        from sklearn_taskneurons import *
        import sklearn_taskneurons.nn, sklearn_taskneurons.plotting
        print(state() == before)
    """)
    assert output == "True"


def test_a_first_fit_does_not_import_the_compiler_of_torch():
    output = run("""
        import sys
        import numpy as np
        from sklearn_taskneurons import TaskNeuronRegressor
        X = np.random.default_rng(0).normal(size=(100, 2))
        network = TaskNeuronRegressor(max_epochs=2, random_state=0).fit(X, X[:, 0])
        network.partial_fit(X, X[:, 0]).predict(X)
        print("torch" in sys.modules, "torch._dynamo" in sys.modules)
    """)
    assert output == "True False"
