"""What a picture file says beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Tags"]


@dataclass
class Tags:
    """The metadata found in one file, before any of it is corrected.

    Attributes:
        icc: the ICC profile.
        exif: EXIF from its byte-order mark on (``II*`` or ``MM*``).
        xmp: the XMP packet.
        iptc: IPTC-IIM records.
        dpi: pixels per inch, horizontal and vertical.
        orientation: 1..8 as EXIF counts; 1 where the file's pixels are upright already.
        cicp: colour by numbers (primaries, transfer, matrix, full range) of ITU-T H.273, from PNG and AVIF.
        gamma: the PNG gAMA value, for instance 0.45455.
        chromaticities: the PNG cHRM values: white x, y, red x, y, green x, y, blue x, y.
        comments: texts with their key.
        frames: how many pages or frames the file holds.
        bits: bits per sample that the file states, 0 where unknown.
        coding: in words what the pixels are in the file ("palette", "CMYK", "1 bit", ...), "" where `mode` says it all.
        size: width and height that the header claims, None where libvips alone knows; looked at before libvips is.
        notes: what could not be kept.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1
    cicp: tuple[int, int, int, int] | None = None
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    comments: list[tuple[str, str]] = field(default_factory=list)
    frames: int = 1
    bits: int = 0
    coding: str = ""
    size: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
