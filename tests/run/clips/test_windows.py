"""Window networks and networks for pictures over clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finesight.data.windows import window_frames
from finesight.errors import InputError, ModelError, SettingError
from finesight.run.clips import ClipRunner, ClipSettings, enlarge_frames, restore_frames
from finesight.run.clips.windows import WindowWorker
from finesight.run.upscaler import upscale

from .material import clip_network, grey_levels, moving_clip

WINDOWS = {
    "edvr": ({"width": 8, "blocks": 1, "deform_groups": 2, "extraction_blocks": 1}, "reflection_circle"),
    "tdan": ({"width": 8, "blocks_before": 1, "blocks_after": 1}, "reflection"),
    "toflow": ({"scale": 2}, "reflection_circle"),
}
PLAIN = ClipSettings(precision="float32")


def by_hand(model, frames, border, *, clamped=True) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Every window by itself, as published."""
    clip = torch.from_numpy(np.stack(frames).astype(np.float32) / 255).permute(0, 3, 1, 2)
    answers = []
    with torch.inference_mode():
        for index in range(len(frames)):
            window = window_frames(len(frames), model.traits.frames, index, border=border)
            answer = model.network(clip[window][None])[0]
            answer = answer.clamp(0, 1) if clamped else answer
            answers.append(answer.mul(255).permute(1, 2, 0).numpy())
    return np.stack(answers)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [9, 2, 1])
def test_windows_over_a_clip_equal_windows_one_by_one(name: str, length: int) -> None:
    arguments, border = WINDOWS[name]
    model = clip_network(name, **arguments)
    frames = moving_clip(length, 16, 20)
    runner = ClipRunner(model, settings=ClipSettings(precision="float32", segment=4))
    ours = [picture for part, _ in runner.parts(iter(frames)) for picture in part.pictures]
    assert grey_levels(ours, np.rint(by_hand(model, frames, border))) < 0.05
    worker = runner.workers[0]
    assert isinstance(worker, WindowWorker)
    assert worker.encoded == length  # the features of every frame once, also across segments


def test_windows_do_not_look_over_a_cut() -> None:
    model = clip_network("edvr", **WINDOWS["edvr"][0])
    first, second = moving_clip(6, 16, 20), [255 - f // 3 for f in moving_clip(7, 16, 20, seed=3)]
    together = list(enlarge_frames([*first, *second], model, settings=PLAIN))
    alone = [*enlarge_frames(first, model, settings=PLAIN), *enlarge_frames(second, model, settings=PLAIN)]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_windows_in_tiles_and_on_two_devices() -> None:
    model = clip_network("tdan", **WINDOWS["tdan"][0])
    frames = moving_clip(7, 60, 70)
    whole = list(enlarge_frames(frames, model, settings=PLAIN))
    tiled = list(enlarge_frames(frames, model, settings=ClipSettings(precision="float32", tile=48)))
    assert grey_levels(tiled, np.stack(whole).astype(np.float32)) < 0.5
    shared = ClipSettings(precision="float32", devices=("cpu", "cpu"), segment=2)
    assert all(np.array_equal(a, b) for a, b in zip(whole, enlarge_frames(frames, model, settings=shared), strict=True))


def test_networks_for_pictures_work_on_clips_in_batches() -> None:
    frames = moving_clip(7, 14, 18)
    model = clip_network("collapsible", width=8, depth=1, expansion=0, scale=2)
    plain = ClipSettings(precision="float32", engine="torch")
    ours = list(enlarge_frames(frames, model, settings=plain))
    one = [upscale(frame, model=model, precision="float32", engine="torch") for frame in frames]
    assert grey_levels(ours, np.stack(one).astype(np.float32)) < 0.05
    assert next(iter(enlarge_frames(frames, scale=3, settings=plain))).shape == (42, 54, 3)
    assert next(iter(enlarge_frames(frames, model, scale=3.5, settings=plain))).shape == (49, 63, 3)


def test_a_network_of_scale_one_restores() -> None:
    model = clip_network("toflow", scale=1)
    frames = moving_clip(3, 16, 16)
    assert (
        grey_levels(list(restore_frames(frames, model, settings=PLAIN)), by_hand(model, frames, "reflection_circle"))
        < 0.6
    )


def test_wrong_networks_and_frames_are_refused() -> None:
    frames = moving_clip(3, 16, 20)
    edvr, cain = clip_network("edvr", **WINDOWS["edvr"][0]), clip_network("cain", groups=1, blocks=1)
    with pytest.raises(ModelError, match="finesight interpolate"):
        ClipRunner(cain)
    with pytest.raises(ModelError, match="scale 1 is wanted"):
        ClipRunner(edvr, restore=True)
    with pytest.raises(ModelError, match="finesight restore"):
        ClipRunner(clip_network("toflow", scale=1))
    with pytest.raises(SettingError, match="by 4 only, not by 2"):
        ClipRunner(edvr, scale=2)
    with pytest.raises(InputError, match=r"Frame 2 is 16x16 pixels, the frames before it 20x16"):
        list(enlarge_frames([*frames[:2], frames[2][:, :16]], edvr, settings=PLAIN))
    with pytest.raises(InputError, match="height, width, 3"):
        list(enlarge_frames([frames[0][..., 0]], edvr, settings=PLAIN))
    assert list(enlarge_frames([], edvr, settings=PLAIN)) == []
