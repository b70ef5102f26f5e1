"""Colour bars: every matrix, range and depth, read and written, against the equations of the standards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from finesight.errors import InputError
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip

from .samples import levels

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722), "bt2020nc": (0.2627, 0.6780, 0.0593)}
NUMBERS = {"bt601": 6, "bt709": 1, "bt2020nc": 9}
BAR = 16

BARS = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0],
                 [0.75, 0.75, 0.75], [0.5, 0.25, 0.1], [0.9, 0.6, 0.3], [0.2, 0.7, 0.4]])  # fmt: skip


def to_levels(rgb: Any, matrix: str, full: bool, depth: int) -> Any:
    """BT.601, BT.709 and BT.2020: E'Y, E'CB, E'CR, then quantised as BT.2100 table 9 writes it."""
    kr, kg, kb = WEIGHTS[matrix]
    luma = kr * rgb[:, 0] + kg * rgb[:, 1] + kb * rgb[:, 2]
    blue, red = (rgb[:, 2] - luma) / (2 - 2 * kb), (rgb[:, 0] - luma) / (2 - 2 * kr)
    top, unit = 2**depth - 1, 2 ** (depth - 8)
    if full:
        coded = [luma * top, blue * top + 128 * unit, red * top + 128 * unit]
    else:
        coded = [(219 * luma + 16) * unit, (224 * blue + 128) * unit, (224 * red + 128) * unit]
    return np.clip(np.rint(np.stack(coded, axis=1)), 0, top)


def from_levels(coded: Any, matrix: str, full: bool, depth: int) -> Any:
    kr, kg, kb = WEIGHTS[matrix]
    top, unit = 2**depth - 1, 2 ** (depth - 8)
    if full:
        luma, blue, red = coded[:, 0] / top, (coded[:, 1] - 128 * unit) / top, (coded[:, 2] - 128 * unit) / top
    else:
        luma = (coded[:, 0] / unit - 16) / 219
        blue, red = (coded[:, 1] / unit - 128) / 224, (coded[:, 2] / unit - 128) / 224
    r, b = luma + (2 - 2 * kr) * red, luma + (2 - 2 * kb) * blue
    return np.clip(np.stack([r, (luma - kr * r - kb * b) / kg, b], axis=1), 0, 1)


