"""The genetic search: generations of programs, scored by whatever scorer is given."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from sklearn_taskneurons._search._checkpoint import Checkpoint
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._fingerprint import fingerprint
from sklearn_taskneurons._search._front import Front
from sklearn_taskneurons._search._islands import check_islands, emigrants_after, following, round_length, workers
from sklearn_taskneurons._search._operators import with_factors
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._random_trees import N_VECTORS, Grammar
from sklearn_taskneurons._search._report import End, Report, end_of_generations, reported
from sklearn_taskneurons._search._scores import LOSS_FLOOR, FrontEntry, Scorer
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons._search._state import Island, Record, SearchState, generators
from sklearn_taskneurons._threads import single_blas_thread, single_torch_thread

Callback: TypeAlias = Callable[[Record], object]

_EXACT_PATIENCE: Final = 5  # generations in which a formula that fits exactly may become simpler


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search has found.

    Attributes
    ----------
    front : list of FrontEntry
        Formulas by rising complexity and falling loss.
    history : list of dict
        For each generation, over all islands: ``generation``, ``best_loss``, ``mean_loss`` (of the finite ones),
        ``median_loss``, ``best_complexity``, ``mean_length``, ``seconds`` since the search began.
    state : SearchState or None
        To go on from; None where a search has nothing left.
    ended : {"interrupted", "timed_out", "converged", "stopped"} or None
        What ended the search early: an interrupt from the keyboard, the time, that there was nothing left to gain, or a
        callback; the first of these where several did.
    """

    front: list[FrontEntry]
    history: list[Record]
    state: SearchState | None
    ended: End | None = None


def search(
    scorer: Scorer,
    settings: SearchSettings,
    rng: np.random.Generator,
    *,
    n_islands: int = 1,
    migration_interval: int | None = 10,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    callback: Callback | None = None,
    watch: Callable[[SearchState], object] | None = None,
    deadline: float | None = None,
    state: SearchState | None = None,
) -> SearchResult:
    """Search for formulas by genetic programming.

    Several populations may evolve side by side, as islands: each has its own generator, and they exchange their best
    programs along a ring. They are advanced in rounds of ``migration_interval`` generations (of 10 if it is None, of one
    if there is one island) by :class:`joblib.Parallel`, so that :func:`joblib.parallel_config` decides where. The result
    is the same for every number of jobs and every backend.

    Parameters
    ----------
    scorer : Scorer
        Scores programs against the data.
    settings : SearchSettings
        What programs may contain and how they evolve; ``population_size`` is that of each island.
    rng : numpy.random.Generator
        The only source of randomness: the same generator state gives the same result. The first island has a copy of
        it, the others have generators of their own whose seeds it decides; the generator itself stays as it is.
    n_islands : int, default=1
        Number of populations.
    migration_interval : int or None, default=10
        Generations between migrations. None lets none migrate: the islands are searches of their own whose fronts are
        merged. One island has nowhere to migrate to.
    n_jobs : int or None, default=None
        How many islands are advanced at the same time, as in joblib: None is 1 unless ``parallel_config`` says
        otherwise, and -1 all processors. One island is advanced in this process.
    checkpoint : str or path-like, optional
        File in which the state of the search is kept, written about once a second at most and at the end. If it exists, the
        search goes on from there, with the generators of the file, and ends as if it had never stopped; what was found
        in a round that was not finished is found again. The data and the settings must be the same, but for
        ``generations`` and ``n_iter_no_change``. With ``state`` the file is not read, only written.
    callback : callable, optional
        Called with each generation's entry of the history, at the end of its round; the search stops after the round when
        it returns ``True``. A ``KeyboardInterrupt`` that it raises ends the search like one from the keyboard.
    watch : callable, optional
        Called with the state after each round, before its generations are reported.
    deadline : float, optional
        Time of :func:`time.monotonic` at which the search stops, after a few programs of each island and the formula of one
        at least. Where programs are scored on the rows, a tenth of the time until then is kept for the formulas.
    state : SearchState, optional
        State of an earlier search with the same settings and number of islands, to go on from.

    Returns
    -------
    SearchResult

    Raises
    ------
    ValueError
        If the islands are not as described, the state is of other features, other functions or another number of islands,
        or the checkpoint is damaged or of another search.
    FileNotFoundError
        If the checkpoint's folder does not exist.
    """
    check_islands(n_islands, migration_interval)
    check_state(state, settings, n_islands)
    grammar = Grammar(settings)
    # Islands may be advanced by threads, which must not find each other's settings.
    with single_blas_thread(), single_torch_thread():
        depends_on = fingerprint(scorer, settings, n_islands, migration_interval) if checkpoint is not None else {}
        keeper = Checkpoint(checkpoint, depends_on) if checkpoint is not None else None
        saved = keeper.restore() if keeper is not None and state is None else None
        history: list[Record] = []
        if saved is None:
            state = _beginning(grammar, scorer, rng, n_islands, state)
        else:
            state, history, _ = saved
        clock = Clock(end_of_generations(scorer, deadline), _seconds(history))
        ended = _converged(state, settings) if history else None
        try:
            with workers(scorer, grammar, n_islands, n_jobs) as advance:
                while len(history) < settings.generations and not ended:
                    count = round_length(n_islands, migration_interval, len(history), settings.generations)
                    n_emigrants = emigrants_after(n_islands, migration_interval, len(history) + count, settings.population_size)
                    rounds = advance(state, count, n_emigrants, clock)
                    timed_out = any(round_.timed_out for round_ in rounds)
                    state, records = following(state, rounds, _seconds(history))
                    history += records
                    if keeper is not None and not timed_out:
                        keeper.offer(state, history)
                    stopped = _told(callback, watch, state, records)
                    ended = "timed_out" if timed_out or clock.is_over else _converged(state, settings) or stopped
            programs, bank = _polished(scorer, grammar, state, clock)
        except KeyboardInterrupt:
            if state.front.programs is None:
                raise
            programs, bank = state.front.programs, state.bank
            ended = "interrupted"
        if keeper is not None:
            keeper.write()
        found = Report([]) if programs is None else reported(scorer, programs, _losses(state, programs), bank, Clock(deadline))
    front = found.front or [scorer.constant()]
    return SearchResult(front, history, state, ended if ended == "interrupted" else found.ended or ended)


