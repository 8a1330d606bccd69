"""Scores programs in several forms at once: with a number for each power, and with one for each power and feature."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_taskneurons._search._formulas import pareto
from sklearn_taskneurons._search._population import Floats, Population
from sklearn_taskneurons._search._refit_scorer import RefitScorer
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, Scores


class JointScorer(Scorer):
    """Gives every program a loss and a complexity in each form, and reports formulas of all forms.

    Parameters
    ----------
    forms : sequence of RefitScorer
        The scorers of the forms, all of the same rows.
    """

    def __init__(self, forms: Sequence[RefitScorer]) -> None:
        self.forms = tuple(forms)
        self.n_features = forms[0].n_features
        self.n_outputs = forms[0].n_outputs
        self.reports_at_once = all(form.reports_at_once for form in forms)

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs in all F forms, shape (P, F)."""
        scores = [form.score(population, bank) for form in self.forms]
        return Scores(np.stack([each.loss for each in scores], axis=1), np.stack([each.complexity for each in scores], axis=1))

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the formulas of the programs in every form that pays."""
        return pareto([entry for form in self.forms for entry in form.report(population, bank)])

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or other forms."""
        parts = [form.fingerprint().items() for form in self.forms]
        return {f"form {number}: {name}": value for number, part in enumerate(parts) for name, value in part}

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return self.forms[0].constant()
