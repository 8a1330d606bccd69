"""How one generation follows from another."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._operators import constant_mutation, crossover, keep_valid, point_mutation, subtree_mutation
from sklearn_taskneurons._search._population import Ints, Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scores, quantised
from sklearn_taskneurons._search._settings import SearchSettings

_SMALL_TOURNAMENT: Final = 2


def breed(population: Population, scores: Scores, grammar: Grammar, rng: np.random.Generator) -> Population:
    """Return the next generation: the elite, then the offspring of the winners of tournaments."""
    settings = grammar.settings
    order, loss = _ranked(population, scores, settings)
    elite = _elite(order, loss, scores.complexity, round(settings.elite_fraction * settings.population_size))
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
    """Return where the best programs of a generation are, those of equal loss and complexity once."""
    order, loss = _ranked(population, scores, settings)
    return _elite(order, loss, scores.complexity, count)


def promising_rows(
    population: Population, scores: Scores, settings: SearchSettings, count: int, rng: np.random.Generator
) -> Ints:
    """Return where some of the best programs are, and as many winners of small tournaments."""
    order, loss = _ranked(population, scores, settings)
    best = _elite(order, loss, scores.complexity, count // 2)
    drawn = _winners(rng, order, count - len(best), _SMALL_TOURNAMENT)
    rows: Ints = np.unique(np.concatenate([best, drawn[np.isfinite(loss[drawn])]]))
    return rows


def _ranked(population: Population, scores: Scores, settings: SearchSettings) -> tuple[Ints, NDArray[np.float32]]:
    """Return the order of the programs, best first, and the losses by which they compete."""
    loss = quantised(scores.loss + settings.parsimony_coefficient * population.length)
    # Among equals a program whose formula is simpler wins, then one that says the same in fewer nodes.
    return np.lexsort((population.length, scores.complexity, loss)), loss


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


def _elite(order: Ints, loss: NDArray[np.float32], complexity: Ints, count: int) -> Ints:
    """Return the best programs, those of equal loss and complexity once."""
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (loss[order[1:]] != loss[order[:-1]]) | (complexity[order[1:]] != complexity[order[:-1]])
    return order[is_new & np.isfinite(loss[order])][:count]


def _counts(settings: SearchSettings, total: int) -> Ints:
    """Share out the offspring: crossover, subtree, point and constant mutation; the rest is copied."""
    shares = [settings.p_crossover, settings.p_mutation / 2, settings.p_mutation / 2, settings.p_constant_mutation]
    ends = np.rint(np.cumsum([0.0, *shares]) * total).astype(np.intp)
    return np.diff(np.append(np.minimum(ends, total), total))
