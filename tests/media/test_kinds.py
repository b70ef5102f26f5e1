"""Kinds of pictures beyond plain RGB: palettes, single bits, CMYK, Lab, odd TIFFs, icons, textures, several frames."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from finesight import media
from finesight.errors import InputError, MissingExtraError

from .samples import decoded, encoded, gradient, picture


def rgba() -> Image.Image:
    array = gradient(24, 33, 4)
    array[:, :, 3] = 255
    array[:8, :8, 3] = 0
    return Image.fromarray(array)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_palette_with_transparency(form: str) -> None:
    image = rgba().quantize(64)
    stored = encoded(image, form, **({"transparency": image.getpixel((0, 0))} if form == "GIF" else {}))
    back = media.read(stored)
    wanted = np.asarray(decoded(stored).convert("RGBA"))
    assert back.mode == "RGBA"
    assert back.alpha is not None
    np.testing.assert_array_equal(back.alpha, wanted[:, :, 3])
    seen = wanted[:, :, 3] > 0
    np.testing.assert_array_equal(back.pixels[seen], wanted[:, :, :3][seen])
    assert "palette" in media.inspect(stored).coding


def test_palette_without_transparency() -> None:
    stored = encoded(rgba().convert("RGB").quantize(32), "PNG")
    np.testing.assert_array_equal(media.read(stored).pixels, np.asarray(decoded(stored).convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour(mode: str) -> None:
    """PNG's tRNS for pictures without a palette: one colour is transparent."""
    array = np.zeros((6, 7, 3), np.uint8)
    array[2:4] = 200
    image = Image.fromarray(array).convert(mode)
    stored = encoded(image, "PNG", transparency=200 if mode == "L" else (200, 200, 200))
    back = media.read(stored)
    assert back.alpha is not None
    assert back.alpha[:, 0].tolist() == [255, 255, 0, 0, 255, 255]
    assert media.inspect(stored).alpha
    again = media.from_pil(decoded(stored))
    assert again.alpha is not None
    assert again.alpha.tolist() == back.alpha.tolist()


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"}), ("BMP", {}), ("PPM", {})]
)
def test_one_bit(form: str, options: dict[str, str]) -> None:
    bits = np.arange(13 * 22).reshape(13, 22) % 3 == 0
    stored = encoded(Image.fromarray(bits), form, **options)
    back = media.read(stored)
    assert (back.mode, back.depth) == ("grey", 8)
    np.testing.assert_array_equal(back.pixels[:, :, 0], bits * np.uint8(255))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_grey_levels_in_png(bits: int) -> None:
    levels = 2**bits
    values = np.arange(8 * 16).reshape(8, 16) % levels
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(r.astype(np.uint8)[:, None], axis=1)[:, -bits:].ravel()).tobytes()
        for r in values
    )

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    stored = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 8, bits, 0, 0, 0, 0))
    stored += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(media.read(stored).pixels[:, :, 0], values * (255 // (levels - 1)))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_uses_a_stated_default(form: str) -> None:
    inks = np.zeros((8, 40, 4), np.uint8)
    inks[:, :8] = (255, 0, 0, 0)  # cyan, magenta, yellow, black ink, and paper
    inks[:, 8:16] = (0, 255, 0, 0)
    inks[:, 16:24] = (0, 0, 255, 0)
    inks[:, 24:32] = (0, 0, 0, 255)
    stored = encoded(Image.fromarray(inks, "CMYK"), form, **({"quality": 100} if form == "JPEG" else {}))
    back = media.read(stored)
    assert (back.mode, back.icc) == ("RGB", None)
    assert any("default CMYK profile" in note for note in back.notes)
    cyan, magenta, yellow, black, paper = back.pixels[4, 4::8].astype(int)
    assert cyan[0] < 90 < cyan[2]
    assert magenta[1] < 90 < magenta[0]
    assert yellow[2] < 90 < min(yellow[0], yellow[1])
    assert black.max() < 60
    assert paper.min() > 250
    info = media.inspect(stored)
    assert (info.coding, info.mode) == ("CMYK", "RGB")


def test_cmyk_with_a_profile_uses_it(tmp_path: Path) -> None:
    """A CMYK profile in the file decides: here libvips' own, which is the default, under another name."""
    import pyvips

    profile = pyvips.Operation.call("profile_load", "cmyk")
    inks = gradient(9, 12, 4)
    plain = encoded(Image.fromarray(inks, "CMYK"), "TIFF")
    tagged = encoded(Image.fromarray(inks, "CMYK"), "TIFF", icc_profile=bytes(profile))
    back = media.read(tagged)
    assert any("the profile in the file" in note for note in back.notes)
    assert back.icc is None
    np.testing.assert_array_equal(back.pixels, media.read(plain).pixels)
    # littlecms through Pillow says the same, up to rounding
    through = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(bytes(profile))),
        ImageCms.createProfile("sRGB"),
        "CMYK",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    image = ImageCms.applyTransform(Image.fromarray(inks, "CMYK"), through)
    assert np.abs(np.asarray(image).astype(int) - back.pixels).max() <= 3


def test_lab_tiff(tmp_path: Path) -> None:
    """CIELAB in 16 bits: L = 53.585 alone is the grey 128 of sRGB (IEC 61966-2-1)."""
    values = np.zeros((4, 5, 3), np.uint16)
    values[:, :, 0] = round(53.585 / 100 * 65535)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="cielab")
    back = media.read(tmp_path / "a.tif")
    assert any("converted to sRGB" in note for note in back.notes)
    assert np.abs(back.to_depth(8).pixels.astype(int) - 128).max() <= 1
    tifffile.imwrite(tmp_path / "b.tif", values.astype(np.uint8), photometric="cielab")
    with pytest.raises(InputError, match="Convert it to RGB"):
        media.read(tmp_path / "b.tif")


