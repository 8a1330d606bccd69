"""How one generation follows from another."""

from collections.abc import Callable
from typing import Final

import numpy as np

from sklearn_taskneurons._search._operators import constant_mutation, crossover, keep_valid, point_mutation, subtree_mutation
from sklearn_taskneurons._search._population import Ints, Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scores, quantised
from sklearn_taskneurons._search._settings import SearchSettings

_SMALL_TOURNAMENT: Final = 2


def breed(population: Population, scores: Scores, grammar: Grammar, rng: np.random.Generator) -> Population:
    """Return the next generation: the elite, then the offspring of the winners of tournaments."""
    settings = grammar.settings
    order = _ranked(population, scores, settings)
    elite = _elite(order, scores, round(settings.elite_fraction * settings.population_size))
    counts = _counts(settings, settings.population_size - len(elite))
    winners = _winners(rng, order, int(counts.sum()), settings.tournament_size)
    *parents, copied = np.split(winners, np.cumsum(counts)[:-1])
    parts = [population.take(np.concatenate([elite, copied]))]
    for operator, rows in zip(_OPERATORS, parents, strict=True):
        if len(rows):
            children = operator(rng, population, rows, order, grammar)
            parts.append(keep_valid(children, population.take(rows), grammar))
    following = Population.concatenate(parts)
    return following.resize(int(following.size[:, 0].max()))


def best_rows(population: Population, scores: Scores, settings: SearchSettings, count: int) -> Ints:
    """Return where the best programs of a generation are, those of equal losses and complexities once."""
    return _elite(_ranked(population, scores, settings), scores, count)


def promising_rows(
    population: Population, scores: Scores, settings: SearchSettings, count: int, rng: np.random.Generator
) -> Ints:
    """Return where some of the best programs are, and as many winners of small tournaments."""
    order = _ranked(population, scores, settings)
    best = _elite(order, scores, count // 2)
    drawn = _winners(rng, order, count - len(best), _SMALL_TOURNAMENT)
    rows: Ints = np.unique(np.concatenate([best, drawn[np.isfinite(scores.best.loss[drawn])]]))
    return rows


def _ranked(population: Population, scores: Scores, settings: SearchSettings) -> Ints:
    """Return the order of the programs, best first.

    Where they are scored in several forms, the best ones of each take turns, as in a vector evaluated genetic algorithm:
    losses of forms with more and with fewer coefficients are not comparable, places are.
    """
    places = []
    for loss, complexity in scores.forms:
        competing = quantised(loss + settings.parsimony_coefficient * population.length)
        # Among equals a program whose formula is simpler wins, then one that says the same in fewer nodes.
        places.append(np.argsort(np.lexsort((population.length, complexity, competing))))
    n_forms = len(places)
    turns = [n_forms * place + turn for turn, place in enumerate(places)]
    order: Ints = np.argsort(np.min(turns, axis=0))
    return order


def _cross(rng: np.random.Generator, population: Population, rows: Ints, order: Ints, grammar: Grammar) -> Population:
    """Cross winners with winners."""
    donors = _winners(rng, order, len(rows), grammar.settings.tournament_size)
    return crossover(rng, population, rows, donors, grammar.settings.max_length)


_OPERATORS: Final[tuple[Callable[[np.random.Generator, Population, Ints, Ints, Grammar], Population], ...]] = (
    _cross,
    lambda rng, population, rows, _order, grammar: subtree_mutation(rng, population, rows, grammar),
    lambda rng, population, rows, _order, grammar: point_mutation(rng, population, rows, grammar),
    lambda rng, population, rows, _order, grammar: constant_mutation(rng, population, rows, grammar),
)


def _winners(rng: np.random.Generator, order: Ints, count: int, tournament_size: int) -> Ints:
    """Return the winners of tournaments among programs drawn with replacement, best first in ``order``.

    The winner is the smallest of ``tournament_size`` uniform ranks, whose distribution one number inverts.
    """
    ranks = (len(order) * -np.expm1(np.log1p(-rng.random(count)) / tournament_size)).astype(np.intp)
    return order[np.minimum(ranks, len(order) - 1)]


def _elite(order: Ints, scores: Scores, count: int) -> Ints:
    """Return the best programs, those of equal losses and complexities once."""
    kind = np.zeros(len(order), dtype=np.intp)
    for loss, complexity in scores.forms:
        for values in (quantised(loss), complexity):
            numbers = np.unique(values[order], return_inverse=True)[1]
            kind = np.unique(kind * len(order) + numbers, return_inverse=True)[1]
    is_new = np.zeros(len(order), dtype=np.bool_)
    is_new[np.unique(kind, return_index=True)[1]] = True
    return order[is_new & np.isfinite(scores.best.loss[order])][:count]


def _counts(settings: SearchSettings, total: int) -> Ints:
    """Share out the offspring: crossover, subtree, point and constant mutation; the rest is copied."""
    shares = [settings.p_crossover, settings.p_mutation / 2, settings.p_mutation / 2, settings.p_constant_mutation]
    ends = np.rint(np.cumsum([0.0, *shares]) * total).astype(np.intp)
    return np.diff(np.append(np.minimum(ends, total), total))
