"""``finesight upscale`` on many pictures: together, on several devices, with what went where at the end."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import COMMAND, Command

Make = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 small pictures of one size, some of other kinds, and one that is damaged."""
    made = tmp_path / "in"
    made.mkdir()
    random = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(random.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(made / f"p{number:02}.png")
    Image.fromarray(random.integers(0, 256, (24, 20), dtype=np.uint8)).save(made / "grey.png")
    Image.fromarray(random.integers(0, 256, (24, 20, 4), dtype=np.uint8)).save(made / "clear.png")
    Image.fromarray(random.integers(0, 256, (40, 31, 3), dtype=np.uint8)).save(made / "other.png")
    (made / "bad.png").write_bytes((made / "p01.png").read_bytes()[:700])
    return made


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_many_small_pictures(here: Command, tiny: Path, folder: Path, tmp_path: Path, device: str) -> None:
    answer = here("upscale", "in", "-o", "out", "--model", tiny, "--precision", "float32", "--device", device, "--json")
    assert answer.code == 1, answer.err
    told = json.loads(answer.out)["results"]
    good = {Path(one["input"]).name: one for one in told if "error" not in one}
    assert len(good) == 63
    assert [Path(one["input"]).name for one in told if "error" in one] == ["bad.png"]
    assert "1 of 64 pictures failed" in answer.err
    for name in ("p00.png", "p37.png", "p59.png", "grey.png", "clear.png", "other.png"):
        alone = tmp_path / f"alone_{name}"
        command = ("upscale", folder / name, "-o", alone, "--model", tiny, "--precision", "float32", "--device", "cpu")
        assert here(*command).code == 0
        assert np.array_equal(pixels(tmp_path / good[name]["output"]), pixels(alone)), name
        assert good[name]["network"] > 0
        assert good[name]["preparing"] >= 0


def test_where_the_time_went(here: Command, tiny: Path, folder: Path, tmp_path: Path) -> None:
    (folder / "bad.png").unlink()
    answer = here("upscale", "in", "-o", "out", "--model", tiny, "--device", "cpu", "--profile", "--quiet")
    assert (answer.code, answer.out) == (0, "")
    rows = re.findall(r"^ *([\d.]+) s +(\d+)%  (.+)$", answer.err, re.MULTILINE)
    names = [name for _, _, name in rows]
    assert names[-1].startswith("in all")
    for name in ("starting", "loading weights", "reading", "computing", "- inside networks", "writing"):
        assert name in names
    seconds = {name: float(number) for number, _, name in rows}
    assert seconds["- inside networks"] <= seconds["computing"] <= seconds[names[-1]] + 0.02
    assert len(list((tmp_path / "out").iterdir())) == 63


def test_unknown_devices_are_named(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    answer = here("upscale", "a.png", "--model", tiny, "--device", "cpu,tpu")
    assert answer.code == 2
    assert "got 'tpu'" in answer.err


def test_killed_between_pictures_and_done_again(
    environment: dict[str, str], here: Command, tiny: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.png").unlink()
    command = [COMMAND, "upscale", "in", "-o", "out", "--model", tiny, "--device", "cpu"]
    out = tmp_path / "out"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (out.is_dir() and any(out.iterdir())):
            time.sleep(0.005)
        process.kill()
    for path in out.glob("[!.]*"):
        assert pixels(path).shape[:2] in ((48, 40), (80, 62))
    assert here("upscale", "in", "-o", "out", "--model", tiny, "--device", "cpu", "--skip-existing").code == 0
    assert len(list(out.glob("[!.]*.png"))) == 63
