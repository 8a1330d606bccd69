"""The canonical terms: what a neuron gets weights for."""

import pytest

from sklearn_taskneurons.formula import (
    DIV,
    NUMBER,
    OPCODES,
    POW,
    Composite,
    Formula,
    Node,
    RowSum,
    Term,
    X,
)

x = (Node(X),)
one = (Node(NUMBER, 1.0),)
SIN = OPCODES["sin"]


def power(exponent):
    return (Node(POW, exponent), *x)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (
            "0.068*x**3 + 0.15*x + 0.76",
            [Term(0.068, (RowSum(power(3)),)), Term(0.15, (RowSum(x),)), Term(0.76, (RowSum(one),))],
        ),
        ("0", []),
        ("3", [Term(3.0)]),
        ("sum(x) + 3", [Term(1.0, (RowSum(x),)), Term(3.0)]),
        ("dot([1, 2], x)", [Term(1.0, (RowSum(x, (1.0, 2.0)),))]),
        ("dot(w, x)", [Term(1.0, (RowSum(x, None, True),))]),
        ("5*dot(w, x)", [Term(1.0, (RowSum(x, None, True),))]),
        ("dot(w, x)*dot(w, x)", [Term(1.0, (RowSum(x, None, True), RowSum(x, None, True)))]),
        ("dot(w, x)**2", [Term(1.0, (RowSum(x, None, True), RowSum(x, None, True)))]),
        ("x*dot(w, x**2)", [Term(1.0, (RowSum(power(2), None, True), RowSum(x)))]),
        ("dot(w, x) + x", [Term(1.0, (RowSum(x),)), Term(1.0, (RowSum(x, None, True), RowSum(one)))]),
        ("2*sin(x)", [Term(2.0, (RowSum((Node(SIN), *x)),))]),
        ("2*sin(sum(x))", [Term(2.0, (Composite(SIN, ((Term(1.0, (RowSum(x),)),),)),))]),
        (
            "sin(dot(w, x) + 1)",
            [Term(1.0, (Composite(SIN, ((Term(1.0, (RowSum(x, None, True),)), Term(1.0)),)),))],
        ),
        ("1/sum(x)", [Term(1.0, (Composite(DIV, ((Term(1.0, (RowSum(x),)),),)),))]),
        ("3/(2*sum(x) + 4)", [Term(1.5, (Composite(DIV, ((Term(1.0, (RowSum(x),)), Term(2.0)),)),))]),
        ("1/x", [Term(1.0, (RowSum((Node(DIV), *one, *x)),))]),
        ("x**2/x**5", [Term(1.0, (RowSum((Node(DIV), *one, *power(3))),))]),
    ],
)
def test_terms(text, terms):
    formula = Formula(text)
    expected = sorted(terms, key=str)
    assert sorted(formula.terms, key=str) == expected
    assert formula.expand().terms == formula.terms


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("0.76 + 0.15*x + 0.068*x^3", "0.068*x**3 + 0.15*x + 0.76"),
        ("(x + 1)*(x - 1)", "x**2 - 1"),
        ("-(x + 1)", "-x - 1"),
        ("1 - x", "-x + 1"),
        ("6@x**2 + 2@x - 3", "6*x**2 + 2*x - 3"),
        ("sin(x) + x + 1", "x + sin(x) + 1"),
        ("dot(w,x)*dot(w,x) + x", "dot(w, x)*dot(w, x) + x"),
        ("dot(w,x)*dot(w,x) + dot(w,x)", "dot(w, x)*dot(w, x) + dot(w, x)"),
        ("dot(w,x) + sum(x**2)", "sum(x**2) + dot(w, x)"),
        ("w*x + 0.76", "w*x + 0.76"),
        ("x - x", "0"),
        ("3*(1 - 1/3)", "2"),
        ("x/(x**2 + 1)*3", "3*x/(x**2 + 1)"),
        ("1/x/sum(x)", "1/(x*sum(x))"),
        ("2/(3*x)", "0.6666666666666666/x"),
        ("-x/sum(x)", "-1"),
        ("dot([1, 2], x)*3 + sum(x)", "dot([4, 7], x)"),
        ("[1, 2]*x - 1", "dot([1, 2], x) - 2"),
        ("dot([2, 2], x)", "dot([2, 2], x)"),
        ("dot([1, 2], x) - dot([1, 2], x)", "sum([0, 0])"),
        ("dot([1, 2], x) - dot([1, 2], x) + 3", "3 + sum([0, 0])"),
        ("dot([1.2345, 1], x)**2", "0.25*dot([2.469, 2], x)**2"),
        ("dot([0.3, 0.2], x)*sum(x)", "0.1*x*dot([3, 2], x)"),
        ("log(2)*x", "0.6931471805599453*x"),
        ("sin([0, 1])*x", "dot([0, 0.8414709848078965], x)"),
        ("sin(w)*x", "dot(w, x)"),
        ("abs(-2)*x + sqrt(4)", "2*x + 2"),
        ("sin(x - x + 2*sum(x))", "sin(2*sum(x))*sum(x**0)"),
        ("(2*x)**0", "sum(x**0)"),
        ("x*0 + 5", "5*sum(x**0)"),
    ],
)
def test_expand_writes_the_terms_as_people_do(text, expanded):
    formula = Formula(text)
    assert str(formula.expand()) == expanded
    assert formula.expand() == formula
    assert formula.expand().n_features == formula.n_features