def test_numbers_of_other_sizes_in_tiff(tmp_path: Path) -> None:
    values = gradient(9, 8, 3, np.float32)
    whole = (values.astype(np.float64) * (2**32 - 1)).astype(np.uint32)
    tifffile.imwrite(tmp_path / "a.tif", whole, photometric="rgb")
    np.testing.assert_allclose(media.read(tmp_path / "a.tif").pixels, values, atol=1e-6)
    tifffile.imwrite(tmp_path / "a.tif", values.astype(np.float16), photometric="rgb")
    np.testing.assert_array_equal(media.read(tmp_path / "a.tif").pixels, values.astype(np.float16).astype(np.float32))
    tifffile.imwrite(tmp_path / "a.tif", values.astype(np.int16), photometric="rgb")
    with pytest.raises(InputError, match="measurements"):
        media.read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", values.astype(np.float64), photometric="rgb")
    with pytest.raises(InputError, match="32-bit float"):
        media.read(tmp_path / "a.tif")


def test_float_outside_of_black_and_white_is_kept_and_said(tmp_path: Path) -> None:
    values = gradient(9, 8, 1, np.float32)[:, :, 0] * 255
    tifffile.imwrite(tmp_path / "a.tif", values)
    back = media.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.pixels[:, :, 0], values)
    assert any("1 as white" in note for note in back.notes)
    values[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert any("NaN" in note for note in media.read(tmp_path / "a.tif").notes)


def test_many_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (6, 7, 6), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    back = media.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.pixels, values[:, :, :3])
    assert any("first three" in note for note in back.notes)


def test_associated_alpha_is_divided_out(tmp_path: Path) -> None:
    """TIFF may hold colours multiplied by alpha (extra sample 1)."""
    straight = np.full((4, 4, 4), 200, np.uint8)
    straight[:, :, 3] = 128
    multiplied = straight.copy()
    multiplied[:, :, :3] = np.rint(200 * 128 / 255)
    tifffile.imwrite(tmp_path / "a.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
    back = media.read(tmp_path / "a.tif")
    assert np.abs(back.pixels.astype(int) - 200).max() <= 1
    assert back.alpha is not None
    assert (back.alpha == 128).all()


@pytest.mark.parametrize("kind", ["tiff", "gif", "png", "webp"])
def test_several_frames(kind: str) -> None:
    first = rgba().convert("RGB")
    frames = [first.transpose(Image.Transpose.FLIP_LEFT_RIGHT), first.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
    options = {"lossless": True} if kind == "webp" else {}
    stored = encoded(first, kind.upper(), save_all=True, append_images=frames, **options)
    back = media.read(stored)
    assert any("first of 3" in note for note in back.notes)
    assert media.inspect(stored).frames == 3
    np.testing.assert_array_equal(back.pixels, np.asarray(decoded(stored).convert("RGB")))


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("TGA", "RGB", {}),
        ("TGA", "RGBA", {"rle": True}),
        ("TGA", "L", {}),
        ("TGA", "P", {}),
        ("DDS", "RGBA", {}),
        ("DDS", "RGB", {}),
        ("DDS", "L", {}),
        ("DDS", "RGBA", {"pixel_format": "DXT5"}),
        ("BMP", "RGB", {}),
        ("BMP", "L", {}),
        ("BMP", "P", {}),
        ("ICO", "RGBA", {"sizes": [(16, 16), (24, 24)]}),
        ("ICO", "RGBA", {"sizes": [(16, 16), (24, 24)], "bitmap_format": "bmp"}),
    ],
)
def test_formats_that_are_read_only(form: str, mode: str, options: dict[str, object], tmp_path: Path) -> None:
    image = rgba().resize((24, 24)).convert(mode)
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(encoded(image, form, **options))
    with Image.open(path) as opened:
        wanted = np.asarray(opened.convert({"P": "RGB"}.get(mode, mode)))
    back, info = media.read(path), media.inspect(path)
    np.testing.assert_array_equal(media.to_array(back), wanted)
    assert (info.width, info.height, info.mode) == (back.width, back.height, back.mode)


def test_a_png_in_an_icon() -> None:
    stored = encoded(rgba().resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64), (32, 32)])
    assert media.read(stored).pixels.shape == (64, 64, 3)


