"""From the layers of any network to task-based neurons."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from sklearn_taskneurons._device import plain_torch
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn._conv import TaskNeuronConv1d, TaskNeuronConv2d, TaskNeuronConv3d
from sklearn_taskneurons.nn._conv_transpose import (
    TaskNeuronConvTranspose1d,
    TaskNeuronConvTranspose2d,
    TaskNeuronConvTranspose3d,
)
from sklearn_taskneurons.nn._evaluation import call_and_watch, is_compiled
from sklearn_taskneurons.nn._layer import LINEAR_TERM, TaskNeuronLayer
from sklearn_taskneurons.nn._linear import TaskNeuronLinear
from sklearn_taskneurons.nn._plan import make_plan

Filter: TypeAlias = Callable[[str, nn.Module], bool]

_SIZES: Final = ("in_channels", "out_channels", "kernel_size")
_CONVOLUTION: Final = (*_SIZES, "stride", "padding", "dilation", "groups", "padding_mode")
_TRANSPOSED: Final = (*_CONVOLUTION, "output_padding")
# What each of torch's layers becomes, and the settings that both have.
_COUNTERPARTS: Final[dict[type[nn.Module], tuple[type[TaskNeuronLayer], tuple[str, ...]]]] = {
    nn.Linear: (TaskNeuronLinear, ("in_features", "out_features")),
    nn.Conv1d: (TaskNeuronConv1d, _CONVOLUTION),
    nn.Conv2d: (TaskNeuronConv2d, _CONVOLUTION),
    nn.Conv3d: (TaskNeuronConv3d, _CONVOLUTION),
    nn.ConvTranspose1d: (TaskNeuronConvTranspose1d, _TRANSPOSED),
    nn.ConvTranspose2d: (TaskNeuronConvTranspose2d, _TRANSPOSED),
    nn.ConvTranspose3d: (TaskNeuronConvTranspose3d, _TRANSPOSED),
}


def convert_layers(
    module: nn.Module,
    formula: str | Formula,
    *,
    filter: Filter | None = None,
    higher_terms: Literal["zero", "random"] = "zero",
    bound: float | None = None,
    sample: Tensor | tuple[Any, ...] | None = None,
    inplace: bool = False,
) -> nn.Module:
    """Return a network with task-based neurons in its Linear and Conv layers.

    Parameters
    ----------
    module : torch.nn.Module
        A network, or a single layer.
    formula : str or Formula
        The form of the neurons, such as ``"x**3 + x"``.
    filter : callable or None, default=None
        ``filter(name, layer)`` says whether a layer is replaced, where the name is that of
        :meth:`torch.nn.Module.named_modules`; None for all.
    higher_terms : {"zero", "random"}, default="zero"
        The weights of the terms other than ``x``. With "zero", a product is zero by its first factor alone, so that
        it can be learned; "random" draws them as a new layer does. The weights of ``x`` are the old ones either way.
    bound : float or None, default=None
        If given, the input z of each new layer is first squashed to ``z / sqrt(1 + (z / bound)**2)``, so that no power
        of it explodes. The network is then the same function only for inputs much smaller than that. Without it, inputs
        whose powers are no numbers of the dtype, in float16 from 256 on for ``x**2``, give nan, also where the weights are 0.
    sample : torch.Tensor, tuple or None, default=None
        What the network is called with, once, in evaluation mode and without gradients; a tuple for several arguments. Each
        new layer is then calibrated for what it meets there first, and layers that are not called are left as they are.
        Without it the terms have the sizes that suit standard normal inputs of each layer.
    inplace : bool, default=False
        Whether the given network is changed, rather than a deep copy.

    Returns
    -------
    torch.nn.Module
        The network; if `module` is itself such a layer, the new one.

    Raises
    ------
    ValueError
        If no layer is replaced, if the higher terms shall be zero and the formula has no term ``x`` to keep the weights, or if
        a number that a layer makes of the sample is not finite. A network changed in place is then as it was.

    See Also
    --------
    TaskNeuronLinear : What becomes of :class:`torch.nn.Linear`.
    TaskNeuronConv2d : What becomes of :class:`torch.nn.Conv2d`.

    Notes
    -----
    A layer that occurs in several places is replaced by one that does. The new parameters are not the old ones: make the
    optimizer afterwards. They require a gradient if the old weight did.

    These layers are left as they are: instances of subclasses, such as parametrized layers and the ``out_proj`` of
    :class:`torch.nn.MultiheadAttention`, because whoever made one does not use it like the class itself; layers whose
    parameters are also those of another module, such as an embedding's; layers without a unit; layers with hooks; and layers
    that :func:`torch.compile` has been given alone, because what it returns would still call them. What a network computes
    from the weight of a layer that it does not call cannot be seen without a sample: there the filter must say no. A new layer
    is called with its input alone, by position: without ``output_size``.

    :class:`torch.nn.TransformerEncoderLayer` takes a fast path in evaluation, which reads the weights of its feedforward
    layers. It is switched off where these are replaced.

    Examples
    --------
    >>> import torch
    >>> from sklearn_taskneurons.nn import convert_layers
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 2))
    >>> converted = convert_layers(network, "x**2 + x", filter=lambda name, layer: isinstance(layer, torch.nn.Conv2d))
    >>> converted[0]
    TaskNeuronConv2d(3, 8, kernel_size=(3, 3), formula='x**2 + x')
    >>> images = torch.randn(4, 3, 8, 8)
    >>> torch.allclose(converted(images), network(images), atol=1e-6)
    True
    """
    formula = Formula(formula)
    if higher_terms not in ("zero", "random"):
        raise ValueError(f"higher_terms must be 'zero' or 'random', got {higher_terms!r}")
    expressions, plan = make_plan(formula.terms)
    linear_maps = [position for position, index in enumerate(plan.maps) if expressions[index] == LINEAR_TERM]
    if higher_terms == "zero" and not linear_maps:
        raise ValueError(f"formula must have the term x for higher_terms='zero', got {str(formula)!r}")
    names = [name for name, layer in _replaceable(module) if filter is None or filter(name, layer)]
    if not inplace:
        module = copy.deepcopy(module)
    layers = [module.get_submodule(name) for name in names]
    replacements: dict[nn.Module, nn.Module] = {}

    def replace(layer: nn.Module, x: Tensor | None = None, _: Tensor | None = None) -> None:
        if layer in replacements:
            return
        with plain_torch():  # a network may call its layers in other modes, whose tensors cannot be trained
            x = x.clone() if x is not None and x.is_inference() else x
            replacements[layer] = _converted(layer, formula, bound, linear_maps, higher_terms == "zero", x)

    if sample is None:
        for layer in layers:
            replace(layer)
    else:
        call_and_watch(module, sample if isinstance(sample, tuple) else (sample,), layers, replace)
    if not replacements:
        raise ValueError(
            "module must have a Linear or Conv layer that can be replaced, that filter selects and that the sample reaches"
        )
    for layer, replacement in replacements.items():
        replacement.train(layer.training)  # which it was not while it met the sample
    return _with_replacements(module, replacements)


def _replaceable(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the layers that are called for what they compute, as far as can be seen, each by its first name."""
    uses = Counter(parameter for part in module.modules() for parameter in part.parameters(recurse=False))
    compiled_alone = {part._modules["_orig_mod"] for part in module.modules() if is_compiled(part)}
    return [
        (name, layer)
        for name, layer in module.named_modules()
        if type(layer) in _COUNTERPARTS
        and layer.weight.numel()
        and layer not in compiled_alone
        and {own for own, _ in layer.named_parameters()} in ({"weight"}, {"weight", "bias"})
        and all(uses[parameter] == 1 for parameter in layer.parameters())
        and not any(value for key, value in vars(layer).items() if key.endswith("_hooks"))
    ]


