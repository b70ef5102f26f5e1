"""MS-SSIM, GMSD, FSIM and VIF: laws that any picture keeps, and plain rewritings of single steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.metrics import cw_ssim, fsim, gmsd, luma, ms_ssim, ssim, vif, vif_pixel
from finesight.metrics.cw_ssim import coarsest_bands
from finesight.metrics.filtering import correlate_plane, half_size, symmetric
from finesight.metrics.fsim import EPSILON, ORIENTATIONS, SCALES, _filters, _log_gabor, _phase_congruency
from tests.metrics.pictures import blurred, noisy, textured
from tests.oracles.cases.metrics import pyramid_filters
from tests.oracles.check import check

TRUTH = textured(2, 177, 168)
PAIRS = {"noise": noisy(TRUTH), "blur": blurred(TRUTH)}
METRICS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {  # and the value of identical pictures
    "ms_ssim": (ms_ssim, 1.0),
    "ms_ssim_sum": (lambda x, y: ms_ssim(x, y, combine="sum"), 1.0),
    "gmsd": (gmsd, 0.0),
    "fsim": (fsim, 1.0),
    "fsim_grey": (lambda x, y: fsim(x, y, colour=False), 1.0),
    "vif_pixel": (lambda x, y: vif_pixel(luma(x, "gray"), luma(y, "gray")), 1.0),
}


@pytest.mark.parametrize("name", METRICS)
def test_laws(name: str) -> None:
    metric, perfect = METRICS[name]
    before = TRUTH.clone()
    assert metric(TRUTH, TRUTH).tolist() == pytest.approx([perfect] * 2, abs=1e-6)
    for restored in PAIRS.values():
        together = metric(restored, TRUTH)
        assert together.shape == (2,)
        assert together.dtype == torch.float64
        alone = torch.cat([metric(restored[i : i + 1], TRUTH[i : i + 1]) for i in range(2)])
        assert torch.allclose(together, alone, rtol=1e-10)
    decline = metric(noisy(TRUTH, 0.2), TRUTH) - metric(noisy(TRUTH), TRUTH)
    assert (decline * (perfect - 0.5) < 0).all()
    assert torch.equal(before, TRUTH)


@pytest.mark.parametrize("name", METRICS)
def test_differentiable(name: str) -> None:
    metric, _ = METRICS[name]
    truth = textured(1, 161, 161).double()
    restored = noisy(truth).double().requires_grad_()
    (gradient,) = torch.autograd.grad(metric(restored, truth).sum(), restored)
    assert gradient.isfinite().all()
    direction = torch.randn(restored.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    step = 1e-6
    with torch.no_grad():
        change = metric(restored + step * direction, truth) - metric(restored - step * direction, truth)
    assert float((gradient * direction).sum()) == pytest.approx(float(change) / (2 * step), rel=2e-3)


@pytest.mark.parametrize("metric", [gmsd, fsim, ms_ssim])
def test_border_is_a_crop(metric: Callable[..., Tensor]) -> None:
    restored = PAIRS["blur"]
    assert torch.equal(metric(restored, TRUTH, border=3), metric(restored[..., 3:-3, 3:-3], TRUTH[..., 3:-3, 3:-3]))


def test_fsim_in_the_precision_of_the_pictures() -> None:
    restored = PAIRS["noise"]
    assert torch.allclose(fsim(restored, TRUTH), fsim(restored.double(), TRUTH.double()), rtol=1e-6)


@pytest.mark.parametrize("size", [(32, 40), (33, 40), (45, 51)])
def test_fsim_noise_estimate_equals_transforming_filters_back(size: tuple[int, int]) -> None:
    bank, made = _log_gabor(*size), _filters(*size, torch.float64, "cpu")
    for orientation in range(ORIENTATIONS):
        filters = bank[orientation]
        back = torch.fft.ifft2(filters).real * math.sqrt(size[0] * size[1])
        squares = sum(float(back[s].square().sum()) for s in range(SCALES))
        crossed = sum(float((back[s] * back[t]).sum()) for s in range(SCALES) for t in range(s + 1, SCALES))
        assert float(made.spread[orientation]) == pytest.approx(2 * squares + 4 * crossed, rel=1e-9)
        assert float(made.power[orientation]) == pytest.approx(float(filters[0].square().sum()), rel=1e-12)


def test_fsim_and_ssim_shrink_large_pictures() -> None:
    large = textured(1, 384, 400)
    damaged = blurred(large)
    small = F.avg_pool2d(damaged.double(), 2), F.avg_pool2d(large.double(), 2)
    assert torch.allclose(fsim(damaged, large), fsim(*small), rtol=1e-6)
    assert torch.allclose(fsim(damaged, large, colour=False), fsim(*small, colour=False), rtol=1e-6)
    assert torch.equal(ssim(damaged, large, shrink=True), ssim(F.avg_pool2d(damaged, 2), F.avg_pool2d(large, 2)))


def test_gmsd_by_hand() -> None:
    """A step of one 8x8 picture against a flat one: similarity 1 away from the step."""
    flat = torch.full((1, 1, 8, 8), 0.5)
    step = flat.clone()
    step[..., 4:] = 0.7
    small = F.avg_pool2d(step[0, 0][None, None], 2)[0, 0].double().numpy() * 255
    maps = []
    for picture in (small, np.full((4, 4), 127.5)):
        padded = np.pad(picture, 1)
        across = sum(padded[i : i + 4, 2:] - padded[i : i + 4, :-2] for i in range(3)) / 3
        down = sum(padded[2:, i : i + 4] - padded[:-2, i : i + 4] for i in range(3)) / 3
        maps.append(np.sqrt(across**2 + down**2 + 1e-12))
    similarity = (2 * maps[0] * maps[1] + 170) / (maps[0] ** 2 + maps[1] ** 2 + 170)
    assert float(gmsd(step, flat)) == pytest.approx(similarity.std(ddof=1), rel=1e-5)


def test_pixel_vif_against_a_plain_rewriting() -> None:
    first, second = (luma(x, "gray")[:1] for x in (PAIRS["noise"], TRUTH))
    kept = information = 0.0
    x, y = (p[0, 0].double().numpy() * 255 for p in (second, first))
    for taps in (17, 9, 5, 3):

        def blur(image: np.ndarray, taps: int = taps) -> np.ndarray:
            edge = taps // 2
            return gaussian_filter(image, taps / 5, truncate=edge / (taps / 5), mode="constant")[edge:-edge, edge:-edge]

        if taps != 17:
            x, y = blur(x)[::2, ::2], blur(y)[::2, ::2]
        mean_x, mean_y = blur(x), blur(y)
        var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
        gain = (blur(x * y) - mean_x * mean_y) / (var_x + 1e-10)
        noise = var_y - gain * (blur(x * y) - mean_x * mean_y)
        noise = np.where(gain < 0, var_y, noise).clip(1e-10)
        kept += np.log10(1 + gain.clip(0) ** 2 * var_x / (noise + 2)).sum()
        information += np.log10(1 + var_x / 2).sum()
    assert float(vif_pixel(first, second)) == pytest.approx(kept / information, rel=1e-6)


def test_filters_of_the_plane_and_halving() -> None:
    image = torch.rand(2, 1, 47, 61, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = torch.rand(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for stride in (1, 2, 3):
        expected = F.conv2d(image, kernel[None, None], stride=stride)
        assert torch.allclose(correlate_plane(image, kernel, stride=stride), expected, rtol=1e-12)
    from finesight.degrade.resize import resize

    for size in ((47, 61), (46, 60), (9, 8), (3, 5)):
        part = image[..., : size[0], : size[1]]
        assert torch.allclose(half_size(part), resize(part, scale=0.5), rtol=1e-12, atol=1e-14)
    mirrored = symmetric(image[..., :2, :2], (3, 2, 0, 1))
    assert mirrored.shape == (2, 1, 3, 7)
    assert torch.equal(
        mirrored[0, 0, 0, :3], image[0, 0, 0, [1, 1, 0]]
    )  # x: -3 is 1 (mirrored twice), -2 is 1, -1 is 0


def test_vif_laws(shared: Path) -> None:
    filters = pyramid_filters()
    truth, restored = luma(TRUTH, "gray-rounded"), luma(PAIRS["blur"], "gray-rounded")
    assert vif(truth, truth, filters).tolist() == pytest.approx([1, 1], abs=1e-4)
    together = vif(restored, truth, filters)
    assert torch.allclose(together, torch.cat([vif(restored[i : i + 1], truth[i : i + 1], filters) for i in range(2)]))
    mean = truth.mean(dim=(1, 2, 3), keepdim=True)
    assert (vif((mean + 1.2 * (truth - mean)).clamp(0, 1), truth, filters) > 1).all()
    with pytest.raises(SettingError, match="lofilt"):
        vif(restored, truth, {})
    with pytest.raises(InputError, match="100 pixels"):
        vif(restored[..., :60, :60], truth[..., :60, :60], filters)


@pytest.mark.parametrize("name", ["full_reference", "full_reference_large", "niqe"])
def test_published_answers_that_need_published_parameters(shared: Path, name: str) -> None:
    result = check(shared / "oracles" / "metrics" / f"{name}.npz")
    assert result.passed, result


def test_small_or_mixed_pictures_are_named() -> None:
    small = TRUTH[..., :100, :100]
    with pytest.raises(InputError, match="at least 161x161 pixels, got 100x100"):
        ms_ssim(small, small)
    with pytest.raises(InputError, match="FSIM needs"):
        fsim(small[..., :9], small[..., :9])
    with pytest.raises(InputError, match="at least 41x41"):
        vif_pixel(small[:, :1, :40], small[:, :1, :40])
    with pytest.raises(SettingError, match="pass the luma"):
        vif_pixel(small, small)
    with pytest.raises(SettingError, match="product or sum"):
        ms_ssim(TRUTH, TRUTH, combine="mean")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(40, 48), (41, 49)])
def test_fsim_phase_congruency_against_complex_filters(size: tuple[int, int]) -> None:
    """The plain way: one complex transform for each filter, odd sizes too."""
    levels = textured(1, *size, channels=1)[0, 0].double() * 255
    spectrum, bank = torch.fft.fft2(levels), _log_gabor(*size)
    energies, amplitudes = torch.full(size, EPSILON).double(), torch.full(size, EPSILON).double()
    made = _filters(*size, torch.float64, "cpu")
    for orientation in range(ORIENTATIONS):
        responses = torch.fft.ifft2(spectrum * bank[orientation])
        total = responses.sum(0)
        direction = total / (total.abs() + EPSILON)
        turned = responses * direction.conj()
        median = responses[0].abs().square().flatten().median()
        tau = (median / math.log(2) / made.power[orientation] * made.spread[orientation] / 2).sqrt()
        threshold = tau * (math.sqrt(math.pi / 2) + 2 * math.sqrt(2 - math.pi / 2)) / 1.7
        energies += ((turned.real - turned.imag.abs()).sum(0) - threshold).clamp(min=0)
        amplitudes += responses.abs().sum(0)
    found = _phase_congruency(levels[None], levels[None].flip(-1))  # two pictures share each transform
    assert torch.allclose(found[0, 0], energies / amplitudes, rtol=1e-9, atol=1e-12)
    turned = _phase_congruency(levels[None].flip(-1), levels[None])
    assert torch.allclose(turned[1, 0], energies / amplitudes, rtol=1e-9, atol=1e-12)


def test_cw_ssim_laws() -> None:
    truth = luma(TRUTH, "gray")
    restored = luma(PAIRS["noise"], "gray")
    assert cw_ssim(truth, truth).tolist() == pytest.approx([1, 1], abs=1e-9)
    together = cw_ssim(restored, truth)
    assert torch.allclose(together, torch.cat([cw_ssim(restored[i : i + 1], truth[i : i + 1]) for i in range(2)]))
    shifted = truth.roll(1, dims=-1)  # what CW-SSIM was made for: a shift by a pixel costs little
    assert (cw_ssim(shifted, truth) > 0.95).all()
    assert (ssim(shifted, truth) < cw_ssim(shifted, truth)).all()
    assert (cw_ssim(noisy(truth, 0.4), truth) < together).all()
    with pytest.raises(SettingError, match="one channel"):
        cw_ssim(TRUTH, TRUTH)
    with pytest.raises(InputError, match="at least 64x64"):
        cw_ssim(truth[..., :60], truth[..., :60])


@pytest.mark.parametrize("size", [(64, 64), (101, 96)])
def test_cw_ssim_bands_hold_what_the_high_mask_lets_through(size: tuple[int, int]) -> None:
    """Bands of all orientations together are the octave: their power is that of its half spectrum, doubled."""
    bands = coarsest_bands(textured(1, *size, channels=1)[:, 0].double())
    assert bands.shape[1] == 8
    assert bands.shape[-2] == pytest.approx(size[0] / 8, abs=1)
    constant = coarsest_bands(torch.full((1, *size), 3.0).double())
    assert float(constant.abs().max()) < 1e-9 * float(bands.abs().max())
    wave = torch.cos(2 * math.pi * 5 * torch.arange(size[1]) / size[1]).expand(1, *size).double()
    found = coarsest_bands(wave).abs().mean(dim=(-2, -1))[0]
    assert int(found.argmax()) == 0  # horizontal frequency: the first orientation
