"""Whatever is given, the answer is a picture or one clear line."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight import media
from finesight.errors import Error, InputError, OutputError, SettingError

from .samples import PROVENANCE, XMP, encoded, exif_block, gradient, picture

SMALL = 2_000_000


def refused(source: object, match: str, **options: object) -> str:
    """The one line with which `read` and `inspect` refuse."""
    with pytest.raises(InputError, match=match) as caught:
        media.read(source, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    refused(path, "is empty")
    with pytest.raises(InputError, match="is empty"):
        media.inspect(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "a.png", "does not exist")
    refused(tmp_path / "no" / "a.png", "nor does its folder")
    refused(tmp_path, "is a folder")
    refused("a\0b.png", "cannot be opened")


def test_text_named_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("Dear Sir,\nI am not a picture.\n" * 9)
    refused(path, "its content is text")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"8BPS" + bytes(60), "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x20ftypisom" + bytes(60), "video"),
        (b"\x1aE\xdf\xa3" + bytes(60), "Matroska"),
        (b"PK\x03\x04" + bytes(60), "ZIP"),
        (b"RIFF\0\0\0\0AVI " + bytes(60), "AVI"),
        (b"<html><body>404</body></html>", "web page"),
        (b"\x93\x01\x02\x03" * 16, "unknown kind"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    refused(path, what)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "avif", "bmp", "ppm"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_cut_short(tmp_path: Path, form: str, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 70, 3), dtype=np.uint8)
    media.write(tmp_path / "a", media.from_array(noise), format=form)
    data = (tmp_path / "a").read_bytes()
    refused(data[: int(len(data) * part)], "damaged|cut short")


def test_a_tiff_cut_short_behind_its_tags(tmp_path: Path) -> None:
    stored = encoded(Image.fromarray(gradient(60, 70, 3)), "TIFF")  # Pillow puts the tags first
    refused(stored[: len(stored) // 2], "damaged|cut short")


def _huge_png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(900))) + chunk(b"IEND", b"")


def _huge_others() -> dict[str, bytes]:
    bmp = bytearray(encoded(Image.fromarray(gradient(8, 8, 3)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 200_000, 200_000)
    tga = bytearray(encoded(Image.fromarray(gradient(8, 8, 3)), "TGA"))
    tga[12:16] = struct.pack("<HH", 65_535, 65_535)
    dds = bytearray(encoded(Image.fromarray(gradient(8, 8, 4)), "DDS"))
    dds[12:20] = struct.pack("<II", 200_000, 200_000)
    gif = bytearray(encoded(Image.fromarray(gradient(8, 8, 1)[:, :, 0]), "GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    at = gif.index(b"\x2c\0\0\0\0\x08\0\x08\0")  # a large screen alone is taken for the mistake that it often is
    gif[at + 5 : at + 9] = struct.pack("<HH", 65_535, 65_535)
    jpeg = bytearray(encoded(Image.fromarray(gradient(8, 8, 3)), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    tiff = bytearray(encoded(Image.fromarray(gradient(8, 8, 3)), "TIFF"))
    for tag in (256, 257):
        at = tiff.index(struct.pack("<HH", tag, 4))
        tiff[at + 8 : at + 12] = struct.pack("<I", 200_000)
    return {
        "png": _huge_png(),
        "bmp": bytes(bmp),
        "tga": bytes(tga),
        "dds": bytes(dds),
        "gif": bytes(gif),
        "jpeg": bytes(jpeg),
        "tiff": bytes(tiff),
        "ppm": b"P6 200000 200000 255\n" + bytes(900),
        "pfm": b"PF 200000 200000 -1\n" + bytes(900),
    }


@pytest.mark.parametrize("form", list(_huge_others()))
def test_a_header_that_claims_too_much(form: str) -> None:
    """1 KB that claims 200,000 x 200,000 (or what the format can say): one line, nothing allocated."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = _huge_others()[form]
    assert len(data) < 2048
    text = refused(data, "claims .* more than the limit")
    if form in ("png", "bmp", "dds", "tiff", "ppm", "pfm"):
        assert "200,000 x 200,000" in text
    with pytest.raises(InputError):
        media.inspect(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


def test_the_limit_can_be_set() -> None:
    stored = encoded(Image.fromarray(gradient(20, 20, 3)), "PNG")
    refused(stored, "limit of 399", limit=399)
    assert media.read(stored, limit=400).width == 20
    assert media.read(stored, limit=None).width == 20


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    refused(loop, "cannot be opened: .*symbolic links")
    path = tmp_path / "a.png"
    media.write(path, picture())

    def deny(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", deny)  # tests may run as root, who may read everything
    refused(path, "may not be read by this user")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has this file, whose reading fails")
def test_reading_fails_in_the_middle() -> None:
    refused("/proc/self/mem", "cannot be read|is empty")


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.fromarray(gradient(9, 8, 3)), "PNG"))
    back = media.read(path)
    assert back.format == "png"
    assert any("The name says jpeg, the content is png" in note for note in back.notes)
    assert any("The name says jpeg" in note for note in media.inspect(path).notes)


