"""Fixtures of tests in several folders."""

import pytest

from sklearn_taskneurons._training.optimizer import VectorAdamW


@pytest.fixture
def tenth_step_interrupted(monkeypatch):
    """Interrupt trainings in their tenth step, as the keyboard does."""
    taken = []

    def step(self, *args):
        taken.append(1)
        if len(taken) == 10:
            raise KeyboardInterrupt
        return original(self, *args)

    original = VectorAdamW.step
    monkeypatch.setattr(VectorAdamW, "step", step)
