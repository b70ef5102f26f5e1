"""Frames between frames: which, when, and which not."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from finesight.errors import InputError, ModelError, SettingError
from finesight.run.clips import ClipSettings, Interpolator, interpolate_frames
from finesight.run.clips.between import by_factor, by_rate
from finesight.run.clips.stream import Stream

from .material import clip_network, moving_clip

PLAIN = ClipSettings(precision="float32")
NETWORKS = {
    "cain": {"groups": 1, "blocks": 1, "depth": 2, "padding": 2},
    "flavr": {"widths": (4, 4, 4, 4), "blocks": (1, 1, 1, 1)},
    "toflow-interpolation": {},
}


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame with a time, as ``media.clips`` gives."""

    pixels: np.ndarray
    time: Fraction
    duration: Fraction | None = None


def network(name: str):  # type: ignore[no-untyped-def]
    return clip_network(name, **NETWORKS[name])


def half(model, *frames: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    clip = torch.from_numpy(np.stack(frames).astype(np.float32) / 255).permute(0, 3, 1, 2)[None]
    with torch.inference_mode():
        return model.network(clip)[0].clamp(0, 1).permute(1, 2, 0).numpy()


def eight_bits(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["cain", "toflow-interpolation"])
def test_twice_and_four_times_by_halving(name: str) -> None:
    model, (a, b, c) = network(name), moving_clip(3, 17, 22)
    twice = list(interpolate_frames([a, b, c], model, factor=2, settings=PLAIN))
    four = list(interpolate_frames([a, b, c], model, factor=4, settings=PLAIN))
    assert [len(twice), len(four)] == [5, 9]
    assert all(np.array_equal(one, other) for one, other in zip(twice[::2], [a, b, c], strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(four[::2], twice, strict=True))
    assert np.abs(twice[1].astype(int) - eight_bits(half(model, a, b))).max() <= 1
    middle = half(model, a, b) * 255  # the recursion goes on without rounding
    assert np.abs(four[1].astype(int) - eight_bits(half(model, a, middle))).max() <= 1


def test_a_network_of_four_frames_mirrors_the_ends_and_shares_what_it_made() -> None:
    model, frames = network("flavr"), moving_clip(5, 16, 24)
    twice = list(interpolate_frames(frames, model, factor=2, settings=PLAIN))
    for index, window in ((1, (1, 0, 1, 2)), (3, (0, 1, 2, 3)), (5, (1, 2, 3, 4)), (7, (2, 3, 4, 3))):
        expected = eight_bits(half(model, *(frames[i] for i in window)))
        assert np.abs(twice[index].astype(int) - expected).max() <= 1
    four = list(interpolate_frames(frames, model, factor=4, settings=PLAIN))
    assert all(np.array_equal(one, other) for one, other in zip(four[::2], twice, strict=True))


def test_features_of_a_frame_are_computed_once() -> None:
    interpolator = Interpolator(network("cain"), factor=8, settings=PLAIN)
    frames = moving_clip(6, 16, 16)
    assert len([f for piece in interpolator.pieces(iter(frames)) for f in piece.frames]) == 41
    assert interpolator.between is not None
    assert interpolator.between.made == 35
    assert interpolator.between.encoded == 6 + 5 * 3  # frames, halves and quarters; eighths serve nobody


def times_of(stream: Stream, moments) -> list[float]:  # type: ignore[no-untyped-def]
    return [float(m.index + m.part) for m in moments]


def test_timelines_of_the_published_networks(shared: Path) -> None:
    from tests.oracles.reader import Oracle

    oracle = Oracle.load(shared / "oracles/video/timeline.npz")
    stream = Stream(moving_clip(6, 4, 4))
    assert times_of(stream, by_factor(stream, 2)) == sorted([*range(6), *(i + 0.5 for i in range(5))])
    assert oracle.outputs  # the published timelines of data.windows are compared in tests/oracles


def test_any_rate_by_time_stamp() -> None:
    pixels = moving_clip(6, 8, 8)
    times = [Fraction(0), Fraction(1, 25), Fraction(2, 25), Fraction(4, 25), Fraction(5, 25), Fraction(6, 25)]
    clip = [
        Shown(p, t + 3, Fraction(1, 25)) for p, t in zip(pixels, times, strict=True)
    ]  # begins at 3 s, one gap is long
    stream = Stream(clip)
    moments = list(by_rate(stream, Fraction(60)))
    assert [m.time for m in moments] == [3 + Fraction(k, 60) for k in range(17)]  # up to 7/25 s, the end of the last
    assert [(m.index, m.part) for m in moments[:4]] == [
        (0, 0),
        (0, Fraction(3, 8)),
        (0, Fraction(7, 8)),
        (1, Fraction(1, 4)),
    ]
    assert (moments[6].index, moments[6].part) == (2, Fraction(1, 4))  # 0.1 s lies a quarter into 0.08 .. 0.16 s
    assert all(m.index == 5 and m.part == 0 for m in moments if m.time >= 3 + times[5])
    same = list(by_rate(Stream(clip[:3]), Fraction(25)))
    assert [(m.index, m.part) for m in same] == [(0, 0), (1, 0), (2, 0)]
    slower = list(interpolate_frames(clip, network("cain"), rate=Fraction(25, 2), settings=PLAIN))
    assert [float(f.time) for f in slower] == pytest.approx([3, 3.08, 3.16, 3.24])
    assert np.array_equal(slower[1].pixels, pixels[2])
    assert np.array_equal(slower[2].pixels, pixels[3])


def test_times_of_new_frames() -> None:
    clip = [Shown(p, Fraction(i, 24), Fraction(1, 24)) for i, p in enumerate(moving_clip(3, 8, 8))]
    twice = list(interpolate_frames(clip, network("cain"), factor=2, settings=PLAIN))
    assert [f.time for f in twice] == [Fraction(i, 48) for i in range(5)]
    assert [f.duration for f in twice] == [Fraction(1, 48)] * 4 + [Fraction(1, 24)]


def test_cuts_repeat_instead_of_morphing_and_repeats_are_found() -> None:
    one, other = moving_clip(4, 32, 32), [255 - f // 3 for f in moving_clip(4, 32, 32, seed=7)]
    frames = [*one, one[-1].copy(), *other]
    for name in ("cain", "flavr"):
        interpolator = Interpolator(network(name), factor=4, settings=PLAIN)
        result = [f for piece in interpolator.pieces(frames) for f in piece.frames]
        assert len(result) == 8 * 4 + 1
        assert all(np.array_equal(result[12 + i], one[-1]) for i in range(8))  # the repeated frame, and up to the cut
        assert np.array_equal(result[20], other[0])
        assert not np.array_equal(result[1], one[0])
        assert (interpolator.report.repeats, interpolator.report.shots) == (1, 2)
        assert interpolator.report.made == 6 * 3
    alone = list(interpolate_frames(other, network("flavr"), factor=4, settings=PLAIN))
    assert all(np.array_equal(a, b) for a, b in zip(result[20:], alone, strict=True))  # windows end at the cut


def test_frames_in_tiles() -> None:
    model, frames = clip_network("toflow-interpolation"), moving_clip(3, 100, 120)
    whole = list(interpolate_frames(frames, model, factor=2, settings=PLAIN))
    interpolator = Interpolator(model, factor=2, settings=ClipSettings(precision="float32", tile=80))
    tiled = [f for piece in interpolator.pieces(frames) for f in piece.frames]
    assert interpolator.report.tiles > 1
    difference = np.stack(whole).astype(float) - np.stack(tiled)
    assert np.sqrt(np.square(difference).mean((1, 2, 3))).max() < 0.5


@pytest.mark.parametrize(("factor", "rate"), [(4, None), (None, Fraction(7, 3))])
def test_pieces_go_on_where_another_run_ended(factor: int | None, rate: Fraction | None) -> None:
    frames = moving_clip(23, 12, 16)
    settings = ClipSettings(precision="float32", segment=5)
    model = network("flavr")
    whole, ends = [], []
    for piece in Interpolator(model, factor=factor, rate=rate, settings=settings).pieces(frames):
        whole += list(piece.frames)
        ends.append((len(whole), piece.resume()))
    assert len(ends) == 5
    assert ends[-1][1] is None
    for done, resume in ends[:-1]:
        assert resume is not None
        again = Interpolator(model, factor=factor, rate=rate, settings=settings)
        rest = [f for piece in again.pieces(frames[resume["read"] :], resume) for f in piece.frames]
        assert len(rest) == len(whole) - done
        assert all(np.array_equal(a, b) for a, b in zip(rest, whole[done:], strict=True))


def test_what_cannot_be_is_said() -> None:
    frames = moving_clip(3, 8, 8)
    with pytest.raises(SettingError, match="2, 4 or 8, got 3"):
        list(interpolate_frames(frames, network("cain"), factor=3))
    with pytest.raises(SettingError, match="one of them"):
        list(interpolate_frames(frames, network("cain")))
    with pytest.raises(SettingError, match="at most 1000"):
        list(interpolate_frames(frames, network("cain"), rate=-1))
    with pytest.raises(ModelError, match="is for super-resolution"):
        list(interpolate_frames(frames, clip_network("basicvsr", width=8, blocks=1), factor=2))
    backwards = [Shown(p, Fraction(-i)) for i, p in enumerate(frames)]
    with pytest.raises(InputError, match="Frame 1 is shown at -1 s, not after frame 0"):
        list(interpolate_frames(backwards, network("cain"), factor=2, settings=PLAIN))
    assert list(interpolate_frames([], network("cain"), factor=2)) == []
    (only,) = interpolate_frames(frames[:1], network("cain"), factor=8, settings=PLAIN)
    assert np.array_equal(only, frames[0])
