"""Genetic operators, each applied to all its programs at once."""

from typing import Final, NamedTuple

import numpy as np

from sklearn_taskneurons._search._kinds import WRONG, kinds
from sklearn_taskneurons._search._population import Bools, Ints, Population, arity_of, subtree_sizes
from sklearn_taskneurons._search._random_trees import N_VECTORS, Grammar
from sklearn_taskneurons._search._schedule import Schedule, depths, flatten
from sklearn_taskneurons._search._settings import MAX_DEPTH
from sklearn_taskneurons.formula.functions import MUL, NUMBER, SUM, VECTOR

_MUTATION_DEPTH: Final = 3  # of subtrees that mutation plants, at most: mutants stay close to their parents


class Cut(NamedTuple):
    """A node of each of some programs: M rows of a population and M positions."""

    rows: Ints
    positions: Ints


def random_nodes(rng: np.random.Generator, population: Population, rows: Ints) -> Cut:
    """Choose one node of each of these programs, all equally likely."""
    return Cut(rows, (rng.random(len(rows)) * population.size[rows, 0]).astype(np.intp))


def splice(receivers: Population, at: Cut, donors: Population, of: Cut, max_length: int) -> Population:
    """Replace the subtree at one node by the subtree of another program.

    Parameters
    ----------
    receivers, donors : Population
    at, of : Cut
        The node that is replaced and the node that replaces it, for each of M new programs.
    max_length : int
        New programs beyond it are left as the receiver is.

    Returns
    -------
    Population
        M programs.
    """
    removed = receivers.size[at].astype(np.intp)
    added = donors.size[of].astype(np.intp)
    length = receivers.size[at.rows, 0] + added - removed
    fits = length <= max_length
    length = np.where(fits, length, receivers.size[at.rows, 0])
    # A program that would be too long gets its own subtree again.
    added = np.where(fits, added, removed)
    n_received, n_donated = receivers.opcode.size, donors.opcode.size
    receiver = at.rows * receivers.width
    donor = np.where(fits, n_received + of.rows * donors.width + of.positions, receiver + at.positions)
    width = int(length.max())
    column = np.arange(width)
    start, stop = at.positions[:, None], (at.positions + added)[:, None]
    source = np.where(column < stop, (donor - at.positions)[:, None], (receiver + removed - added)[:, None])
    np.copyto(source, receiver[:, None], where=column < start)
    source += column
    nothing = n_received + n_donated
    np.copyto(source, nothing, where=column >= length[:, None])
    parts = [
        np.concatenate([ours.ravel(), theirs.ravel(), np.zeros(1, dtype=ours.dtype)]).take(source)
        for ours, theirs in (
            (receivers.opcode, donors.opcode),
            (receivers.value, donors.value),
            (receivers.size, donors.size),
        )
    ]
    # Subtrees that contain the place, that is begin before it and end behind it, grow with it.
    size = parts[2]
    contains = (column < start) & (column + size > start)
    size += contains * (added - removed).astype(np.int16)[:, None]
    return Population(parts[0], parts[1], size)


def crossover(rng: np.random.Generator, population: Population, first: Ints, second: Ints, max_length: int) -> Population:
    """Replace a random subtree of each first parent by one of the second parent."""
    at = random_nodes(rng, population, first)
    return splice(population, at, population, random_nodes(rng, population, second), max_length)


def subtree_mutation(rng: np.random.Generator, population: Population, rows: Ints, grammar: Grammar) -> Population:
    """Replace a random subtree by a random one."""
    settings = grammar.settings
    count = len(rows)
    depth = rng.integers(min(_MUTATION_DEPTH, settings.max_depth) + 1, size=count)
    trees = grammar.trees(rng, depth, rng.random(count) < 0.5)
    at = random_nodes(rng, population, rows)
    return splice(population, at, trees, Cut(np.arange(count), np.zeros(count, dtype=np.intp)), settings.max_length)


