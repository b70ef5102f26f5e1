"""Clips that are damaged, odd or no clips: one clear line each, or a stated way to go on."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from finesight.errors import InputError, SettingError
from finesight.media.clips import Frame, inspect_clip, is_clip, parse_rate, read_clip

from .samples import add_sound, gradient, make_rich, make_video


def frames_of(path: Path, **settings: Any) -> list[Frame]:
    with read_clip(path, **settings) as clip:
        return list(clip)


def one_line(caught: Any, path: Path) -> str:
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    return text


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no clip at all, only words. " * 50)
    for name, message in (
        ("none.mp4", "does not exist"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "cannot be opened as a clip"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            inspect_clip(tmp_path / name)
        one_line(caught, tmp_path / name)


def test_a_file_without_its_index(tmp_path: Path) -> None:
    make_video(tmp_path / "whole.mp4")
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged, incomplete") as caught:
        read_clip(tmp_path / "cut.mp4")
    one_line(caught, tmp_path / "cut.mp4")


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_file_that_is_cut_off(tmp_path: Path, ending: str) -> None:
    """The header promises three seconds."""
    path = tmp_path / f"cut.{ending}"
    options = {"movflags": "faststart"} if ending == "mp4" else {}
    with av.open(str(path), "w", container_options=options) as output:
        stream: Any = output.add_stream("libx264", rate=24, options={"crf": "5", "g": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(72):
            noise = np.random.default_rng(index).integers(0, 256, (48, 64, 3)).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(InputError, match=r"--damaged skip") as caught:
        frames_of(path)
    one_line(caught, path)
    with read_clip(path, damaged="skip") as clip:
        frames = list(clip)
    assert 30 <= len(frames) <= 60
    assert any("cut off" in note or "damaged" in note or "to its end" in note for note in clip.notes)
    part = frames_of(path, end=1)
    assert len(part) == 24
    assert [frame.time for frame in part] == [frame.time for frame in frames[:24]]


def test_damage_in_the_middle(tmp_path: Path) -> None:
    make_video(tmp_path / "whole.mkv", count=24, options={"crf": "5", "g": "100"})
    with av.open(str(tmp_path / "whole.mkv")) as container:
        inside = [packet.pos + packet.size // 2 for packet in container.demux(video=0) if packet.size][12]
    content = bytearray((tmp_path / "whole.mkv").read_bytes())
    content[inside : inside + 20] = bytes(20)
    (tmp_path / "torn.mkv").write_bytes(bytes(content))
    with read_clip(tmp_path / "torn.mkv", damaged="skip") as clip:
        assert len(list(clip)) == 23
    assert any("torn.mkv is damaged" in note for note in clip.notes)
    with pytest.raises(InputError, match=r"is damaged at 0\.\d+ s .*--damaged skip") as caught:
        frames_of(tmp_path / "torn.mkv")
    one_line(caught, tmp_path / "torn.mkv")


def test_a_recording_that_begins_anywhere(tmp_path: Path) -> None:
    """Broadcasts are cut into wherever one tunes in."""
    settings: dict[str, Any] = {"options": {"crf": "5", "g": "12", "sc_threshold": "0"}, "container": "mpegts"}
    make_video(tmp_path / "whole.ts", count=24, **settings)
    with av.open(str(tmp_path / "whole.ts")) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "in.ts").write_bytes(content[: 188 * 3] + content[places[3] :])  # tables, then frame 3 and on
    with read_clip(tmp_path / "in.ts") as clip:
        frames = list(clip)
    assert len(frames) == 12
    assert clip.info.begin == frames[0].time


def test_no_video_stream(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as output:
        stream, frames = add_sound(output, "aac", seconds=1, language="eng", title="x")
        for frame in [*frames, None]:
            output.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"no video stream \(its streams: audio\)") as caught:
        read_clip(tmp_path / "sound.mp4")
    one_line(caught, tmp_path / "sound.mp4")


def test_a_video_stream_without_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "none.mkv"), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()
    with pytest.raises(InputError, match="no frames") as caught:
        read_clip(tmp_path / "none.mkv")
    one_line(caught, tmp_path / "none.mkv")


def test_an_unknown_codec(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4")
    content = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "odd.mp4").write_bytes(content.replace(b"avc1", b"zzz9"))
    with pytest.raises(InputError, match=r"codec of its video is unknown|no video stream") as caught:
        read_clip(tmp_path / "odd.mp4")
    one_line(caught, tmp_path / "odd.mp4")


def test_a_size_that_changes_is_named_with_its_place(tmp_path: Path) -> None:
    make_video(tmp_path / "a.ts", times=[Fraction(index, 24) for index in range(6)], container="mpegts")
    make_video(
        tmp_path / "b.ts", times=[Fraction(index, 24) for index in range(6, 12)], sizes=[(96, 64)], container="mpegts"
    )
    path = tmp_path / "both.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with pytest.raises(InputError, match=r"changes its size to 96x64 at .* s\. Cut the clip there \(--end") as caught:
        frames_of(path)
    text = one_line(caught, path)
    end = Fraction(text.split("--end ")[1].split(")")[0])
    assert {frame.pixels.shape for frame in frames_of(path, end=end)} == {(48, 64, 3)}


def test_times_that_are_missing_are_never_invented(tmp_path: Path) -> None:
    make_video(tmp_path / "raw.h264", count=8, container="h264")
    with pytest.raises(InputError, match=r"has no times. Say its frames per second, for instance --rate 24"):
        read_clip(tmp_path / "raw.h264")
    info = inspect_clip(tmp_path / "raw.h264")
    assert info.rate is None
    assert info.duration is None
    frames = frames_of(tmp_path / "raw.h264", rate="29.97")
    assert [frame.time for frame in frames] == [index * Fraction(1001, 30_000) for index in range(8)]
    assert frames[-1].duration == Fraction(1001, 30_000)


def test_a_rate_for_a_clip_that_has_times_is_refused(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4")
    with pytest.raises(SettingError, match=r"has its own times \(24 frames per second\)"):
        read_clip(tmp_path / "in.mp4", rate=30)


def test_avi_counts_by_the_rate_it_states(tmp_path: Path) -> None:
    make_video(tmp_path / "in.avi", count=6, codec="mpeg4", options={"bf": "2", "qscale": "2"})
    times = [frame.time for frame in frames_of(tmp_path / "in.avi")]
    assert len(times) == 6
    assert [after - before for before, after in pairwise(times)] == [Fraction(1, 24)] * 5


def test_spans(tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", count=48)
    frames = frames_of(tmp_path / "in.mp4", start=1.5, end=1.75)
    assert [frame.time for frame in frames] == [Fraction(index, 24) for index in range(36, 42)]
    assert np.abs(frames[0].pixels.astype(int) - gradient(36)).mean() < 4
    for settings, message in (
        ({"start": 2, "end": 1}, "must lie after the start"),
        ({"start": -1}, "0 s or later"),
        ({"start": 9}, r"lasts 2\.000 s; it has nothing at 9 s"),
    ):
        with pytest.raises(SettingError, match=message):
            read_clip(tmp_path / "in.mp4", **settings)


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    make_rich(tmp_path / "in.mkv")
    with read_clip(tmp_path / "in.mkv") as clip:
        next(iter(clip))
        one, two = list(clip), list(clip)
    assert [frame.time for frame in one] == [frame.time for frame in two]
    assert all((a.pixels == b.pixels).all() for a, b in zip(one, two, strict=True))


def test_what_is_a_clip(tmp_path: Path) -> None:
    make_video(tmp_path / "film.mp4")
    (tmp_path / "film").write_bytes((tmp_path / "film.mp4").read_bytes())
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (tmp_path / "picture").write_bytes(b"\x00\x00\x00\x1cftypavif" + bytes(200))
    assert is_clip(tmp_path / "film.mp4")
    assert is_clip(tmp_path / "film")
    os.mkfifo(tmp_path / "pipe")
    assert not is_clip(tmp_path / "pipe")  # not opened: nobody writes into it
    assert is_clip("not/there.MKV")
    assert is_clip("frames/shot_%04d.png")
    assert is_clip(tmp_path, folders=True)
    assert not is_clip(tmp_path)
    assert not is_clip(tmp_path / "picture.png")
    assert not is_clip(tmp_path / "picture")


@pytest.mark.parametrize("text", ["fast", "0", "-3", "1/0", "nan"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(SettingError):
        parse_rate(text)


def test_a_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "in.mp4", count=2)
    for name in ("http:film.mp4", "Ä ö 100%.mp4"):
        (tmp_path / "in.mp4").rename(tmp_path / name)
        assert len(frames_of(Path(name))) == 2
        (tmp_path / name).rename(tmp_path / "in.mp4")
