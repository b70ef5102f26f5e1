"""What goes through unchanged: times, sound, subtitles, attachments, chapters, metadata, rotation, pixel aspect."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from finesight.errors import OutputError
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip

from .samples import HEIGHT, WIDTH, add_sound, gradient, make_rich, make_video, packet_hashes


def passed_on(source: Path, target: Path, **settings: Any) -> tuple[str, ...]:
    """Every frame of one clip into another."""
    with (
        read_clip(source, start=settings.get("start"), end=settings.get("end")) as clip,
        ClipWriter(target, like=clip.info, width=clip.info.width, height=clip.info.height, **settings) as out,
    ):
        for frame in clip:
            out.write(frame)
    return out.notes


def frames_of(path: Path) -> list[Frame]:
    with read_clip(path) as clip:
        return list(clip)


def attachments(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        found: list[Any] = [stream for stream in container.streams if stream.type == "attachment"]
        return [bytes(stream.data) for stream in found]


def test_everything_of_a_matroska_file_is_kept(tmp_path: Path) -> None:
    times = make_rich(tmp_path / "in.mkv")
    notes = passed_on(tmp_path / "in.mkv", tmp_path / "out.mkv", provenance={"model": "x", "weights": "0123"})
    assert notes == ()
    before, after = inspect_clip(tmp_path / "in.mkv"), inspect_clip(tmp_path / "out.mkv")
    assert [(s.kind, s.codec, s.language, s.title) for s in after.streams] == [
        (s.kind, s.codec, s.language, s.title) for s in before.streams
    ]
    assert [s.kind for s in after.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert after.chapters == before.chapters
    assert len(after.chapters) == 2
    assert packet_hashes(tmp_path / "out.mkv") == packet_hashes(tmp_path / "in.mkv")
    assert attachments(tmp_path / "out.mkv") == attachments(tmp_path / "in.mkv") == [b"\x00\x01" * 50]
    kept = {key.lower(): value for key, value in after.metadata}
    assert kept["title"] == "A title"
    assert kept["artist"] == "Someone"
    assert after.provenance == {"model": "x", "weights": "0123"}
    found = [frame.time for frame in frames_of(tmp_path / "out.mkv")]
    assert max(abs(one - two) for one, two in zip(found, times, strict=True)) <= Fraction(1, 1000)
    assert found == [frame.time for frame in frames_of(tmp_path / "in.mkv")]
    assert before.variable
    assert after.variable
    assert after.begin == before.begin == Fraction(1, 2)


@pytest.mark.parametrize("metadata", ["keep", "minimal", "strip"])
def test_metadata_is_kept_or_stripped(tmp_path: Path, metadata: str) -> None:
    make_rich(tmp_path / "in.mkv")
    passed_on(tmp_path / "in.mkv", tmp_path / "out.mkv", provenance={"model": "x"}, metadata=metadata)
    info = inspect_clip(tmp_path / "out.mkv")
    kept = {key.lower() for key, _ in info.metadata}
    assert ("title" in kept) == ("artist" in kept) == (metadata == "keep")
    assert info.provenance == ({} if metadata == "strip" else {"model": "x"})
    assert len(info.chapters) == (0 if metadata == "strip" else 2)
    assert [one.title for one in info.streams[1:3]] == (["Track 0", "Track 1"] if metadata == "keep" else [None, None])
    assert [one.language for one in info.streams[1:4]] == ["eng", "fra", "ita"]
    assert attachments(tmp_path / "out.mkv") == [b"\x00\x01" * 50]
    assert packet_hashes(tmp_path / "out.mkv") == packet_hashes(tmp_path / "in.mkv")


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_uneven_times_and_late_begin_are_exact(tmp_path: Path, ending: str) -> None:
    times = make_rich(tmp_path / "in.mp4", sounds=("aac", "aac"), subtitles="", attach=False)
    passed_on(tmp_path / "in.mp4", tmp_path / f"out.{ending}", provenance={"model": "x"})
    assert packet_hashes(tmp_path / f"out.{ending}") == packet_hashes(tmp_path / "in.mp4")
    found = frames_of(tmp_path / f"out.{ending}")
    exact = [round(time * 1000) * Fraction(1, 1000) for time in times] if ending == "mkv" else times
    assert [frame.time for frame in found] == exact
    assert all(one.duration == two.time - one.time for one, two in pairwise(found))
    after = inspect_clip(tmp_path / f"out.{ending}")
    assert after.variable
    assert [chapter.metadata for chapter in after.chapters] == [(("title", "One"),), (("title", "Two"),)]
    assert after.provenance == {"model": "x"}


def test_streams_that_do_not_fit_are_named(tmp_path: Path) -> None:
    make_rich(tmp_path / "in.mkv")
    with pytest.raises(OutputError, match=r"cannot hold stream 3 \(srt subtitle, ita\).*\.mkv.*--streams possible"):
        passed_on(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
    notes = passed_on(tmp_path / "in.mkv", tmp_path / "out.mp4", copy_streams="possible")
    assert sorted(note.split(" was ")[0] for note in notes) == [
        "Stream 3 (srt subtitle, ita)", "Stream 4 (unknown attachment, 'font.ttf')"]  # fmt: skip
    assert [stream.kind for stream in inspect_clip(tmp_path / "out.mp4").copied_streams][:2] == ["audio", "audio"]
    notes = passed_on(tmp_path / "in.mkv", tmp_path / "silent.mkv", copy_streams=False)
    assert "Not copied, as asked: stream 1" in notes[0]
    assert len(inspect_clip(tmp_path / "silent.mkv").streams) == 1


def test_sound_longer_than_the_pictures_is_kept_whole(tmp_path: Path) -> None:
    make_rich(tmp_path / "in.mp4", sounds=("aac",), subtitles="", attach=False, seconds=5.0)
    passed_on(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert packet_hashes(tmp_path / "out.mp4") == packet_hashes(tmp_path / "in.mp4")
    sound = inspect_clip(tmp_path / "out.mp4").streams[1]
    assert sound.duration is not None
    assert sound.duration > 4.9


def test_a_part_is_cut_with_its_sound(tmp_path: Path) -> None:
    times = make_rich(tmp_path / "in.mkv", sounds=("flac",))
    start, end = Fraction(1, 4), Fraction(1, 2)  # after the begin at 0.5 s
    passed_on(tmp_path / "in.mkv", tmp_path / "out.mkv", start=start, end=end)
    wanted = [time - Fraction(3, 4) for time in times if Fraction(3, 4) <= time < 1]
    found = [frame.time for frame in frames_of(tmp_path / "out.mkv")]
    assert len(found) == len(wanted) == 4
    assert max(abs(one - two) for one, two in zip(found, wanted, strict=True)) <= Fraction(1, 1000)
    before, after = packet_hashes(tmp_path / "in.mkv"), packet_hashes(tmp_path / "out.mkv")
    assert [(round(stamp + 0.75, 3), digest) for stamp, digest in after[1]] == [
        (stamp, digest) for stamp, digest in before[1] if 0.75 <= stamp < 1
    ]
    info = inspect_clip(tmp_path / "out.mkv")
    assert [(float(c.start), float(c.end)) for c in info.chapters] == [(0, 0.25)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_clips_stand_upright(tmp_path: Path, rotation: int) -> None:
    make_video(tmp_path / "in.mp4", count=2, rotation=rotation, aspect=Fraction(4, 3), options={"crf": "1"})
    with read_clip(tmp_path / "in.mp4") as clip:
        info = clip.info
        first = next(iter(clip)).pixels
    assert info.rotation == rotation
    sides = (WIDTH, HEIGHT) if rotation == 180 else (HEIGHT, WIDTH)
    assert (info.width, info.height) == sides == first.shape[1::-1]
    assert info.sample_aspect == (Fraction(4, 3) if rotation == 180 else Fraction(3, 4))
    wanted = np.rot90(gradient(0), -rotation // 90).astype(int)
    assert np.abs(first - wanted).mean() < 4
    passed_on(tmp_path / "in.mp4", tmp_path / "out.mp4")
    after = inspect_clip(tmp_path / "out.mp4")
    assert (after.width, after.height, after.rotation) == (*sides, 0)
    assert after.sample_aspect == info.sample_aspect
    assert np.abs(frames_of(tmp_path / "out.mp4")[0].pixels - wanted).mean() < 5


def test_rates_are_exact(tmp_path: Path) -> None:
    """Interpolated frames lie between those of the source; NTSC rates do not drift."""
    step = Fraction(1001, 30_000)
    make_video(tmp_path / "in.mp4", times=[index * step for index in range(6)], rate=30)
    info = inspect_clip(tmp_path / "in.mp4")
    wanted = [index * step / 2 for index in range(11)]
    with ClipWriter(tmp_path / "out.mp4", like=info, width=WIDTH, height=HEIGHT, rate=Fraction(60_000, 1001)) as out:
        for index, time in enumerate(wanted):
            out.write(Frame(gradient(index), time, step / 2))
    assert [frame.time for frame in frames_of(tmp_path / "out.mp4")] == wanted
    after = inspect_clip(tmp_path / "out.mp4")
    assert after.rate == Fraction(60_000, 1001)
    assert not after.variable
    assert after.duration == 11 * step / 2


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_cover_is_copied(tmp_path: Path, ending: str) -> None:
    with av.open(str(tmp_path / "in.mp4"), "w") as output:
        stream: Any = output.add_stream("libx264", rate=24)
        cover: Any = output.add_stream("mjpeg", rate=1)
        for one, form in ((stream, "yuv420p"), (cover, "yuvj420p")):
            one.width, one.height, one.pix_fmt = WIDTH, HEIGHT, form
        cover.disposition = 0x400
        output.start_encoding()
        picture = av.VideoFrame.from_ndarray(gradient(5), format="rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        for packet in cover.encode(picture):
            output.mux(packet)
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(gradient(index), format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info = inspect_clip(tmp_path / "in.mp4")
    assert [one.main for one in info.streams] == [True, False]
    passed_on(tmp_path / "in.mp4", tmp_path / f"out.{ending}", provenance={"model": "x"})
    assert inspect_clip(tmp_path / f"out.{ending}").provenance == {"model": "x"}
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        assert bool(container.streams[1].disposition & 0x400)
    before, after = packet_hashes(tmp_path / "in.mp4"), packet_hashes(tmp_path / f"out.{ending}")
    assert [digest for _, digest in after[1]] == [digest for _, digest in before[1]]
    assert len(after[1]) == 1
    if ending == "mkv":
        passed_on(tmp_path / "out.mkv", tmp_path / "again.mp4")
        assert packet_hashes(tmp_path / "again.mp4")[1][0][1] == before[1][0][1]
    with pytest.raises(OutputError, match=r"cannot hold stream 1 \(mjpeg cover"):
        passed_on(tmp_path / "in.mp4", tmp_path / "other.mov")


def test_a_second_video_is_copied(tmp_path: Path) -> None:
    make_video(tmp_path / "one.mp4", count=4)
    with av.open(str(tmp_path / "one.mp4")) as source, av.open(str(tmp_path / "two.mkv"), "w") as output:
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        first = output.add_stream_from_template(source.streams.video[0])
        second = output.add_stream_from_template(source.streams.video[0])
        for packet in packets:
            packet.stream = first
            output.mux(packet)
            again = av.Packet(bytes(packet))
            again.pts, again.dts, again.time_base = packet.pts, packet.dts, packet.time_base
            again.stream, again.is_keyframe = second, packet.is_keyframe
            output.mux(again)
    passed_on(tmp_path / "two.mkv", tmp_path / "out.mkv")
    assert [stream.main for stream in inspect_clip(tmp_path / "out.mkv").streams] == [True, False]
    before, after = packet_hashes(tmp_path / "two.mkv"), packet_hashes(tmp_path / "out.mkv")
    assert len(after[1]) == 4
    assert after == before


@pytest.mark.parametrize("name", ["cars.mp4", "cockatoo.mp4"])
def test_real_clips_go_through(tmp_path: Path, shared: Path, name: str) -> None:
    source = shared / "data" / "video" / name
    passed_on(source, tmp_path / "out.mp4", start=Fraction(0), end=Fraction(1, 2))
    before, after = packet_hashes(source), packet_hashes(tmp_path / "out.mp4")
    assert after[1]
    assert after[1] == [(stamp, digest) for stamp, digest in before[1] if 0 <= stamp < 0.5]
    with read_clip(source, end=Fraction(1, 2)) as one, read_clip(tmp_path / "out.mp4") as two:
        assert two.info.pixel_format == one.info.pixel_format
        pairs = list(zip(one, two, strict=True))
    assert [a.time for a, _ in pairs] == [b.time for _, b in pairs]
    errors = [float(np.mean((a.pixels.astype(float) - b.pixels) ** 2)) for a, b in pairs]
    assert max(errors) < 6.5  # 40 dB at the usual quality


def make_told(path: Path, *, sound: str, video: str = "libx264", texts: bool = False) -> None:
    """A clip of a second with sound of a kind, and MP4's own subtitles with a gap between them."""
    with av.open(str(path), "w") as output:
        pictures: Any = output.add_stream(video, rate=24)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream, frames = add_sound(output, sound, seconds=1, language="eng", title="x")
        lines: Any = output.add_mux_stream("mov_text") if texts else None
        if texts:
            lines.time_base = Fraction(1, 1000)
        output.start_encoding()
        for index in range(24):
            frame = av.VideoFrame.from_ndarray(gradient(index), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        for one in [*frames, None]:
            output.mux(stream.encode(one))
        for number in range(2 if texts else 0):
            text = f"line {number}".encode()
            packet = av.Packet(len(text).to_bytes(2, "big") + text)
            packet.pts = packet.dts = number * 400
            packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), lines
            output.mux(packet)


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_subtitles_of_mp4_keep_their_gaps(tmp_path: Path, ending: str) -> None:
    make_told(tmp_path / "in.mp4", sound="aac", texts=True)
    passed_on(tmp_path / "in.mp4", tmp_path / f"out.{ending}")
    empty = hashlib.sha256(b"\0\0").hexdigest()
    before, after = packet_hashes(tmp_path / "in.mp4"), packet_hashes(tmp_path / f"out.{ending}")
    assert after[1] == before[1]
    told = [[one for one in found[2] if one[1] != empty] for found in (before, after)]
    assert len(told[0]) == 2
    assert told[0] == told[1]
    with pytest.raises(OutputError, match=r"cannot hold stream 2 \(mov_text subtitle.*the kind of file it came from"):
        passed_on(tmp_path / "in.mp4", tmp_path / "out.mkv")


def test_recordings_and_old_files_find_a_new_home(tmp_path: Path) -> None:
    make_told(tmp_path / "in.ts", sound="aac")
    passed_on(tmp_path / "in.ts", tmp_path / "out.mp4")
    before, after = packet_hashes(tmp_path / "in.ts"), packet_hashes(tmp_path / "out.mp4")
    assert [stamp for stamp, _ in after[1]] == [stamp for stamp, _ in before[1]]  # headers of single packets are gone
    assert [frame.time for frame in frames_of(tmp_path / "out.mp4")] == [
        frame.time for frame in frames_of(tmp_path / "in.ts")
    ]
    make_told(tmp_path / "in.avi", sound="pcm_s16le", video="mpeg4")
    for ending in ("mov", "mkv"):
        passed_on(tmp_path / "in.avi", tmp_path / f"out.{ending}")
        assert packet_hashes(tmp_path / "in.avi")[1] == packet_hashes(tmp_path / f"out.{ending}")[1]
    with pytest.raises(OutputError, match=r"does not say its speakers. Write a \.mov"):
        passed_on(tmp_path / "in.avi", tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()
