"""Images that are moved and mirrored at random, so that a network learns what does not matter."""

import torch
from torch import Tensor

from sklearn_taskneurons._device import generator_of


class Augmentation:
    """Shift images by up to some pixels, and mirror them; how is a function of the seed and of the number of batches so far.

    Where a shift leaves a side empty, the pixels of the edge are repeated.

    Parameters
    ----------
    image_shape : tuple of int
        The channels, the height and the width of an image, (C, H, W).
    max_shift : int
        The largest shift along each axis, in pixels, at least 0; all shifts of -max_shift to max_shift are equally likely.
    horizontal_flip : bool
        Whether half of the images, at random, are mirrored left to right.
    seed : int
        At least 0.
    """

    def __init__(self, image_shape: tuple[int, int, int], max_shift: int, horizontal_flip: bool, seed: int) -> None:
        self.image_shape = image_shape
        self.max_shift = max_shift
        self.horizontal_flip = horizontal_flip
        self.seed = seed
        self.n_batches = 0

    def __call__(self, X: Tensor) -> Tensor:
        """Return a batch of flat images (..., C*H*W), each in its own way."""
        channels, height, width = self.image_shape
        images = X.reshape(-1, channels, height * width)
        down, right, mirrored = (draw.to(X.device) for draw in self._draw(len(images)))
        rows = (torch.arange(height, device=X.device) - down).clamp(0, height - 1)
        columns = (torch.arange(width, device=X.device) - right).clamp(0, width - 1)
        columns = torch.where(mirrored, width - 1 - columns, columns)
        sources = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
        return images.gather(2, sources[:, None].expand(-1, channels, -1)).view(X.shape)

    def _draw(self, n_images: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return by how many pixels each image is moved down and to the right, and then whether it is mirrored; each (n, 1)."""
        generator = generator_of(self.seed, 1, self.n_batches)
        self.n_batches += 1
        down, right = torch.randint(-self.max_shift, self.max_shift + 1, (2, n_images, 1), generator=generator, device="cpu")
        mirrored = torch.rand(n_images, 1, generator=generator, dtype=torch.float32, device="cpu") < 0.5
        return down, right, mirrored & bool(self.horizontal_flip)
