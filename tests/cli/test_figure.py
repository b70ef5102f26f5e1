"""``finesight score --figure``: the sheet is written, shows what it says, and refuses what it cannot show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.evaluate.figure import CELL, GAP, LINE, Shown, crop_of, make_sheet
from finesight.evaluate.maps import Box, difference_map, dissimilarity_map, worst_box
from finesight.metrics import luma, ssim

from .conftest import Command, one_line


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``truth`` of four pictures; ``a`` and ``b`` are wrong in one square, more from picture to picture."""
    rows, columns = np.indices((60, 80))
    truth = np.stack([40 + rows, 60 + columns, 200 - rows], axis=-1).astype(np.uint8)
    for index in range(4):
        for folder, wrong in (("truth", 0), ("a", 10 + 10 * index), ("b", 60)):
            pixels = truth.copy()
            pixels[30:42, 50:62] = (pixels[30:42, 50:62].astype(int) + wrong).clip(0, 255)
            file = tmp_path / folder / f"p{index}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(file)
    return tmp_path


def test_the_sheet(here: Command, folders: Path) -> None:
    base = ("score", "a", "b", "-r", "truth", "-m", "psnr", "-p", "real-esrgan")
    ran = here(*base, "--figure", "sheet.png")
    assert ran.code == 0, ran.err
    assert "sheet.png written" in ran.err
    whole = round(CELL * 60 / 80)
    tall = GAP + LINE + whole + 2 * LINE + CELL + LINE + whole + LINE + whole + GAP
    sheet = np.asarray(Image.open(folders / "sheet.png"))
    assert sheet.shape == (3 * tall + GAP + LINE, GAP + 3 * (CELL + GAP), 3)  # the three worst, truth and two methods
    crop = sheet[GAP + LINE + whole + 2 * LINE :][:CELL, 2 * GAP + CELL : 2 * (GAP + CELL)]
    made = np.asarray(Image.open(folders / "a" / "p3.png"))
    box = worst_box(
        torch.from_numpy(np.abs(made.astype(float) - np.asarray(Image.open(folders / "truth/p3.png"))).mean(2)), 24
    )
    zoomed = np.asarray(
        Image.fromarray(made[box.top :][: box.height, box.left :][:, : box.width]).resize((CELL, CELL), 0)
    )
    assert np.array_equal(crop, zoomed)
    difference = sheet[GAP + LINE + whole + 2 * LINE + CELL + LINE :][:whole, 2 * GAP + CELL : 2 * (GAP + CELL)]
    bright = np.argwhere(difference.sum(2) > 100) * 80 / CELL
    assert 29 <= bright[:, 0].min() < bright[:, 0].max() <= 43
    assert 49 <= bright[:, 1].min() < bright[:, 1].max() <= 63
    one = here(*base, "--figure", "one.png", "--pictures", "p1")
    assert one.code == 0
    assert np.asarray(Image.open(folders / "one.png")).shape[0] == tall + GAP + LINE


def test_sheets_that_cannot_be_made(here: Command, folders: Path) -> None:
    (folders / "file").write_text("")
    told: dict[tuple[str, ...], str] = {
        ("a", "-m", "piqe", "--figure", "x.png"): "name its file or folder too",
        ("a", "truth", "--figure", "file/x.png", "-p", "plain"): "file",
        ("a", "truth", "--figure", "x.png", "-p", "plain", "--pictures", "p9"): "p9 was not measured",
        ("--explain", "sr-y", "plain", "a", "truth", "--figure", "x.png"): "ask for one",
    }
    for words, part in told.items():
        ran = here("score", *words)
        assert (ran.code, part in ran.err.splitlines()[-1]) == (2, True), (words, ran)
        assert one_line(ran.err.splitlines()[-1])
        assert not (folders / "x.png").exists()


def test_maps_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 3, 30, 40, generator=generator)
    made = truth.clone()
    made[:, :, 10:14, 20:24] += 0.3
    difference = difference_map(made, truth)
    assert difference.sum() == pytest.approx(0.3 * 16, rel=1e-4)
    box = worst_box(difference, 4)
    assert (box.left, box.top, box.width, box.height) == (20, 10, 4, 4)
    assert worst_box(difference, 100) == Box(0, 0, 40, 30)
    found = dissimilarity_map(made, truth)
    assert found.shape == (30, 40)
    inner = 1 - found[5:-5, 5:-5].double().mean()
    assert float(inner) == pytest.approx(float(ssim(luma(made), luma(truth))), abs=1e-6)
    shown = Shown("x", truth, {"m": made}, {})
    assert crop_of(shown, 4) == box
    assert make_sheet([shown]).pixels.dtype == np.uint8
