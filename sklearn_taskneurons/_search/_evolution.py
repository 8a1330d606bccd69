"""The genetic search: generations of programs, scored by whatever scorer is given."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._hashing import Hashes, program_hashes
from sklearn_taskneurons._search._operators import constant_mutation, crossover, keep_valid, point_mutation, subtree_mutation
from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, Scores, quantised
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons._threads import single_blas_thread

Record: TypeAlias = dict[str, Any]
Callback: TypeAlias = Callable[[Record], object]

_FIRST_PART: Final = 32
_SECONDS_OF_A_PART: Final = 0.1


@dataclass(slots=True)
class SearchState:
    """Where a search stands, for one that goes on from there.

    Attributes
    ----------
    population : Population
        The last generation, not scored yet.
    bank : ndarray of float64, shape (M, D)
        The constant vectors that the programs refer to.
    front : Front
        The best programs so far.
    generation : int
        Generations scored so far.
    unimproved : int
        Generations since the front last improved.
    """

    population: Population
    bank: Floats
    front: Front
    generation: int = 0
    unimproved: int = 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search has found.

    Attributes
    ----------
    front : list of FrontEntry
        Formulas by rising complexity and falling loss.
    history : list of dict
        For each generation: ``generation``, ``best_loss``, ``mean_loss`` (of the finite ones), ``median_loss``,
        ``best_complexity``, ``mean_length``, ``seconds`` since the search began.
    state : SearchState or None
        To go on from; None where a search has nothing left.
    total_weight : float
        Sum of the weights of the rows, which :func:`select` needs.
    interrupted, timed_out, converged : bool
        Whether the search was interrupted from the keyboard, ran out of time, or stopped because there was
        nothing left to gain.
    """

    front: list[FrontEntry]
    history: list[Record]
    state: SearchState | None
    total_weight: float
    interrupted: bool = False
    timed_out: bool = False
    converged: bool = False


@dataclass(slots=True)
class _Run:
    """One call of :func:`search`."""

    scorer: Scorer
    grammar: Grammar
    rng: np.random.Generator
    state: SearchState
    deadline: float | None
    history: list[Record] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    known: tuple[Hashes, Scores] | None = None  # of the generation before, in the order of the hashes

    def score(self, population: Population) -> Scores:
        """Score a generation: equal programs once, and those of the generation before not again."""
        hashes, first, inverse = np.unique(program_hashes(population), return_index=True, return_inverse=True)
        scores = Scores(np.empty(len(hashes)), np.empty(len(hashes), dtype=np.intp))
        is_new = np.ones(len(hashes), dtype=np.bool_)
        if self.known is not None:
            known, known_scores = self.known
            place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            is_new = known[place] != hashes
            scores.loss[:], scores.complexity[:] = known_scores.loss[place], known_scores.complexity[place]
        if is_new.any():
            new = self._score_until_deadline(population.take(first[is_new]))
            scores.loss[is_new], scores.complexity[is_new] = new
        self.known = hashes, scores
        return Scores(scores.loss[inverse], scores.complexity[inverse])

    def _score_until_deadline(self, population: Population) -> Scores:
        """Score in parts, the larger the faster they are, and give up on what is left when the time is up."""
        if self.deadline is None:
            return self.scorer.score(population, self.state.bank)
        loss, complexity = np.full(len(population), np.inf), population.length
        start, count = 0, _FIRST_PART
        while start == 0 or (start < len(population) and time.monotonic() < self.deadline):
            part = slice(start, start + count)
            began = time.monotonic()
            loss[part], complexity[part] = self.scorer.score(population.take(part), self.state.bank)
            start += count
            count *= 2 if time.monotonic() - began < _SECONDS_OF_A_PART else 1
        return Scores(loss, complexity)


