"""Degradations: the same parameters do the same, every part does what it says."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from finesight.degrade.first_order import FirstOrder, Parameters, apply, gaussian_kernel, sample

CLEAN = Parameters(sigma=None, angle=0.0, shrink="area", noise=0.0, gray_noise=False, noise_seed=1, quality=None)


def picture() -> torch.Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def test_same_parameters_same_picture() -> None:
    parameters = sample(FirstOrder(), torch.Generator().manual_seed(3))
    assert torch.equal(apply(picture(), parameters, scale=4), apply(picture(), parameters, scale=4))


def test_same_generator_same_parameters_and_another_differs() -> None:
    first, again, other = (sample(FirstOrder(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_nothing_but_area_is_the_mean_of_blocks() -> None:
    low = apply(picture(), CLEAN, scale=4)
    blocks = picture().reshape(1, 3, 8, 4, 12, 4).mean((3, 5))
    assert torch.allclose(low, blocks, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("shrink", ["bicubic", "bilinear", "area"])
def test_result_is_8bit_and_small(shrink: str) -> None:
    low = apply(picture(), dataclasses.replace(CLEAN, shrink=shrink, noise=8.0, quality=50), scale=2)
    assert low.shape == (1, 3, 16, 24)
    assert torch.allclose(low * 255, (low * 255).round(), atol=1e-4)
    assert 0 <= float(low.min()) <= float(low.max()) <= 1


def test_noise_has_the_stated_deviation_and_colour() -> None:
    flat = torch.full((1, 3, 128, 128), 0.5)
    colour = apply(flat, dataclasses.replace(CLEAN, noise=6.0), scale=1) * 255
    assert float(colour.std()) == pytest.approx(6.0, rel=0.05)
    grey = apply(flat, dataclasses.replace(CLEAN, noise=6.0, gray_noise=True), scale=1)
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert not torch.equal(colour[:, 0], colour[:, 1])


def test_lower_quality_is_further_away() -> None:
    truth = apply(picture(), CLEAN, scale=1)
    far, near = (
        float((apply(picture(), dataclasses.replace(CLEAN, quality=q), scale=1) - truth).abs().mean()) for q in (30, 95)
    )
    assert far > near > 0


def test_kernel_is_normalised_and_turns_with_the_angle() -> None:
    flat, upright = gaussian_kernel((3.0, 0.5), 0.0), gaussian_kernel((3.0, 0.5), torch.pi / 2)
    assert float(flat.sum()) == pytest.approx(1)
    assert torch.allclose(flat, upright.T, atol=1e-12)
    assert flat[flat.shape[0] // 2, 0] > flat[0, flat.shape[0] // 2]


def test_probabilities_of_zero_do_nothing() -> None:
    nothing = FirstOrder(blur_probability=0, noise_probability=0, jpeg_probability=0)
    parameters = sample(nothing, torch.Generator().manual_seed(0))
    assert (parameters.sigma, parameters.noise, parameters.quality) == (None, 0.0, None)
