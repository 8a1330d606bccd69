"""Symbolic search on arrays: vectorized genetic programming, and how programs are scored."""

from sklearn_taskneurons._search._block_moments import block_moments, block_weights, row_blocks
from sklearn_taskneurons._search._clock import deadline_after
from sklearn_taskneurons._search._columns import TermColumns, distinct_terms, lone_sum
from sklearn_taskneurons._search._evolution import SearchResult, check_state, search, wants_end
from sklearn_taskneurons._search._exhaustive import search_exhaustively
from sklearn_taskneurons._search._folds import count_used, folds_of, no_rows, with_rows
from sklearn_taskneurons._search._forms import Coefficients, Form, forms_of, own_degree
from sklearn_taskneurons._search._joint_scorer import JointScorer
from sklearn_taskneurons._search._losses import LOSS_NAMES, Loss
from sklearn_taskneurons._search._make_scorer import make_moment_scorer, make_scorer
from sklearn_taskneurons._search._moment_scorer import MomentScorer
from sklearn_taskneurons._search._moments import Moments, equal_rows, norm_of
from sklearn_taskneurons._search._refit_scorer import RefitScorer
from sklearn_taskneurons._search._row_scorer import RowScorer
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import FrontEntry, Scorer
from sklearn_taskneurons._search._selection import CRITERIA, selection_scores
from sklearn_taskneurons._search._settings import MAX_DEPTH, POLYNOMIAL_FUNCTIONS, SearchSettings
from sklearn_taskneurons._search._state import Record, SearchState

__all__ = [
    "CRITERIA",
    "LOSS_NAMES",
    "MAX_DEPTH",
    "POLYNOMIAL_FUNCTIONS",
    "Coefficients",
    "Form",
    "FrontEntry",
    "JointScorer",
    "Loss",
    "MomentScorer",
    "Moments",
    "Record",
    "RefitScorer",
    "RowScorer",
    "Rows",
    "Scorer",
    "SearchResult",
    "SearchSettings",
    "SearchState",
    "TermColumns",
    "block_moments",
    "block_weights",
    "check_state",
    "count_used",
    "deadline_after",
    "distinct_terms",
    "equal_rows",
    "folds_of",
    "forms_of",
    "lone_sum",
    "make_moment_scorer",
    "make_scorer",
    "no_rows",
    "norm_of",
    "own_degree",
    "row_blocks",
    "search",
    "search_exhaustively",
    "selection_scores",
    "wants_end",
    "with_rows",
]
