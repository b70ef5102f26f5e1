"""The protocols of clips, computed by hand on clips that tell their settings apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from finesight.degrade.resize import resize_8bit
from finesight.evaluate.protocols import protocol
from finesight.evaluate.scoring import score
from finesight.metrics import luma, psnr, ssim
from tests.evaluate.conftest import Save
from tests.metrics.pictures import noisy, textured

STRENGTHS = {"calendar": (0.01, 0.03, 0.02), "walk": (0.1, 0.06, 0.04, 0.08, 0.05)}


@pytest.fixture
def clips(save: Save) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Frames of two clips of different length, worse at the border than inside, on the 8-bit grid."""
    made: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for number, (name, strengths) in enumerate(STRENGTHS.items()):
        truth = textured(len(strengths), 40, 48).roll(number * 5, -1)
        for frame, strength in enumerate(strengths):
            restored = noisy(truth[frame], strength)
            restored[:, :3] = noisy(truth[frame], 0.4)[:, :3]
            pair = [image.clamp(0, 1).mul(255).round().div(255) for image in (restored, truth[frame])]
            save(f"out/{name}/{frame:04d}.png", pair[0])
            save(f"gt/{name}/{frame:04d}.png", pair[1])
            made.setdefault(name, []).append((pair[0][None], pair[1][None]))
    return made


def by_hand(clips: dict[str, list[tuple[Tensor, Tensor]]], *, y: bool, border: int) -> tuple[float, float]:
    """Mean over clips of the mean over frames, PSNR and SSIM."""
    means = []
    for frames in clips.values():
        pairs = [(luma(a), luma(b)) if y else (a, b) for a, b in frames]
        means.append([np.mean([float(f(a, b, border=border)) for a, b in pairs]) for f in (psnr, ssim)])
    return tuple(np.mean(means, axis=0))


@pytest.mark.parametrize(
    ("name", "y", "border"),
    [("reds4", False, 0), ("vid4-y", True, 0), ("tdan", True, 8), ("toflow-vid4", False, 0)],
)
def test_means_over_clips(
    tmp_path: Path, clips: dict[str, list[tuple[Tensor, Tensor]]], name: str, y: bool, border: int
) -> None:
    table = score(tmp_path / "out", tmp_path / "gt", protocol_name=name, scale=4)
    wanted = by_hand(clips, y=y, border=border)
    assert (table.mean("psnr").value, table.mean("ssim").value) == pytest.approx(wanted, rel=1e-6)
    others = [by_hand(clips, y=one, border=two) for one in (False, True) for two in (0, 8) if (one, two) != (y, border)]
    assert all(abs(other[0] - wanted[0]) > 1e-3 for other in others)  # each setting can be seen in the number


def test_vimeo_scores_the_middle_frame_of_each_clip_on_luma(
    tmp_path: Path, clips: dict[str, list[tuple[Tensor, Tensor]]]
) -> None:
    table = score(tmp_path / "out", tmp_path / "gt", protocol_name="vimeo-t")
    middle = [frames[len(frames) // 2] for frames in clips.values()]
    wanted = np.mean([float(psnr(luma(a), luma(b))) for a, b in middle])
    assert table.mean("psnr").value == pytest.approx(wanted, rel=1e-6)


def test_interpolation_counts_every_frame_the_same(
    tmp_path: Path, clips: dict[str, list[tuple[Tensor, Tensor]]]
) -> None:
    table = score(tmp_path / "out", tmp_path / "gt", protocol_name="interpolation")
    wanted = np.mean([float(psnr(a, b)) for frames in clips.values() for a, b in frames])
    assert table.mean("psnr").value == pytest.approx(wanted, rel=1e-6)


def test_x16_cuts_the_truth_and_both_ways_to_it_agree_in_size(tmp_path: Path, save: Save) -> None:
    """1080 lines are no multiple of 16; here 40. Two reductions by 4 or one by 16 leave the same sides."""
    chosen = protocol("aim20-x16")
    truth = textured(2, 40, 64)
    cut = truth[..., :32, :]
    for frame in range(2):
        save(f"gt/a/{frame}.png", truth[frame])
        save(f"out/a/{frame}.png", noisy(cut[frame], 0.05))
    table = score(tmp_path / "out", tmp_path / "gt", protocol_name="aim20-x16")
    assert chosen.multiple == 16
    assert table.mean("psnr").count == 1
    assert 20 < float(table.mean("psnr").value or 0) < 35
    levels = (cut * 255).byte()
    direct = resize_8bit(levels, scale=1 / 16)
    twice = resize_8bit(resize_8bit(levels, scale=1 / 4), scale=1 / 4)
    assert direct.shape == twice.shape == (2, 3, 2, 4)
    assert 0 < float((direct.float() - twice.float()).abs().max()) < 40
