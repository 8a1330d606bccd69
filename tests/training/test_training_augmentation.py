import copy

import numpy as np
import pytest
import torch

from sklearn_taskneurons._training import Augmentation, make_table
from sklearn_taskneurons._training.batches import RowOrder, TensorBatches

SHAPE = (2, 4, 5)


def images(n, shape=SHAPE):
    return torch.arange(float(n * np.prod(shape))).view(n, -1)


def moved(image, down, right, mirrored):
    """Return an image (C, H, W), shifted over repeated edges and then mirrored, pixel by pixel."""
    height, width = image.shape[1:]
    result = np.empty_like(image)
    for row in range(height):
        for column in range(width):
            source = width - 1 - column if mirrored else column
            result[:, row, source] = image[:, np.clip(row - down, 0, height - 1), np.clip(column - right, 0, width - 1)]
    return result


@pytest.mark.parametrize(("max_shift", "flip"), [(0, True), (1, False), (np.int64(2), np.True_)])
def test_every_image_is_moved_in_one_of_the_ways(max_shift, flip):
    X = images(100)
    result = Augmentation(SHAPE, max_shift, flip, 0)(X).view(-1, *SHAPE).numpy()
    steps = range(-max_shift, max_shift + 1)
    ways = [(down, right, mirrored) for down in steps for right in steps for mirrored in {False, flip}]
    seen = set()
    for before, after in zip(X.view(-1, *SHAPE).numpy(), result, strict=True):
        fitting = [way for way in ways if np.array_equal(moved(before, *way), after)]
        assert len(fitting) == 1
        seen.update(fitting)
    assert len(seen) > len(ways) / 2


def test_members_images_are_moved_each_for_itself():
    X = images(1).expand(30, 3, -1)
    result = Augmentation(SHAPE, 1, True, 0)(X)
    assert result.shape == X.shape
    assert len(np.unique(result.flatten(0, 1).numpy(), axis=0)) > 9


def test_depends_on_the_seed_and_the_batches_so_far_and_on_nothing_else():
    state = torch.get_rng_state()
    first, second = Augmentation(SHAPE, 1, True, 3), Augmentation(SHAPE, 1, True, 3)
    X = images(30)
    batches = [first(X), first(X)]
    assert not torch.equal(*batches)
    assert torch.equal(second(X), batches[0])
    assert torch.equal(copy.deepcopy(second)(X), batches[1])
    assert not torch.equal(Augmentation(SHAPE, 1, True, 4)(X), batches[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_targets_and_weights_stay_with_their_images():
    X = torch.arange(12.0)[:, None].repeat(1, 40).numpy()  # every pixel says which image it is of
    table = make_table(X, X[:, :1] * 10, X[:, 0] + 1)
    seen = []
    for rows, (y, weight) in TensorBatches(table, 5, RowOrder(0), Augmentation(SHAPE, 1, True, 0)):
        assert torch.equal(rows[..., :1] * 10, y)
        assert torch.allclose(weight / weight[0], (rows[..., 0] + 1) / (rows[0, :, 0] + 1))
        seen += rows[:, 0, 0].tolist()
    assert sorted(seen) == list(range(12))
