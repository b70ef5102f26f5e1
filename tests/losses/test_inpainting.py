"""Losses of holes."""

from __future__ import annotations

import torch

from finesight.losses.contrast import local_contrast, texture
from finesight.losses.inpainting import hole_decibels


def test_hole_decibels_by_hand() -> None:
    truth = torch.zeros(2, 3, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1
    restored = truth.clone()
    restored[0, :, :2] = 0.1  # 20 dB
    restored[1, :, :2] = 0.01  # 40 dB
    restored[:, :, 2:] = 9  # known pixels do not count
    assert torch.isclose(hole_decibels(restored, truth, mask, floor=1e-12), torch.tensor(-30.0))
    assert torch.isclose(hole_decibels(truth, truth, mask), torch.tensor(-40.0))
    assert hole_decibels(restored, truth, torch.zeros_like(mask)).isfinite()


def test_contrast_is_blind_to_where_detail_lies_but_not_to_how_much() -> None:
    generator = torch.Generator().manual_seed(0)
    grain, other = (torch.rand(1, 3, 64, 64, generator=generator) for _ in range(2))
    flat = torch.full_like(grain, 0.5)
    assert local_contrast(grain, grain) == 0
    assert local_contrast(other, grain) < 0.1 * local_contrast(flat, grain)


def test_texture_by_hand() -> None:
    stripes = torch.zeros(1, 1, 9, 9)
    stripes[..., 1::2] = 0.6  # every neighbour to the left differs by 0.6, every one above by 0
    found, share = texture(stripes, window=8)
    assert found.shape == (1, 1, 1, 1)
    assert share.item() == 1
    assert torch.isclose(found.squeeze(), torch.tensor(0.6), atol=1e-4)
    mask = torch.zeros(1, 1, 9, 9)
    mask[..., :5] = 1
    assert texture(stripes, mask, window=8)[1].item() == 0.5
    assert torch.isclose(texture(stripes, mask, window=8)[0].squeeze(), torch.tensor(0.6), atol=1e-4)


def test_contrast_has_gradients_on_flat_pictures() -> None:
    flat = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    local_contrast(flat, torch.rand(1, 3, 16, 16)).backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
