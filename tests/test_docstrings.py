"""numpydoc's validation of every public name, with the checks of pyproject.toml; part of ``make check``."""

import inspect
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import sklearn_taskneurons

validate = pytest.importorskip("numpydoc.validate")

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
LEFT_OUT = set(PYPROJECT["tool"]["numpydoc_validation"]["checks"]) - {"all"}
MODULES = ["sklearn_taskneurons", "sklearn_taskneurons.nn", "sklearn_taskneurons.plotting"]


def public_paths() -> Iterator[str]:
    """Give the dotted path of every public class and of the methods it defines itself."""
    for module_name in MODULES:
        module = import_module(module_name)
        for name in module.__all__:
            public = getattr(module, name)
            if not (inspect.isclass(public) or inspect.isfunction(public)):
                continue
            yield f"{module_name}.{name}"
            for method, member in vars(public).items() if inspect.isclass(public) else ():
                # scikit-learn makes set_fit_request and its like.
                made_by_us = getattr(member, "__module__", None) == public.__module__ or not callable(member)
                documented = callable(member) or isinstance(member, (classmethod, staticmethod, property))
                if documented and made_by_us and not method.startswith("_"):
                    yield f"{module_name}.{name}.{method}"


@pytest.mark.parametrize("path", list(public_paths()))
def test_docstring(path):
    problems = [f"{code}: {text}" for code, text in validate.validate(path)["errors"] if code not in LEFT_OUT]
    assert not problems, "\n".join([path, *problems])


def test_the_package_is_documented():
    assert sklearn_taskneurons.__doc__
