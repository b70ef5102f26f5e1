"""Kernels, filters, JPEG, noise and the second order by hand and by law; published values are in ``tests/oracles``."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.degrade import kernels, noise, second_order
from finesight.degrade.filtering import filter_each, filter_one, unsharp_mask
from finesight.degrade.jpeg import jpeg
from finesight.degrade.noise import gaussian_field, poisson_field, poisson_levels, with_noise
from finesight.errors import SettingError


def picture(side: int = 64, count: int = 1) -> torch.Tensor:
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("family", ["gaussian", "generalized", "plateau"])
def test_kernels_sum_to_one_and_are_symmetric(family: str) -> None:
    kernel = kernels.gaussian(15, 2.0, 1.0, angle=0.7, family=family, shape=1.3)
    assert float(kernel.sum()) == pytest.approx(1)
    assert torch.allclose(kernel, kernel.rot90(2))


def test_kernel_families_meet_at_shape_one() -> None:
    assert torch.allclose(kernels.gaussian(9, 1.5), kernels.gaussian(9, 1.5, family="generalized", shape=1.0))


def test_sinc_is_a_low_pass() -> None:
    spectrum = torch.fft.fft2(kernels.sinc(21, math.pi / 2)).abs()
    assert float(spectrum[0, 0]) == pytest.approx(1)
    assert float(spectrum[10, 10]) < 0.05


@pytest.mark.parametrize("call", [lambda: kernels.gaussian(8, 1.0), lambda: kernels.padded(torch.ones(5, 5), 8)])
def test_even_kernels_are_refused(call: object) -> None:
    with pytest.raises(SettingError):
        call()  # type: ignore[operator]


def test_filter_of_a_pulse_and_of_a_shift() -> None:
    image = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    pulse = torch.zeros(2, 5, 5)
    pulse[0, 2, 2] = 1
    pulse[1, 2, 3] = 1  # correlation: the pixel to the right
    out = filter_each(image, pulse)
    assert torch.equal(out[0], image[0])
    assert torch.equal(out[1, :, :, :-1], image[1, :, :, 1:])
    assert torch.equal(out[1, :, :, -1], image[1, :, :, -2]), "reflected without the last pixel"


def test_filter_refuses_what_cannot_be_reflected() -> None:
    with pytest.raises(SettingError, match="11"):
        filter_each(torch.rand(1, 3, 10, 30), torch.ones(1, 21, 21) / 441)
    with pytest.raises(SettingError, match=r"\(2, k, k\)"):
        filter_each(torch.rand(2, 3, 40, 40), torch.ones(3, 5, 5))


def test_unsharp_leaves_flat_places_alone() -> None:
    image = torch.full((1, 3, 64, 64), 0.4)
    image[..., 32:] = 0.6
    sharp = unsharp_mask(image)
    assert float((sharp - image).abs().max()) > 0.02
    assert torch.allclose(unsharp_mask(torch.full((1, 3, 40, 40), 0.4)), torch.full((1, 3, 40, 40), 0.4), atol=1e-6)


@pytest.mark.parametrize("quality", [15, 50, 75, 90, 98])
def test_jpeg_with_standard_tables_is_near_a_real_codec(quality: int) -> None:
    """libjpeg has the same tables and integer arithmetic; its chroma is smoothed when enlarged, so it is left out."""
    grey = picture()[:, :1].expand(-1, 3, -1, -1).mul(255).round().div(255)
    buffer = io.BytesIO()
    Image.fromarray(grey[0].permute(1, 2, 0).mul(255).byte().numpy()).save(buffer, "JPEG", quality=quality)
    real = torch.from_numpy(np.asarray(Image.open(buffer).convert("RGB")).copy()).permute(2, 0, 1)[None] / 255
    ours = jpeg(grey, float(quality), standard_tables=True)
    error = (ours - real).abs() * 255
    assert float(error.mean()) < 0.5, "a coefficient at a tie may fall to the other side, few do"
    assert float((error > 1.6).float().mean()) < 0.03


def test_jpeg_batch_equals_one_by_one_and_changes_nothing() -> None:
    images, quality = picture(40, 2), torch.tensor([30.0, 80.0])
    before = images.clone()
    both = jpeg(images, quality)
    assert torch.equal(both, torch.cat([jpeg(images[:1], 30.0), jpeg(images[1:], 80.0)]))
    assert torch.equal(images, before)
    assert quality.tolist() == [30.0, 80.0]


def test_what_is_kept_from_inference_serves_gradients_too() -> None:
    with torch.inference_mode():
        jpeg(picture(32), 61.0)
        unsharp_mask(picture(32))
    image = picture(32).requires_grad_(True)
    (jpeg(unsharp_mask(image), 61.0, differentiable=True) ** 2).sum().backward()
    assert image.grad is not None
    assert float(image.grad.abs().max()) > 0


@pytest.mark.parametrize("quality", [0.0, 100.0, -3.0])
def test_jpeg_refuses_qualities_whose_tables_vanish(quality: float) -> None:
    with pytest.raises(SettingError, match="quality"):
        jpeg(picture(), quality)


def test_noise_by_its_moments() -> None:
    generator = torch.Generator().manual_seed(2)
    field = gaussian_field(torch.randn(1, 3, 100, 100, generator=generator), 10.0)
    assert float(field.std()) * 255 == pytest.approx(10, rel=0.03)
    flat = torch.full((1, 3, 120, 120), 102 / 255)
    flat[..., 0, :4] = torch.tensor([0, 20, 40, 60]) / 255  # 5 levels: counted to 8
    assert poisson_levels(flat) == 8
    drawn = poisson_field(flat, 1.0, gray=False, generator=generator)
    assert float(drawn[..., 1:, :].var()) == pytest.approx(0.4 / 8, rel=0.05)
    assert poisson_field(flat, 1.0, gray=True, generator=generator).shape[1] == 1
    noisy = with_noise(flat, drawn, rounded=True) * 255
    assert torch.allclose(noisy, noisy.round(), atol=1e-4)


def test_second_order_is_a_function_of_its_parameters() -> None:
    settings = second_order.SecondOrder()
    for seed in range(8):
        parameters = second_order.sample(settings, torch.Generator().manual_seed(seed))
        assert parameters == second_order.sample(settings, torch.Generator().manual_seed(seed))
        low = second_order.apply(picture(256), parameters, scale=4)
        assert low.shape == (1, 3, 64, 64)
        assert torch.equal(low, second_order.apply(picture(256), parameters, scale=4))
        assert torch.allclose(low * 255, (low * 255).round(), atol=1e-4)


def test_second_order_draws_what_is_published() -> None:
    """Shares over many draws, within four standard deviations."""
    generator, count = torch.Generator().manual_seed(0), 2000
    drawn = [second_order.sample(second_order.SecondOrder(), generator) for _ in range(count)]
    shares = {
        0.1: sum(p.first.blur.family == "sinc" for p in drawn),
        0.7: sum(p.first.resize.factor < 1 for p in drawn),
        0.5: sum(p.first.noise.kind == "gaussian" for p in drawn),
        0.4: sum(p.second.noise.gray for p in drawn),
        0.2: sum(p.final_sinc.family == "none" for p in drawn),
        0.8: sum(p.second.blur.family != "none" for p in drawn),
    }
    for share, found in shares.items():
        assert abs(found / count - share) < 4 * math.sqrt(share * (1 - share) / count), share
    assert all(30 <= p.first.quality <= 95 and 0.15 <= p.first.resize.factor <= 1.5 for p in drawn)


@pytest.mark.parametrize("size", [(4, 4), (8, 44), (64, 8), (20, 36)])
def test_second_order_takes_pictures_of_any_size(size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(5))
    for seed in range(6):
        parameters = second_order.sample(second_order.SecondOrder(), torch.Generator().manual_seed(seed))
        low = second_order.apply(image, parameters, scale=4)
        assert low.shape == (1, 3, size[0] // 4, size[1] // 4)
        assert 0 <= float(low.min()) <= float(low.max()) <= 1


def test_filter_repeats_the_border_of_small_pictures_only_when_asked() -> None:
    image = torch.rand(1, 3, 5, 40, generator=torch.Generator().manual_seed(3))
    kernel = torch.zeros(1, 21, 21)
    kernel[0, 20, 10] = 1  # the pixel ten rows below, always beyond the border
    out = filter_each(image, kernel, small="repeat")
    assert torch.equal(out, image[..., -1:, :].expand_as(image))
    large = picture(40)
    wide = kernels.gaussian(21, 2.0)[None]
    assert torch.equal(filter_each(large, wide, small="repeat"), filter_each(large, wide))


def test_kernels_of_their_own_size_filter_as_padded_ones() -> None:
    for seed in range(6):
        kernel = second_order.sample(second_order.SecondOrder(), torch.Generator().manual_seed(seed)).first.blur
        own, full = kernel.own_values()[None], kernel.values()[None]
        assert torch.allclose(filter_each(picture(), own), filter_each(picture(), full), atol=1e-6)


@pytest.mark.parametrize("distinct", [1, 2, 3, 5, 200])
def test_poisson_counts_levels_as_defined(distinct: int) -> None:
    """Counts are whole numbers in units of 1 / V, V from a sort as the definition says."""
    image = (torch.arange(40 * 40).reshape(1, 1, 40, 40) % distinct + 20).expand(1, 3, 40, 40) / 255
    levels = poisson_levels(image)
    field = poisson_field(image, 1.0, gray=False, generator=torch.Generator().manual_seed(4))
    counts = (field + image) * levels
    assert torch.allclose(counts, counts.round(), atol=1e-3)
    assert int(torch.unique(counts.round()).diff().min() if distinct > 1 else 1) == 1


@pytest.mark.parametrize(("gray_level", "fineness"), [(3, 8), (40, 6), (128, 8), (255, 8), (255, 2), (255, 0)])
def test_photons_are_distributed_as_poisson_s(gray_level: int, fineness: int) -> None:
    """Pearson's test against the formula, at a level that one correct sampler in a million fails."""
    draws = 60000
    uniform = torch.rand(draws, generator=torch.Generator().manual_seed(gray_level), dtype=torch.float32)
    found = noise._counted_light(torch.full((draws,), float(gray_level)), uniform, fineness)
    mean = gray_level / 255 * 2**fineness
    counts = torch.arange(int(mean + 12 * math.sqrt(mean) + 20), dtype=torch.float64)
    expected = draws * torch.exp(counts * math.log(mean) - mean - torch.lgamma(counts + 1))
    seen = torch.bincount(found.long(), minlength=len(counts)).double()
    assert len(seen) == len(counts)
    often = expected >= 8
    statistic = float(((seen - expected)[often] ** 2 / expected[often]).sum())
    free = int(often.sum()) - 1
    assert statistic < free + 4.75 * math.sqrt(2 * free) + 12


def test_darkness_has_no_photons() -> None:
    image = torch.zeros(1, 3, 8, 8)
    assert float(poisson_field(image, 3.0, gray=False, generator=None).abs().max()) == 0


@pytest.mark.parametrize("size", [1, 7, 9, 15, 21])
@pytest.mark.parametrize("shape", [(64, 64), (41, 30), (5, 70), (1, 1)])
def test_the_quick_filter_does_the_same(size: int, shape: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(6))
    kernel = torch.rand(size, size, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    kernel /= kernel.sum()
    expected = filter_each(image.double(), kernel[None], small="repeat").float()
    assert torch.allclose(filter_one(image, kernel), expected, atol=2e-6)
