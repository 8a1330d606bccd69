"""Symbolic search on arrays: vectorized genetic programming, and how programs are scored."""

from sklearn_taskneurons._search._evolution import Record, SearchResult, SearchState, search
from sklearn_taskneurons._search._make_scorer import make_scorer
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._scores import FrontEntry, Scorer
from sklearn_taskneurons._search._selection import CRITERIA, select, selection_scores
from sklearn_taskneurons._search._settings import SearchSettings

__all__ = [
    "CRITERIA",
    "FrontEntry",
    "Moments",
    "Record",
    "Scorer",
    "SearchResult",
    "SearchSettings",
    "SearchState",
    "make_scorer",
    "search",
    "select",
    "selection_scores",
]
