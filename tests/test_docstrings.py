"""numpydoc's validation of every public name, with the checks of pyproject.toml; part of ``make check``."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sklearn.utils._param_validation import StrOptions

import sklearn_taskneurons
from sklearn_taskneurons.formula.functions import DOT, FUNCTIONS

validate = pytest.importorskip("numpydoc.validate")
NumpyDocString = pytest.importorskip("numpydoc.docscrape").NumpyDocString

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LEFT_OUT = set(PYPROJECT["tool"]["numpydoc_validation"]["checks"]) - {"all"}
MODULES = ["sklearn_taskneurons", "sklearn_taskneurons.nn", "sklearn_taskneurons.plotting"]
ESTIMATORS = [name for name in sklearn_taskneurons.__all__ if name.startswith(("VSR", "TaskNeuron", "ConvTaskNeuron"))]


def made_by_us(thing: object) -> bool:
    return str(getattr(thing, "__module__", None)).startswith("sklearn_taskneurons")


def public_paths() -> Iterator[str]:
    """Give the dotted path of every public class, and of the methods of it and of our classes among its bases."""
    for module_name in MODULES:
        module = import_module(module_name)
        for name in module.__all__:
            public = getattr(module, name)
            if not (inspect.isclass(public) or inspect.isfunction(public)):
                continue
            yield f"{module_name}.{name}"
            for owner in filter(made_by_us, inspect.getmro(public) if inspect.isclass(public) else ()):
                for method in vars(owner):
                    member = getattr(owner, method)
                    # scikit-learn makes set_fit_request and its like.
                    documented = isinstance(member, property) or (callable(member) and made_by_us(member))
                    if documented and not method.startswith("_"):
                        yield f"{owner.__module__}.{owner.__qualname__}.{method}"


@pytest.mark.parametrize("path", list(dict.fromkeys(public_paths())))
def test_docstring(path):
    problems = [f"{code}: {text}" for code, text in validate.validate(path)["errors"] if code not in LEFT_OUT]
    assert not problems, "\n".join([path, *problems])


def entries(name: str, section: str) -> dict[str, tuple[str, str]]:
    """Return the type and the description, in one line, of each entry of a section."""
    parsed = NumpyDocString(inspect.getdoc(getattr(sklearn_taskneurons, name)))[section]
    return {entry.name: (entry.type, " ".join(" ".join(entry.desc).split())) for entry in parsed}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_stated_defaults_are_those_of_the_signature(name):
    signature = inspect.signature(getattr(sklearn_taskneurons, name)).parameters
    stated = {parameter: kind.partition("default=")[2] for parameter, (kind, _) in entries(name, "Parameters").items()}
    assert stated.keys() == signature.keys()
    assert {parameter: ast.literal_eval(text) for parameter, text in stated.items()} == {
        parameter: described.default for parameter, described in signature.items()
    }


@pytest.mark.parametrize("name", ESTIMATORS)
def test_stated_options_are_those_that_are_taken(name):
    constraints = getattr(sklearn_taskneurons, name)._parameter_constraints
    for parameter, (kind, _) in entries(name, "Parameters").items():
        stated = set(re.findall(r'"(\w+)"', kind.partition("default=")[0]))
        allowed = constraints[parameter] if isinstance(constraints[parameter], list) else []
        taken = set().union(*(kind.options for kind in allowed if isinstance(kind, StrOptions)))
        assert stated == taken or str in allowed, parameter


@pytest.mark.parametrize("place", ["Formula", "VSRRegressor", "VSRTransformer", "docs/formulas.md"])
def test_every_function_of_the_language_is_stated(place):
    path = ROOT / place
    text = path.read_text() if path.suffix else inspect.getdoc(getattr(sklearn_taskneurons, place))
    names = {function.name for function in FUNCTIONS[DOT:] if not function.is_own}
    assert names <= set(re.findall(r"\w+", text))


@pytest.mark.parametrize("prefix", ["TaskNeuron", "ConvTaskNeuron"])
def test_regressors_and_classifiers_describe_alike_what_they_share(prefix):
    for section, different, of_one in (
        ("Parameters", {"search"}, {"class_weight", "label_smoothing"}),
        ("Attributes", {"search_", "formula_candidates_"}, {"classes_", "n_outputs_", "target_scaler_"}),
    ):
        first, second = (entries(prefix + kind, section) for kind in ("Regressor", "Classifier"))
        assert first.keys() ^ second.keys() == of_one
        shared = (first.keys() & second.keys()) - different
        assert {name: first[name] for name in shared} == {name: second[name] for name in shared}