def search(
    scorer: Scorer,
    settings: SearchSettings,
    rng: np.random.Generator,
    *,
    callback: Callback | None = None,
    deadline: float | None = None,
    state: SearchState | None = None,
) -> SearchResult:
    """Search for formulas by genetic programming.

    Parameters
    ----------
    scorer : Scorer
        Scores programs against the data.
    settings : SearchSettings
        What programs may contain and how they evolve.
    rng : numpy.random.Generator
        The only source of randomness: the same generator state gives the same result.
    callback : callable, optional
        Called with each generation's entry of the history; the search stops when it returns ``True``.
        A ``KeyboardInterrupt`` that it raises ends the search like one from the keyboard.
    deadline : float, optional
        Time of :func:`time.monotonic` at which the search stops, after a few programs at least.
    state : SearchState, optional
        State of an earlier search with the same settings, to go on from.

    Returns
    -------
    SearchResult
    """
    grammar = Grammar(settings)
    with single_blas_thread():
        state = _first_state(grammar, scorer.n_features, rng) if state is None else _resumed(state, scorer)
        run = _Run(scorer, grammar, rng, state, deadline)
        interrupted = timed_out = converged = False
        try:
            for _ in range(settings.generations):
                scores = _generation(run)
                stop = callback is not None and callback(run.history[-1]) is True
                converged = _has_converged(run.state, settings)
                timed_out = deadline is not None and time.monotonic() >= deadline
                if stop or converged or timed_out:
                    break
                run.state.population = _breed(run.state.population, scores, grammar, rng)
        except KeyboardInterrupt:
            if run.state.front.programs is None:
                raise
            interrupted = True
        programs = run.state.front.programs
        front = [] if programs is None else scorer.report(programs, run.state.bank)
    front = front or [scorer.constant()]
    return SearchResult(front, run.history, run.state, scorer.total_weight, interrupted, timed_out, converged)


def _first_state(grammar: Grammar, n_features: int, rng: np.random.Generator) -> SearchState:
    """Draw the constant vectors and the first programs."""
    settings = grammar.settings
    shape = (settings.n_vectors, n_features) if settings.has_vectors else (0, n_features)
    bank = rng.standard_normal(shape)
    return SearchState(grammar.ramped(rng, settings.population_size, settings.init_depth), bank, Front())


def _resumed(state: SearchState, scorer: Scorer) -> SearchState:
    """Return an earlier search's state, its front scored anew: the data may have changed."""
    if state.bank.shape[1] != scorer.n_features:
        raise ValueError(f"the state is of a search on {state.bank.shape[1]} features; the data has {scorer.n_features}")
    front = Front()
    if state.front.programs is not None:
        front.update(state.front.programs, scorer.score(state.front.programs, state.bank))
    return SearchState(state.population, state.bank, front, state.generation)


def _generation(run: _Run) -> Scores:
    """Score the population and note what was found; return its scores."""
    state = run.state
    scores = run.score(state.population)
    improved = state.front.update(state.population, scores)
    state.unimproved = 0 if improved else state.unimproved + 1
    state.generation += 1
    finite = scores.loss[np.isfinite(scores.loss)]
    best = int(np.lexsort((scores.complexity, quantised(scores.loss)))[0])
    run.history.append(
        {
            "generation": state.generation,
            "best_loss": float(scores.loss[best]),
            "mean_loss": float(np.mean(finite)) if len(finite) else np.inf,
            "median_loss": float(np.median(scores.loss)),
            "best_complexity": int(scores.complexity[best]),
            "mean_length": float(np.mean(state.population.length)),
            "seconds": time.monotonic() - run.started,
        }
    )
    return scores


def _has_converged(state: SearchState, settings: SearchSettings) -> bool:
    """Return whether nothing is left to gain."""
    if len(state.front.loss) and state.front.loss.min() <= settings.tolerance:
        return True
    return settings.n_iter_no_change is not None and state.unimproved >= settings.n_iter_no_change


def _breed(population: Population, scores: Scores, grammar: Grammar, rng: np.random.Generator) -> Population:
    """Return the next generation: the elite, then the offspring of the winners of tournaments."""
    settings = grammar.settings
    loss = quantised(scores.loss + settings.parsimony_coefficient * population.length)
    # Among equals a program whose formula is simpler wins, then one that says the same in fewer nodes.
    order = np.lexsort((population.length, scores.complexity, loss))
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
