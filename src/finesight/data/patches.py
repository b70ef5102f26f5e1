"""Which patches of photographs are worth people's time: HGGT's tests of content, detail and brightness.

The published rules are kept where they are odd: the Laplacian is cut at 0 and 255 before its variance is taken, and the
distance of two versions is the difference of their means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finesight.errors import SettingError

__all__ = ["brightness_distance", "content", "grey_levels", "keeps", "saturated_laplacian_variance"]

Pixels = NDArray[np.uint8]


def grey_levels(patch: Pixels) -> Pixels:
    """Luma of uint8 RGB ``(H, W, 3)`` in whole levels, as Pillow's mode L has it: weights of 1/65536, rounded.

    >>> grey_levels(np.full((1, 2, 3), 77, np.uint8))
    array([[77, 77]], dtype=uint8)
    """
    if patch.dtype != np.uint8 or patch.ndim != 3 or patch.shape[2] != 3:
        raise SettingError(f"patch: expected uint8 (H, W, 3), got {patch.dtype} {patch.shape}")
    weighted = patch.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return np.asarray((weighted + 0x8000) >> 16, np.uint8)


def content(patch: Pixels) -> float:
    """Standard deviation of the grey levels."""
    return float(grey_levels(patch).astype(np.float64).std())


def saturated_laplacian_variance(patch: Pixels) -> float:
    """Variance of the 3x3 Laplacian (0 1 0 / 1 -4 1 / 0 1 0) cut to 0..255, the border mirrored without its pixel."""
    grey = np.pad(grey_levels(patch).astype(np.int32), 1, mode="reflect")
    centre = grey[1:-1, 1:-1]
    response = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(response.clip(0, 255).astype(np.float64).var())


def keeps(patch: Pixels, *, content_threshold: float = 30.0, laplacian_threshold: float = 30.0) -> bool:
    """Whether there is enough in a patch; a place is used if any of its versions passes.

    Args:
        patch: uint8 RGB ``(H, W, 3)``, both sides at least 2.
        content_threshold: least ``content``.
        laplacian_threshold: least ``saturated_laplacian_variance``.
    """
    return content(patch) >= content_threshold and saturated_laplacian_variance(patch) >= laplacian_threshold


def brightness_distance(first: Pixels, second: Pixels) -> float:
    """Absolute difference of the means of two patches of one size, in grey levels: by which places are sorted."""
    return abs(float(np.mean(first.astype(np.float64) - second.astype(np.float64))))
