"""What an island does by itself, in whatever process."""

import copy
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sklearn_taskneurons._search._breeding import best_rows, breed, promising_rows
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._hashing import Hashes, program_hashes
from sklearn_taskneurons._search._operators import with_factors
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scorer, Scores, quantised
from sklearn_taskneurons._search._state import Island, copied
from sklearn_taskneurons._threads import single_blas_thread

_FIRST_PART: Final = 4
_OPTIMISED: Final = 16  # programs of a generation whose constants are optimised
_SECONDS_OF_A_PART: Final = 0.1


@dataclass(frozen=True, slots=True)
class Task:
    """All that an island needs for some generations, in one object.

    Whoever lost a worker can send it to another one. The data are inside and not beside it: joblib would leave arrays that
    are arguments in the memory of some of Dask's workers, and they would be lost with these.
    """

    scorer: Scorer
    grammar: Grammar
    bank: Floats
    front: Front
    island: Island
    generations: int
    n_emigrants: int
    clock: Clock


class Generation(NamedTuple):
    """What is known of a generation that was scored."""

    scores: Scores
    mean_length: float
    improved: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Round:
    """What an island has done: where it stands now, the front that it was given and improved, and its best programs."""

    island: Island
    front: Front
    generations: list[Generation]
    emigrants: Population
    timed_out: bool


def advance(task: Task) -> Round:
    """Score and breed some generations; the task stays as it is, so that to do it again gives the same."""
    island, front = copy.copy(task.island), copy.copy(task.front)
    island.rng = copied(island.rng)
    settings = task.grammar.settings
    emigrants = island.population.take(slice(0))
    generations: list[Generation] = []
    timed_out = False
    with single_blas_thread():
        while len(generations) < task.generations and not timed_out:
            population = island.population
            scores, island.known = score_new(task.scorer, population, task.bank, island.known, task.clock)
            population, scores = with_better_constants(task, population, scores, island.rng)
            improved = front.update(population, scores)
            generations.append(Generation(scores, float(np.mean(population.length)), improved, task.clock.seconds))
            timed_out = task.clock.is_over
            if not timed_out:
                if task.n_emigrants and len(generations) == task.generations:
                    emigrants = population.take(best_rows(population, scores, settings, task.n_emigrants))
                island.population = breed(population, scores, task.grammar, island.rng)
    if timed_out:
        island.known = None  # programs that were not scored any more are not known
    return Round(island, front, generations, emigrants, timed_out)


def with_better_constants(
    task: Task, population: Population, scores: Scores, rng: np.random.Generator
) -> tuple[Population, Scores]:
    """Return a generation in which programs with optimised constants, where these are better, replace the worst ones."""
    optimizer = task.scorer.optimizer
    if optimizer is None:
        return population, scores
    rows = promising_rows(population, scores, task.grammar.settings, _OPTIMISED, rng)
    if not len(rows):
        return population, scores
    refined = optimizer.refine(with_factors(population.take(rows), task.grammar), task.bank, task.clock)
    found = task.scorer.score(refined, task.bank)
    better = np.flatnonzero(quantised(found.loss) < quantised(scores.loss[rows]))
    worst = np.argsort(-quantised(scores.loss), kind="stable")[: len(better)]
    kept = np.delete(np.arange(len(population)), worst)
    everything = Population.concatenate([population.take(kept), refined.take(better)])
    loss = np.concatenate([scores.loss[kept], found.loss[better]])
    return everything, Scores(loss, np.concatenate([scores.complexity[kept], found.complexity[better]]))


def score_new(
    scorer: Scorer, population: Population, bank: Floats, known: tuple[Hashes, Scores] | None, clock: Clock
) -> tuple[Scores, tuple[Hashes, Scores]]:
    """Score a generation: equal programs once, and those that are known not again.

    Returns
    -------
    scores : Scores
        Of all programs.
    known : tuple of Hashes and Scores
        Of the distinct ones.
    """
    hashes, first, inverse = np.unique(program_hashes(population), return_index=True, return_inverse=True)
    if known is None:
        scores = _score_until_deadline(scorer, population.take(first), bank, clock)
    else:
        known_hashes, known_scores = known
        place = np.minimum(np.searchsorted(known_hashes, hashes), len(known_hashes) - 1)
        is_new = known_hashes[place] != hashes
        scores = Scores(known_scores.loss[place], known_scores.complexity[place])
        if is_new.any():
            new = _score_until_deadline(scorer, population.take(first[is_new]), bank, clock)
            scores.loss[is_new], scores.complexity[is_new] = new
    return Scores(scores.loss[inverse], scores.complexity[inverse]), (hashes, scores)


def _score_until_deadline(scorer: Scorer, population: Population, bank: Floats, clock: Clock) -> Scores:
    """Score in parts, the larger the faster they are, and give up on what is left when the time is up."""
    if clock.deadline is None:
        return scorer.score(population, bank)
    parts: list[Scores] = []
    start, count = 0, _FIRST_PART
    while start == 0 or (start < len(population) and not clock.is_over):
        began = time.monotonic()
        parts.append(scorer.score(population.take(slice(start, start + count)), bank))
        start += count
        count *= 2 if time.monotonic() - began < _SECONDS_OF_A_PART else 1
    missing = np.add.outer(population.length[start:], np.zeros_like(parts[0].complexity[0]))
    parts.append(Scores(np.full(missing.shape, np.inf), missing))
    return Scores(np.concatenate([part.loss for part in parts]), np.concatenate([part.complexity for part in parts]))
