"""RealBasicVSR's degradation: what may be drawn, how it walks, and what comes out."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from finesight.degrade.video import Codec, Parameters, Stage, VideoOrder, VideoStage, apply, sample
from finesight.errors import SettingError
from finesight.media.clips import compressed


def drawn(count: int, frames: int, settings: VideoOrder | None = None) -> list[Parameters]:
    generator = torch.Generator().manual_seed(5)
    return [sample(settings or VideoOrder(), frames, generator) for _ in range(count)]


def clip(frames: int = 3, side: int = 64) -> torch.Tensor:
    coarse = torch.rand(frames, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)


def as_it_is(frames: NDArray[np.uint8], codec: Codec, bit_rate: int) -> NDArray[np.uint8]:
    return frames


def check_stage(stage: Stage, settings: VideoStage) -> None:
    assert all(settings.resize[0] <= factor <= settings.resize[1] for factor in stage.factors)
    assert all(settings.jpeg[0] <= quality <= settings.jpeg[1] for quality in stage.qualities)
    gaussian = stage.noises[0].kind == "gaussian"
    low, high = settings.gaussian if gaussian else settings.poisson
    assert all(low <= noise.strength <= high for noise in stage.noises)
    assert len({(noise.kind, noise.gray) for noise in stage.noises}) == 1
    assert len({noise.seed for noise in stage.noises}) == len(stage.noises)
    step = settings.gaussian_step if gaussian else settings.poisson_step
    for one, two in pairwise(stage.noises):
        assert abs(one.strength - two.strength) <= step + 1e-12
    for first, second in pairwise(stage.factors):
        assert abs(first - second) <= settings.resize_step + 1e-12
    for first, second in pairwise(stage.qualities):
        assert abs(first - second) <= settings.jpeg_step + 1e-12
    assert len({(kernel.family, kernel.size) for kernel in stage.blurs}) == 1
    for kernel, following in pairwise(stage.blurs):
        assert abs(kernel.sigma_x - following.sigma_x) <= settings.sigma_step + 1e-12
        assert abs(kernel.angle - following.angle) <= settings.angle_step + 1e-12
        assert abs(kernel.cutoff - following.cutoff) <= 0.0628 + 1e-12
        assert abs(kernel.shape - following.shape) <= max(settings.generalized_step, settings.plateau_step) + 1e-12
        if kernel.family.endswith("iso") and "aniso" not in kernel.family:
            assert kernel.sigma_x == kernel.sigma_y


def test_everything_walks_within_its_range() -> None:
    settings = VideoOrder()
    for parameters in drawn(60, 8):
        check_stage(parameters.first, settings.first)
        check_stage(parameters.second, settings.second)
        assert 10_000 <= parameters.bit_rate <= 100_000
        for kernel in parameters.final_sincs:
            assert kernel.family == "none" or math.pi / 3 <= kernel.cutoff <= math.pi
    assert any(len(set(one.first.factors)) == 8 for one in drawn(5, 8))


def test_shares_are_the_published_ones() -> None:
    found = drawn(1500, 1)

    def share(condition: list[bool]) -> float:
        return sum(condition) / len(condition)

    families = [one.first.blurs[0].family for one in found]
    wanted = {"iso": 0.405, "aniso": 0.225, "generalized_iso": 0.108, "plateau_aniso": 0.027, "sinc": 0.1}
    assert all(abs(families.count(name) / 1500 - value) < 0.04 for name, value in wanted.items())  # type: ignore[arg-type]
    assert abs(share([one.second.blurs[0].family == "none" for one in found]) - 0.2) < 0.04
    assert abs(share([one.first.factors[0] < 1 for one in found]) - 0.7) < 0.05
    assert abs(share([one.first.factors[0] == 1 for one in found]) - 0.1) < 0.03
    assert abs(share([one.first.noises[0].gray for one in found]) - 0.4) < 0.05
    assert abs(share([one.final_sincs[0].family == "none" for one in found]) - 0.2) < 0.04
    assert {one.codec for one in found} == {"libx264", "h264", "mpeg4"}
    assert abs(share([one.codec_last for one in found]) - 0.5) < 0.05


def test_shapes_walk_unless_the_published_error_is_wanted() -> None:
    quirky = VideoOrder(first=VideoStage(redraw_shape=True))

    def largest(settings: VideoOrder) -> float:
        found = [one.first.blurs for one in drawn(80, 6, settings)]
        return max(abs(a.shape - b.shape) for blurs in found for a, b in pairwise(blurs))

    assert largest(VideoOrder()) <= 0.1 + 1e-12
    assert largest(quirky) > 0.5


def test_the_same_parameters_do_the_same() -> None:
    image = clip()
    before = image.clone()
    parameters = drawn(1, 3)[0]
    one = apply(image, parameters, size=(16, 16), compress=compressed)
    two = apply(image, parameters, size=(16, 16), compress=compressed)
    assert torch.equal(one, two)
    assert torch.equal(image, before)
    assert one.shape == (3, 3, 16, 16)
    assert torch.equal(one, (one * 255).round() / 255)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("codec_last", [False, True])
def test_frames_of_different_sizes_reach_the_codec_with_one(codec_last: bool) -> None:
    seen: list[tuple[int, ...]] = []

    def compress(frames: NDArray[np.uint8], codec: Codec, bit_rate: int) -> NDArray[np.uint8]:
        seen.append(frames.shape)
        return frames

    parameters = next(one for one in drawn(50, 4) if min(one.first.factors) != max(one.first.factors) < 0.6)
    apply(clip(4), replace(parameters, codec_last=codec_last), size=(16, 16), compress=compress)
    assert len(seen) == 1
    assert (seen[0][1:] == (16, 16, 3)) == codec_last
    assert seen[0][1] % 2 == seen[0][2] % 2 == 0


def test_the_codec_takes_something_away() -> None:
    image = clip(4)
    parameters = replace(drawn(1, 4)[0], codec_last=True, codec="libx264", bit_rate=10_000)
    plain = apply(image, parameters, size=(32, 32), compress=as_it_is)
    coded = apply(image, parameters, size=(32, 32), compress=compressed)
    assert 0.002 < float((plain - coded).abs().mean()) < 0.2


def test_codecs_lose_more_at_lower_rates() -> None:
    frames = np.ascontiguousarray((clip(4, 128) * 255).byte().permute(0, 2, 3, 1).numpy())
    codecs: tuple[Codec, ...] = ("libx264", "mpeg4")
    for codec in codecs:
        losses = [
            float(np.abs(compressed(frames, codec, rate).astype(float) - frames).mean()) for rate in (1_000, 10**6)
        ]
        assert losses[0] > 1.02 * losses[1]
    np.testing.assert_array_equal(compressed(frames, "h264", 50_000), compressed(frames, "libx264", 50_000))


def test_what_cannot_be() -> None:
    parameters = drawn(1, 2)[0]
    with pytest.raises(SettingError, match="for 2 frames; the clip has 3"):
        apply(clip(3), parameters, size=(16, 16), compress=as_it_is)
    with pytest.raises(SettingError, match="even sides; 15x16"):
        apply(clip(2), parameters, size=(16, 15), compress=as_it_is)
    with pytest.raises(SettingError, match="at least one frame"):
        sample(VideoOrder(), 0, torch.Generator())
    with pytest.raises(SettingError, match="codec nothing cannot"):
        compressed(np.zeros((1, 16, 16, 3), np.uint8), "nothing", 1000)
