"""``finesight plot`` as it is installed: pictures that show what the logs hold."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.cli.app import run

from .conftest import Command

BLUE = np.array([0x1F, 0x6F, 0xEB])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, values in (("first run", (4.0, 2.0, 1.0)), ("<b>", (3.0, 1.5, 0.5))):
        (tmp_path / name).mkdir()
        lines = [
            f'{{"step": {100 * i}, "loss": {v}, "psnr": {30 + i if i > 1 else "null"}}}' for i, v in enumerate(values)
        ]
        (tmp_path / name / "log.jsonl").write_text("\n".join(lines) + '\n{"step": 300, "lo')  # killed while writing
    return tmp_path


def test_svg_holds_every_point_of_every_run(installed: Command, runs: Path) -> None:
    ran = installed("plot", "first run", "<b>", "-o", "a.svg", cwd=runs)
    assert (ran.code, ran.out.strip()) == (0, "a.svg"), ran.err
    text = (runs / "a.svg").read_text()
    assert "first run" in text
    assert "&lt;b&gt;" in text
    curves = re.findall(r'points="([^"]+)" fill="none" stroke="#(?:1f6feb|d1242f)" stroke-width="2"', text)
    places = [[tuple(map(float, point.split(","))) for point in curve.split()] for curve in curves]
    assert [len(curve) for curve in places] == [3, 3, 2, 2], "loss of both, then psnr of both (one value: a dash)"
    (x0, y0), (x1, y1), (x2, y2) = places[0]
    assert x2 - x1 == pytest.approx(x1 - x0, abs=0.02)
    assert (y1 - y0) / (y2 - y1) == pytest.approx(2, abs=0.01), "4 -> 2 falls twice as far as 2 -> 1"
    assert places[1][0][1] > y0, "a smaller value is lower"


def test_png_shows_the_curve(installed: Command, runs: Path) -> None:
    ran = installed("plot", "first run", "-c", "loss", "-o", "a.png", cwd=runs)
    assert ran.code == 0, ran.err
    pixels = np.asarray(Image.open(runs / "a.png").convert("RGB")).astype(int)
    assert pixels.shape == (260, 760, 3)
    blue = np.abs(pixels - BLUE).max(2) < 40
    rows = [np.nonzero(blue[40:, column])[0].mean() for column in (120, 400, 700)]
    assert rows == sorted(rows), "the loss falls"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first run", "-c", "pnsr"), "Did you mean psnr"),
        (("nothing",), "not the folder of a run"),
        (("first run", "-o", "a.gif"), ".svg or .png"),
    ],
)
def test_what_cannot_be_drawn(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(runs)
    assert run(["plot", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(runs.glob("*.svg"))
