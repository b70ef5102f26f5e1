"""Pillow's bicubic, compared with Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.errors import InputError
from finesight.nn.resample import bicubic, bicubic_8bit, scaled_size

SIZES = [((40, 36), (10, 9)), ((10, 9), (40, 36)), ((160, 160), (16, 16)), ((7, 50), (61, 3)), ((33, 21), (33, 86))]
SIZES += [((1, 1), (4, 4)), ((66, 8), (1, 1)), ((8, 66), (59, 1)), ((5, 60), (64, 57)), ((12, 8), (1, 45))]


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("hard", [False, True])
def test_agrees_with_pillow(before: tuple[int, int], after: tuple[int, int], hard: bool) -> None:
    levels = np.random.RandomState(sum(before)).randint(0, 256, (*before, 3)).astype(np.uint8)
    if hard:  # black and white: overshoots and exact halves
        levels = (levels > 127).astype(np.uint8) * 255
    # axis by axis, because the order of the two depends on Pillow's version
    rows = Image.fromarray(levels).resize((after[1], before[0]), Image.Resampling.BICUBIC)
    expected = np.asarray(rows.resize((after[1], after[0]), Image.Resampling.BICUBIC))
    found = bicubic_8bit(torch.from_numpy(levels).permute(2, 0, 1), after)
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)

    plane = levels[..., 0].astype(np.float32) / 255
    smooth = np.asarray(Image.fromarray(plane).resize((after[1], after[0]), Image.Resampling.BICUBIC)).clip(0, 1)
    assert np.abs(bicubic(torch.from_numpy(plane)[None, None], after)[0, 0].numpy() - smooth).max() < 1e-5


def test_same_size_is_the_same_picture() -> None:
    image = torch.rand(1, 3, 5, 6)
    assert torch.equal(bicubic(image, (5, 6)), image)
    assert scaled_size((10, 9), 4) == (40, 36)
    assert scaled_size((2, 6), 1 / 4) == (1, 2)
    assert scaled_size((1, 1), 1 / 4) == (1, 1)


def test_float_levels_are_refused() -> None:
    with pytest.raises(InputError, match="uint8"):
        bicubic_8bit(torch.rand(1, 3, 4, 4), (2, 2))
