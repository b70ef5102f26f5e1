"""The commands that measure, as installed, each in a process of its own; their mistakes are one line too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Command, one_line


@pytest.fixture
def desk(tmp_path: Path, picture: Callable[..., Path], tiny: Path) -> Path:
    truth = np.asarray(Image.open(picture(tmp_path / "Größe 1" / "GT" / "baby.png", 48, 36)))
    (tmp_path / "made").mkdir()
    Image.fromarray(np.where(truth > 128, truth - 6, truth + 6).astype(np.uint8)).save(
        tmp_path / "made" / "baby_x2.png"
    )
    (tmp_path / "tiny.safetensors").write_bytes(tiny.read_bytes())
    (tmp_path / "games.csv").write_text("first,second,preferred\na,b,a\n")
    return tmp_path


def test_evaluate_and_report(installed: Command, desk: Path) -> None:
    ran = installed("evaluate", "tiny.safetensors", "--data", "Größe 1", "-p", "sr-y", "--json", cwd=desk)
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)["models"]
    assert (found["model"], found["on"], found["scale"]) == ("tiny", "Größe 1", 2)
    assert found["measured"]["psnr"] > 0
    ran = installed(
        "report", "made", "-r", "Größe 1/GT", "-p", "sr-rgb", "-o", "seite ü.html", "--metric", "psnr", cwd=desk
    )
    assert ran.code == 0, ran.err
    assert f"{20 * np.log10(255 / 6):.2f}" in (desk / "seite ü.html").read_text(encoding="utf-8")
    ran = installed("score", "made", "Größe 1/GT", "-p", "sr-rgb", "--figure", "sheet.png", "-q", cwd=desk)
    assert ran.code == 0, ran.err
    assert Image.open(desk / "sheet.png").mode == "RGB"
    assert not list(desk.rglob("*.part"))


def test_judge(installed: Command, desk: Path) -> None:
    ran = installed("judge", "elo", "games.csv", "--json", cwd=desk)
    assert [one["elo"] for one in json.loads(ran.out)["ratings"]] == [1408, 1392]
    ran = installed("judge", "metrics", "games.csv", cwd=desk)
    assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True)
