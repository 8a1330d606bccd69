"""Functions of the user's own, in text, values, pickles and neurons."""

import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
import sympy
import torch

from sklearn_taskneurons import Formula, FormulaSyntaxError, make_function
from sklearn_taskneurons.formula._latex_templates import filled, template_level
from sklearn_taskneurons.formula._printer import ATOM_LEVEL, POWER_LEVEL, SUM_LEVEL
from sklearn_taskneurons.nn import TaskNeuronLinear


def bump(a):
    return 1 / (1 + a * a)


def hinge(a):
    return np.maximum(a, 0.0)


@pytest.fixture(scope="module", autouse=True)
def functions():
    make_function(bump, name="bump", latex=r"\\beta({0})")
    make_function(hinge, name="hinge")


X = np.random.default_rng(0).normal(size=(7, 3))


def test_values_are_the_functions():
    expected = (3 * bump(2 * X) * X).sum(axis=1) + hinge(X.sum(axis=1)) * 3
    np.testing.assert_allclose(Formula("3*bump(2*x)*x + hinge(sum(x))")(X), expected, rtol=1e-14)
    # the language simplifies what it knows of every function: that it is one
    assert Formula("bump(x + x) - bump(2*x) + x") == Formula("x")
    assert Formula("bump(1)*x") == Formula("0.5*x")


def test_text_latex_and_sympy_name_it():
    formula = Formula("bump(x) + x**2")
    assert Formula(str(formula)) == formula
    assert r"\beta(\mathbf{x})" in formula.latex()
    assert r"\operatorname{hinge}" in Formula("hinge(x)").latex()
    x0 = sympy.Symbol("x0")
    assert formula.to_sympy(1) == sympy.Function("bump")(x0) + x0**2


def test_latex_has_all_braces_but_those_of_places_as_they_are():
    make_function(lambda a: 2 / (1 + a * a), name="bell_curve", latex=r"\mathrm{bell}({0})")
    make_function(lambda a: 3 / (1 + a * a), name="witch", latex=r"\frac{1}{1 + {0}^2}")
    x = r"\mathbf{x}"
    assert Formula("bell_curve(x + 1)**2").latex() == rf"\mathrm{{bell}}({x} + 1)^{{\circ 2}}"
    assert Formula("2*witch(x)")._repr_latex_() == rf"$2\,\frac{{1}}{{1 + {{{x}}}^2}}$"
    # an exponent would seem to be the numerator's
    assert Formula("witch(x/2)**2").latex() == (
        rf"\left(\frac{{1}}{{1 + {{\left(\frac{{{x}}}{{2}}\right)}}^2}}\right)^{{\circ 2}}"
    )


@pytest.mark.parametrize(
    ("template", "latex"),
    [
        (r"\sigma({0})", r"\sigma(a)"),
        (r"\left[ {0} \right]", r"\left[ a \right]"),
        (r"\lvert {0} \rvert", r"\lvert a \rvert"),
        (r"\max(0, {0})", r"\max(0, a)"),
        (r"({0} \rightarrow 1)", r"({(a)} \rightarrow 1)"),
        (r"\sqrt{{0}}", r"\sqrt{a}"),
        (r"\sqrt{0}", r"\sqrt{(a)}"),
        (r"{{c}} + {1} + {0}^{x_{0}}", r"{{c}} + {1} + {(a)}^{x_{(a)}}"),
    ],
)
def test_an_argument_in_latex_has_the_parentheses_it_needs(template, latex):
    assert filled(template, ["a"], ["(a)"]) == latex


@pytest.mark.parametrize(
    ("level", "templates"),
    [
        (
            ATOM_LEVEL,
            [r"\sigma({0})", r"\sigma_{a}'\!\left({0}\right)", r"\operatorname{f\_g}[{0}]", r"\lfloor {0} \rfloor", "({0})"],
        ),
        (POWER_LEVEL, [r"\frac{0}{2}", r"\sqrt[3]{0}", "e^{-{0}^2}", "{0}^2", r"\left({0}\right)^2"]),
        (SUM_LEVEL, ["-{0}", "{0}!", r"\sin{0}", r"\sigma({0})\tau({0})", "1 + f({0})", "2f({0})", "f({0}"]),
    ],
)
def test_functions_in_latex_hold_together_as_tightly_as_they_look(level, templates):
    assert {template: template_level(template) for template in templates} == dict.fromkeys(templates, level)


def test_a_formula_takes_its_functions_along():
    formula = Formula("bump(x) - x")
    assert pickle.loads(pickle.dumps(formula)) == formula
    script = (
        "import pickle, sys\n"
        "formula = pickle.load(sys.stdin.buffer)\n"
        "import numpy as np\n"
        "print(formula(np.ones((1, 2)))[0])"
    )  # in a process that has never heard of it
    result = subprocess.run([sys.executable, "-c", script], input=cloudpickle.dumps(by_value(formula)), capture_output=True)
    assert float(result.stdout) == -1.0, result.stderr.decode()


def by_value(formula):
    """The formula, its function pickled as code and not by a name that another process cannot import."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return formula


def test_neurons_compute_it():
    layer = TaskNeuronLinear(3, 2, "bump(x) + x", dtype=torch.float64)
    x = torch.from_numpy(X).requires_grad_()
    raw = layer.raw()
    first, second = raw.weight.unflatten(1, (2, 3)).unbind(1)
    # The term that is x itself is a single node.
    maps = [x if len(term.factors[0].expression) == 1 else bump(x) for term in layer.formula.terms]
    torch.testing.assert_close(layer(x), maps[0] @ first.T + maps[1] @ second.T + raw.bias)
    assert torch.autograd.gradcheck(layer, x)


def test_neurons_refuse_what_is_not_differentiable():
    with pytest.raises(ValueError, match="hinge must take tensors"):
        TaskNeuronLinear(3, 2, "hinge(x)")
    make_function(lambda a: a**3 / 7, name="seventh", torch_function=lambda a: (a**3 / 7).detach())
    with pytest.raises(ValueError, match="seventh must return a differentiable tensor"):
        TaskNeuronLinear(3, 2, "seventh(x)")


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (3, {"name": "three"}, TypeError, "callable"),
        (bump, {"name": "Bump"}, ValueError, "a-z"),
        (bump, {"name": "x"}, ValueError, "a-z"),
        (bump, {"name": 3}, ValueError, "a-z"),
        (bump, {"name": "sin"}, ValueError, "no other function"),
        (bump, {"name": "hinge"}, ValueError, "no other function"),
        (np.sum, {"name": "total"}, ValueError, "float64 array of shape"),
        (lambda a: a > 0, {"name": "positive"}, ValueError, "bool"),
        (bump, {"name": "bumpy", "latex": "b"}, ValueError, "latex"),
    ],
)
def test_what_is_no_function_is_refused(function, options, error, message):
    with pytest.raises(error, match=message):
        make_function(function, **options)


def test_to_make_it_again_is_no_error():
    assert make_function(bump, name="bump", latex=r"\\beta({0})") is make_function(bump, name="bump", latex=r"\\beta({0})")


def test_unknown_names_stay_errors():
    with pytest.raises(FormulaSyntaxError, match="unknown name 'bumq'; did you mean bump"):
        Formula("bumq(x)")
    make_function(np.log, name="my_log")
    with pytest.raises(FormulaSyntaxError, match="real and finite"):
        Formula("my_log(-1)*x")
