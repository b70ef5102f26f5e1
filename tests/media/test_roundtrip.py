"""Every mode through every format: the output file is read back, by finesight and by somebody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from finesight import media
from finesight.media.encode import encode

from .samples import decoded, gradient, picture

FORMATS = ("png", "jpeg", "webp", "tiff", "avif", "bmp", "ppm")
DTYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}
LOSSLESS = {"png": (8, 16), "tiff": (8, 16, 32), "bmp": (8,), "ppm": (8, 16), "webp": (8,), "avif": (8,)}
ALPHA = ("png", "webp", "tiff", "avif", "bmp")
NO_GREY = ("webp", "avif")  # come back as three equal channels


def peak(depth: int) -> float:
    return {8: 255.0, 16: 65535.0, 32: 1.0}[depth]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16, 32])
@pytest.mark.parametrize("form", FORMATS)
def test_every_mode_in_every_format(tmp_path: Path, form: str, depth: int, channels: int) -> None:
    original = picture(21, 34, channels, DTYPES[depth])
    path = tmp_path / f"a.{form}"
    notes = media.write(path, original, quality=100 if form in ("webp", "avif") else None)
    back = media.read(path)
    assert back.format == form
    assert (back.height, back.width) == (21, 34)
    assert (back.alpha is not None) == (original.alpha is not None and form in ALPHA)
    flattened = original.alpha is not None and form not in ALPHA
    assert any("white" in note for note in notes) == flattened
    assert any("bits a channel" in note for note in notes) == (depth not in LOSSLESS.get(form, (8,)))
    wanted = original.pixels.astype(np.float64) / peak(depth)
    if flattened:
        share = original.alpha.astype(np.float64)[:, :, None] / peak(depth)
        wanted = wanted * share + 1 - share
    got = back.pixels.astype(np.float64) / peak(back.depth)
    if channels < 3 and (form in NO_GREY or (form == "bmp" and channels == 2)):
        assert np.ptp(got, axis=2).max() == 0
        got = got[:, :, :1]
    if depth in LOSSLESS.get(form, ()) and not flattened:
        assert back.depth == depth
        np.testing.assert_array_equal(got, wanted)
        if back.alpha is not None:
            np.testing.assert_array_equal(back.alpha, original.alpha)
    else:
        step = {"jpeg": 16 / 255, "png": 0.5 / 65535, "avif": 0.5 / 4095, "ppm": 0.6 / 65535}.get(form, 0.5 / 255)
        if flattened:
            step += 0.5 / peak(depth)
        assert np.abs(got - wanted).max() <= step + 1 / 65535 + 1e-6


@pytest.mark.parametrize("form", ["png", "tiff", "webp", "avif", "bmp", "ppm", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pillow_reads_what_we_write(tmp_path: Path, form: str, channels: int) -> None:
    if channels == 4 and form not in ALPHA:
        pytest.skip(f"{form} has no alpha")
    original = picture(9, 14, channels)
    path = tmp_path / f"b.{form}"
    media.write(path, original, quality=100)
    image = decoded(path.read_bytes())
    assert image.mode == {1: "RGB" if form in NO_GREY else "L", 3: "RGB", 4: "RGBA"}[channels]
    array = np.asarray(image).reshape(9, 14, -1)
    wanted = media.to_array(original).reshape(9, 14, -1)
    if channels == 1 and form in NO_GREY:
        wanted = np.repeat(wanted, 3, axis=2)
    difference = np.abs(array.astype(int) - wanted.astype(int)).max()
    assert difference <= (3 if form == "jpeg" else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tifffile_reads_and_writes_the_same_tiff(tmp_path: Path, dtype: type[np.generic], channels: int) -> None:
    original = picture(18, 11, channels, dtype)
    media.write(tmp_path / "a.tif", original)
    wanted = media.to_array(original)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), wanted)
    photometric = "minisblack" if channels < 3 else "rgb"
    extra = ["unassalpha"] if channels in (2, 4) else None
    for options in ({}, {"compression": "zlib", "tile": (16, 16)}, {"byteorder": ">"}, {"bigtiff": True}):
        tifffile.imwrite(tmp_path / "b.tif", wanted, photometric=photometric, extrasamples=extra, **options)
        back = media.read(tmp_path / "b.tif")
        np.testing.assert_array_equal(media.to_array(back), wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_reach_the_png_file(tmp_path: Path, channels: int) -> None:
    import imageio.v3 as imageio

    original = picture(12, 13, channels, np.uint16)
    media.write(tmp_path / "a.png", original)
    header = (tmp_path / "a.png").read_bytes()[:33]
    assert header[24] == 16
    if channels == 1:  # Pillow, beneath imageio, reads 16-bit colour as 8 bits
        np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), original.pixels[:, :, 0])


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (1, 300), (300, 1)])
@pytest.mark.parametrize("form", FORMATS)
def test_odd_sizes(tmp_path: Path, form: str, size: tuple[int, int]) -> None:
    original = media.from_array(gradient(*size, 3))
    media.write(tmp_path / "a", original, format=form)
    back = media.read(tmp_path / "a")
    assert back.pixels.shape == (*size, 3)
    limit = 60 if form in ("jpeg", "webp", "avif") else 0
    assert np.abs(back.pixels.astype(int) - original.pixels.astype(int)).max() <= limit


def test_a_second_generation_is_the_first(tmp_path: Path) -> None:
    """Lossless files written again from what was read are the same file, byte by byte, save for nothing."""
    original = picture(15, 17, 4, np.uint16, dpi=(300.0, 300.0), comments=(("Title", "ä"),))
    for form in ("png", "tiff", "webp"):
        media.write(tmp_path / f"1.{form}", original, quality=100)
        media.write(tmp_path / f"2.{form}", media.read(tmp_path / f"1.{form}"), quality=100)
        assert (tmp_path / f"1.{form}").read_bytes() == (tmp_path / f"2.{form}").read_bytes()


def test_quality_changes_the_size(tmp_path: Path) -> None:
    original = media.from_array(gradient(200, 200, 3))
    for form in ("jpeg", "webp", "avif"):
        sizes = []
        for quality in (20, 60, 95):
            media.write(tmp_path / "q", original, format=form, quality=quality)
            sizes.append((tmp_path / "q").stat().st_size)
        assert sizes[0] < sizes[1] < sizes[2]


def test_standard_output_and_input(tmp_path: Path) -> None:
    import subprocess
    import sys

    media.write(tmp_path / "a.png", picture())
    code = "from finesight import media; media.write('-', media.read('-'), format='tiff')"
    done = subprocess.run(
        [sys.executable, "-c", code], input=(tmp_path / "a.png").read_bytes(), capture_output=True, check=True
    )
    assert done.stderr == b""
    np.testing.assert_array_equal(media.read(done.stdout).pixels, picture().pixels)


def test_streams_and_bytes(tmp_path: Path) -> None:
    media.write(tmp_path / "a.webp", picture(), quality=100)
    data = (tmp_path / "a.webp").read_bytes()
    with (tmp_path / "a.webp").open("rb") as stream:
        for source in (data, bytearray(data), memoryview(data), stream):
            back = media.read(source)
            np.testing.assert_array_equal(back.pixels, picture().pixels)
            assert back.times is None


def test_encode_is_deterministic(tmp_path: Path) -> None:
    for form in FORMATS:
        for name in ("1", "2"):
            encode(tmp_path / name, picture(), form, 90)
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_photos(shared: Path, tmp_path: Path) -> None:
    """A real photograph reads as Pillow reads it (both use libjpeg-turbo)."""
    path = sorted((shared / "data/photos").glob("*.jpg"))[0]
    with Image.open(path) as image:
        np.testing.assert_array_equal(media.read(path).pixels, np.asarray(image))
