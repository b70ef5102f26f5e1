"""The mean of eight turns, with networks of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finesight.run.clips import ClipRunner, ClipSettings
from finesight.run.clips.ensemble import TurnedRecurrent, clip_ensemble
from finesight.run.clips.windows import border_of

from .material import clip_network, grey_levels, moving_clip
from .test_windows import by_hand

NETWORKS = {
    "basicvsr": {"width": 8, "blocks": 1},
    "iconvsr": {"width": 8, "blocks": 1},
    "tdan": {"width": 8, "blocks_before": 1, "blocks_after": 1},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_turns_over_segments_equal_turns_of_the_whole_clip(name: str) -> None:
    model, frames = clip_network(name, **NETWORKS[name]), moving_clip(5, 8, 12)
    settings = ClipSettings(precision="float32", self_ensemble=True, segment=3, overlap=5)
    ours = [f for piece in ClipRunner(model, settings=settings).pieces(frames) for f in piece.frames]
    clip = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None].float() / 255
    with torch.inference_mode():
        if model.traits.kind == "recurrent":
            whole = clip_ensemble(model.network, clip)
            assert torch.allclose(TurnedRecurrent(model.network)(clip), whole)
        else:
            turns = clip_ensemble(lambda c: torch.from_numpy(_windows(model, c)), clip)
            whole = turns
    wanted = whole[0].clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).numpy()
    assert grey_levels(ours, wanted) < 0.05
    plain = ClipRunner(model, settings=ClipSettings(precision="float32"))
    assert not np.array_equal([f for piece in plain.pieces(frames) for f in piece.frames][3], ours[3])


def _windows(model, clip: torch.Tensor) -> np.ndarray:  # type: ignore[no-untyped-def]
    frames = list(clip[0].permute(0, 2, 3, 1).mul(255).numpy())
    answers = by_hand(model, frames, border_of(model.network), clamped=False)
    return np.ascontiguousarray(answers.transpose(0, 3, 1, 2))[None] / 255
