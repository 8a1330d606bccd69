"""scikit-learn estimators whose neurons are found for the task.

Vectorized symbolic regression finds a formula over the whole input vector, the formula's terms get
learnable weights, and a network of such neurons is trained with skorch and PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_taskneurons._conv_task_neuron import ConvTaskNeuronClassifier, ConvTaskNeuronRegressor
    from sklearn_taskneurons._task_neuron import TaskNeuronClassifier, TaskNeuronRegressor
    from sklearn_taskneurons._vsr import VSRClassifier, VSRRegressor, VSRTransformer
    from sklearn_taskneurons.formula import Formula, FormulaSyntaxError, make_function

__version__ = "0.1.0.dev0"

__all__ = [
    "ConvTaskNeuronClassifier",
    "ConvTaskNeuronRegressor",
    "Formula",
    "FormulaSyntaxError",
    "TaskNeuronClassifier",
    "TaskNeuronRegressor",
    "VSRClassifier",
    "VSRRegressor",
    "VSRTransformer",
    "__version__",
    "make_function",
]

# A formula is usable without waiting for scikit-learn and PyTorch: a module is imported with its first name.
_MODULES = {
    "ConvTaskNeuronClassifier": "_conv_task_neuron",
    "ConvTaskNeuronRegressor": "_conv_task_neuron",
    "Formula": "formula",
    "FormulaSyntaxError": "formula",
    "TaskNeuronClassifier": "_task_neuron",
    "TaskNeuronRegressor": "_task_neuron",
    "VSRClassifier": "_vsr",
    "VSRRegressor": "_vsr",
    "VSRTransformer": "_vsr",
    "make_function": "formula",
}
_SUBMODULES = ("formula", "nn", "plotting")


def __getattr__(name: str) -> Any:
    """Import a public name, or a module of more of them, when it is first asked for."""
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, those not imported yet included."""
    return sorted({*globals(), *__all__, *_SUBMODULES})