def test_old_tga_without_a_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.tga"
    path.write_bytes(encoded(rgba(), "TGA")[:-26])
    assert media.read(path).mode == "RGBA"


def test_heic_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(MissingExtraError, match=r"finesight\[heic\]"):
        media.read(path)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    wide = gradient(40, 64, 3, np.uint16)
    wide[:4] = 65535
    heif.from_bytes(mode="RGB;16", size=(64, 40), data=wide.tobytes()).save(tmp_path / "b.heic", quality=-1, chroma=444)
    deep = media.read(tmp_path / "b.heic")
    assert deep.depth == 16
    assert deep.pixels[:3].min() >= 65535 - 128  # white is white, although 10 or 12 bits are stored
    assert np.abs(deep.pixels.astype(int) - wide).max() < 300
    heif.from_pillow(rgba().convert("RGB")).save(tmp_path / "a.heic", quality=95)
    back = media.read(tmp_path / "a.heic")
    assert back.format == "heic"
    assert np.abs(back.pixels.astype(int) - np.asarray(rgba().convert("RGB")).astype(int)).mean() < 6


@pytest.mark.parametrize("kind", ["P1", "P2", "P3", "P4", "P5", "P6", "PF", "Pf"])
def test_netpbm_by_hand(kind: str) -> None:
    """The grammar of netpbm(5): comments, any white space, any largest value."""
    files = {
        "P1": (b"P1 # c\n3 2\n1 0 1\n0 1 1\n", [[0, 255, 0], [255, 0, 0]]),
        "P2": (b"P2\n# c\n3 1\n# d\n4\n0 1\n4\n", [[0, 64, 255]]),
        "P3": (b"P3 1 2 255\n1 2 3 4 5 6", [[[1, 2, 3]], [[4, 5, 6]]]),
        "P4": (b"P4\n10 1\n\x80\x40", [[0, 255, 255, 255, 255, 255, 255, 255, 255, 0]]),
        "P5": (b"P5 2 1 1000\n" + struct.pack(">2H", 500, 1000), [[32768, 65535]]),
        "P6": (b"P6\n1 1\n65535\n" + struct.pack(">3H", 1, 2, 65535), [[[1, 2, 65535]]]),
        "PF": (b"PF\n1 2\n-1.0\n" + struct.pack("<6f", 4, 5, 6, 1, 2, 3), [[[1, 2, 3]], [[4, 5, 6]]]),
        "Pf": (b"Pf\n1 1\n1.0\n" + struct.pack(">f", 0.5), [[0.5]]),
    }
    data, wanted = files[kind]
    back = media.read(data)
    got = back.pixels[:, :, 0] if back.channels == 1 else back.pixels
    np.testing.assert_array_equal(got, wanted)


DAMAGED = (
    *(b"P5 2 1 255\nA", b"P5 2 1 0\nAB", b"P5 2 x 255\nAB", b"P6 2", b"P2 2 1 4\n1 9", b"P3 1 1 255\n1 2"),
    *(b"P2 1 1 9\n-1", b"P2 1 1 9\nx", b"P5 1 1 99999\nAB", b"P5 0 1 255\n", b"Pf 1 1 0\n1234", b"Pf 1 1 nan\n1234"),
    *(b"P5 1 1 100\n\xff", b"P5 -1 -1 255\nA", b"P1 2 1\n1"),
)


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_netpbm(data: bytes) -> None:
    with pytest.raises(InputError):
        media.read(data)


def test_every_pil_mode() -> None:
    source = rgba()
    for mode in (
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBX",
        "RGBA",
        "RGBa",
        "CMYK",
        "YCbCr",
        "LAB",
        "HSV",
        "I",
        "F",
        "I;16",
    ):
        if mode == "LAB":
            image = Image.new("LAB", (5, 4), (128, 128, 128))
        elif mode == "F":
            image = Image.fromarray(gradient(4, 5, 1, np.float32)[:, :, 0])
        elif mode == "I;16":
            image = Image.fromarray(gradient(4, 5, 1, np.uint16)[:, :, 0])
        elif mode == "La":
            image = source.convert("LA").convert("La")
        elif mode == "PA":
            image = source.convert("P").convert("PA")
        else:
            image = source.convert(mode)
        assert image.mode == mode
        back = media.from_pil(image)
        assert (back.width, back.height) == image.size
        assert (back.alpha is not None) == (mode in ("LA", "La", "PA", "RGBA", "RGBa"))
        assert back.depth == {"I": 16, "I;16": 16, "F": 32}.get(mode, 8)


def test_to_pil() -> None:
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        image = media.to_pil(picture(9, 8, channels))
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), media.to_array(picture(9, 8, channels)))
    assert media.to_pil(picture(9, 8, 1, np.uint16)).mode == "I;16"
    assert media.to_pil(picture(9, 8, 3, np.uint16)).mode == "RGB"
    assert media.to_pil(picture(9, 8, 1, np.float32)).mode == "F"
    back = media.from_pil(media.to_pil(picture(9, 8, 1, np.uint16)))
    np.testing.assert_array_equal(back.pixels, picture(9, 8, 1, np.uint16).pixels)