@pytest.mark.parametrize(
    "name", ["with space", "Größe", "😀👩‍👩‍👧", "line\nbreak", "a[b].{c}", "-dash", "100%", "~", "a'b\"c", "é" * 100]
)
@pytest.mark.parametrize("form", ["png", "tiff", "jpeg"])
def test_any_name(tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / f"{name}.{form}"
    media.write(path, picture())
    assert media.read(path).pixels.shape == (21, 34, 3)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    broken = tmp_path / f"{name}2.{form}"
    broken.write_bytes(path.read_bytes()[:100])
    assert "\n" not in refused(broken, "damaged|cut short")
    assert "\n" not in str(media.inspect(path).lines()[0][1])


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.png")
    media.write(path, picture())
    assert media.read(path).width == 34
    path.write_bytes(b"junk")
    refused(path, r"\\udcff").encode()  # the message itself can be printed


def test_camera_raw_is_refused() -> None:
    """Its first picture is a small preview that would be taken for the photograph."""
    stored = bytearray(encoded(Image.fromarray(gradient(9, 8, 3)), "TIFF", tiffinfo={50706: b"\1\4\0\0"}))
    refused(bytes(stored), "camera raw")


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    stored = encoded(Image.fromarray(gradient(9, 8, 3)), "PNG")
    code = "import sys; from finesight import media; print(media.read('/dev/stdin'))"
    done = subprocess.run([sys.executable, "-c", code], input=stored, capture_output=True, check=True)
    assert b"<Picture 8 x 9 RGB, 8 bits, png>" in done.stdout


def test_wrong_things_are_named() -> None:
    refused(7, "path, bytes or a binary stream")
    with pytest.raises(InputError, match="text mode"):
        media.read(io.StringIO("x"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="PIL image"):
        media.from_pil(np.zeros((2, 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((2, 2, 5), np.uint8), "not a picture"),
        (np.zeros((2,), np.uint8), "not a picture"),
        (np.zeros((0, 2), np.uint8), "not a picture"),
        (np.zeros((2, 2, 0), np.uint8), "not a picture"),
        (np.zeros((1, 3, 2, 2), np.uint8), "not a picture"),
        (np.zeros((2, 2), np.int32), "uint8, uint16"),
        (np.zeros((2, 2), np.complex64), "uint8, uint16"),
        (np.full((2, 2), 2.0), "Divide it by its peak"),
        (np.full((2, 2), -0.5), "Divide it by its peak"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), np.inf), "NaN or infinity"),
        ([[1, 2]], "NumPy array"),
    ],
)
def test_bad_arrays(array: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        media.from_array(array)  # type: ignore[arg-type]


def test_a_picture_that_does_not_fit_together() -> None:
    with pytest.raises(InputError, match="Alpha must be"):
        picture(5, 6, 4).replace(pixels=np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(InputError, match="bits deep"):
        picture().replace(depth=16)
    with pytest.raises(InputError, match="shape"):
        picture().replace(pixels=np.zeros((9, 9), np.uint8))


def test_bad_settings_of_write(tmp_path: Path) -> None:
    for options, match in (
        ({"quality": 0}, "quality"),
        ({"quality": 101}, "quality"),
        ({"metadata": "all"}, "metadata"),
        ({"format": "pgn"}, "Did you mean png"),
    ):
        with pytest.raises(SettingError, match=match):
            media.write(tmp_path / "a.jpg", picture(), **options)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="Standard output"):
        media.write("-", picture())
    with pytest.raises(OutputError, match="no ending"):
        media.write(tmp_path / "a", picture())
    with pytest.raises(OutputError, match="does not write it"):
        media.write(tmp_path / "a.gif", picture())
    assert list(tmp_path.iterdir()) == []


TOO_LARGE = (
    *(("jpeg", 65_501, 1), ("jpeg", 1, 65_536), ("webp", 16_384, 1), ("avif", 16_385, 1), ("bmp", 65_536, 65_536)),
    *(("png", 10**8 + 1, 1), ("gif", 1, 1), ("png", 0, 1)),
)


@pytest.mark.parametrize(("form", "width", "height"), TOO_LARGE)
def test_too_large_for_the_format(form: str, width: int, height: int) -> None:
    with pytest.raises(OutputError):
        media.check_size(form, width, height)


LARGEST = (
    ("jpeg", 65_500),
    ("webp", 16_383),
    ("avif", 16_384),
    *((form, 70_000) for form in ("png", "tiff", "bmp", "ppm")),
)


@pytest.mark.parametrize(("form", "width"), LARGEST)
def test_the_limits_are_the_true_ones(tmp_path: Path, form: str, width: int) -> None:
    """What `check_size` allows can be written and read."""
    media.check_size(form, width, 2)
    strip = media.from_array(np.zeros((2, width, 3), np.uint8))
    media.write(tmp_path / "a", strip, format=form, quality=50)
    assert media.read(tmp_path / "a").width == width
    form_limit = media.FORMATS[form].longest
    if form_limit is not None and form_limit < 20_000:
        with pytest.raises(OutputError):
            media.write(tmp_path / "a", media.from_array(np.zeros((1, form_limit + 1), np.uint8)), format=form)


def _with_width(form: str, width: int) -> bytes:
    """A file whose header claims that width: libvips complains on standard error about more than 10^8."""
    stored = bytearray(encoded(Image.fromarray(gradient(9, 8, 3)), form.upper()))
    if form == "png":
        stored[16:20] = struct.pack(">I", width)
        stored[29:33] = struct.pack(">I", zlib.crc32(stored[12:29]))
    elif form == "tiff":
        at = stored.index(struct.pack("<HH", 256, 4))
        stored[at + 8 : at + 12] = struct.pack("<I", width)
    else:
        at = stored.index(b"ispe")
        stored[at + 8 : at + 12] = struct.pack(">I", width)
    return bytes(stored)


def test_nothing_leaks_to_standard_error(tmp_path: Path) -> None:
    """libvips, libtiff, libheif and libpng like to print; damaged files of every kind, in a fresh process."""
    full = picture().replace(exif=exif_block(), xmp=XMP)
    for form in ("png", "jpeg", "webp", "tiff", "avif", "bmp"):
        media.write(tmp_path / f"a.{form}", full, format=form, provenance=PROVENANCE)
        data = bytearray((tmp_path / f"a.{form}").read_bytes())
        for index in range(20, len(data), max(1, len(data) // 12)):
            spoilt = data.copy()
            spoilt[index] ^= 0xFF
            (tmp_path / f"a{index}.{form}").write_bytes(spoilt)
    for form in ("png", "tiff", "avif"):
        for width in (1_627_389_985, 2**31, 2**32 - 1, 0):
            (tmp_path / f"w{width}.{form}").write_bytes(_with_width(form, width))
    code = (
        "import sys, os; from finesight import media; from finesight.errors import Error\n"
        "for name in os.listdir(sys.argv[1]):\n"
        "    for call in (media.read, media.inspect):\n"
        "        try: call(os.path.join(sys.argv[1], name))\n"
        "        except Error: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_forked_worker_is_told_instead_of_hanging(tmp_path: Path) -> None:
    media.write(tmp_path / "a.png", picture())
    code = (
        "import os, sys; from finesight import media; from finesight.errors import InputError\n"
        "media.read(sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    try: media.read(sys.argv[1])\n"
        "    except InputError as error: os._exit(7 if 'spawn' in str(error) else 1)\n"
        "    os._exit(2)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "a.png")], timeout=30)
    assert done.returncode == 7


def test_importing_is_light() -> None:
    code = (
        "import sys, finesight.media\n"
        "print([m for m in ('torch', 'numpy', 'pyvips', 'PIL') if m in sys.modules])\n"
        "finesight.media.read\n"
        "print([m for m in ('torch', 'pyvips', 'PIL') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_every_public_name_is_there() -> None:
    for name in media.__all__:
        assert getattr(media, name) is not None
    with pytest.raises(AttributeError):
        _ = media.nothing
    assert issubclass(InputError, Error)
