import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error

from sklearn_taskneurons._training.losses import CrossEntropyLoss, SquaredErrorLoss

M = 3


def data(n_outputs):
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, M, n_outputs)), rng


def check(loss, y_pred, y, weight, peer):
    """Compare with scikit-learn, member by member."""
    y_pred, target, weights = torch.tensor(y_pred), torch.tensor(y), torch.tensor(weight)
    weighted = [peer(member, sample_weight=weight[:, member]) for member in range(M)]
    plain = [peer(member) for member in range(M)]
    np.testing.assert_allclose(loss.of_members(y_pred, (target, weights)), weighted)
    np.testing.assert_allclose(loss.of_members(y_pred, target), plain)
    np.testing.assert_allclose(loss.eval()(y_pred, (target, weights)), np.mean(weighted))
    # In training, batches that weigh little pull little.
    light = loss.train()(y_pred, (target, weights / 4))
    np.testing.assert_allclose(light, np.mean(weighted * weight.mean(axis=0)) / 4)
    np.testing.assert_allclose(loss(y_pred, target), np.mean(plain))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_squared_error(n_outputs):
    y_pred, rng = data(n_outputs)
    y, weight = rng.normal(size=y_pred.shape), rng.random((20, M))

    def peer(member, **options):
        return mean_squared_error(y[:, member], y_pred[:, member], **options)

    check(SquaredErrorLoss(), y_pred, y, weight, peer)


def test_cross_entropy():
    logits, rng = data(3)
    y, weight = rng.integers(0, 3, (20, M)), rng.random((20, M))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    def peer(member, **options):
        return log_loss(y[:, member], probabilities[:, member], labels=[0, 1, 2], **options)

    check(CrossEntropyLoss(), logits, y, weight, peer)


def test_labels_are_smooth_only_in_training():
    logits, rng = data(3)
    logits, y = torch.tensor(logits), torch.tensor(rng.integers(0, 3, (20, M)))
    loss = CrossEntropyLoss(label_smoothing=0.3)
    targets = 0.7 * torch.nn.functional.one_hot(y, 3) + 0.1
    expected = -(targets * torch.log_softmax(logits, -1)).sum(-1)
    torch.testing.assert_close(loss.train()(logits, y), expected.mean())
    torch.testing.assert_close(loss.of_members(logits, y), expected.mean(0))
    torch.testing.assert_close(loss.eval()(logits, y), CrossEntropyLoss()(logits, y))
