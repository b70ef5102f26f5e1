"""Which picture formats there are, what each of them can hold, and how a file's content tells its format."""

from __future__ import annotations

from dataclasses import dataclass

from finesight.errors import OutputError, SettingError, nearest

__all__ = [
    "FORMATS",
    "HEAD",
    "READABLE",
    "WRITABLE",
    "Format",
    "check_size",
    "find_format",
    "format_of_suffix",
    "sniff",
]

HEAD = 64
"""How many bytes from the start of a file `sniff` wants."""

LIBVIPS_LONGEST = 100_000_000  # VIPS_MAX_COORD: no picture of libvips has a longer side


@dataclass(frozen=True)
class Format:
    """What one picture format can hold.

    Attributes:
        name: the name used everywhere in finesight ("jpeg", never "jpg").
        suffixes: file name endings in lower case with their dot; the first one is used for new files.
        writable: whether finesight writes it.
        longest: the longest side in pixels that can be written, or None where only the file's size sets a limit.
        alpha: whether it stores transparency.
        depths: the depths that it stores as they are (8, 16 = integer, 32 = float).
        tags: whether ICC profile, EXIF, XMP and so provenance have a place in it.
        lossy: whether `quality` means something.
        largest_file: the largest file in bytes, or None.
    """

    name: str
    suffixes: tuple[str, ...]
    writable: bool = False
    longest: int | None = None
    alpha: bool = True
    depths: tuple[int, ...] = (8,)
    tags: bool = False
    lossy: bool = False
    largest_file: int | None = None


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        # libpng counts to 2^31-1 and TIFF to 2^32-1; libvips, which writes both, stops earlier.
        Format("png", (".png", ".apng"), True, LIBVIPS_LONGEST, True, (8, 16), True),
        # The format ends at 65,535; libjpeg-turbo, which writes it, at 65,500 (JPEG_MAX_DIMENSION).
        Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), True, 65_500, False, (8,), True, True),
        Format("webp", (".webp",), True, 16_383, True, (8,), True, True),
        Format("tiff", (".tif", ".tiff"), True, LIBVIPS_LONGEST, True, (8, 16, 32), True),
        # AV1 ends at 65,536; libvips refuses to write a HEIF container beyond 16,384.
        Format("avif", (".avif",), True, 16_384, True, (8,), True, True),
        Format("bmp", (".bmp", ".dib"), True, 2**31 - 1, True, (8,), largest_file=2**32 - 1),
        Format("ppm", (".ppm", ".pgm", ".pbm", ".pnm"), True, None, False, (8, 16)),
        Format("pfm", (".pfm",), depths=(32,), alpha=False),
        Format("gif", (".gif",)),
        Format("tga", (".tga", ".icb", ".vda", ".vst")),
        Format("dds", (".dds",)),
        Format("ico", (".ico",)),
        Format("heic", (".heic", ".heif", ".hif")),
    )
}
"""Every format by name."""

READABLE: tuple[str, ...] = tuple(FORMATS)
WRITABLE: tuple[str, ...] = tuple(name for name, form in FORMATS.items() if form.writable)

_SUFFIXES = {suffix: form.name for form in FORMATS.values() for suffix in form.suffixes}
_ALIASES = {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm", "pbm": "ppm", "pnm": "ppm", "heif": "heic"}

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"DDS ", "dds"),
    (b"\x00\x00\x01\x00", "ico"),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"<svg", "an SVG drawing"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
)


def sniff(head: bytes, *, tail: bytes = b"", suffix: str = "") -> str | None:
    """The format that content says, or None.

    Args:
        head: the first `HEAD` bytes.
        tail: the last 26 bytes (TGA announces itself only there).
        suffix: the file's ending; used only for old TGA files, which announce themselves nowhere.

    >>> sniff(b"GIF89a" + bytes(58), suffix=".png")
    'gif'
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_heif(head)
    if (
        head[:2] == b"BM"
        and len(head) >= 26
        and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)
    ):
        return "bmp"
    if (
        head[:1] == b"P"
        and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6")
        and head[2:3] in b" \t\r\n#"
        and head[2:3]
    ):
        return "ppm"
    if head[:2] in (b"PF", b"Pf") and head[2:3] in (b"\n", b"\r", b" "):
        return "pfm"
    if tail[8:24] == b"TRUEVISION-XFILE" or (suffix.lower() in FORMATS["tga"].suffixes and _looks_like_tga(head)):
        return "tga"
    return None


def _sniff_heif(head: bytes) -> str | None:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[start : start + 4] for start in (8, *range(16, end - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "avif"
    if brands & {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}:
        return "heic"
    return None


def _looks_like_tga(head: bytes) -> bool:
    if len(head) < 18:
        return False
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    return (
        head[1] in (0, 1) and head[2] in (1, 2, 3, 9, 10, 11) and head[16] in (8, 15, 16, 24, 32) and width * height > 0
    )


def describe_foreign(head: bytes) -> str:
    """What a file that is not one of our pictures seems to be, for an error message."""
    for start, what in _FOREIGN:
        if head.startswith(start):
            return what
    if head[4:8] == b"ftyp":
        return "a video or another MP4-like file"
    if head[:4] == b"RIFF":
        return "an AVI, WAV or another RIFF file"
    try:
        text = head.decode("utf-8", errors="strict") if len(head) < HEAD else head[:-4].decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return "data of an unknown kind"
    return "text" if all(c.isprintable() or c in "\t\r\n" for c in text) else "data of an unknown kind"


def format_of_suffix(suffix: str) -> str | None:
    """The format that files with this ending usually have, or None: ``".JPG"`` gives ``"jpeg"``."""
    return _SUFFIXES.get(suffix.lower())


def find_format(name: str) -> Format:
    """The format of that name ("png", "jpg", ".tif", ...).

    Raises:
        SettingError: no such format; the nearest names are given.
    """
    plain = name.lower().lstrip(".")
    plain = _ALIASES.get(plain, plain)
    if plain in FORMATS:
        return FORMATS[plain]
    by_suffix = _SUFFIXES.get("." + plain)
    if by_suffix:
        return FORMATS[by_suffix]
    hint = nearest(plain, FORMATS)
    raise SettingError(f"{name!r} is not a picture format. {hint or 'Known are ' + ', '.join(FORMATS) + '.'}")


def check_size(format: str, width: int, height: int, *, channels: int = 3) -> None:  # noqa: A002 (the user's word)
    """Refuse, before any work is done, a picture that the format cannot hold.

    Args:
        format: name of the format.
        width, height: size of the picture to be written, in pixels.
        channels: how many channels it has, alpha included; matters where the size of the file is limited.

    Raises:
        OutputError: one line naming the limit and what to choose instead.
        SettingError: no such format.
    """
    form = find_format(format)
    if not form.writable:
        raise OutputError(
            f"finesight does not write {form.name}. It writes {', '.join(WRITABLE)}: choose one with --format."
        )
    if min(width, height) < 1:
        raise OutputError(f"A picture of {width} x {height} pixels cannot be written: both sides must be at least 1.")
    if form.longest is not None and max(width, height) > form.longest:
        raise OutputError(
            f"{form.name} ends at {form.longest:,} pixels a side and the result has {width:,} x {height:,}. "
            f"Choose another format (--format {'tiff' if form.name == 'png' else 'png'}) or a smaller scale."
        )
    if form.largest_file is not None and width * height * channels + 2048 > form.largest_file:
        raise OutputError(
            f"A {form.name} file ends at {form.largest_file:,} bytes and {width:,} x {height:,} pixels need more. "
            "Choose another format (--format png)."
        )
