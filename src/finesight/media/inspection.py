"""`inspect`: everything about a picture file without decoding its pixels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .colour import describe
from .decode import LIMIT, check_limit, open_lazily
from .exif import tags as exif_tags
from .files import Opened, Source, open_input
from .ifd import Value
from .metadata import profile_of, read_tags
from .picture import Depth
from .pillow_files import PILLOW_FORMATS, largest_icon, open_pillow, size_of
from .raw import netpbm_header
from .reading import remarks
from .tags import Tags
from .xmp import provenance_of

__all__ = ["FileInfo", "inspect"]

_NUMPY_DEPTHS: dict[str, Depth] = {"uchar": 8, "ushort": 16}
_LONGEST_TEXT = 200


@dataclass(frozen=True)
class FileInfo:
    """What a picture file says about itself.

    Attributes:
        name: how it was called.
        format: what its content is.
        bytes: size of the file.
        width, height: of the picture as it stands upright.
        mode: "grey", "grey+alpha", "RGB" or "RGBA", as `read` will give it.
        depth: 8, 16 or 32 bits a channel, as `read` will give it.
        bits: bits a channel in the file (1, 8, 10, 12, ...).
        coding: how the pixels lie in the file ("palette", "CMYK", "YCbCr", ...), "" where there is nothing to say.
        orientation: how the file's pixels must be turned, 1..8; 1 = they are upright.
        profile: the name of its colour space; "sRGB (no profile)" where the file says nothing.
        dpi: pixels per inch, or None.
        frames: pages or frames.
        exif: tags by name.
        xmp: the XMP packet as text, or None.
        iptc: bytes of IPTC records.
        comments: (key, value) texts.
        provenance: what finesight wrote about how the picture was made.
        modified, accessed: file times in ISO 8601, None where it is not a file.
        notes: what `read` will leave out or assume, as far as the header tells.
    """

    name: str
    format: str
    bytes: int
    width: int
    height: int
    mode: str
    depth: Depth
    bits: int
    coding: str
    orientation: int
    profile: str
    dpi: tuple[float, float] | None
    frames: int
    exif: dict[str, Value]
    xmp: str | None
    iptc: int
    comments: tuple[tuple[str, str], ...]
    provenance: dict[str, str]
    modified: str | None
    accessed: str | None
    notes: tuple[str, ...]

    @property
    def alpha(self) -> bool:
        """Whether it has transparency."""
        return self.mode in ("grey+alpha", "RGBA")

    @property
    def channels(self) -> int:
        """Channels with alpha: 1 to 4."""
        return {"grey": 1, "grey+alpha": 2, "RGB": 3, "RGBA": 4}[self.mode]

    def as_dict(self) -> dict[str, Any]:
        """Everything as values that JSON can hold."""
        plain = dataclasses.asdict(self)
        plain["exif"] = {name: _for_json(value) for name, value in self.exif.items()}
        plain["comments"] = [list(pair) for pair in self.comments]
        plain["notes"] = list(self.notes)
        return plain

    def lines(self) -> list[tuple[str, str]]:
        """What to show people: (label, text) in a sensible order; nothing that says nothing."""
        stored = f"{self.bits} bits" + (f", {self.coding}" if self.coding else "")
        rows = [
            ("File", self.name),
            ("Format", f"{self.format}, {self.bytes:,} bytes"),
            ("Size", f"{self.width:,} x {self.height:,} pixels ({self.width * self.height / 1e6:.2f} megapixels)"),
            (
                "Pixels",
                f"{self.mode}, {'32-bit float' if self.depth == 32 else f'{self.depth} bits'} (in the file: {stored})",
            ),
            ("Colours", self.profile),
        ]
        if self.orientation != 1:
            rows.append(("Orientation", f"{self.orientation} in the file; read upright"))
        if self.dpi is not None:
            rows.append(("Resolution", f"{self.dpi[0]:.4g} x {self.dpi[1]:.4g} pixels per inch"))
        if self.frames > 1:
            rows.append(("Pages or frames", str(self.frames)))
        rows += [("Modified", self.modified)] if self.modified else []
        rows += [("Accessed", self.accessed)] if self.accessed else []
        rows += [(f"Made by: {key}", value) for key, value in self.provenance.items()]
        rows += [(f"EXIF {name}", _for_people(value)) for name, value in self.exif.items()]
        rows += [("XMP", f"{len(self.xmp):,} characters")] if self.xmp is not None else []
        rows += [("IPTC", f"{self.iptc:,} bytes")] if self.iptc else []
        rows += [(f"Text {key}", _for_people(value)) for key, value in self.comments]
        rows += [("Note", note) for note in self.notes]
        return rows


def inspect(source: Source, *, limit: int | None = LIMIT) -> FileInfo:
    """Read what the header and the metadata of a picture file say; no pixel is decoded.

    Args:
        source: as for `read`.
        limit: as for `read`.

    Raises:
        InputError: as `read`, as far as the header shows it.
        MissingExtraError: HEIC without the extra ``heic``.
    """
    with open_input(source) as outer:
        opened = largest_icon(outer) if outer.format == "ico" else outer
        width, height, mode, depth, tags = _header(opened, limit)
        return _assemble(outer, width, height, mode, depth, tags)


def _header(opened: Opened, limit: int | None) -> tuple[int, int, str, Depth, Tags]:
    if opened.format in PILLOW_FORMATS:
        image, tags = open_pillow(opened, limit)
        width, height = size_of(image)
        mode, depth = _pillow_mode(image)
    elif opened.format in ("ppm", "pfm"):
        header = netpbm_header(opened)
        check_limit(opened, header.width, header.height, limit)
        width, height, mode = header.width, header.height, "RGB" if header.channels == 3 else "grey"
        depth = 32 if opened.format == "pfm" else 16 if header.peak > 255 else 8
        tags = Tags(bits=32 if opened.format == "pfm" else 1 if header.kind in "14" else int(header.peak).bit_length())
    else:
        tags = read_tags(opened)
        if tags.size is not None:
            check_limit(opened, *tags.size, limit)
        lazy = open_lazily(opened)
        check_limit(opened, lazy.width, lazy.height, limit)
        width, height, mode, depth = lazy.width, lazy.height, _vips_mode(lazy), _NUMPY_DEPTHS.get(lazy.format, 32)
    if tags.orientation >= 5:
        width, height = height, width
        tags.dpi = tags.dpi[::-1] if tags.dpi else None
    return width, height, mode, depth, tags


def _vips_mode(image: Any) -> str:
    if image.interpretation == "cmyk":
        return "RGBA" if image.bands > 4 else "RGB"
    return {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}.get(image.bands, "RGB")


def _pillow_mode(image: Any) -> tuple[str, Depth]:
    mode = str(image.mode)
    depth: Depth = 32 if mode == "F" else 16 if "16" in mode or mode == "I" else 8
    if mode[0] in "1LIF" and not mode.startswith("LAB"):
        transparent = mode in ("LA", "La") or "transparency" in image.info
        return "grey+alpha" if transparent else "grey", depth
    transparent = mode.split(";")[0] in ("RGBA", "RGBa", "PA") or "transparency" in image.info
    return "RGBA" if transparent else "RGB", depth


def _assemble(opened: Opened, width: int, height: int, mode: str, depth: Depth, tags: Tags) -> FileInfo:
    icc, note = (tags.icc, "") if tags.coding == "CMYK" else profile_of(tags, grey=mode.startswith("grey"))
    times = [
        None if opened.times is None else datetime.fromtimestamp(t / 1e9).astimezone() for t in opened.times or (0, 0)
    ]
    return FileInfo(
        name=opened.name,
        format=opened.format,
        bytes=opened.size,
        width=width,
        height=height,
        mode=mode,
        depth=depth,
        bits=tags.bits or depth,
        coding="" if tags.coding == mode else tags.coding,
        orientation=tags.orientation,
        profile="sRGB (no profile)" if icc is None else describe(icc),
        dpi=tags.dpi,
        frames=tags.frames,
        exif=exif_tags(tags.exif) if tags.exif else {},
        xmp=tags.xmp.decode("utf-8", "replace") if tags.xmp is not None else None,
        iptc=len(tags.iptc or b""),
        comments=tuple(tags.comments),
        provenance=provenance_of(tags.xmp) if tags.xmp else {},
        accessed=times[0].isoformat(timespec="seconds") if times[0] else None,
        modified=times[1].isoformat(timespec="seconds") if times[1] else None,
        notes=(*remarks(opened, tags), *tags.notes, *([note] if note else [])),
    )


def _for_json(value: Value) -> Any:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= _LONGEST_TEXT else f"{len(value)} bytes"
    return list(value) if isinstance(value, tuple) else value


def _for_people(value: Value) -> str:
    if isinstance(value, bytes):
        return value.hex(" ") if len(value) <= 16 else f"{len(value):,} bytes"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        text = ", ".join(_for_people(number) for number in value[:16])
        return text + (f", ... ({len(value)} values)" if len(value) > 16 else "")
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + f"... ({len(text):,} characters)"
