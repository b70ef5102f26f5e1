"""NIQE, BRISQUE and PIQE: fits that find what was drawn, laws, and plain rewritings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import gamma

from finesight.errors import InputError, SettingError
from finesight.metrics import NiqeModel, brisque, brisque_features, fit_niqe, niqe, niqe_features, piqe, piqe_report
from finesight.metrics.brisque import SupportVectors
from finesight.metrics.scene_statistics import fit_asymmetric, fit_symmetric, local_contrast, neighbours
from tests.metrics.pictures import blurred, noisy, textured

PICTURES = noisy(textured(3, 200, 211), 0.02)


def plain_asymmetric(x: np.ndarray) -> tuple[float, float, float]:
    shapes = np.arange(0.2, 10.001, 0.001)
    table = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = np.sqrt((x[x < 0] ** 2).mean()), np.sqrt((x[x > 0] ** 2).mean())
    ratio = left / right
    target = np.abs(x).mean() ** 2 / (x**2).mean() * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alpha = shapes[np.argmin((table - target) ** 2)]
    width = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * width, right * width


def test_fits_equal_the_plain_search_and_find_a_normal_curve() -> None:
    values = torch.randn(4, 5000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values[1] = torch.where(values[1] < 0, values[1] * 2, values[1])  # wider on its left
    values[2] = values[2].sign() * values[2].abs() ** 2  # peaked
    alpha, left, right, _, _ = fit_asymmetric(values)
    for row in range(4):
        assert [float(alpha[row]), float(left[row]), float(right[row])] == pytest.approx(
            plain_asymmetric(values[row].numpy()), rel=1e-6
        )
    shape, variance = fit_symmetric(values)
    assert float(shape[0]) == pytest.approx(2, abs=0.15)  # a normal curve is the generalised one of shape 2
    assert float(variance[0]) == pytest.approx(1, abs=0.05)
    assert float(left[1]) > 1.8 * float(right[1])
    assert float(shape[2]) < 1.2


def test_one_sided_values_have_no_scale() -> None:
    alpha, left, right, _, _ = fit_asymmetric(torch.rand(1, 50, dtype=torch.float64) + 0.1)
    assert float(alpha) == pytest.approx(0.2)
    assert left.isnan()
    assert right.isfinite()


def test_neighbours_are_circular() -> None:
    block = torch.arange(6.0).reshape(2, 3)
    assert neighbours(block, (0, 1)).tolist() == [[0, 0, 2], [15, 12, 20]]
    assert neighbours(block, (1, -1))[0, 0] == block[0, 0] * block[1, 1]


def test_flat_areas_round_as_the_window_does() -> None:
    levels = torch.full((1, 1, 20, 20), 77.0, dtype=torch.float64)
    levels[..., 15:] = 90
    window = torch.full((7, 7), 1 / 49, dtype=torch.float64)
    total = 0.0
    for _ in range(49):
        total += float(window[0, 0]) * 77
    contrast, _ = local_contrast(levels, window=window)
    assert float(contrast[0, 0, 5, 5]) == pytest.approx(77 - total, rel=1e-6, abs=0)
    assert total != 77  # otherwise the line above would say nothing


def test_niqe_laws() -> None:
    model = fit_niqe([textured(1, 400, 400, seed=s) for s in range(6)], source="drawn", sharpest=0.0)
    scores = niqe(PICTURES, model)
    assert torch.allclose(scores, torch.cat([niqe(p[None], model) for p in PICTURES]), rtol=1e-9)
    assert (niqe(noisy(PICTURES, 0.3), model) > scores).all()
    assert torch.equal(niqe(PICTURES, model, border=3), niqe(PICTURES[..., 3:-3, 3:-3], model))
    features = niqe_features(PICTURES)
    assert features.shape == (3, 4, 36)
    assert torch.equal(features, niqe_features(PICTURES[..., :192, :192]))  # only whole blocks
    own = NiqeModel(features[0].mean(0), features[0].T.cov(), "the picture itself")
    assert float(niqe(PICTURES[:1], own)) == pytest.approx(0, abs=1e-6)


def test_niqe_of_flat_and_small_pictures() -> None:
    model = NiqeModel(torch.zeros(36).double(), torch.eye(36).double(), "unit")
    assert niqe(torch.full((1, 3, 200, 200), 0.5), model).isnan().all()
    assert niqe(PICTURES[..., :96, :96], model).isnan().all()  # one block has no covariance
    with pytest.raises(InputError, match="96x96 pixels, got 95x200"):
        niqe(PICTURES[..., :200, :95], model)
    with pytest.raises(InputError, match="at least 37 sharp blocks"):
        fit_niqe([PICTURES[:1]], source="one")
    with pytest.raises(SettingError, match=r"\(36,\)"):
        NiqeModel(torch.zeros(35), torch.eye(36), "short")


def test_brisque_laws() -> None:
    features = brisque_features(PICTURES)
    assert features.shape == (3, 36)
    assert torch.allclose(features, torch.cat([brisque_features(p[None]) for p in PICTURES]), rtol=1e-9)
    matlab = brisque_features(PICTURES, variant="matlab")
    assert not torch.allclose(matlab, features)
    vectors = torch.randn(5, 36, dtype=torch.float64)
    weights = torch.tensor([1.0, -1, 0.5, 2, 0], dtype=torch.float64)
    from finesight.metrics import brisque_scaled

    expected = (torch.exp(-0.05 * (brisque_scaled(features)[:, None] - vectors).square().sum(-1)) * weights).sum(1)
    assert torch.allclose(brisque(PICTURES, SupportVectors(weights, vectors)), expected + 153.591)
    with pytest.raises(SettingError, match="original or matlab"):
        brisque_features(PICTURES, variant="new")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="BRISQUE needs"):
        brisque_features(PICTURES[..., :10, :])


def test_piqe_laws() -> None:
    scores = piqe(PICTURES)
    assert torch.allclose(scores, torch.cat([piqe(p[None]) for p in PICTURES]), rtol=1e-9)
    assert ((scores >= 0) & (scores <= 100)).all()
    assert (piqe(noisy(textured(3, 200, 211), 0.2)) > piqe(textured(3, 200, 211))).all()
    assert float(piqe(torch.full((1, 1, 64, 64), 0.4))) == 100  # nothing active: (0 + 1)/(0 + 1)
    report = piqe_report(blurred(PICTURES)[..., :40, :55])  # 40 % 16 = 8: mirrored to 48; 55 % 16 = 7: to 62
    assert report.active.shape == (3, 3, 3)
    with pytest.raises(InputError, match="at least 16x16"):
        piqe(PICTURES[..., :15])
