"""Colour under transparent pixels: no fringe after enlarging, nothing visible changed."""

from __future__ import annotations

import numpy as np
import pytest

from finesight import media

from .samples import gradient, picture


def disc(size: int, dtype: type[np.generic], colour: float = 0.8) -> media.Picture:
    """A disc of one colour, opaque, on transparent black: the worst case of fringes."""
    y, x = np.mgrid[:size, :size]
    inside = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 3) ** 2
    peak = 1 if dtype is np.float32 else np.iinfo(dtype).max
    array = np.zeros((size, size, 4), dtype)
    array[inside] = np.array([colour * peak, 0.5 * peak, 0.25 * peak, peak]).astype(dtype)
    return media.from_array(array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [2, 3, 31, 64, 701])
def test_one_colour_spreads_everywhere(dtype: type[np.generic], size: int) -> None:
    source = disc(size, dtype)
    before = source.pixels.copy()
    result = media.bleed(source)
    np.testing.assert_array_equal(source.pixels, before)  # the input is left alone
    assert result.pixels.dtype == dtype
    assert result.alpha is source.alpha
    middle = result.pixels[size // 2, size // 2].astype(np.float64)
    assert middle.max() > 0
    tolerance = 1e-5 if dtype is np.float32 else 0.5
    assert np.abs(result.pixels.astype(np.float64) - middle).max() <= tolerance


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (600, 7), (7, 1100), (513, 514)])
def test_visible_pixels_stay(channels: int, shape: tuple[int, int]) -> None:
    array = gradient(*shape, channels)
    array[:, :, -1] = np.random.default_rng(0).integers(0, 3, shape) * 100
    array[array[:, :, -1] == 0, :-1] = 0
    array.flat[channels - 1] = 255
    source = media.from_array(array)
    result = media.bleed(source)
    assert source.alpha is not None
    seen = source.alpha > 0
    np.testing.assert_array_equal(result.pixels[seen], source.pixels[seen])
    low, high = source.pixels[seen].min(), source.pixels[seen].max()
    assert low <= result.pixels.min()
    assert result.pixels.max() <= high


def test_nearer_colours_win() -> None:
    """Left red, right blue, a transparent band between them: it goes from one to the other."""
    array = np.zeros((32, 96, 4), np.uint8)
    array[:, :32] = (255, 0, 0, 255)
    array[:, 64:] = (0, 0, 255, 255)
    row = media.bleed(media.from_array(array)).pixels[16].astype(int)
    assert (np.diff(row[:, 0]) <= 0).all()
    assert row[33, 0] > 180
    assert row[62, 2] > 180
    assert abs(row[47, 0] - 128) < 60


def test_enlarged_edges_show_no_fringe() -> None:
    """Averaging 2 x 2 pixels (any filter) over the edge keeps the disc's colour; without bleeding it darkens."""
    source = disc(64, np.uint8)
    for picture_, fringe in ((source, True), (media.bleed(source), False)):
        blurred = picture_.pixels.reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3))
        cover = source.alpha.reshape(32, 2, 32, 2).astype(float).mean((1, 3))  # type: ignore[union-attr]
        edge = (cover > 0) & (cover < 255)
        dark = np.abs(blurred[edge] - source.pixels[32, 32]).max() > 1
        assert dark == fringe


def test_blocks_of_rows_meet() -> None:
    """Rows are handled in blocks; a picture of several blocks is the same as turned on its side."""
    array = np.zeros((1100, 40, 4), np.uint8)
    array[100::251, ::13] = np.random.default_rng(1).integers(1, 255, array[100::251, ::13].shape)
    tall = media.bleed(media.from_array(array)).pixels
    wide = media.bleed(media.from_array(array.swapaxes(0, 1))).pixels.swapaxes(0, 1)
    assert np.abs(tall.astype(int) - wide.astype(int)).max() <= 1


def test_nothing_to_do() -> None:
    plain = picture()
    assert media.bleed(plain) is plain
    opaque = media.from_array(np.full((5, 6, 4), 255, np.uint8))
    assert media.bleed(opaque) is opaque
    invisible = media.from_array(np.zeros((5, 6, 4), np.uint8))
    assert media.bleed(invisible) is invisible