def _told(
    callback: Callback | None, watch: Callable[[SearchState], object] | None, state: SearchState, records: list[Record]
) -> End | None:
    """Tell those who watch what a round has brought; return "stopped" where one of them wants no other."""
    if watch is not None:
        watch(state)
    wishes = [callback is not None and wants_end(callback(record)) for record in records]
    return "stopped" if any(wishes) else None


def _polished(scorer: Scorer, grammar: Grammar, state: SearchState, clock: Clock) -> tuple[Population | None, Floats]:
    """Return the programs of the front, and again with constants optimised on all rows, and a bank for all of them."""
    programs, bank = state.front.programs, state.bank
    if programs is None or scorer.optimizer is None:
        return programs, bank
    polished, bank = scorer.optimizer.polish(with_factors(programs, grammar), bank, clock)
    return Population.concatenate([polished, programs]), bank


def _losses(state: SearchState, programs: Population) -> Floats:
    """Return the losses of the front. Each program's loss is at most that of the front program it comes from."""
    return np.resize(state.front.loss, len(programs))


def _seconds(history: list[Record]) -> float:
    """Return how long a search has run."""
    return float(history[-1]["seconds"]) if history else 0.0


def _beginning(
    grammar: Grammar, scorer: Scorer, rng: np.random.Generator, n_islands: int, state: SearchState | None
) -> SearchState:
    """Return where a search begins: with first programs, or with those of an earlier search."""
    rngs = generators(rng, n_islands)
    return _first_state(grammar, scorer.n_features, rngs) if state is None else _resumed(state, scorer, rngs)


def _first_state(grammar: Grammar, n_features: int, rngs: list[np.random.Generator]) -> SearchState:
    """Draw the constant vectors and the first programs."""
    settings = grammar.settings
    bank = rngs[0].standard_normal((N_VECTORS if settings.has_vectors else 0, n_features))
    islands = [Island(grammar.ramped(rng, settings.population_size, settings.init_depth), rng) for rng in rngs]
    return SearchState(islands, bank, Front(), functions=frozenset(settings.function_set))


def check_state(state: SearchState | None, settings: SearchSettings, n_islands: int) -> None:
    """Raise ValueError unless a search with these settings can go on from a state, if there is one."""
    if state is None:
        return
    if len(state.islands) != n_islands:
        raise ValueError(f"the state is of a search on {len(state.islands)} islands; got n_islands={n_islands}")
    before, wanted = state.functions, frozenset(settings.function_set)
    if before != wanted:
        raise ValueError(
            f"the state is of a search with function_set={sorted(before)}; got one with {sorted(wanted - before)} besides and "
            f"without {sorted(before - wanted)}"
        )


def wants_end(answer: object) -> bool:
    """Return whether a callback's answer ends a search: only what is a truth value and true does, not just any object."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


def _resumed(state: SearchState, scorer: Scorer, rngs: list[np.random.Generator]) -> SearchState:
    """Return an earlier search's state, its front scored anew: the data may have changed."""
    if state.bank.shape[1] != scorer.n_features:
        raise ValueError(f"the state is of a search on {state.bank.shape[1]} features; the data has {scorer.n_features}")
    front = Front()
    if state.front.programs is not None:
        front.update(state.front.programs, scorer.score(state.front.programs, state.bank))
    islands = [Island(island.population, rng) for island, rng in zip(state.islands, rngs, strict=True)]
    return replace(state, islands=islands, front=front, unimproved=0)


def _converged(state: SearchState, settings: SearchSettings) -> End | None:
    """Return "converged" where nothing is to be expected any more."""
    is_exact = len(state.front.loss) and state.front.loss.min() <= LOSS_FLOOR
    patience = math.inf if settings.n_iter_no_change is None else settings.n_iter_no_change
    # The first formula that fits exactly is seldom the simplest one.
    patience = min(patience, _EXACT_PATIENCE) if is_exact else patience
    return "converged" if state.unimproved >= patience else None
