"""Pictures read by strips and written by rows are what `read` and `write` give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips

from finesight import media
from finesight.errors import InputError, OutputError
from finesight.media.libvips import from_bands
from finesight.media.picture import Pixels
from finesight.media.strips import StripReader, blank, write_rows

PROVENANCE = {"software": "finesight 0", "model": "none", "weights": "0", "settings": "none"}


def _pixels(height: int, width: int, bands: int, dtype: type = np.uint8) -> Pixels:
    generator = np.random.default_rng(height * width)
    if dtype == np.float32:
        return generator.random((height, width, bands), np.float32)
    return generator.integers(0, np.iinfo(dtype).max, (height, width, bands), dtype, endpoint=True)


def _together(picture: media.Picture) -> Pixels:
    array = media.to_array(picture)
    return array[:, :, None] if array.ndim == 2 else array


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("ending", "dtype"),
    [("png", np.uint8), ("png", np.uint16), ("tif", np.uint8), ("tif", np.uint16), ("tif", np.float32)],
)
def test_strips_and_rows_are_the_whole_picture(tmp_path: Path, ending: str, dtype: type, bands: int) -> None:
    path = tmp_path / f"a.{ending}"
    picture = media.from_array(_pixels(203, 57, bands, dtype)).replace(dpi=(300.0, 150.0))
    media.write(path, picture, provenance=PROVENANCE)
    whole = media.read(path)
    with StripReader(path) as reader:
        assert (reader.width, reader.height, reader.depth) == (57, 203, whole.depth)
        assert reader.has_alpha == (whole.alpha is not None)
        header = reader.header
        # Overlapping strips, as rows of tiles read them, also with rows that are left out.
        for top, count in ((0, 90), (70, 70), (71, 4), (150, 53)):
            assert np.array_equal(reader.rows(top, count), _together(whole)[top : top + count])
    for name in ("icc", "exif", "xmp", "dpi", "comments", "iptc", "format", "notes"):
        assert getattr(header, name) == getattr(whole, name), name
    copy = tmp_path / f"b.{ending}"
    with StripReader(path) as reader:
        strips = (reader.rows(top, min(31, 203 - top)) for top in range(0, 203, 31))
        write_rows(copy, header, strips, format=whole.format, provenance=PROVENANCE)
    media.write(path, whole, provenance=PROVENANCE)
    ours, theirs = media.read(copy), media.read(path)
    assert ours.times is not None
    assert whole.times is not None
    assert ours.times[1] == whole.times[1]
    assert np.array_equal(_together(ours), _together(whole))
    for name in ("icc", "exif", "xmp", "dpi", "comments", "iptc", "notes"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_a_jpeg_is_read_as_read_does(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    media.write(path, media.from_array(_pixels(150, 90, 3)), quality=90)
    whole = media.read(path)
    with StripReader(path) as reader:
        got = np.concatenate([reader.rows(top, 50) for top in (0, 50, 100)])
    assert np.array_equal(got, whole.pixels)


def test_what_cannot_be_read_by_strips_says_so(tmp_path: Path) -> None:
    image = from_bands(_pixels(40, 30, 3)).copy(interpretation="srgb")
    image.jpegsave(str(tmp_path / "progressive.jpg"), interlace=True)
    image.pngsave(str(tmp_path / "interlaced.png"), interlace=True)
    image.webpsave(str(tmp_path / "a.webp"))
    turned = image.copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    turned.jpegsave(str(tmp_path / "turned.jpg"))
    for name, words in (
        ("progressive.jpg", "progressive or interlaced"),
        ("interlaced.png", "progressive or interlaced"),
        ("a.webp", "not decoded by rows"),
        ("turned.jpg", "turned upright"),
    ):
        assert words in StripReader.why_not(tmp_path / name)
        with pytest.raises(InputError, match="cannot be read by strips"):
            StripReader(tmp_path / name)


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_a_file_cut_short_is_one_clear_line(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    media.write(path, media.from_array(_pixels(300, 200, 3)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged or cut short") as caught, StripReader(path) as reader:
        reader.rows(0, 300)
    assert "\n" not in str(caught.value)


def test_rows_do_not_go_back(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    media.write(path, media.from_array(_pixels(100, 10, 3)))
    with StripReader(path) as reader:
        reader.rows(50, 10)
        for top, count in ((49, 10), (95, 6), (60, 0)):
            with pytest.raises(ValueError, match="rows"):
                reader.rows(top, count)


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("wrong", ["few", "narrow", "deep", "raises"])
def test_wrong_rows_leave_no_file(tmp_path: Path, form: str, wrong: str) -> None:
    def rows() -> object:
        yield _pixels(20, 30, 3)
        if wrong == "narrow":
            yield _pixels(20, 29, 3)
        elif wrong == "deep":
            yield _pixels(20, 30, 3, np.uint16)
        elif wrong == "raises":
            raise OSError(28, "No space left on device")

    path = tmp_path / "a.file"
    with pytest.raises(OutputError if wrong == "raises" else ValueError, match="full" if wrong == "raises" else "rows"):
        write_rows(path, blank(30, 40, 3, 8), rows(), format=form)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="jpeg is not written by rows"):
        write_rows(tmp_path / "a.jpg", blank(3, 4, 3, 8), [], format="jpeg")
    with pytest.raises(OutputError, match="does not hold this depth"):
        write_rows(tmp_path / "a.png", blank(3, 4, 3, 32), [], format="png")
