"""Images as rows of a table: which shape they have."""

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sklearn_taskneurons.nn._checks import whole_numbers

ImageShape: TypeAlias = tuple[int, int, int]

# The numbers of a pixel that images have where their channels come last: of grey, of a colour, and with its opacity.
PIXEL_NUMBERS: Final = (1, 3, 4)


def as_rows(X: Any) -> tuple[Any, ImageShape | None]:
    """Return images (N, C, H, W), or (N, H, W) of one channel, as rows, with the shape of one; all else as it is, with None."""
    # Lists of lists of numbers, the usual rows, are scikit-learn's to look at.
    if isinstance(X, (list, tuple)) and len(X) and np.ndim(X[0]) > 1:
        X = np.asarray(X)
    if getattr(X, "ndim", 0) <= 2:
        return X, None
    X = np.asarray(X)
    if X.ndim not in (3, 4):
        raise ValueError(
            "X must be rows (n_samples, n_features), or images (n_samples, channels, height, width), or of one channel "
            f"(n_samples, height, width), got an array of the shape {X.shape}"
        )
    shape = (1 if X.ndim == 3 else X.shape[1], X.shape[-2], X.shape[-1])
    if not all(shape):
        raise ValueError(f"X must hold images (n_samples, channels, height, width) that are not empty, got the shape {X.shape}")
    return X.reshape(len(X), math.prod(shape)), shape


def find_image_shape(n_features: int, given: ArrayLike | None, seen: ImageShape | None) -> ImageShape:
    """Return the shape of the images.

    Parameters
    ----------
    n_features : int
        How many numbers one has.
    given : tuple of int or None
        The shape that the user says they have; None takes rows of a square number for square images of one channel, and
        others for images of a single line.
    seen : tuple of int or None
        The shape that they have, if they were no rows.

    Raises
    ------
    ValueError
        If the shape is none, or does not belong to such images, or if it is that of images whose channels come last and
        nobody says that it is meant.
    """
    if given is None:
        if seen is not None and _has_channels_last(seen):
            raise ValueError(
                f"X must hold images (n_samples, channels, height, width), but {seen} looks like (height, width, channels): "
                f"np.moveaxis(X, -1, 1) makes them (n_samples, channels, height, width); image_shape={seen} confirms the shape "
                "as it is"
            )
        side = math.isqrt(n_features)
        return seen or ((1, side, side) if side * side == n_features else (1, 1, n_features))
    sizes = whole_numbers("image_shape", given)
    if len(sizes) != 3:
        raise ValueError(f"image_shape must be three numbers, (channels, height, width), got {given!r}")
    sizes = sizes[0], sizes[1], sizes[2]
    if seen is not None and seen != sizes:
        raise ValueError(f"image_shape must be the shape of the images, {seen}, got {sizes}{remedy(seen, sizes)}")
    if math.prod(sizes) != n_features:
        raise ValueError(
            f"image_shape must have as many pixels, over all channels, as X has columns, {n_features}, "
            f"got {sizes}, which are {math.prod(sizes)}"
        )
    return sizes


def _has_channels_last(shape: ImageShape) -> bool:
    """Return whether a shape looks like (height, width, channels): so few numbers come last, and more first.

    Where few come first, too, as in (3, 32, 3), it is what it is said to be.
    """
    return shape[2] in PIXEL_NUMBERS and shape[0] > max(PIXEL_NUMBERS)


def remedy(seen: ImageShape, wanted: ImageShape) -> str:
    """Return how images get the shape that is wanted, where that is known, as the end of a message."""
    moved = (seen[2], seen[0], seen[1])
    return "; np.moveaxis(X, -1, 1) brings the channels of X to the front" if moved == wanted else ""
