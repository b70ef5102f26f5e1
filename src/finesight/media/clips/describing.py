"""What is known of a clip in words and as plain values, for people and programs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .types import ClipInfo

__all__ = ["clip_as_dict", "clip_lines"]


def clip_lines(info: ClipInfo) -> list[tuple[str, str]]:
    """(label, text) of everything that there is to say, in reading order."""
    kinds = {"video": info.container.split(",")[0], "folder": "folder of frames", "sequence": "numbered pictures"}
    rows = [
        ("File", str(info.path)),
        ("Format", kinds[info.kind]),
        ("Size", f"{info.width} x {info.height} pixels"),
        ("Frames", "not said" if info.frames is None else str(info.frames)),
        (
            "Duration",
            "not said" if info.duration is None else f"{_clock(info.duration)} ({float(info.duration):.3f} s)",
        ),
        ("Rate", _rate(info)),
    ]
    if info.begin:
        rows.append(("Begins at", f"{float(info.begin):.3f} s"))
    rows.append(("Depth", f"{info.depth} bits a channel" + (", with transparency" if info.alpha else "")))
    if info.kind == "video":
        assumed = " (assumed)" if info.assumed else ""
        rows.append(("Pixels", info.pixel_format))
        rows.append(("Colour", f"{info.matrix}{assumed}, {info.range} range, primaries {info.primaries}, "
                               f"transfer {info.transfer}"))  # fmt: skip
    if info.sample_aspect != 1:
        rows.append(("Pixel aspect", f"{info.sample_aspect.numerator}:{info.sample_aspect.denominator}"))
    if info.rotation or info.mirrored:
        turned = f"{info.rotation} degrees clockwise" if info.rotation else ""
        rows.append(("Turned by", " and ".join(part for part in (turned, "mirrored" if info.mirrored else "") if part)))
    rows += [(f"Stream {stream.index}", _stream(stream)) for stream in info.streams]
    rows += [
        ("Chapter", f"{_clock(one.start)} to {_clock(one.end)}  {dict(one.metadata).get('title', '')}".rstrip())
        for one in info.chapters
    ]
    rows += [(key, value) for key, value in info.metadata if key.lower() != "finesight"]
    rows += [(f"Made by: {key}", value) for key, value in info.provenance.items()]
    return rows + [("Note", note) for note in info.notes]


def _clock(seconds: Fraction) -> str:
    """``1:02:03.50``"""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _rate(info: ClipInfo) -> str:
    if info.rate is None:
        return "not said"
    exact = "" if info.rate.denominator == 1 else f" ({info.rate.numerator}/{info.rate.denominator})"
    return f"{float(info.rate):.6g} frames per second{exact}{', uneven' if info.variable else ''}"


def _stream(stream: Any) -> str:
    parts = [stream.kind, stream.codec, stream.language or "", repr(stream.title) if stream.title else ""]
    length = f"{float(stream.duration):.3f} s" if stream.duration is not None else ""
    return ", ".join(
        part for part in (*parts, length, "read" if stream.main else "copied" if stream.known else "") if part
    )


def clip_as_dict(info: ClipInfo) -> dict[str, Any]:
    """Plain JSON values; times and rates as numbers, and exact as text where they are fractions."""

    def exact(value: Fraction | None) -> str | None:
        return None if value is None else str(value)

    return {
        "path": str(info.path),
        "kind": info.kind,
        "container": info.container,
        "width": info.width,
        "height": info.height,
        "frames": info.frames,
        "duration": None if info.duration is None else float(info.duration),
        "rate": exact(info.rate),
        "variable": info.variable,
        "begin": float(info.begin),
        "time_base": exact(info.time_base),
        "depth": info.depth,
        "alpha": info.alpha,
        "pixel_format": info.pixel_format,
        "matrix": info.matrix,
        "matrix_assumed": info.assumed,
        "range": info.range,
        "primaries": info.primaries,
        "transfer": info.transfer,
        "hdr": info.hdr,
        "interlaced": info.interlaced,
        "sample_aspect": exact(info.sample_aspect),
        "rotation": info.rotation,
        "mirrored": info.mirrored,
        "streams": [
            {
                "index": one.index,
                "kind": one.kind,
                "codec": one.codec,
                "language": one.language,
                "title": one.title,
                "duration": None if one.duration is None else float(one.duration),
                "main": one.main,
            }
            for one in info.streams
        ],
        "chapters": [
            {"start": float(one.start), "end": float(one.end), "metadata": dict(one.metadata)} for one in info.chapters
        ],
        "metadata": {key: value for key, value in info.metadata if key.lower() != "finesight"},
        "provenance": info.provenance,
        "notes": list(info.notes),
    }
