"""The same colour before and after, for pictures whose numbers mean other colours than sRGB's."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from finesight import media
from finesight.media.colour import describe, is_srgb
from finesight.media.profiles import adobe_rgb, profile_for_gamma, profile_for_numbers

from .samples import decoded, encoded, gradient, picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def p3() -> bytes:
    """libvips' own Display P3 profile, independent of ours."""
    import pyvips

    return bytes(pyvips.Operation.call("profile_load", "p3"))


def lab(pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """What colour pixels are, by littlecms in floating steps of CIELAB (8 bits a channel, centred)."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc or SRGB))
    through = ImageCms.buildTransform(
        source, ImageCms.createProfile("LAB"), "RGB", "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    values = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), through)).astype(int)
    values[:, :, 1:] = (values[:, :, 1:] + 128) % 256 - 128
    return values


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "avif"])
@pytest.mark.parametrize("metadata", ["keep", "minimal", "strip"])
def test_display_p3_keeps_its_colours(tmp_path: Path, form: str, metadata: str) -> None:
    pixels = gradient(32, 48, 3)
    pixels[8:16, 8:16] = (190, 90, 60)  # inside sRGB too, so that strip can be exact
    pixels[16:24, 8:24] = (70, 160, 90)
    original = media.from_array(pixels, metadata={"icc": p3()})
    media.write(tmp_path / "a", original, format=form, quality=100, metadata=metadata)
    image = decoded((tmp_path / "a").read_bytes())
    icc = image.info.get("icc_profile")
    assert (icc is None) == (metadata == "strip")
    assert np.abs(lab(np.asarray(image), icc) - lab(pixels, p3())).max() <= (4 if form == "jpeg" else 2)
    assert np.abs(lab(np.asarray(image), None) - lab(pixels, p3())).max() > 9 or metadata == "strip"


def test_a_colour_beyond_srgb_is_clipped_only_by_strip(tmp_path: Path) -> None:
    red = media.from_array(np.full((4, 4, 3), (255, 0, 0), np.uint8), metadata={"icc": p3()})
    media.write(tmp_path / "a.png", red)
    assert media.read(tmp_path / "a.png").icc == p3()
    assert (media.read(tmp_path / "a.png").pixels == (255, 0, 0)).all()
    media.write(tmp_path / "b.png", red, metadata="strip")
    assert (media.read(tmp_path / "b.png").pixels == (255, 0, 0)).all()
    orange = media.from_array(np.full((4, 4, 3), (200, 120, 60), np.uint8), metadata={"icc": p3()})
    media.write(tmp_path / "c.png", orange, metadata="strip")
    converted = media.read(tmp_path / "c.png").pixels[0, 0].astype(int)
    assert converted[0] > 205  # the same orange needs more of sRGB's weaker red
    assert converted[2] < 55


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_strip_keeps_depth_and_alpha(tmp_path: Path, dtype: type[np.generic], channels: int) -> None:
    original = picture(9, 8, channels, dtype, icc=p3())
    media.write(tmp_path / "a.tif", original, metadata="strip")
    back = media.read(tmp_path / "a.tif")
    assert back.depth == original.depth
    if original.alpha is not None:
        assert back.alpha is not None
        np.testing.assert_array_equal(back.alpha, original.alpha)
    eight = media.to_srgb(original.to_depth(8)).pixels.astype(int)
    assert np.abs(back.to_depth(8).pixels.astype(int) - eight).max() <= 2


def test_formats_without_profiles_get_srgb(tmp_path: Path) -> None:
    original = picture(9, 8, 3, icc=p3())
    for form in ("bmp", "ppm"):
        notes = media.write(tmp_path / "a", original, format=form)
        assert any("converted to sRGB" in note for note in notes)
        np.testing.assert_array_equal(media.read(tmp_path / "a").pixels, media.to_srgb(original).pixels)


def test_a_grey_profile() -> None:
    gamma = profile_for_gamma(1 / 1.0, None, grey=True)  # linear light
    assert gamma is not None
    linear = media.from_array(np.full((2, 2), 55, np.uint8), metadata={"icc": gamma})
    converted = media.to_srgb(linear)
    assert converted.channels == 1
    assert abs(int(converted.pixels[0, 0, 0]) - 128) <= 1  # IEC 61966-2-1: 55/255 of the light is code 128


def test_a_profile_for_other_channels_is_left_out_and_said(tmp_path: Path) -> None:
    stored = encoded(Image.fromarray(gradient(5, 6, 1)[:, :, 0]), "PNG", icc_profile=p3())
    back = media.read(stored)
    assert back.icc is None
    assert any("profile" in note for note in back.notes)
    notes = media.write(tmp_path / "a.png", picture(5, 6, 1).replace(icc=p3()))
    assert any("profile" in note for note in notes)
    assert media.read(tmp_path / "a.png").icc is None


@pytest.mark.parametrize("junk", [b"", b"junk", bytes(200), bytes(36) + b"acsp" + bytes(200)])
def test_a_damaged_profile_does_no_harm(tmp_path: Path, junk: bytes) -> None:
    shaped = junk[:16].ljust(16, b"\0") + b"RGB " + junk[20:] if len(junk) > 100 else junk
    for metadata in ("keep", "strip"):
        media.write(tmp_path / "a.png", picture().replace(icc=shaped), metadata=metadata)
        assert media.read(tmp_path / "a.png").pixels.shape == picture().pixels.shape


def _png(chunks: list[tuple[bytes, bytes]], pixels: np.ndarray) -> bytes:
    stored = encoded(Image.fromarray(pixels), "PNG")
    extra = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return stored[:33] + extra + stored[33:]


def test_colour_by_numbers_in_png() -> None:
    """cICP 12/13 is Display P3: littlecms finds the same colours as with libvips' own profile of it."""
    pixels = gradient(20, 20, 3)
    stored = _png([(b"cICP", bytes((12, 13, 0, 1)))], pixels)
    back = media.read(stored)
    assert media.inspect(stored).profile == "Display P3"
    assert back.icc is not None
    assert np.abs(lab(pixels, back.icc) - lab(pixels, p3())).max() <= 1
    assert media.read(_png([(b"cICP", bytes((1, 13, 0, 1)))], pixels)).icc is None
    pq = media.read(_png([(b"cICP", bytes((9, 16, 0, 1)))], pixels))
    assert any("HDR (PQ)" in note for note in pq.notes)


def test_gamma_and_primaries_in_png() -> None:
    pixels = gradient(20, 20, 3)
    usual = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    wide = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)  # Adobe RGB
    assert media.read(_png([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", usual)], pixels)).icc is None
    assert (
        media.read(_png([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", wide)], pixels)).icc is None
    )
    back = media.read(_png([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", wide)], pixels))
    assert back.icc is not None
    assert np.abs(lab(pixels, back.icc) - lab(pixels, adobe_rgb())).max() <= 1
    linear = media.read(_png([(b"gAMA", struct.pack(">I", 100000))], np.full((4, 4, 3), 55, np.uint8)))
    assert np.abs(media.to_srgb(linear).pixels.astype(int) - 128).max() <= 1
    assert profile_for_gamma(0.45455, (0.3127, 0.329, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), grey=False) is None  # impossible


def test_colour_by_numbers_in_avif(tmp_path: Path) -> None:
    """Most P3 files in AVIF carry numbers and no profile."""
    media.write(tmp_path / "a.avif", picture(16, 16, 3), quality=100)
    data = bytearray((tmp_path / "a.avif").read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", 12, 13)
    assert media.inspect(bytes(data)).profile == "Display P3"
    back = media.read(bytes(data))
    assert back.icc is not None
    assert describe(back.icc) == "Display P3"
    data[at : at + 4] = struct.pack(">HH", 1, 13)
    assert media.read(bytes(data)).icc is None


def test_our_profiles_are_sound() -> None:
    for cicp in ((9, 1, 0, 1), (9, 14, 0, 1), (12, 13, 0, 1), (12, 4, 0, 1), (11, 4, 0, 1), (1, 8, 0, 1), (1, 4, 0, 1)):
        icc, note = profile_for_numbers(cicp)
        assert icc is not None
        assert note == ""
        opened = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        assert opened.xcolor_space.strip() == "RGB"
        grey = np.full((1, 1, 3), 255, np.uint8)
        assert abs(lab(grey, icc)[0, 0] - (255, 0, 0)).max() <= 1  # white stays white
    assert not is_srgb(adobe_rgb(), 3)
    assert is_srgb(SRGB, 3)
    assert not is_srgb(p3(), 3)