def make_bars(path: Path, matrix: str, full: bool, depth: int, *, tagged: bool = True, lines: int = 2 * BAR) -> Any:
    """A lossless clip of bars in 4:2:0; gives their levels."""
    coded = to_levels(BARS, matrix, full, depth)
    form, dtype = ("yuv420p", np.uint8) if depth == 8 else ("yuv420p10le", np.uint16)
    width = BAR * len(BARS)
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, lines, form
        if tagged:
            stream.codec_context.colorspace = NUMBERS[matrix]
            stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame(width, lines, form)
        for number, plane in enumerate(frame.planes):
            row = np.repeat(coded[:, number], BAR if number == 0 else BAR // 2).astype(dtype)
            rows = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
            rows[:, : plane.width] = row
            plane.update(rows.tobytes())
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return coded


def middle(pixels: Any) -> Any:
    """One colour from the middle of every bar, in 0..1."""
    peak = 255 if pixels.dtype == np.uint8 else 65535
    return pixels[pixels.shape[0] // 2, BAR // 2 :: BAR] / peak


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
def test_bars_are_read(tmp_path: Path, matrix: str, full: bool, depth: int) -> None:
    coded = make_bars(tmp_path / "bars.mkv", matrix, full, depth)
    with read_clip(tmp_path / "bars.mkv") as clip:
        assert (clip.info.matrix, clip.info.range, clip.info.depth) == (matrix, "full" if full else "limited", depth)
        assert not clip.info.assumed
        (frame,) = clip
    assert frame.pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
    wanted = from_levels(coded, matrix, full, depth)
    assert np.abs(middle(frame.pixels) - wanted).max() * (2**depth - 1) <= 2


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
def test_bars_are_written_as_the_source_stores_them(tmp_path: Path, matrix: str, full: bool, depth: int) -> None:
    make_bars(tmp_path / "bars.mkv", matrix, full, depth)
    info = inspect_clip(tmp_path / "bars.mkv")
    peak, dtype = (255, np.uint8) if depth == 8 else (65535, np.uint16)
    pixels = np.rint(np.tile(np.repeat(BARS, BAR, axis=0), (32, 1, 1)) * peak).astype(dtype)
    form = "yuv420p" if depth == 8 else "yuv420p10le"
    with ClipWriter(
        tmp_path / "out.mkv", like=info, width=info.width, height=info.height, codec="ffv1", pixel_format=form
    ) as out:
        out.write(Frame(pixels, Fraction(0)))
    written = inspect_clip(tmp_path / "out.mkv")
    assert (written.matrix, written.range, written.depth) == (matrix, "full" if full else "limited", depth)
    luma, blue, red = levels(tmp_path / "out.mkv")[0]
    half = BAR // 2
    found = np.stack([luma[16, half::BAR], blue[8, half // 2 :: half], red[8, half // 2 :: half]], axis=1)
    assert np.abs(found.astype(float) - to_levels(BARS, matrix, full, depth)).max() <= 2


@pytest.mark.parametrize(("lines", "matrix"), [(718, "bt601"), (720, "bt709")])
def test_untagged_bars_go_by_their_lines(tmp_path: Path, lines: int, matrix: str) -> None:
    coded = make_bars(tmp_path / "bars.mkv", matrix, False, 8, tagged=False, lines=lines)
    with read_clip(tmp_path / "bars.mkv") as clip:
        assert (clip.info.matrix, clip.info.assumed) == (matrix, True)
        assert any("colour matrix" in note for note in clip.info.notes)
        (frame,) = clip
    assert np.abs(middle(frame.pixels) - from_levels(coded, matrix, False, 8)).max() * 255 <= 2


def test_an_enlarged_untagged_clip_keeps_its_colours(tmp_path: Path) -> None:
    """BT.601 was assumed at 360 lines; at 1440 lines nobody would assume it, so the result must say it."""
    make_bars(tmp_path / "bars.mkv", "bt601", False, 8, tagged=False, lines=360)
    with read_clip(tmp_path / "bars.mkv") as clip:
        (frame,) = clip
        large = frame.pixels.repeat(4, axis=0).repeat(4, axis=1)
        with ClipWriter(tmp_path / "out.mp4", like=clip.info, width=large.shape[1], height=large.shape[0]) as out:
            out.write(Frame(large, frame.time, frame.duration))
    with read_clip(tmp_path / "out.mp4") as again:
        assert (again.info.matrix, again.info.assumed) == ("bt601", False)
        (back,) = again
    found = back.pixels[720, 32::64].astype(int)
    assert np.abs(found - frame.pixels[180, 8::16]).max() <= 4  # crf 16 is not lossless


def test_tags_go_through_and_hdr_is_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "hdr.mp4"), "w") as output:
        stream: Any = output.add_stream("libx265", rate=10, options={"x265-params": "log-level=error", "crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20_000, np.uint16), format="rgb48le")
            frame = frame.reformat(format="yuv420p10le")
            frame.pts = index
            frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = 16, 9, 9, 1
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with read_clip(tmp_path / "hdr.mp4") as clip:
        info = clip.info
        assert info.hdr
        assert any("HDR (PQ)" in note for note in info.notes)
        assert (info.matrix, info.primaries, info.transfer, info.depth) == ("bt2020nc", "bt2020", "smpte2084", 10)
        with ClipWriter(tmp_path / "out.mp4", like=info, width=64, height=64) as out:
            for frame in clip:
                out.write(frame)
    again = inspect_clip(tmp_path / "out.mp4")
    assert (again.matrix, again.primaries, again.transfer, again.depth, again.hdr) == (
        "bt2020nc", "bt2020", "smpte2084", 10, True)  # fmt: skip
    assert again.pixel_format == "yuv420p10le"


def test_a_matrix_that_cannot_be_undone_is_refused(tmp_path: Path) -> None:
    make_bars(tmp_path / "bars.mkv", "bt709", False, 8)
    with av.open(str(tmp_path / "cl.mkv"), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.colorspace = 10
        frame = av.VideoFrame(32, 32, "yuv420p")
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"BT\.2020 constant luminance.*Convert it"):
        inspect_clip(tmp_path / "cl.mkv")


def test_interlaced_is_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "fields.mkv"), "w") as output:
        stream: Any = output.add_stream("libx264", rate=25, options={"x264-params": "tff=1", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(3):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info = inspect_clip(tmp_path / "fields.mkv")
    assert info.interlaced
    assert any("interlaced" in note for note in info.notes)