@torch.no_grad()
def _converted(
    source: Any, formula: Formula, bound: float | None, linear_maps: list[int], zero: bool, sample: Tensor | None
) -> TaskNeuronLayer:
    """Return the counterpart of a layer, with its weights for the linear term and its bias, and the scales for a sample."""
    counterpart, names = _COUNTERPARTS[type(source)]
    settings = {name: getattr(source, name) for name in names}
    weight = source.weight
    layer: Any = counterpart(
        formula=formula, bias=source.bias is not None, bound=bound, device=weight.device, dtype=weight.dtype, **settings
    )
    if sample is not None:
        layer.calibrate(sample.to(weight.dtype))  # under autocast layers meet shorter numbers than their weights are
    if zero:
        layer.weight.zero_()
        for product in layer.products:
            product.first_weights().zero_()
    for position in linear_maps:
        block = layer.operation.term(layer.weight, len(layer.plan.maps), position)
        block.copy_(weight)
        if layer.scale is not None:
            block.div_(layer.operation.term(layer.scale.expand_as(layer.weight), len(layer.plan.maps), position))
    layer.requires_grad_(weight.requires_grad)
    if layer.bias is not None:
        layer.bias.copy_(source.bias).requires_grad_(source.bias.requires_grad)
    return layer  # type: ignore[no-any-return]


def _with_replacements(module: nn.Module, replacements: dict[nn.Module, nn.Module]) -> nn.Module:
    """Put each replacement wherever its layer is; return the module, or what replaces it."""
    for part in list(module.modules()):
        if isinstance(part, nn.TransformerEncoderLayer) and not replacements.keys().isdisjoint(part.children()):
            part.activation_relu_or_gelu = 0  # by which torch knows an activation that its fast path has not
        if isinstance(part, nn.TransformerEncoder) and not replacements.keys().isdisjoint(part.modules()):
            part.use_nested_tensor = False  # which only the fast path can take
    for name, layer in list(module.named_modules(remove_duplicate=False)):
        if layer in replacements and name:
            parent, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(parent), attribute, replacements[layer])
    return replacements.get(module, module)
