"""Clip files in parts: joined without a trace, and gone on with after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from finesight.errors import CancelledError, InputError, OutputError
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip
from finesight.media.clips.resumable import Parts
from finesight.progress import Cancel
from finesight.run.clips import ClipRunner, ClipSettings, Interpolator
from finesight.run.clips.job import JobResult, Pieces, compute_clip

from .material import clip_network, moving_clip

RATE = Fraction(30000, 1001)


def shown(count: int = 13, *, uneven: bool = False, deep: bool = False) -> list[Frame]:
    """Frames with times, some gaps twice as long where ``uneven``."""
    ticks = np.cumsum([1 + (uneven and i % 5 == 3) for i in range(count)]) - 1
    pixels = moving_clip(count, 48, 64, dtype=np.uint16 if deep else np.uint8)
    return [Frame(p, Fraction(int(t)) / RATE, 1 / RATE) for p, t in zip(pixels, ticks, strict=True)]


@pytest.mark.parametrize(
    ("ending", "codec", "deep"),
    [
        (".mp4", None, False),
        (".mp4", None, True),
        (".mov", "prores", True),
        (".mkv", None, False),
        (".mkv", "ffv1", False),
        (".webm", None, False),
        ("", None, False),
        ("", None, True),
    ],
)
def test_parts_are_joined_without_encoding_again(tmp_path: Path, ending: str, codec: str | None, deep: bool) -> None:
    frames = shown(uneven=True, deep=deep)
    target = tmp_path / f"clip{ending}"

    def writer(path: Path) -> ClipWriter:
        return ClipWriter(path, width=64, height=48, rate=RATE, codec=codec, depth=16 if deep else 8)

    folder = tmp_path / "parts"
    folder.mkdir()
    parts = Parts(writer(target), folder)
    for number, (first, stop) in enumerate(((0, 6), (6, 7), (7, 13))):
        with parts.part(number) as out:
            for frame in frames[first:stop]:
                out.write(frame)
    parts.join(3)
    with writer(tmp_path / f"whole{ending}") as out:
        for frame in frames:
            out.write(frame)
    ours, whole = (list(read_clip(p, rate=None)) for p in (target, tmp_path / f"whole{ending}"))
    assert [f.time for f in ours] == [f.time for f in whole]
    assert sorted(p.name for p in folder.iterdir()) == [f"{i:06d}.part" for i in range(3)]
    most = 65535 if deep else 255
    for mine, theirs, source in zip(ours, whole, frames, strict=True):
        assert mine.pixels.dtype == theirs.pixels.dtype
        assert np.abs(mine.pixels.astype(float) - theirs.pixels).mean() < 0.03 * most
        if codec == "ffv1" or not ending:
            assert np.array_equal(mine.pixels, source.pixels)


def test_nothing_is_left_of_a_part_that_fails(tmp_path: Path) -> None:
    parts = Parts(ClipWriter(tmp_path / "a.mp4", width=64, height=48, rate=RATE), tmp_path)
    wrong = Frame(moving_clip(1, 20, 20)[0], Fraction(0))

    def write() -> None:
        with parts.part(0) as out:
            out.write(shown(1)[0])
            out.write(wrong)

    with pytest.raises(OutputError, match="a frame has the shape"):
        write()
    assert list(tmp_path.iterdir()) == []


class Broken:
    """A runner that breaks down after so many frames of all."""

    def __init__(self, inner: Pieces, after: int) -> None:
        self.inner, self.left, self.report = inner, after, inner.report

    def pieces(self, *given):  # type: ignore[no-untyped-def]
        for piece in self.inner.pieces(*given):
            yield type(piece)(self._some(piece.frames), piece.resume)

    def _some(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield frame


def job(source: Path, target: Path, kind: str, after: int | None = None, cancel: Cancel | None = None) -> JobResult:
    networks = {
        "basicvsr": {"width": 8, "blocks": 1},
        "collapsible": {"width": 8, "depth": 1, "expansion": 0, "scale": 2},
        "cain": {"groups": 1, "blocks": 1, "depth": 2, "padding": 2},
    }
    settings = ClipSettings(precision="float32", engine="torch", segment=5, overlap=3)
    model = clip_network(kind, **networks[kind])

    def make(_: object) -> Pieces:
        runner: Pieces
        if kind == "cain":
            runner = Interpolator(model, factor=2, settings=settings)
        else:
            runner = ClipRunner(model, settings=settings)
        return runner if after is None else Broken(runner, after)

    info = inspect_clip(source)
    scale = model.traits.scale or 1
    rate = 2 * RATE if kind == "cain" else None
    writer = ClipWriter(target, like=info, width=info.width * scale, height=info.height * scale, rate=rate)
    with read_clip(source) as reader:
        return compute_clip(
            reader, writer, make, job={"kind": kind}, provenance=lambda r: {"model": r.models[0]}, cancel=cancel
        )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "in.mkv"
    with ClipWriter(path, width=64, height=48, rate=RATE) as out:
        for frame in shown(22, uneven=True):
            out.write(frame)
    return path


@pytest.mark.parametrize("kind", ["basicvsr", "collapsible", "cain"])
def test_a_run_goes_on_where_another_one_ended(source: Path, tmp_path: Path, kind: str) -> None:
    assert job(source, tmp_path / "whole.mkv", kind).earlier == 0
    for after in (12, 11):
        with pytest.raises(KeyboardInterrupt):
            job(source, tmp_path / "cut.mkv", kind, after)
        assert not (tmp_path / "cut.mkv").exists()
    result = job(source, tmp_path / "cut.mkv", kind)
    assert result.earlier >= 10
    assert result.frames == (43 if kind == "cain" else 22)
    assert any("goes on behind" in note for note in result.notes)
    whole, cut = list(read_clip(tmp_path / "whole.mkv")), list(read_clip(tmp_path / "cut.mkv"))
    assert len(whole) == result.frames
    assert [f.time for f in cut] == [f.time for f in whole]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(cut, whole, strict=True))
    assert [f.time for f in cut][:: 2 if kind == "cain" else 1] == [f.time for f in read_clip(source)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.mkv", "whole.mkv"]


def test_another_job_begins_anew_and_stopping_keeps_what_is_done(source: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        job(source, tmp_path / "out.mkv", "collapsible", after=12)
    (folder,) = tmp_path.iterdir()
    assert {"job.json", "done", "000000.part", "000001.part"} == {p.name for p in folder.iterdir()}
    (folder / "000001.part").write_bytes(b"cut off")  # a disk that lied
    result = job(source, tmp_path / "out.mkv", "collapsible")
    assert result.earlier == 5
    stop = Cancel()
    stop.set()
    with pytest.raises(CancelledError):
        job(source, tmp_path / "out.mkv", "cain", cancel=stop)
    assert any("other settings" in note for note in job(source, tmp_path / "b.mkv", "cain").notes) is False


def test_a_clip_without_frames_is_refused(source: Path, tmp_path: Path) -> None:
    info = inspect_clip(source)
    writer = ClipWriter(tmp_path / "out.mkv", like=info, width=128, height=96)
    reader = read_clip(source, start=Fraction(85, 100), end=Fraction(8501, 10000))
    with reader, pytest.raises(InputError, match="gives not one frame between --start and --end"):
        compute_clip(reader, writer, lambda _: ClipRunner(scale=2), job={}, provenance=lambda _: {})
    assert list(tmp_path.iterdir()) == []
