"""Seams are found where there are some, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from finesight.media import from_array
from finesight.nn.traits import Traits
from finesight.run import Upscaler
from finesight.run.seams import find_seam
from finesight.run.tiles import plan_tiles
from tests.run.networks import Plain, model_of


def test_a_step_at_a_border_is_found() -> None:
    plan = plan_tiles(40, 60, 800, 0)
    assert plan is not None
    smooth = np.linspace(0, 200, 120)[None, :, None].repeat(80, 0).astype(np.uint8)
    seam = find_seam(smooth, plan, (40, 60))
    assert seam is not None
    assert seam.excess <= 0.1
    broken = smooth.copy()
    tile = list(plan)[-1]
    broken[2 * tile.y.first :, 2 * tile.x.first :] += 9
    seam = find_seam(broken, plan, (40, 60))
    assert seam is not None
    assert 6 < seam.excess <= 10
    edges = {(2 * tile.y.first, 2 * t.x.first) for t in plan} | {(2 * t.y.first, 2 * tile.x.first) for t in plan}
    assert (seam.row, seam.column) in edges
    deep = find_seam(broken.astype(np.uint16) * 257, plan, (40, 60))
    assert deep is not None
    assert deep.excess == pytest.approx(seam.excess, rel=1e-4)


def test_one_tile_has_no_border() -> None:
    plan = plan_tiles(4, 4, 16, 0)
    assert plan is not None
    assert find_seam(np.zeros((8, 8, 3), np.uint8), plan, (4, 4)) is None


class Moody(nn.Module):
    """Adds to each tile its own mean: what a network with a forgotten global dependence does to tiles."""

    traits = Traits(task="super-resolution", scale=2, halo=0)

    def forward(self, image: Tensor) -> Tensor:
        mean = image.mean((1, 2, 3), keepdim=True)
        return torch.nn.functional.interpolate(0.7 * image + 0.3 * mean, scale_factor=2, mode="nearest")


def test_the_report_tells() -> None:
    y, x = np.mgrid[:60, :60] / 59
    picture = from_array((np.stack([x, y, x * y], 2) * 255).astype(np.uint8))
    _, report = Upscaler(model_of(Moody()), tile=20)(picture, check_seams=True)
    assert report.seam is not None
    assert report.seam.excess > 3
    _, report = Upscaler(model_of(Plain()), tile=20, exact=True)(picture, check_seams=True)
    assert report.seam is not None
    assert report.tiles > 1
    assert report.seam.excess < 2
    _, report = Upscaler(model_of(Plain()), tile=20, exact=True)(picture)
    assert report.seam is None
