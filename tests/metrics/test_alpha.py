"""Errors of alpha mattes: by hand, components against SciPy, laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from finesight.errors import InputError
from finesight.metrics.alpha import alpha_mse, connectivity_error, gradient_error, largest_component, sad

GENERATOR = torch.Generator().manual_seed(9)
TRUTH = torch.rand(2, 1, 30, 41, generator=GENERATOR)
RESTORED = (TRUTH + 0.2 * torch.rand(TRUTH.shape, generator=GENERATOR)).clamp(0, 1)
UNKNOWN = torch.rand(TRUTH.shape, generator=GENERATOR) > 0.5


def test_sums_by_hand() -> None:
    truth, restored = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.5, 0], [0, 1.0]]]])
    unknown = torch.tensor([[[[True, False], [False, False]]]])
    assert float(sad(restored, truth)) == pytest.approx(0.0015)
    assert float(alpha_mse(restored, truth, unknown)) == pytest.approx(1.25)  # all pixels, per unknown one
    assert float(alpha_mse(restored, truth, unknown & False)) == 0


@pytest.mark.parametrize("metric", [alpha_mse, gradient_error, connectivity_error])
def test_laws(metric: object) -> None:
    assert callable(metric)
    together = metric(RESTORED, TRUTH, UNKNOWN)
    alone = torch.cat([metric(RESTORED[i : i + 1], TRUTH[i : i + 1], UNKNOWN[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, rtol=1e-12)
    assert (together > 0).all()
    assert metric(TRUTH, TRUTH, UNKNOWN).tolist() == [0, 0]
    with pytest.raises(InputError, match="one size"):
        metric(RESTORED[..., 1:], TRUTH, UNKNOWN)


def test_gradient_against_scipy() -> None:
    from math import exp, pi, sqrt

    def filters(sigma: float, half: int) -> np.ndarray:
        places = range(-half, half + 1)
        normal = [exp(-(x**2) / (2 * sigma**2)) / (sigma * sqrt(2 * pi)) for x in places]
        kernel = np.array([[g * -x * n / sigma**2 for x, n in zip(places, normal, strict=True)] for g in normal])
        return kernel / np.sqrt((kernel**2).sum())

    kernel = filters(1.4, 4)
    lengths = []
    for image in (RESTORED, TRUTH):
        plane = image[0, 0].double().numpy()
        plane = (plane - plane.min()) / (plane.max() - plane.min())
        across, down = (ndimage.correlate(plane, k, mode="nearest") for k in (kernel, kernel.T))
        lengths.append(np.hypot(across, down))
    expected = ((lengths[0] - lengths[1]) ** 2)[UNKNOWN[0, 0].numpy()].sum() / 1000
    assert float(gradient_error(RESTORED, TRUTH, UNKNOWN)[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.55, 0.6, 0.9, 1.0])
def test_largest_component_equals_scipy(share: float) -> None:
    for seed in range(5):
        mask = np.random.default_rng(seed).random((37, 52)) < share
        labels, count = ndimage.label(mask)
        sizes = np.bincount(labels.ravel())[1:]
        expected = labels == 1 + int(sizes.argmax()) if count else np.zeros_like(mask)
        assert np.array_equal(largest_component(mask), expected)


def test_spiral_is_one_component() -> None:
    mask = np.zeros((21, 21), bool)
    mask[::2] = True
    mask[1::4, -1] = True
    mask[3::4, 0] = True
    assert np.array_equal(largest_component(mask), mask)
