"""Losses of alphas: by hand and by law; the published values are in tests/oracles."""

from __future__ import annotations

import pytest
import torch

from finesight.losses.matting import composed, l1_composition, laplacian, unknown_weight
from finesight.nn.trimap import one_hot

GENERATOR = torch.Generator().manual_seed(4)


def test_unknown_is_the_middle_class() -> None:
    trimap = torch.tensor([[[[0.0, 1, 2]]]])
    assert unknown_weight(trimap).tolist() == [[[[0, 1, 0]]]]
    assert unknown_weight(one_hot(trimap)).tolist() == [[[[0, 1, 0]]]]
    assert unknown_weight(torch.tensor([[[[128 / 255 * 255 / 128]]]])).item() == 1


def test_composition_by_hand() -> None:
    alpha = torch.full((1, 1, 2, 2), 0.5)
    front, back = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    assert torch.equal(composed(alpha, front, back), torch.full((1, 3, 2, 2), 0.5))
    weight = torch.tensor([[[[1.0, 0], [0, 0]]]])
    merged = torch.zeros(1, 3, 2, 2)
    merged[..., 1, 1] = 9  # not looked at
    assert float(l1_composition(alpha, front, back, merged, weight)) == pytest.approx(0.5)
    assert float(l1_composition(alpha, front, back, merged, weight * 0)) == 0, "nothing unknown gives 0, not NaN"


def test_laplacian_laws() -> None:
    truth = torch.rand(2, 1, 37, 50, generator=GENERATOR)
    assert float(laplacian(truth, truth)) == 0
    assert float(laplacian(truth + 0.3, truth)) == pytest.approx(0, abs=1e-5), "it sees details, not the mean"
    one, two = (laplacian(truth + step * torch.rand_like(truth), truth) for step in (0.1, 0.4))
    assert 0 < float(one) < float(two)
    half = torch.ones_like(truth)
    half[..., 25:] = 0
    wrong = truth.clone()
    wrong[..., 45:] += torch.rand(2, 1, 37, 5, generator=GENERATOR)
    assert float(laplacian(wrong, truth, half)) < 0.2 * float(laplacian(wrong, truth))
