"""Folders of frames and numbered sequences."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from finesight import media
from finesight.errors import InputError, OutputError, SettingError
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip

from .samples import HEIGHT, WIDTH, gradient, make_rich, make_video


def put(folder: Path, names: list[str], *, deep: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        pixels = gradient(index) * np.uint16(257) if deep else gradient(index)
        media.write(folder / name, media.from_array(pixels))


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    put(tmp_path / "f", ["a10.png", "a8.png", "a9.png"])
    info = inspect_clip(tmp_path / "f", rate="23.976")
    assert (info.kind, info.frames, info.rate) == ("folder", 3, Fraction(24_000, 1001))
    with read_clip(tmp_path / "f", rate=12) as clip:
        frames = list(clip)
    assert [frame.time for frame in frames] == [Fraction(0), Fraction(1, 12), Fraction(1, 6)]
    for frame, index in zip(frames, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(frame.pixels, gradient(index))


def test_nothing_is_silently_25(tmp_path: Path) -> None:
    put(tmp_path / "f", ["1.png", "2.png"])
    info = inspect_clip(tmp_path / "f")
    assert info.rate is None
    assert "no rate was said" in info.notes[0]
    with pytest.raises(SettingError, match=r"needs frames per second.*--rate 24"):
        ClipWriter(tmp_path / "out.mp4", like=info, width=WIDTH, height=HEIGHT)


def test_gaps_are_named_or_kept(tmp_path: Path) -> None:
    put(tmp_path / "f", [f"shot_{number:04d}.png" for number in (1, 2, 4, 8)])
    with pytest.raises(InputError, match=r"frames 3, 5 to 7 are missing between shot_0001\.png and shot_0008\.png"):
        read_clip(tmp_path / "f", rate=10)
    with pytest.raises(InputError, match="--gaps keep"):
        read_clip(tmp_path / "f" / "shot_%04d.png", rate=10)
    with read_clip(tmp_path / "f", rate=10, gaps="keep") as clip:
        frames = list(clip)
    assert [frame.time for frame in frames] == [Fraction(number, 10) for number in (0, 1, 3, 7)]
    assert [frame.duration for frame in frames] == [Fraction(number, 10) for number in (1, 2, 4, 1)]
    assert clip.info.duration == Fraction(8, 10)


def test_a_pattern_takes_only_what_it_means(tmp_path: Path) -> None:
    put(tmp_path / "f", ["shot_0001.png", "shot_0002.png", "other_0003.png", "shot_0003.jpg"])
    with read_clip(tmp_path / "f" / "shot_%04d.png", rate=24) as clip:
        assert clip.info.kind == "sequence"
        assert len(list(clip)) == 2
    with pytest.raises(InputError, match="No file matches"):
        read_clip(tmp_path / "f" / "film_%d.png", rate=24)


def test_bad_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        read_clip(tmp_path / "empty", rate=24)
    put(tmp_path / "f", ["1.png", "2.png"])
    media.write(tmp_path / "f" / "3.png", media.from_array(gradient(0, width=32)))
    with read_clip(tmp_path / "f", rate=24) as clip, pytest.raises(InputError, match=r"3\.png is 32x48.*64x48"):
        list(clip)
    (tmp_path / "f" / "3.png").write_bytes((tmp_path / "f" / "2.png").read_bytes()[:300])
    with read_clip(tmp_path / "f", rate=24) as clip, pytest.raises(InputError, match=r"3\.png"):
        list(clip)


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_a_folder_becomes_a_clip_and_back(tmp_path: Path, deep: bool) -> None:
    put(tmp_path / "in", [f"{index}.png" for index in range(4)], deep=deep)
    with (
        read_clip(tmp_path / "in", rate=24) as clip,
        ClipWriter(tmp_path / "film.mkv", like=clip.info, width=WIDTH, height=HEIGHT, codec="ffv1") as film,
    ):
        for frame in clip:
            film.write(frame)
    assert inspect_clip(tmp_path / "film.mkv").depth == (16 if deep else 8)
    with (
        read_clip(tmp_path / "film.mkv") as clip,
        ClipWriter(tmp_path / "out", like=clip.info, width=WIDTH, height=HEIGHT, provenance={"model": "x"}) as out,
    ):
        for frame in clip:
            out.write(frame)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"frame_{index:06d}.png" for index in range(1, 5)] + ["timestamps.txt"]
    for index in range(4):
        before, after = media.read(tmp_path / "in" / f"{index}.png"), media.read(tmp_path / "out" / names[index])
        np.testing.assert_array_equal(after.pixels, before.pixels)
        assert after.pixels.dtype == (np.uint16 if deep else np.uint8)
    assert media.inspect(tmp_path / "out" / names[0]).provenance == {"model": "x"}


def test_a_folder_remembers_uneven_times(tmp_path: Path) -> None:
    make_rich(tmp_path / "in.mp4", sounds=("aac",), subtitles="", attach=False)
    with (
        read_clip(tmp_path / "in.mp4") as clip,
        ClipWriter(tmp_path / "out", like=clip.info, width=WIDTH, height=HEIGHT) as out,
    ):
        times = []
        for frame in clip:
            times.append(frame.time)
            out.write(frame)
    assert any("Pictures hold no stream 1 (aac audio, eng" in note for note in out.notes)
    with read_clip(tmp_path / "out") as clip:
        found = [frame.time for frame in clip]
        assert clip.info.variable
        assert clip.info.rate is not None
    assert max(abs(one - two) for one, two in zip(found, times, strict=True)) < Fraction(1, 10**9)
    (tmp_path / "out" / "frame_000002.png").unlink()
    with pytest.raises(InputError, match="one rising time"):
        read_clip(tmp_path / "out")


def test_a_pattern_is_written(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", count=3)
    target = tmp_path / "shots" / "s_%03d.tif"
    (tmp_path / "shots").mkdir()
    with read_clip(tmp_path / "in.mp4") as clip, ClipWriter(target, like=clip.info, width=WIDTH, height=HEIGHT) as out:
        for frame in clip:
            out.write(frame)
    assert sorted(path.name for path in (tmp_path / "shots").iterdir()) == ["s_001.tif", "s_002.tif", "s_003.tif"]
    with pytest.raises(OutputError, match="are there already"), ClipWriter(target, width=WIDTH, height=HEIGHT):
        pass


def write_and_fail(path: Path) -> None:
    with ClipWriter(path, width=WIDTH, height=HEIGHT) as out:
        out.write(Frame(gradient(0), Fraction(0)))
        raise KeyError("stop")


def test_a_full_folder_is_left_alone_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep")
    with (
        pytest.raises(OutputError, match=r"holds 1 files\. Choose a new or an empty one"),
        ClipWriter(tmp_path / "mine", width=WIDTH, height=HEIGHT),
    ):
        pass
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(KeyError):
            write_and_fail(tmp_path / name)
    with pytest.raises(OutputError, match="not one frame"), ClipWriter(tmp_path / "new", width=WIDTH, height=HEIGHT):
        pass
    with (
        pytest.raises(OutputError, match="does not exist"),
        ClipWriter(tmp_path / "no" / "such", width=WIDTH, height=HEIGHT),
    ):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "letter.txt", "mine"]


def test_an_empty_folder_is_filled_and_alpha_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    alpha = gradient(0)[:, :, 0].copy()
    with ClipWriter(tmp_path / "out", width=WIDTH, height=HEIGHT, alpha=True) as out:
        out.write(Frame(gradient(3), Fraction(0), None, alpha))
        out.write(Frame(gradient(4), Fraction(1), None, alpha))
    with read_clip(tmp_path / "out", rate=5) as clip:
        first, _ = clip
    np.testing.assert_array_equal(first.pixels, gradient(3))
    np.testing.assert_array_equal(first.alpha, alpha)
