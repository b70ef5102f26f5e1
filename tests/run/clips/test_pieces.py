"""Pieces of a clip: a run that goes on behind any of them gives what one run gives."""

from __future__ import annotations

import numpy as np
import pytest

from finesight.run.clips import ClipRunner, ClipSettings

from .material import clip_network, moving_clip

NETWORKS = {
    "basicvsr-pp": {"width": 16, "blocks": 1},
    "iconvsr": {"width": 8, "blocks": 1},
    "realbasicvsr": {"width": 8, "blocks": 1, "cleaning_blocks": 1, "threshold": 1.0},
    "edvr": {"width": 8, "blocks": 1, "deform_groups": 2, "extraction_blocks": 1},
    "collapsible": {"width": 8, "depth": 1, "expansion": 0, "scale": 2},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_pieces_go_on_where_another_run_ended(name: str) -> None:
    model = clip_network(name, **NETWORKS[name])
    frames = [*moving_clip(19, 12, 12), *(255 - f // 3 for f in moving_clip(6, 12, 12, seed=2))]
    settings = ClipSettings(precision="float32", engine="torch", segment=6, overlap=4)
    whole, ends = [], []
    for piece in ClipRunner(model, settings=settings).pieces(frames):
        whole += list(piece.frames)
        ends.append((len(whole), piece.resume()))
    assert len(whole) == 25
    assert len(ends) >= 4
    assert ends[-1][1] is None
    for done, resume in ends[:-1]:
        assert resume is not None
        again = ClipRunner(model, settings=settings)
        rest = [f for piece in again.pieces(iter(frames[resume["read"] :]), resume) for f in piece.frames]
        assert len(rest) == len(whole) - done
        assert all(np.array_equal(a, b) for a, b in zip(rest, whole[done:], strict=True))


@pytest.mark.parametrize("name", ["basicvsr-pp", "edvr"])
def test_a_clip_never_changes_the_next_ones_result(name: str) -> None:
    model = clip_network(name, **NETWORKS[name])
    settings = ClipSettings(precision="float32", segment=4, overlap=2)
    clips = moving_clip(6, 8, 12), moving_clip(7, 8, 12, seed=3)
    runner = ClipRunner(model, settings=settings)
    for clip in (*clips, clips[0]):
        again = [f for piece in runner.pieces(clip) for f in piece.frames]
        alone = [f for piece in ClipRunner(model, settings=settings).pieces(clip) for f in piece.frames]
        assert all(np.array_equal(a, b) for a, b in zip(again, alone, strict=True))
        assert len(again) == len(clip)
