"""Small clips made with PyAV itself, so that what is read has not been written by the code under test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48


def gradient(index: int, *, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A smooth picture that tells its number and every side of it apart."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 160 * x / width
    green = 40 + 160 * y / height
    blue = np.full_like(red, 30 + 7 * (index % 28))
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def make_video(
    path: Path,
    *,
    count: int = 10,
    times: Sequence[Fraction] | None = None,
    rate: int = 24,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    container: str | None = None,
    sizes: Sequence[tuple[int, int]] = ((WIDTH, HEIGHT),),
    rotation: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> list[Fraction]:
    """A clip with one video stream; several sizes make parts of that size each. Gives the frames' times."""
    times = list(times) if times is not None else [Fraction(index, rate) for index in range(count)]
    unit = Fraction(1, 90_000)
    with av.open(str(path), "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, options=options or {"crf": "5"})
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = unit if codec != "mpeg4" else Fraction(1, rate)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(-rotation)
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(gradient(index, width=sizes[0][0], height=sizes[0][1]), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = round(time / unit), unit
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return times


def add_sound(output: Any, codec: str, *, seconds: float, language: str, title: str) -> tuple[Any, list[Any]]:
    """A sound stream and its packets, to be muxed after the header."""
    stream = output.add_stream(codec, rate=16_000)
    stream.codec_context.layout = "mono"
    stream.metadata["language"], stream.metadata["title"] = language, title
    form, scale = ("fltp", 0.1) if codec == "aac" else ("s16", 900.0)
    noise = np.random.default_rng(len(title)).standard_normal((int(seconds * 16_000 / 1024) + 1, 1, 1024)) * scale
    packets = []
    for number, block in enumerate(noise):
        frame = av.AudioFrame.from_ndarray(
            block.astype(np.float32 if codec == "aac" else np.int16), format=form, layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 16_000, number * 1024, Fraction(1, 16_000)
        packets.append(frame)
    return stream, packets


def make_rich(path: Path, *, sounds: Sequence[str] = ("aac", "flac"), subtitles: str = "subrip", attach: bool = True,
              begin: Fraction = Fraction(1, 2), seconds: float = 2.0) -> list[Fraction]:  # fmt: skip
    """A clip of uneven times and late begin with sound, subtitles, an attachment, chapters and metadata."""
    times = [begin + sum((Fraction(1, 10) if step % 3 == 0 else Fraction(1, 24) for step in range(index)), Fraction(0))
             for index in range(12)]  # fmt: skip
    unit, milli = Fraction(1, 90_000), Fraction(1, 1000)
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = video.time_base = unit
        heard = [
            add_sound(output, codec, seconds=seconds, language=("eng", "fra")[number % 2], title=f"Track {number}")
            for number, codec in enumerate(sounds)
        ]
        if attach:
            output.add_attachment("font.ttf", "application/x-truetype-font", b"\x00\x01" * 50)
        if subtitles:
            lines: Any = output.add_mux_stream(subtitles)
            lines.time_base = milli
            lines.metadata["language"] = "ita"
        output.metadata["title"], output.metadata["artist"] = "A title", "Someone"
        output.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": milli, "metadata": {"title": "One"}},
                {"id": 2, "start": 400, "end": 1500, "time_base": milli, "metadata": {"title": "Two"}},
            ]
        )
        output.start_encoding()
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(gradient(index), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time / unit), unit
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for stream, frames in heard:
            for one in [*frames, None]:
                output.mux(stream.encode(one))
        for number in range(3 if subtitles else 0):
            packet = av.Packet(f"line {number}".encode())
            packet.pts = packet.dts = number * 500
            packet.duration, packet.time_base, packet.stream = 400, milli, lines
            output.mux(packet)
    return times


def packet_hashes(path: Path) -> dict[int, list[tuple[float, str]]]:
    """Time and hash of every packet of every stream but attachments and the first video."""
    found: dict[int, list[tuple[float, str]]] = {}
    with av.open(str(path)) as container:
        wanted = [s for s in container.streams if s.type in ("audio", "subtitle") or s.index in _others(container)]
        for packet in container.demux(*wanted):
            if packet.size:
                stamp = 0.0 if packet.pts is None else round(float(packet.pts * packet.time_base), 3)
                found.setdefault(packet.stream.index, []).append((stamp, hashlib.sha256(bytes(packet)).hexdigest()))
    return found


def _others(container: Any) -> set[int]:
    return {stream.index for stream in container.streams.video[1:]}


def levels(path: Path) -> list[list[NDArray[Any]]]:
    """The planes of every frame as they are stored, visible part only."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            deep = frame.format.components[0].bits > 8
            dtype = np.uint16 if deep else np.uint8
            planes = []
            for plane in frame.planes:
                rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
                planes.append(rows[: plane.height, : plane.width].copy())
            frames.append(planes)
    return frames