def point_mutation(rng: np.random.Generator, population: Population, rows: Ints, grammar: Grammar) -> Population:
    """Replace a random node by another of the same number of arguments."""
    _, positions = random_nodes(rng, population, rows)
    mutants = population.take(rows)
    nodes = np.arange(len(rows)), positions
    arity = arity_of(mutants.opcode[nodes])
    opcode, value = grammar.leaves(rng, np.zeros(len(rows), dtype=np.bool_))
    for number in (1, 2):
        choice = grammar.functions_by_arity[number]
        if len(choice):
            opcode = np.where(arity == number, choice[rng.integers(len(choice), size=len(rows))], opcode)
    value = np.where(arity > 0, grammar.exponents(rng, opcode), value)
    mutants.opcode[nodes] = opcode
    mutants.value[nodes] = value
    return mutants


def constant_mutation(rng: np.random.Generator, population: Population, rows: Ints, grammar: Grammar) -> Population:
    """Disturb a random constant of each program, or draw it anew; programs without constants stay.

    The noise is Gaussian, relative to the constant, and of all sizes from the constant's own to a
    thousandth of it, so that constants can both move and settle.
    """
    mutants = population.take(rows)
    used = mutants.size > 0
    is_constant = used & ((mutants.opcode == NUMBER) | (mutants.opcode == VECTOR))
    chosen = _random_true(rng, is_constant)
    has_one = np.flatnonzero(is_constant.any(axis=1))
    nodes = has_one, chosen[has_one]
    count = len(has_one)
    value = mutants.value[nodes]
    noise = rng.standard_normal(count) * 10.0 ** -rng.uniform(0.0, 3.0, count) * np.maximum(np.abs(value), 1e-3)
    numbers = np.where(rng.random(count) < 0.75, value + noise, grammar.numbers(rng, count))
    vectors = rng.integers(N_VECTORS, size=count)
    mutants.value[nodes] = np.where(mutants.opcode[nodes] == NUMBER, numbers, vectors)
    return mutants


def with_factors(population: Population, grammar: Grammar) -> Population:
    """Put a number, 1, before each argument of an elementwise function that no number multiplies, where there is room.

    It changes no value, but can be optimised then.
    """
    nodes = flatten(population)
    has_one = (nodes.opcode == NUMBER) | ((nodes.opcode == MUL) & (nodes.opcode[nodes.left] == NUMBER))
    is_function = nodes.opcode > SUM
    needs_one = np.zeros(len(nodes.opcode), dtype=np.bool_)
    needs_one[nodes.left[is_function]] = True
    needs_one[nodes.right[is_function & (arity_of(nodes.opcode) == 2)]] = True
    needs_one &= ~has_one
    copies = 1 + 2 * needs_one  # the first of three become the product and its number
    first = (np.cumsum(copies) - copies)[needs_one]
    opcodes, values = np.repeat(nodes.opcode, copies), np.repeat(nodes.value, copies)
    opcodes[first], values[first] = MUL, 0.0
    opcodes[first + 1], values[first + 1] = NUMBER, 1.0
    length = np.add.reduceat(copies, nodes.roots)
    is_node = np.arange(length.max()) < length[:, None]
    opcode, value = np.zeros(is_node.shape, dtype=np.uint8), np.zeros(is_node.shape)
    opcode[is_node], value[is_node] = opcodes, values
    return keep_valid(Population(opcode, value, subtree_sizes(opcode, length)), population, grammar)


def _random_true(rng: np.random.Generator, mask: Bools) -> Ints:
    """Return the column of a random true entry of each row; 0 where there is none."""
    counts = np.cumsum(mask, axis=1)
    wanted = (rng.random(len(mask)) * counts[:, -1]).astype(np.intp) + 1
    columns: Ints = np.argmax(counts == wanted[:, None], axis=1)
    return columns


def keep_valid(offspring: Population, parents: Population, grammar: Grammar) -> Population:
    """Replace offspring that is too long, too deep or nested too far, or lacks a vector where one is needed, by its parent.

    Parameters
    ----------
    offspring, parents : Population
        M programs each, row by row.
    grammar : Grammar

    Returns
    -------
    Population
    """
    settings = grammar.settings
    valid = grammar.nesting.is_met(offspring) & (offspring.length <= settings.max_length)
    if settings.is_typed:
        valid &= kinds(Schedule(offspring)) != WRONG
    if settings.max_depth < MAX_DEPTH or settings.max_length > MAX_DEPTH:
        valid &= depths(offspring) <= settings.max_depth
    if valid.all():
        return offspring
    both = Population.concatenate([offspring, parents])
    rows = np.arange(len(offspring))
    return both.take(np.where(valid, rows, rows + len(offspring)))
