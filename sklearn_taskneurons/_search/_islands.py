"""Populations that evolve side by side: where they are computed, how they exchange programs, and what they know together."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
from joblib import Parallel, delayed

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._island import Generation, Round, Task, advance
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import Scorer, Scores, quantised
from sklearn_taskneurons._search._state import Island, Record, SearchState

Advance: TypeAlias = Callable[[SearchState, int, int, Clock], list[Round]]

_SHARE_OF_EMIGRANTS: Final = 0.02
_ROUND: Final = 10  # generations between the reports of islands that exchange nothing


def check_islands(n_islands: int, migration_interval: int | None) -> None:
    """Raise ValueError unless there is an island and, if there is one, a generation between migrations."""
    if n_islands < 1:
        raise ValueError(f"n_islands must be at least 1; got {n_islands!r}")
    if migration_interval is not None and migration_interval < 1:
        raise ValueError(f"migration_interval must be at least 1, or None for no migration; got {migration_interval!r}")


def round_length(n_islands: int, migration_interval: int | None, generation: int, generations: int) -> int:
    """Return for how many generations islands run alone; rounds end where programs migrate, wherever a search resumes."""
    interval = 1 if n_islands == 1 else migration_interval or _ROUND
    return min(interval - generation % interval, generations - generation)


@contextmanager
def workers(scorer: Scorer, grammar: Grammar, n_islands: int, n_jobs: int | None) -> Iterator[Advance]:
    """Give what advances all islands, each by some generations, where joblib is told to do it.

    The order and the results are the same everywhere. A single island has nothing to gain from another process.
    """
    # One island a task: joblib would put quick ones together, and other workers would wait.
    scorers = [scorer] if n_islands == 1 else scorer.split(n_islands)
    with Parallel(n_jobs=n_jobs, backend="sequential" if n_islands == 1 else None, batch_size=1) as parallel:

        def run(state: SearchState, generations: int, n_emigrants: int, clock: Clock) -> list[Round]:
            common = grammar, state.bank, state.front
            tasks = [
                Task(scorer, *common, island, generations, n_emigrants, clock)
                for scorer, island in zip(scorers, state.islands, strict=True)
            ]
            rounds: list[Round] = parallel(delayed(advance)(task) for task in tasks)
            return rounds

        yield run


def emigrants_after(n_islands: int, migration_interval: int | None, generation: int, population_size: int) -> int:
    """Return how many programs leave each island when these generations are done."""
    if n_islands == 1 or migration_interval is None or generation % migration_interval:
        return 0
    return max(1, round(_SHARE_OF_EMIGRANTS * population_size))


def following(state: SearchState, rounds: Sequence[Round], seconds: float) -> tuple[SearchState, list[Record]]:
    """Return where the search stands after a round, and the entries of the history, whose last one was at ``seconds``."""
    records: list[Record] = []
    unimproved = state.unimproved
    for index in range(max(len(round_.generations) for round_ in rounds)):
        # Islands whose time was up have done fewer generations than others.
        parts = [round_.generations[index] for round_ in rounds if index < len(round_.generations)]
        unimproved = 0 if any(part.improved for part in parts) else unimproved + 1
        records.append(_record(state.generation + index + 1, parts, seconds))
        seconds = records[-1]["seconds"]
    islands = migrated([round_.island for round_ in rounds], [round_.emigrants for round_ in rounds])
    front = merged([round_.front for round_ in rounds])
    generation = state.generation + len(records)
    return replace(state, islands=islands, front=front, generation=generation, unimproved=unimproved), records


def merged(fronts: Sequence[Front]) -> Front:
    """Return the best programs of all fronts, those of the first ones among equals."""
    front = copy.copy(fronts[0])
    for other in fronts[1:]:
        if other.programs is not None:
            front.update(other.programs, Scores(other.loss, other.complexity))
    return front


def migrated(islands: Sequence[Island], emigrants: Sequence[Population]) -> list[Island]:
    """Let the best programs of each island enter the next one's coming generation, along a ring.

    They take the places of the last offspring, which nobody has scored yet: the elite stays, and no program that was
    found good is lost.
    """
    following = []
    for index, island in enumerate(islands):
        newcomers = emigrants[index - 1]
        population = island.population
        if len(newcomers):
            population = Population.concatenate([population.take(slice(-len(newcomers))), newcomers])
            population = population.resize(int(population.size[:, 0].max()))
        following.append(Island(population, island.rng, island.known))
    return following


def _record(generation: int, parts: Sequence[Generation], seconds: float) -> Record:
    """Return the entry of the history for one generation of all islands together."""
    scores = [part.scores.best for part in parts]
    loss = np.concatenate([part.loss for part in scores])
    complexity = np.concatenate([part.complexity for part in scores])
    finite = loss[np.isfinite(loss)]
    best = int(np.lexsort((complexity, quantised(loss)))[0])
    return {
        "generation": generation,
        "best_loss": float(loss[best]),
        "mean_loss": float(np.mean(finite)) if len(finite) else np.inf,
        "median_loss": float(np.median(loss)),
        "best_complexity": int(complexity[best]),
        "mean_length": float(np.mean([part.mean_length for part in parts])),
        "seconds": max(seconds, *(part.seconds for part in parts)),
    }
