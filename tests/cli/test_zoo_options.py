"""LIIF at any scale, TTSR with its reference, DIC with landmarks and GLEAN, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import finesight
from finesight.errors import CancelledError
from finesight.run.faces import find_landmarks

from . import zoo
from .conftest import Command, one_line

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return zoo.save(tmp_path_factory.mktemp("zoo"))


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_liif_answers_at_any_scale(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    given = picture(tmp_path / "a.png", 21, 13)
    answer = here("upscale", "a.png", "--model", files["liif-edsr"], "--scale", "3.7", "--precision", "float32")
    assert (answer.code, answer.out) == (0, "a_x3.7.png\n"), answer.err
    network = finesight.load(files["liif-edsr"]).network
    with torch.inference_mode():
        image = torch.from_numpy(levels(given)).permute(2, 0, 1)[None] / 255
        expected = network(image, size=(48, 78))[0].permute(1, 2, 0)
    assert np.abs(levels(tmp_path / "a_x3.7.png") - expected.clamp(0, 1).numpy() * 255).max() <= 0.51
    assert here("upscale", "a.png", "--model", files["liif-edsr"]).out == "a_x4.png\n"


def test_liif_plans(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 21, 13)
    answer = here("upscale", "a.png", "--model", files["liif-edsr"], "--scale", "3.7", "--dry-run")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("a_x3.7.png  78 x 48 pixels by liif-edsr, about ")


def test_ttsr_takes_a_reference(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9, 7)
    picture(tmp_path / "b.png", 6, 8)
    picture(tmp_path / "ref ü.jpg", 31, 18)
    command = ("upscale", "a.png", "b.png", "--model", files["ttsr-gan-x4"], "--reference", "ref ü.jpg")
    answer = here(*command, "--precision", "float32", "--device", "cpu")
    assert (answer.code, answer.out) == (0, "a_x4.png\nb_x4.png\n"), answer.err
    expected = finesight.upscale(
        tmp_path / "a.png",
        model=files["ttsr-gan-x4"],
        reference=tmp_path / "ref ü.jpg",
        device="cpu",
        precision="float32",
    )
    assert np.array_equal(levels(tmp_path / "a_x4.png"), expected.pixels)
    assert "reference ref ü.jpg" in here("info", "a_x4.png").out


def test_a_reference_is_asked_for(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9, 7)
    answer = here("upscale", "a.png", "--model", files["ttsr-gan-x4"])
    assert answer.code == 2
    assert one_line(answer.err)
    assert "ttsr-gan-x4 takes details from a reference picture" in answer.err
    assert "--reference FILE" in answer.err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("liif-edsr", "liif-edsr takes no reference picture"),
        ("dic-x8", "dic-x8 takes no reference picture"),
        ("", "a reference needs a model that takes one"),
    ],
)
def test_a_reference_is_refused(
    here: Command, files: dict[str, Path], picture: Make, tmp_path: Path, model: str, message: str
) -> None:
    picture(tmp_path / "a.png", 16, 16)
    chosen = ("--model", files[model]) if model else ()
    answer = here("upscale", "a.png", *chosen, "--reference", "a.png")
    assert answer.code == 2
    assert one_line(answer.err)
    assert message in answer.err


def test_a_missing_reference_is_told(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9, 7)
    answer = here("upscale", "a.png", "--model", files["ttsr-gan-x4"], "--reference", "none.jpg")
    assert (answer.code, one_line(answer.err)) == (2, True)
    assert "none.jpg does not exist" in answer.err


def test_faces_with_landmarks(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 16, 16)
    picture(tmp_path / "large.png", 32, 24)
    command = ("upscale", "a.png", "large.png", "b.png", "--model", files["dic-x8"], "--landmarks", "new/out.json")
    answer = here(*command, "--json")
    assert answer.code == 1
    assert "dic-x8 takes pictures of exactly 16 x 16 pixels, this one has 32 x 24" in answer.err
    content = json.loads((tmp_path / "new" / "out.json").read_text(encoding="utf-8"))
    assert [(r["input"], r["output"], r["width"], r["height"]) for r in content["results"]] == [
        ("a.png", "a_x8.png", 128, 128),
        ("b.png", "b_x8.png", 128, 128),
    ]
    expected = find_landmarks(tmp_path / "a.png", finesight.load(files["dic-x8"]))
    assert np.allclose(content["results"][0]["landmarks"], expected, atol=0.006)
    assert json.loads(answer.out)["results"][0]["landmarks"] == content["results"][0]["landmarks"]

    again = here(*command, "--skip-existing")
    assert again.code == 2
    assert "new/out.json exists already" in again.err
    assert here(*command, "--overwrite").code == 1


def test_landmarks_of_what_was_done_are_kept(
    here: Command, files: dict[str, Path], picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finesight.cli import enlarge, working

    work = enlarge.enlarge

    def stopped_at_b(order: enlarge.Order, *others: Any) -> dict[str, Any]:
        if order.job.item.source == "b.png":
            raise CancelledError("stopped")
        return work(order, *others)

    monkeypatch.setattr(working, "enlarge", stopped_at_b)
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 16, 16)
    answer = here("upscale", "a.png", "b.png", "-m", files["dic-x8"], "--landmarks", "out.json")
    assert "Stopped. Done: 1. Left: 1." in answer.err
    found = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [result["input"] for result in found] == ["a.png"]


def test_landmarks_at_another_scale(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 16, 16)
    assert here("upscale", "a.png", "-m", files["dic-x8"], "--scale", "4", "--landmarks", "out.json").code == 0
    found = json.loads((tmp_path / "out.json").read_text())["results"][0]
    assert (found["width"], found["height"]) == (64, 64)
    expected = find_landmarks(tmp_path / "a.png", finesight.load(files["dic-x8"])) / 2
    assert np.allclose(found["landmarks"], expected, atol=0.006)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "liif-edsr", "--landmarks", "out.json"), "liif-edsr finds none"),
        (("--landmarks", "out.json"), "no model is given"),
        (("--model", "dic-x8", "--landmarks", "a.png"), "is an input or a result"),
        (("--model", "dic-x8", "--landmarks", "a_x8.png", "--overwrite"), "is an input or a result"),
        (("--model", "dic-x8", "--landmarks", "."), "is a folder"),
        (("--model", "dic-x8", "--landmarks", "-"), "needs the name of a file"),
        (("--model", "dic-x8", "--landmarks", "a.png/out.json"), "a.png is a file"),
        (("--model", "dic-x8", "--scale", "9"), "scale 9 is out of its reach"),
        (("--model", "dic-x8", "--wrap"), "without frame"),
    ],
)
def test_what_cannot_work_with_faces(
    here: Command, files: dict[str, Path], picture: Make, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    picture(tmp_path / "a.png", 16, 16)
    answer = here("upscale", "a.png", *(files.get(option, option) for option in options))
    assert answer.code in (1, 2)
    assert one_line(answer.err), answer.err
    assert message in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_glean_takes_one_size(here: Command, files: dict[str, Path], picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 8, 8, "RGBA")
    picture(tmp_path / "grey.png", 8, 8, "L")
    picture(tmp_path / "b.png", 8, 9)
    answer = here("upscale", "a.png", "grey.png", "--model", files["glean-ffhq-16x"])
    assert (answer.code, answer.out) == (0, "a_x4.png\ngrey_x4.png\n"), answer.err
    assert levels(tmp_path / "a_x4.png").shape == (32, 32, 4)
    assert levels(tmp_path / "grey_x4.png").shape == (32, 32)
    refused = here("upscale", "b.png", "--model", files["glean-ffhq-16x"])
    assert refused.code == 2
    assert one_line(refused.err)
    assert "takes pictures of exactly 8 x 8 pixels, this one has 8 x 9" in refused.err
