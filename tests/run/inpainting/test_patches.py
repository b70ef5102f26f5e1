"""Texture from patches."""

from __future__ import annotations

import numpy as np
import torch

from finesight.run.inpainting.patches import textured, wide_parts


def weave(height: int, width: int) -> torch.Tensor:
    """A texture of period 12."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    pattern = torch.stack(
        [
            0.5 + 0.4 * torch.sin(2 * torch.pi * (rows + 2 * columns) / 12),
            0.5 + 0.4 * torch.cos(2 * torch.pi * (rows - columns) / 12),
            (rows // 6 % 2 == columns // 6 % 2).float(),
        ]
    )
    return pattern.float()


def test_a_periodic_texture_is_continued_where_blur_was() -> None:
    truth = weave(96, 110)
    hole = np.zeros((96, 110), bool)
    hole[30:62, 40:80] = True
    blurred = truth.clone()
    blurred[:, torch.from_numpy(hole)] = truth.mean((1, 2))[:, None]
    sizes: list[None] = []
    found = textured(blurred, hole, hole, done=lambda: sizes.append(None))
    missing = torch.from_numpy(hole)
    assert torch.equal(found[:, ~missing], truth[:, ~missing])
    assert len(sizes) == 2
    assert (found - truth)[:, missing].abs().mean() < 0.4 * (blurred - truth)[:, missing].abs().mean()
    assert torch.equal(found, textured(blurred, hole, hole))


def test_only_what_is_to_be_made_changes_and_holes_are_never_copied() -> None:
    truth = weave(64, 80)
    hole = np.zeros((64, 80), bool)
    hole[20:40, 20:44] = hole[50:53, :] = True
    given = truth.clone()
    given[:, torch.from_numpy(hole)] = 9.0  # would be seen if it were copied; only tone may bring it in at the rim
    made = wide_parts(hole, 17)
    assert made[20:40, 20:44].all()
    assert not made[50:53].any()
    found = textured(given, hole, made)
    kept = torch.from_numpy(~made)
    assert torch.equal(found[:, kept], given[:, kept])


def test_where_nothing_can_be_copied_nothing_is_done() -> None:
    given = torch.rand(3, 20, 20)
    hole = np.ones((20, 20), bool)
    hole[:2] = False
    assert torch.equal(textured(given, hole, hole), given)
    small = torch.rand(1, 5, 40)
    narrow = np.zeros((5, 40), bool)
    narrow[:, 10:20] = True
    assert torch.equal(textured(small, narrow, narrow), small)


def test_tone_follows_the_fill_at_the_rim() -> None:
    ramp = torch.linspace(0, 1, 120).expand(3, 90, 120).contiguous()
    hole = np.zeros((90, 120), bool)
    hole[25:65, 40:85] = True
    found = textured(ramp, hole, hole)  # patches of another place have another tone
    assert (found - ramp).abs().max() < 0.02
