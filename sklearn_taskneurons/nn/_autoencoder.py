"""A small convolutional autoencoder."""

import torch
from torch import Tensor, nn

# The channels of the two convolutions of the encoder, and backwards of those of the decoder.
CHANNELS = (16, 32)
# Along shorter axes nothing is halved: of three pixels there would be only one left for many to come from.
LEAST_HALVED = 4


class ConvAutoencoder(nn.Module):
    """Images to a short code and back.

    Two convolutions, each of which halves height and width, and a matrix make the code; a matrix and two convolutions, each
    of which follows a magnification, make an image of it.

    Parameters
    ----------
    image_shape : tuple of int
        The channels, the height and the width of an image, (C, H, W).
    code_size : int
        How many numbers the code has, at least 1.
    dtype : torch.dtype or None
        What the parameters are; None for torch's default.

    Notes
    -----
    *Shape.* Input and output (N, C, H, W), code (N, code_size).
    """

    def __init__(self, image_shape: tuple[int, int, int], code_size: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        first, second = CHANNELS
        whole = image_shape[1], image_shape[2]
        half = _halved(whole)
        quarter = _halved(half)
        n_last = second * quarter[0] * quarter[1]
        self.encoder = nn.Sequential(
            nn.Conv2d(image_shape[0], first, 3, _steps(whole), padding=1, dtype=dtype), nn.ReLU(),
            nn.Conv2d(first, second, 3, _steps(half), padding=1, dtype=dtype), nn.ReLU(),
            nn.Flatten(), nn.Linear(n_last, code_size, dtype=dtype),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(code_size, n_last, dtype=dtype), nn.Unflatten(1, (second, *quarter)), nn.ReLU(),
            nn.Upsample(half), nn.Conv2d(second, first, 3, padding=1, dtype=dtype), nn.ReLU(),
            nn.Upsample(whole), nn.Conv2d(first, image_shape[0], 3, padding=1, dtype=dtype),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the images that their codes are decoded to."""
        images: Tensor = self.decoder(self.encoder(x))
        return images


def _steps(size: tuple[int, int]) -> tuple[int, int]:
    """Return the step of the convolution along each axis."""
    height, width = (2 if length >= LEAST_HALVED else 1 for length in size)
    return height, width


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of what it gives."""
    height, width = (-(-length // step) for length, step in zip(size, _steps(size), strict=True))
    return height, width
