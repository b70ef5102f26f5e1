"""GLEAN's blind degradation: what is drawn, and each of its steps."""

from __future__ import annotations

import math

import torch

from finesight.degrade import glean, record
from finesight.degrade.second_order import Kernel, Noise, Resize, Stage

MILD = Stage(Kernel(), Resize(1.0, "area"), Noise("gaussian", 0.0, False, 1), 100.0)


def picture(side: int = 64) -> torch.Tensor:
    wave = torch.linspace(0, 4 * math.pi, side).sin() * 0.4 + 0.5
    return torch.stack([wave.outer(wave), wave[:, None].expand(side, side), wave.expand(side, side)])[None]


def test_draws_are_within_the_published_ranges() -> None:
    drawn = [glean.sample(glean.PUBLISHED, torch.Generator().manual_seed(seed)) for seed in range(400)]
    stages = [one.stage for one in drawn]
    assert {stage.blur.size for stage in stages} == {41}
    share = sum(stage.blur.family == "iso" for stage in stages) / len(stages)
    assert 0.4 < share < 0.6
    assert all(stage.blur.family in ("iso", "aniso") for stage in stages)
    for values, low, high in (
        ([stage.blur.sigma_x for stage in stages], 0.2, 10.0),
        ([stage.resize.factor for stage in stages], 1 / 32, 1.0),
        ([stage.noise.strength for stage in stages], 0.0, 50.0),
        ([stage.quality for stage in stages], 5.0, 50.0),
    ):
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high
    assert all(stage.noise.kind == "gaussian" and not stage.noise.gray for stage in stages)
    assert {one.back for one in drawn} == {"bilinear", "area", "bicubic"}


def test_without_damage_the_area_mean_of_the_picture_is_left() -> None:
    image = (picture() * 255).round() / 255
    small = glean.apply(image, glean.Blind(MILD, "bicubic"), scale=8)
    means = torch.nn.functional.avg_pool2d(image, 8)
    assert small.shape == (1, 3, 8, 8)
    assert float((small - means).abs().max()) * 255 < 2, "JPEG of quality 100 is all that was done"


def test_a_small_factor_takes_detail_away() -> None:
    detail = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    shrunk = Stage(Kernel(), Resize(1 / 32, "area"), MILD.noise, 100.0)
    flat, kept = (glean.apply(detail, glean.Blind(stage, "bilinear"), scale=1) for stage in (shrunk, MILD))
    assert flat.std() < 0.2 * kept.std()


def test_it_is_recorded_like_the_rest() -> None:
    drawn = record.sample("glean-blind", 8, torch.Generator().manual_seed(5))
    again = record.loads(record.dumps(drawn), name="memory")
    assert again == drawn
    assert torch.equal(record.apply(picture(), drawn), record.apply(picture(), again))
