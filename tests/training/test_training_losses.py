import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error

from sklearn_taskneurons._training.losses import WeightedCrossEntropyLoss, WeightedMSELoss


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_squared_error(n_outputs):
    rng = np.random.default_rng(0)
    y_pred, y, weight = rng.normal(size=(20, n_outputs)), rng.normal(size=(20, n_outputs)), rng.random(20)
    loss = WeightedMSELoss()(torch.tensor(y_pred), (torch.tensor(y), torch.tensor(weight)))
    assert loss.item() == pytest.approx(mean_squared_error(y, y_pred, sample_weight=weight))


def test_cross_entropy():
    rng = np.random.default_rng(0)
    logits, y, weight = rng.normal(size=(20, 3)), rng.integers(0, 3, 20), rng.random(20)
    loss = WeightedCrossEntropyLoss()(torch.tensor(logits), (torch.tensor(y), torch.tensor(weight)))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss.item() == pytest.approx(log_loss(y, probabilities, sample_weight=weight, labels=[0, 1, 2]))