def test_terms_are_ordered_by_falling_degree_then_functions_then_the_constant():
    formula = Formula("1 + exp(x) + x + dot(w, x)*sum(x)*x + x**7 + sin(sum(x)) + x**2")
    ranks = [(term.degree is None, term.is_constant, -(term.degree or 0)) for term in formula.terms]
    assert [term.degree for term in formula.terms] == [7, 3, 2, 1, None, None, 0]
    assert ranks[-1][1]


@pytest.mark.parametrize("order", [["x**2", "sin(x)", "dot(w, x)*sum(x)", "3", "x*dot([1, 2], x)"]])
def test_terms_do_not_depend_on_the_order_of_writing(order):
    terms = Formula(" + ".join(order)).terms
    for shift in range(len(order)):
        rotated = order[shift:] + order[:shift]
        assert Formula(" + ".join(rotated)).terms == terms
        assert Formula(" + ".join(reversed(rotated))).terms == terms


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("0", 0),
        ("3 + 0*x", 0),
        ("x**5 + 2*x", 5),
        ("x**5 - x*x**4 + x", 1),
        ("dot(w, x**2)*dot(w, x)", 3),
        ("x*sum(x**3)", 4),
        ("sin(x) + x", None),
        ("1/x", None),
        ("1/sum(x)", None),
        ("sin(sum(x))", None),
        ("sin(x) - sin(x) + x", 1),
        ("sin(2)*x**2", 2),
        ("x**3/x", 2),
    ],
)
def test_degree_is_that_of_the_canonical_terms(text, degree):
    assert Formula(text).degree == degree


def test_maps_are_the_factors_that_depend_on_x():
    (product, linear) = Formula("dot(w, x)*dot(w, x) + x").terms
    assert [str(factor) for factor in product.factors] == ["dot(w, x)", "dot(w, x)", "sum(x**0)"]
    assert [str(factor) for factor in product.maps] == ["dot(w, x)", "dot(w, x)"]
    assert not product.is_constant
    assert linear.maps == linear.factors


@pytest.mark.parametrize("text", ["3", "x**0", "w", "sin(sum(w))", "1/sum(x**0)", "dot(w, w)*sum(w)"])
def test_constant_terms_know_that_they_are(text):
    (term,) = Formula(text).terms
    assert term.is_constant
    assert term.maps == ()


def test_a_free_number_takes_in_every_other():
    assert Formula("sum(w) + 3 + sum(w) + 4").terms == (Term(1.0, (RowSum(one, None, True),)),)
    assert Formula("x*0 + w + 3 + 4").terms == (Term(1.0, (RowSum(one, None, True),)),)


def test_free_vectors_in_functions_are_kept_apart():
    formula = Formula("sin(w*x) + sin(w*x) - 3*sin(w*x)")
    assert sorted(term.coefficient for term in formula.terms) == [-3.0, 1.0, 1.0]
    assert len({term.factors for term in formula.terms}) == 1


def test_powers_of_a_sum_with_a_free_vector_have_the_binomial_coefficients():
    formula = Formula("(sin(w*x) + x)**3")
    assert {str(term) for term in formula.terms} == {
        "sum(x**3)",
        "sum(sin(w*x)**3)",
        "3*sum(sin(w*x)**2*x)",
        "3*sum(sin(w*x)*x**2)",
    }


def test_long_vectors_settle():
    # entries of 17 digits cannot be divided by a common factor without rounding
    formula = Formula("dot([0.12345678901234568, 0.7654321098765432, 0.3333333333333333], x)**2/7")
    assert formula.expand() == formula
    assert str(formula.expand().expand()) == str(formula.expand())


def test_nesting_takes_no_call_stack():
    text = "sin(" * 98 + "dot(w, x)" + ")" * 98
    formula = Formula(text)
    assert str(formula) == text
    assert formula.expand() == formula
    assert hash(formula) == hash(Formula(text))
    assert not formula.terms[0].is_constant
    assert str(formula.terms[0]) == text
