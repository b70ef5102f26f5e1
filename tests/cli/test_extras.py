"""What people ask for besides: self-ensemble, sizes, strength of denoising."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Command, one_line

Make = Callable[..., Path]


def test_self_ensemble_is_in_the_provenance(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    plain = here("upscale", "a.png", "--model", tiny, "--suffix", "_plain", "--json")
    turned = here("upscale", "a.png", "--model", tiny, "--self-ensemble", "--json")
    assert turned.code == 0, turned.err
    told = [json.loads(ran.out)["results"][0]["self_ensemble"] for ran in (plain, turned)]
    assert told == [False, True]
    assert (tmp_path / "a_plain.png").read_bytes() != (tmp_path / "a_x2.png").read_bytes()
    assert "self-ensemble" in here("info", "a_x2.png").out
    assert "self-ensemble" not in here("info", "a_plain.png").out


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("48x32", (48, 32)),
        ("60X60", (60, 40)),
        ("1000x30", (45, 30)),
        ("60x60!", (60, 60)),
        ("25x17", (25, 17)),
        ("380x256", (380, 253)),
    ],
)
def test_target_size(
    here: Command, tiny: Path, picture: Make, tmp_path: Path, asked: str, made: tuple[int, int]
) -> None:
    picture(tmp_path / "a.png", 24, 16)
    ran = here("upscale", "a.png", "--model", tiny, "--target-size", asked)
    assert (ran.code, ran.out) == (0, f"a_{asked.lower().rstrip('!')}.png\n"), ran.err
    with Image.open(tmp_path / "a_{}.png".format(asked.lower().rstrip("!"))) as image:
        assert image.size == made
    plan = here("upscale", "a.png", "--model", tiny, "--target-size", asked, "--suffix", "_p", "--dry-run", "--json")
    told = json.loads(plan.out)["results"][0]
    assert (told["width"], told["height"]) == made


def test_target_size_is_each_picture_s_own_scale(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "in/a.png", 24, 16)
    picture(tmp_path / "in/b.png", 10, 30)
    picture(tmp_path / "in/large.png", 90, 50)
    ran = here("upscale", "in", "-o", "out", "--model", tiny, "--target-size", "90x50", "--json")
    assert ran.code == 1
    results = {Path(result["input"]).name: result for result in json.loads(ran.out)["results"]}
    assert [(results[name]["width"], results[name]["height"]) for name in ("a.png", "b.png")] == [(75, 50), (17, 50)]
    assert "--target-size 90x50 is 1 times the picture of 90x50" in results["large.png"]["error"]


@pytest.mark.parametrize(
    "wrong", [["--target-size", "90"], ["--target-size", "0x5"], ["--target-size", "90x50", "--scale", "2"]]
)
def test_target_sizes_that_mean_nothing(here: Command, picture: Make, tmp_path: Path, wrong: list[str]) -> None:
    picture(tmp_path / "a.png")
    ran = here("upscale", "a.png", *wrong)
    assert ran.code == 2
    assert one_line(ran.err)
    assert "--target-size" in ran.err


def test_models_export(here: Command, tiny: Path, tmp_path: Path) -> None:
    ran = here("models", "export", tiny, "--format", "safetensors", "-o", "mine")
    assert (ran.code, ran.out) == (0, "mine.safetensors\n"), ran.err
    assert one_line(ran.err)
    assert ran.err.startswith("largest difference to torch 0.0e+00 (white is 1), on pictures of ")
    again = here("models", "export", tiny, "--format", "safetensors", "-o", "mine")
    assert (again.code, "--overwrite" in again.err) == (2, True)
    told = here("models", "export", tiny, "-f", "safetensors", "-o", "mine", "--overwrite", "--json")
    facts = json.loads(told.out)
    assert (facts["files"], facts["difference"], len(facts["sizes"])) == (["mine.safetensors"], 0, 4)
    wrong = here("models", "export", tiny, "--format", "onnx", "-o", "mine.safetensors")
    assert (wrong.code, "ends in .onnx" in wrong.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]
