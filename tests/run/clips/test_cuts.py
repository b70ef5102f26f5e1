"""Cuts and repeated frames, on drawn clips and on the two real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from finesight.run.clips import CUT_THRESHOLD, CutDetector, is_repeat

from .material import moving_clip


def scores(frames: list[np.ndarray]) -> list[float]:
    detector = CutDetector()
    return [detector.score(frame) for frame in frames]


def test_a_cut_is_found_and_motion_is_none() -> None:
    one, other = moving_clip(8, 48, 64), [255 - f // 2 for f in moving_clip(8, 48, 64, seed=4)]
    found = scores([*one, *other])
    assert found[8] > CUT_THRESHOLD
    assert max(found[:8] + found[9:]) < CUT_THRESHOLD / 2


def test_a_fast_pan_is_no_cut() -> None:
    wide = moving_clip(1, 48, 600)[0]
    pan = [wide[:, 30 * i : 30 * i + 64] for i in range(12)]
    found = scores(pan)
    assert max(found[2:]) < CUT_THRESHOLD


def read(path: Path, every: int, count: int) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [
            f.to_ndarray(format="rgb24")[::4, ::4]
            for i, f in zip(range(count * every), frames, strict=False)
            if i % every == 0
        ]


def test_real_clips(shared: Path) -> None:
    cars, birds = (read(shared / "data/video" / name, 1, 60) for name in ("cars.mp4", "cockatoo.mp4"))
    within = max(scores(cars) + scores(birds))
    small = min(len(cars[0]), len(birds[0])), min(cars[0].shape[1], birds[0].shape[1])
    cars, birds = ([f[: small[0], : small[1]] for f in clip] for clip in (cars, birds))
    cut = scores([*cars[:5], *birds[:5], *cars[20:25]])
    print(f"largest inside a shot {within:.2f}, at cuts {cut[5]:.2f} and {cut[10]:.2f}")
    assert within < CUT_THRESHOLD / 2
    assert min(cut[5], cut[10]) > CUT_THRESHOLD


def test_repeats() -> None:
    frame, moved = moving_clip(2, 40, 40)
    noisy = np.clip(frame.astype(np.int16) + (np.arange(40) % 7 == 0)[:, None, None], 0, 255).astype(np.uint8)
    assert is_repeat(frame, frame)
    assert is_repeat(noisy, frame)
    assert not is_repeat(moved, frame)
    small = frame.copy()
    small[4:8, 4:8] = 255 - small[4:8, 4:8]  # one small thing has changed
    assert not is_repeat(small, frame)
