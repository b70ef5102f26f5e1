"""BSRGAN, mmediting's second order, HGGT's stages, OpenCV's resizing: what they must keep, by law and by hand."""

from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.degrade import bsrgan, bsrgan_plus, mmediting, one_stage, record, second_order, sets
from finesight.degrade.bsrgan import Blur, Bsrgan, Noise, Shrink
from finesight.degrade.codec import file_jpeg
from finesight.degrade.names import DEGRADATIONS, Degradation
from finesight.degrade.opencv import area_matrix, resized
from finesight.errors import SettingError


def picture(height: int = 48, width: int = 64, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40, deadline=None)
@given(old=st.integers(1, 40), new=st.integers(1, 40))
def test_area_is_the_mean_over_a_new_pixel(old: int, new: int) -> None:
    matrix = area_matrix(old, new)
    assert torch.allclose(matrix.sum(1), torch.ones(new, dtype=torch.float64), atol=2e-3)
    if new <= old:
        for row in range(new):
            start, end = Fraction(row * old, new), Fraction((row + 1) * old, new)
            for column in range(old):
                share = max(Fraction(0), min(end, Fraction(column + 1)) - max(start, Fraction(column)))
                assert float(matrix[row, column]) == pytest.approx(float(share / (end - start)), abs=2e-3)


def test_area_that_enlarges_by_whole_numbers_repeats() -> None:
    assert torch.equal(area_matrix(3, 9), torch.eye(3, dtype=torch.float64).repeat_interleave(3, 0))
    between = area_matrix(2, 3) @ torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert between.tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(20, 30), (48, 64), (60, 70), (20, 90), (0, 5)])
def test_resizing_keeps_grey(mode: str, size: tuple[int, int]) -> None:
    grey = torch.full((1, 3, 48, 64), 0.3)
    out = resized(grey, mode, size)  # type: ignore[arg-type]
    assert out.shape[-2:] == (max(1, size[0]), size[1])
    assert torch.allclose(out, torch.full_like(out, 0.3), atol=1e-3)


def test_every_degradation_has_its_parameters_and_its_size() -> None:
    assert len(set(DEGRADATIONS)) == len(DEGRADATIONS) >= 20
    assert {name.removeprefix("test-") for name in DEGRADATIONS if name.startswith("test-")} == set(sets.SETS)
    for name in DEGRADATIONS:
        drawn = record.sample(name, 2, generator())
        assert type(drawn.parameters) is record.kind_of(name)
        assert record.apply(picture(), drawn).shape == (1, 3, 24, 32)


@pytest.mark.parametrize("name", ["real-esrgan", "real-esrgan-mmediting", "bsrgan", "first-order"])
def test_a_batch_of_records_is_its_pictures(name: Degradation) -> None:
    images = torch.cat([picture(32, 32, seed) for seed in range(3)])
    records = [record.sample(name, 4, generator(seed)) for seed in range(3)]
    alone = torch.cat([record.apply(one[None], own) for one, own in zip(images, records, strict=True)])
    assert torch.equal(record.apply_batch(images, records), alone)
    with pytest.raises(SettingError, match="one scale for each of 3"):
        record.apply_batch(images, records[:2])


def test_bsrgan_draws_what_is_published() -> None:
    """Shares over many draws, within four standard deviations; a factor stays in its range."""
    count, chance = 3000, generator(1)
    drawn = [bsrgan.sample(Bsrgan(), 4, chance) for _ in range(count)]
    shares = {
        0.25: sum(one.halving is not None for one in drawn),
        0.5: sum(one.blur.kind == "aniso" for one in drawn),
        0.75: sum(one.shrink.blur is None for one in drawn),
        0.9: sum(one.quality is not None for one in drawn),
        0.4: sum(one.noise.kind == "gray" for one in drawn),
        0.2: sum(one.noise.kind == "correlated" for one in drawn),
        1 / 6: sum(one.order[0] == "noise" for one in drawn),
    }
    for share, found in shares.items():
        assert abs(found / count - share) < 4 * math.sqrt(share * (1 - share) / count), share
    assert all(one.order.index("shrink") < one.order.index("resize") for one in drawn)
    assert all(sorted(one.order) == sorted(bsrgan.STEPS) for one in drawn)
    assert all(1 <= one.shrink.factor <= (4 if one.halving else 8) for one in drawn)
    assert {one.blur.size for one in drawn} == set(range(7, 26, 2))
    assert all(30 <= one.last_quality <= 95 and 2 <= one.noise.level <= 25 for one in drawn)
    assert all(one.halving is None for one in (bsrgan.sample(Bsrgan(), 2, chance) for _ in range(50)))


