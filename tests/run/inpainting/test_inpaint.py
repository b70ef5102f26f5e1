"""Filling holes of real pictures: what stays, what is filled, in which kinds, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import finesight
from finesight import media
from finesight.errors import CancelledError, InputError, ModelError, SettingError
from finesight.media.picture import Picture
from finesight.models.inpainting.deepfillv2 import DeepFillV2
from finesight.models.inpainting.rayfill import RayFill
from finesight.progress import Cancel
from finesight.run.inpainting import Inpainter, inpaint, missing_pixels
from finesight.run.inpainting.fill import Sizes
from finesight.zoo.model import Card, Model


def model(kind: str = "rayfill") -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network: Any = (
            RayFill(widths=(4, 6, 8), dilations=(1, 2), sweeps=4)
            if kind == "rayfill"
            else DeepFillV2(channel_factor=0.125, decoder_factor=0.125)
        )
    network.eval()
    return Model(network, network.traits, Card(name=f"tiny-{kind}", architecture=kind))


MODEL = model()


def noisy(height: int, width: int, channels: int, dtype: Any, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((height, width, channels))
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * np.iinfo(dtype).max).astype(dtype)


def box(height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[height // 3 : height // 3 + 12, width // 4 : width // 4 + 17] = True
    return hole


@pytest.mark.parametrize("kind", ["rayfill", "deepfillv2"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_everything_outside_the_hole_stays_bit_for_bit(kind: str, dtype: Any, channels: int) -> None:
    pixels = noisy(45, 61, channels, dtype)
    alpha = noisy(45, 61, 1, dtype, 1)[:, :, 0]
    given = Picture(pixels, alpha, {1: 8, 2: 16, 4: 32}[pixels.itemsize], icc=b"profile", exif=b"exif", xmp=b"<x/>")  # type: ignore[arg-type]
    before, hole = pixels.copy(), box(45, 61)
    result, report = Inpainter(MODEL if kind == "rayfill" else model(kind))(given, hole)
    assert np.array_equal(result.pixels[~hole], before[~hole])
    assert result.pixels.dtype == dtype
    assert not np.array_equal(result.pixels[hole], before[hole])
    assert result.alpha is alpha
    assert (result.icc, result.exif, result.xmp) == (given.icc, given.exif, given.xmp)
    assert np.array_equal(pixels, before)  # what was given is not changed
    assert report.missing == hole.sum()
    assert report.holes == 1
    assert report.windows == 1
    assert report.halvings == 0


@pytest.mark.parametrize("native", [False, True])
def test_what_stands_in_the_hole_is_never_looked_at(native: bool) -> None:
    pixels, hole = noisy(50, 60, 3, np.float32), box(50, 60)
    answers = []
    for inside in (0.0, 1.0, np.nan):
        given = pixels.copy()
        given[hole] = inside
        answers.append(Inpainter(MODEL, native=native)(Picture(given, depth=32), hole)[0].pixels)
    assert np.isfinite(answers[0]).all()
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_a_flat_picture_is_filled_with_its_colour() -> None:
    flat = np.full((70, 80, 3), (10, 120, 240), np.uint8)
    spoiled = flat.copy()
    spoiled[30:50, 20:60] = 255
    untrained = RayFill(widths=(4, 6, 8)).eval()
    found = inpaint(spoiled, boxes=[(20, 30, 40, 20)], model=Model(untrained, untrained.traits, Card(name="new")))
    assert np.abs(found.astype(int) - flat).max() <= 1


def test_wide_holes_are_filled_from_small_to_large_in_windows() -> None:
    sizes = Sizes(window=64, widest=16, context=24, plain=16)
    inpainter = Inpainter(MODEL)
    inpainter.sizes = sizes
    pixels = noisy(220, 260, 3, np.uint8)
    hole = np.zeros((220, 260), bool)
    hole[60:130, 70:150] = True  # 70 wide: halved three times
    hole[200:203, 5:255] = True  # thin and long: never halved, but in several windows
    seen: list[tuple[int, int]] = []
    result, report = inpainter(Picture(pixels), hole, progress=lambda done, total, _: seen.append((done, total)))
    assert report.holes == 2
    assert report.halvings == 3
    assert report.windows == len(seen) > 5
    assert np.array_equal(result.pixels[~hole], pixels[~hole])
    assert all(done <= total for done, total in seen)
    again, _ = inpainter(Picture(pixels), hole)
    assert np.array_equal(result.pixels, again.pixels)


def test_a_photograph_of_twelve_megapixels_takes_as_much_as_its_holes() -> None:
    largest = 0
    network = MODEL.network

    class Watching(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.traits = MODEL.traits

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            nonlocal largest
            largest = max(largest, image.shape[-2] * image.shape[-1])
            return network(image, mask)  # type: ignore[no-any-return]

    watching = Watching()
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    pixels[::2] = 200
    hole = np.zeros((3000, 4000), bool)
    hole[100:114, 200:230] = hole[2900:2990, 3987:4000] = True
    result, report = Inpainter(Model(watching, MODEL.traits, Card(name="w", architecture="rayfill")))(
        Picture(pixels), hole
    )
    assert report.holes == 2
    assert report.windows <= 4
    assert largest <= 384 * 384
    assert np.array_equal(result.pixels[~hole], pixels[~hole])


def test_every_kind_of_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    pixels, hole = noisy(40, 50, 3, np.uint8), box(40, 50)
    expected = inpaint(pixels, hole, model=MODEL)
    assert expected.shape == pixels.shape
    assert expected.dtype == np.uint8
    media.write(tmp_path / "a.png", Picture(pixels))
    Image.fromarray(hole.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    from_file = inpaint(tmp_path / "a.png", str(tmp_path / "mask.png"), model=MODEL)
    assert isinstance(from_file, Picture)
    assert np.array_equal(from_file.pixels, expected)
    from_pil = inpaint(Image.fromarray(pixels), Image.fromarray(hole), model=MODEL)
    assert isinstance(from_pil, Image.Image)
    assert np.array_equal(np.asarray(from_pil), expected)
    from_tensor = inpaint(torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(hole), model=MODEL)
    assert np.array_equal(from_tensor.permute(1, 2, 0).numpy(), expected)
    assert finesight.inpaint is inpaint


def test_masks_of_every_kind() -> None:
    hole = box(40, 50)
    pixels = noisy(40, 50, 3, np.uint8)
    pixels[hole] = (250, 0, 251)
    given = Picture(pixels, np.where(hole, 0, 200).astype(np.uint8))
    assert np.array_equal(missing_pixels(given, "alpha"), hole)
    assert np.array_equal(missing_pixels(given, colour=(250, 0, 251)), hole)
    assert not missing_pixels(given, colour=(249, 0, 251)).any()
    assert np.array_equal(missing_pixels(given, colour=(249, 1, 250), tolerance=1), hole)
    assert np.array_equal(missing_pixels(given.to_depth(16), colour=(250, 0, 251)), hole)
    assert np.array_equal(missing_pixels(given, ~hole, invert=True), hole)
    assert np.array_equal(missing_pixels(given, hole.astype(np.float32)[:, :, None]), hole)
    assert np.array_equal(missing_pixels(given, boxes=[(12, 13, 17, 12)]), hole)
    assert missing_pixels(given, hole, boxes=[(-5, -5, 8, 7)]).sum() == hole.sum() + 6
    grown = missing_pixels(given, hole, grow=2)
    assert grown.sum() == 16 * 21
    assert grown[11, 10]
    half = hole[::2, ::2]
    with pytest.raises(InputError, match=r"25x20, its picture 50x40.*resize"):
        missing_pixels(given, half)
    assert missing_pixels(given, half, resize_mask=True).shape == (40, 50)
    result = inpaint(given, "alpha", model=MODEL)
    assert (result.alpha[hole] == 255).all()
    assert (result.alpha[~hole] == 200).all()


def test_empty_full_and_nearly_full_masks() -> None:
    given = Picture(noisy(40, 50, 3, np.uint8))
    empty = np.zeros((40, 50), bool)
    result, report = Inpainter(MODEL)(given, empty)
    assert result is given
    assert report.missing == 0
    assert "marks nothing" in report.notes[0]
    with pytest.raises(InputError, match="whole picture"):
        Inpainter(MODEL)(given, ~empty)
    nearly = ~empty
    nearly[:3] = False
    result, report = Inpainter(MODEL)(given, nearly)
    assert "92%" in report.notes[0]
    assert "--invert" in report.notes[0]
    assert np.array_equal(result.pixels[:3], given.pixels[:3])


def test_refusals() -> None:
    given = Picture(noisy(40, 50, 3, np.uint8))
    with pytest.raises(InputError, match="Nothing says"):
        inpaint(given, model=MODEL)
    with pytest.raises(InputError, match="no"):
        inpaint(given, "alpha", model=MODEL)
    with pytest.raises(SettingError, match="holds no pixel"):
        inpaint(given, boxes=[(50, 0, 4, 4)], model=MODEL)
    with pytest.raises(SettingError, match="0 pixels or more"):
        inpaint(given, boxes=[(5, 0, 4, 4)], grow=-1, model=MODEL)
    with pytest.raises(ModelError, match="does not fill holes"):
        inpaint(given, boxes=[(5, 0, 4, 4)], model="finesight-x2")
    broken = given.to_depth(32)
    broken.pixels[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        inpaint(broken, boxes=[(5, 5, 4, 4)], model=MODEL)


def test_cancelling_between_windows() -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        inpaint(noisy(40, 50, 3, np.uint8), box(40, 50), model=MODEL, cancel=cancel)
