"""Flow without parameters: known motion, still places, sizes, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError
from finesight.nn.flow_warp import flow_warp
from finesight.nn.lucas_kanade import lucas_kanade


def texture(side: int = 96) -> Tensor:
    """Smooth noise with detail everywhere."""
    noise = torch.from_numpy(np.random.default_rng(3).random((1, 3, side // 4, side // 4))).float()
    return F.interpolate(noise, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.mark.parametrize("motion", [(0.4, -0.7), (3.0, 2.0), (-7.5, 4.25)])
def test_it_finds_a_shift(motion: tuple[float, float]) -> None:
    first = texture()
    flow = torch.tensor(motion).view(1, 2, 1, 1).expand(1, 2, *first.shape[-2:])
    second = flow_warp(first, -flow, padding="reflection")  # first(p) = second(p + flow)
    found = lucas_kanade(first, second)[..., 16:-16, 16:-16]
    assert float((found - flow[..., 16:-16, 16:-16]).norm(dim=1).mean()) < 0.25


def test_the_same_picture_does_not_move_and_flat_places_stay() -> None:
    picture = texture()
    assert float(lucas_kanade(picture, picture).abs().max()) < 1e-4
    flat = torch.full((1, 3, 40, 40), 0.5)
    assert float(lucas_kanade(flat, flat + 0.2).abs().max()) < 1e-4


def test_it_is_what_brings_pictures_together() -> None:
    first = texture()
    grid = F.affine_grid(torch.tensor([[[0.98, -0.05, 0.03], [0.05, 0.98, -0.02]]]), list(first.shape), False)
    second = F.grid_sample(first, grid, padding_mode="reflection", align_corners=False)
    before = float((second - first).square().mean())
    after = float((flow_warp(second, lucas_kanade(first, second), padding="border") - first).square().mean())
    assert after < before / 20


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 33), (64, 20)])
def test_any_size_any_type_and_no_gradient(size: tuple[int, int]) -> None:
    first, second = torch.rand(2, 2, 3, *size)
    found = lucas_kanade(first.requires_grad_(), second)
    assert found.shape == (2, 2, *size)
    assert found.isfinite().all()
    assert not found.requires_grad
    torch.testing.assert_close(lucas_kanade(first[1:], second[1:]), found[1:], atol=1e-4, rtol=1e-4)
    assert lucas_kanade(first.detach().bfloat16(), second.bfloat16()).dtype == torch.float32


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SettingError, match="one size and odd squares"):
        lucas_kanade(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
    with pytest.raises(SettingError, match="8 and 9"):
        lucas_kanade(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), window=8)
