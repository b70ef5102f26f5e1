"""Spoilt files of every format: a picture or an InputError, never anything else, and bounded memory."""

from __future__ import annotations

import io
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from finesight import media
from finesight.errors import InputError, MissingExtraError
from finesight.media import exif as exif_module
from finesight.media import xmp as xmp_module
from finesight.media.ifd import Layout

from .samples import PROVENANCE, XMP, encoded, exif_block, gradient, picture

LIMIT = 1_000_000
MEMORY = 600_000  # KB that the process may grow by over all files


def _files() -> dict[str, bytes]:
    """Small files of every format and coding, by us with all metadata and by Pillow."""
    full = picture(12, 17).replace(exif=exif_block(thumbnail=True), xmp=XMP, dpi=(300.0, 300.0), comments=(("A", "b"),))
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        for form in media.WRITABLE:
            media.write(path, full, format=form, provenance=PROVENANCE)
            files[form] = path.read_bytes()
    image = Image.fromarray(gradient(12, 17, 4))
    other = image.transpose(Image.Transpose.ROTATE_180)
    for name, mode, form, options in (
        ("gif", "P", "GIF", {"save_all": True, "append_images": [other.convert("P")]}),
        ("apng", "RGBA", "PNG", {"save_all": True, "append_images": [other]}),
        ("palette png", "P", "PNG", {}),
        ("palette bmp", "P", "BMP", {}),
        ("tga", "RGBA", "TGA", {"rle": True}),
        ("dds", "RGBA", "DDS", {}),
        ("dxt5", "RGBA", "DDS", {"pixel_format": "DXT5"}),
        ("ico", "RGBA", "ICO", {"sizes": [(12, 12)]}),
        ("ico bmp", "RGBA", "ICO", {"sizes": [(12, 12)], "bitmap_format": "bmp"}),
        ("cmyk", "CMYK", "JPEG", {}),
        ("progressive", "RGB", "JPEG", {"progressive": True}),
        ("tiff lzw", "RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("tiff jpeg", "RGB", "TIFF", {"compression": "jpeg"}),
        ("tiff fax", "1", "TIFF", {"compression": "group4"}),
        ("lossless webp", "RGBA", "WEBP", {"lossless": True}),
        ("animated webp", "RGBA", "WEBP", {"save_all": True, "append_images": [other]}),
        ("avif alpha", "RGBA", "AVIF", {}),
    ):
        files[name] = encoded(image.convert(mode), form, **options)
    files["pfm"] = b"PF\n3 2\n-1\n" + bytes(72)
    files["plain ppm"] = b"P3 2 1 255\n1 2 3 4 5 6\n"
    return files


FILES = _files()

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.floats(0, 1), st.sampled_from([0, 1, 2, 127, 128, 255])),
        st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
        st.tuples(st.just("drop"), st.floats(0, 1), st.integers(1, 9)),
        st.tuples(
            st.just("word"), st.floats(0, 1), st.sampled_from([0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0, 0xFFFFFF7F])
        ),
        st.tuples(st.just("copy"), st.floats(0, 1), st.integers(0, 4096)),
    ),
    min_size=1,
    max_size=6,
)


def spoilt(data: bytes, changes: list[tuple[str, float, int]], *, head: bool) -> bytes:
    """Apply changes at relative places; with `head` they crowd at the start, where the structure is."""
    result = bytearray(data)
    for kind, where, value in changes:
        position = int((where**3 if head else where) * max(0, len(result) - 1))
        if kind == "set" and result:
            result[position] = value
        elif kind == "cut":
            del result[position:]
        elif kind == "drop":
            del result[position : position + value]
        elif kind == "word":
            result[position : position + 4] = value.to_bytes(4, "big")
        elif kind == "copy":
            result[position:position] = result[value : value + 8]
    return bytes(result)


def answer(call: Callable[[], Any]) -> Any:
    """What a call gives, or the line of its error; spoilt AVIF may look like HEIC, whose extra may be missing."""
    try:
        return call()
    except (InputError, MissingExtraError) as error:
        return str(error)


@pytest.mark.parametrize("name", list(FILES))
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, head=st.booleans())
def test_readers(name: str, changes: list[tuple[str, float, int]], head: bool) -> None:
    data = spoilt(FILES[name], changes, head=head)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in (lambda: media.read(data, limit=LIMIT), lambda: media.inspect(data, limit=LIMIT).lines()):
        result = answer(call)
        if isinstance(result, str):
            assert "\n" not in result
        elif isinstance(result, media.Picture):
            assert result.width * result.height <= LIMIT
            assert result.pixels.flags.c_contiguous
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


STARTS = (
    *(b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0+", b"BM", b"P6 ", b"RIFF1234WEBP", b"DDS "),
    *(b"\0\0\0\x1cftypavif", b"\0\0\1\0\1\0", b"GIF89a"),
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(data=st.binary(max_size=400), start=st.sampled_from(STARTS))
def test_random_bytes(data: bytes, start: bytes) -> None:
    result = answer(lambda: media.read(start + data, limit=LIMIT))
    assert isinstance(result, media.Picture) or "\n" not in str(result)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(changes=CHANGES, head=st.booleans(), thumbnail=st.booleans())
def test_exif_blocks(changes: list[tuple[str, float, int]], head: bool, thumbnail: bool) -> None:
    """Whatever an EXIF block says, it is read, corrected and moved into a TIFF file without an exception."""
    block = exif_module.plain(spoilt(exif_block(thumbnail=thumbnail), changes, head=head))
    if block is None:
        return
    exif_module.tags(block)
    exif_module.orientation(exif_module.upright_exif(block))
    result = exif_module.corrected(block, width=70_000, height=3, dpi=(72.0, 1e6), software="finesight")
    assert result is not None
    exif_module.assembled(exif_module.fields_for(result, Layout(">")), Layout(">"))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(changes=CHANGES)
def test_xmp_packets(changes: list[tuple[str, float, int]]) -> None:
    packet = spoilt(XMP, changes, head=False)
    xmp_module.provenance_of(packet)
    result = xmp_module.corrected_xmp(packet, width=3, height=4, provenance=PROVENANCE)
    assert result is not None
    assert xmp_module.provenance_of(result) == PROVENANCE


@settings(max_examples=100, derandomize=True, deadline=None)
@given(values=st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=40), min_size=1, max_size=4))
def test_provenance_holds_any_text(values: dict[str, str]) -> None:
    result = xmp_module.corrected_xmp(None, width=3, height=4, provenance=values)
    assert result is not None
    found = xmp_module.provenance_of(result)
    plain = {
        key: value for key, value in values.items() if key.isidentifier() and key.isascii() and value.isprintable()
    }
    assert plain.items() <= found.items()


def test_pillow_reads_what_spoilt_files_became() -> None:
    """A picture read from a harmless change is written as a sound file."""
    back = media.read(FILES["png"] + b"junk behind the end")
    assert Image.open(io.BytesIO(FILES["png"])).size == (back.width, back.height)
    np.testing.assert_array_equal(back.pixels, picture(12, 17).pixels)