def test_bsrgan_plus_shuffles_all_or_only_the_noises() -> None:
    count, chance = 1500, generator(2)
    settings_ = bsrgan_plus.BsrganPlus(shuffle_probability=0.5)
    drawn = [bsrgan_plus.sample(settings_, 4, chance) for _ in range(count)]
    assert all(sorted(one.order) == sorted(bsrgan_plus.STEPS) for one in drawn)
    tidy = [one for one in drawn if one.order[:2] == ("blur", "resize") and one.order[5:8] == bsrgan_plus.STEPS[5:8]]
    assert abs(len(tidy) / count - 0.5) < 4 * math.sqrt(0.25 / count)
    assert {one.order[2:5] for one in tidy} == set(itertools.permutations(("gaussian", "poisson", "speckle")))
    shares = {
        0.1: sum(one.first.poisson is not None for one in drawn),
        0.2: sum(one.second.resize.factor > 1 for one in drawn),
        0.7: sum(one.second.resize.factor < 1 for one in drawn),
    }
    for share, found in shares.items():
        assert abs(found / count - share) < 4 * math.sqrt(share * (1 - share) / count), share
    assert all(0.125 <= one.first.resize.factor <= 2 for one in drawn)


def test_photons_and_speckles_by_their_moments() -> None:
    flat = torch.full((1, 3, 150, 150), 102 / 255)
    colour = bsrgan_plus._with_photons(flat, bsrgan_plus.Photons(400.0, False, 1))
    assert float(colour.var()) == pytest.approx(0.4 / 400, rel=0.05)
    gray = bsrgan_plus._with_photons(flat, bsrgan_plus.Photons(400.0, True, 1))
    assert torch.allclose(gray[:, 0], gray[:, 2])
    nothing = bsrgan_plus.sample(bsrgan_plus.BsrganPlus(), 2, generator()).first
    part = dataclasses.replace(nothing, speckle=Noise("colour", 20.0, 3))
    assert float(bsrgan_plus._done(flat, "speckle", part).std()) * 255 == pytest.approx(0.4 * 20, rel=0.03)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_th_pixel_moves_nothing(scale: int) -> None:
    """A ramp shows where each pixel was taken: at the middle of its block."""
    ramp = torch.arange(96, dtype=torch.float64).expand(1, 3, 96, 96)
    taken = bsrgan._shrunk(ramp, Shrink(float(scale), "area", Blur("iso", 25, 0.4 * scale)))
    inner = torch.arange(10, 96 // scale - 10, dtype=torch.float64)
    middle = taken[0, 0, 96 // scale // 2, 10 : 96 // scale - 10]
    torch.testing.assert_close(middle, scale * inner + (scale - 1) / 2, atol=0.02, rtol=0)


def test_noise_of_bsrgan_by_its_moments() -> None:
    colour, gray, correlated = (
        bsrgan.noise_field(Noise(kind, 20.0, 5), 200, 200)  # type: ignore[arg-type]
        for kind in ("colour", "gray", "correlated")
    )
    assert float(colour.std()) * 255 == pytest.approx(20, rel=0.02)
    assert torch.equal(gray[:, 0], gray[:, 2])
    found = torch.cov(correlated[0].flatten(1)) * 255**2
    assert torch.allclose(found, found.T)
    assert float(found[0, 1]) > 0, "absolute values: channels go together"
    assert float(torch.linalg.eigvalsh(found).max()) < 3 * 20**2


def test_weak_settings_do_less() -> None:
    strong, weak = (
        torch.stack([bsrgan.apply(picture(64, 64), bsrgan.sample(how, 2, generator(s)), scale=2) for s in range(12)])
        for how in (Bsrgan(), bsrgan.WEAK)
    )
    clean = torch.nn.functional.avg_pool2d(picture(64, 64), 2)
    assert float((weak - clean).abs().mean()) < 0.6 * float((strong - clean).abs().mean())
    for seed in range(30):
        drawn = second_order.sample(one_stage.WEAK_SECOND_ORDER, generator(seed))
        assert drawn.first.blur.family in ("iso", "aniso", "sinc")
        assert drawn.first.blur.size <= 7
        assert 0.9 <= drawn.first.resize.factor <= 1.1
        assert one_stage.sample(one_stage.TRAINING, generator(seed)).stage.quality >= 75


def test_mmediting_draws_whole_qualities_and_narrower_shapes() -> None:
    drawn = [mmediting.sample(mmediting.PUBLISHED, generator(seed)) for seed in range(400)]
    assert all(one.second.quality == round(one.second.quality) and 5 <= one.second.quality <= 50 for one in drawn)
    assert all(30 <= one.first.quality <= 95 for one in drawn)
    published = [second_order.sample(second_order.SecondOrder(), generator(seed)) for seed in range(400)]

    def spread(several: list[second_order.Parameters]) -> float:
        shapes = [abs(math.log(one.first.blur.shape)) for one in several if one.first.blur.family != "sinc"]
        return sum(shapes) / len(shapes)

    assert spread(drawn) < 0.9 * spread(published)


def test_swapped_jpeg_has_red_for_blue() -> None:
    image = picture(32, 32)
    turned = file_jpeg(image.flip(1), 40).flip(1)
    assert torch.equal(file_jpeg(image, 40, swapped=True), turned)
    assert not torch.equal(file_jpeg(image, 40), turned)
    assert torch.allclose(file_jpeg(image * 3 - 1, 95), file_jpeg((image * 3 - 1).clamp(0, 1), 95))


def test_the_same_mode_goes_back_to_size() -> None:
    """Without blur, noise and loss one stage is a resize there and back."""
    stage = second_order.Stage(
        second_order.Kernel(),
        second_order.Resize(1.25, "bilinear"),
        second_order.Noise("gaussian", 0.0, False, 0),
        99.9,
    )
    out = one_stage.apply(picture(32, 32), one_stage.OneStage(stage), scale=1)
    plain = second_order.resized(picture(32, 32), "bilinear", factor=1.25)
    plain = second_order.resized(plain, "bilinear", size=(32, 32))
    assert float((out - plain).abs().mean()) * 255 < 4, "chroma is halved by JPEG"


def test_test_sets_need_room_for_their_blur() -> None:
    with pytest.raises(SettingError, match="above 10 pixels"):
        sets.apply(np.zeros((10, 30, 3), np.uint8), sets.SETS["blur2-bicubic"])
    seeded = [sets.sample("bicubic-noise20", generator(seed)) for seed in (1, 1, 2)]
    assert seeded[0] == seeded[1] != seeded[2]


def test_steps_of_bsrgan_that_cannot_be_are_named() -> None:
    content = record.to_dict(record.sample("bsrgan", 4, generator()))
    order = list(content["parameters"]["order"])
    content["parameters"]["order"] = order[::-1]
    with pytest.raises(SettingError, match=r"parameters\.order: expected every step once, shrink before resize"):
        record.from_dict(content)
    content["parameters"]["order"] = ["noise"] * 6
    with pytest.raises(SettingError, match="every step once"):
        record.from_dict(content)
    content["parameters"]["order"] = order
    content["parameters"]["blur"]["size"] = 8
    with pytest.raises(SettingError, match=r"parameters\.blur\.size: expected an odd number"):
        record.from_dict(content)
