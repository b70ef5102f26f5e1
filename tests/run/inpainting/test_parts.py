"""Groups of holes, how wide they are, and windows over them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from finesight.errors import CalculationError
from finesight.run.inpainting.holes import groups
from finesight.run.inpainting.pyramid import Level, halved, levels_needed, to_level, too_deep
from finesight.run.inpainting.windows import paint, starts


def test_groups_hold_every_hole_once_and_keep_distant_ones_apart() -> None:
    hole = np.zeros((400, 500), bool)
    hole[10:20, 10:20] = hole[12:15, 40:60] = True  # near each other
    hole[300:310, 400:499] = True
    hole[399, 0] = True
    found = groups(hole, near=64)
    assert [(g.top, g.bottom, g.left, g.right) for g in found] == [
        (10, 20, 10, 60),
        (300, 310, 400, 499),
        (399, 400, 0, 1),
    ]
    counted = np.zeros_like(hole, int)
    for group in found:
        counted[group.place] += hole[group.place]
    assert np.array_equal(counted, hole)
    wide = found[1].widened(50, 400, 500)
    assert (wide.top, wide.bottom, wide.left, wide.right) == (250, 360, 350, 500)


def test_depth_by_hand() -> None:
    hole = np.zeros((20, 20), bool)
    hole[4:13, 4:15] = True  # 9 x 11
    assert not too_deep(hole, 10).any()
    assert np.argwhere(too_deep(hole, 9)).tolist() == [[8, 8], [8, 9], [8, 10]]
    assert levels_needed(hole, 10) == 0
    assert levels_needed(hole, 9) == 1
    assert levels_needed(hole, 4) == 2
    thin = np.zeros((20, 300), bool)
    thin[9:11] = True
    assert levels_needed(thin, 4) == 0


def test_halving_averages_known_pixels_only() -> None:
    pixels = np.array([[10, 20, 99], [30, 255, 99], [7, 9, 50]], np.uint8)[:, :, None]
    hole = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 0]], bool)
    level = halved(to_level(pixels, hole))
    assert torch.allclose(level.image[0] * 255, torch.tensor([[20.0, 0.0], [8.0, 50.0]]), atol=1e-3)
    assert level.hole.tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("length", [1, 256, 257, 600, 5000])
def test_windows_cover_everything_and_overlap(length: int) -> None:
    found = starts(length, 256)
    assert found[0] == 0
    assert max(found) + 256 >= length
    assert max(found) <= max(0, length - 256)
    assert all(b - a <= 192 for a, b in itertools.pairwise(found))


def test_windows_fade_into_each_other() -> None:
    hole = np.zeros((40, 130), bool)
    hole[18:22, 5:125] = True
    level = Level(torch.rand(3, 40, 130), hole)
    answers = iter(range(1, 100))

    def painter(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert (image * mask).abs().max() == 0  # nothing of the hole is shown
        return torch.full_like(image, float(next(answers)))

    done: list[None] = []
    filled = paint(level, painter, 48, done=lambda: done.append(None))
    row = filled[0, 20, 5:125]
    assert len(done) == 4
    assert (row.diff() >= -1e-6).all()
    assert row.diff().max() < 0.15
    assert torch.equal(filled[:, ~torch.from_numpy(hole)], level.image[:, ~torch.from_numpy(hole)])


def test_answers_that_are_no_numbers_are_not_kept() -> None:
    hole = np.zeros((16, 16), bool)
    hole[4:8, 4:8] = True
    with pytest.raises(CalculationError, match="NaN"):
        paint(Level(torch.rand(3, 16, 16), hole), lambda image, _: image * torch.nan, 48, done=lambda: None)
