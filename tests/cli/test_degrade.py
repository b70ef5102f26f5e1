"""``finesight degrade``: the same seed and the same parameters give the identical picture, wherever it stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.degrade.resize import resize_8bit

from .conftest import Command, one_line


@pytest.fixture
def textured() -> Callable[..., Path]:
    def make(path: Path, width: int = 48, height: int = 32, mode: str = "RGB", seed: int = 0) -> Path:
        size = (height, width, 4 if mode == "RGBA" else 3)
        values = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).convert(mode).save(path)
        return path

    return make


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    "degradation", ["real-esrgan", "real-esrgan-mmediting", "bsrgan", "hggt", "first-order", "bicubic", "test-bicubic"]
)
def test_the_same_seed_gives_the_identical_picture(
    here: Command, textured: Callable[..., Path], tmp_path: Path, degradation: str
) -> None:
    textured(tmp_path / "a.png")
    for name in ("one.png", "two.png"):
        ran = here("degrade", "a.png", "-o", name, "--degradation", degradation, "--seed", "3")
        assert (ran.code, ran.out.strip()) == (0, name), ran.err
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert one.shape == (8, 12, 3)
    assert np.array_equal(one, two)
    assert here("degrade", "a.png", "-o", "other.png", "--degradation", degradation, "--seed", "4").code == 0
    assert np.array_equal(one, pixels(tmp_path / "other.png")) == ("bicubic" in degradation)


def test_order_and_other_pictures_do_not_matter(here: Command, textured: Callable[..., Path], tmp_path: Path) -> None:
    for number, name in enumerate(("in/a.png", "in/b.png", "in/more/a.png", "other/z.png")):
        textured(tmp_path / name, seed=0 if name.endswith("a.png") else number)
    assert here("degrade", "in", "-o", "all").code == 0
    assert here("degrade", "other", "in", "-o", "both").code == 0
    assert here("degrade", "in/b.png", "in/a.png", "-o", "turned").code == 0
    for name in ("a_low.png", "b_low.png"):
        expected = pixels(tmp_path / "all" / name)
        assert np.array_equal(expected, pixels(tmp_path / "both" / "in" / name))
        assert np.array_equal(expected, pixels(tmp_path / "turned" / name))
    same_name = pixels(tmp_path / "all" / "more" / "a_low.png")
    assert not np.array_equal(same_name, pixels(tmp_path / "all" / "a_low.png")), "another place, another degradation"


@pytest.mark.parametrize(
    "degradation",
    ["real-esrgan", "real-esrgan-mmediting", "bsrgan", "first-order", "test-blur2-bicubic-noise20-jpeg50"],
)
def test_recorded_parameters_give_the_identical_picture(
    here: Command, textured: Callable[..., Path], tmp_path: Path, degradation: str
) -> None:
    textured(tmp_path / "a.png")
    arguments = ("--degradation", degradation, "--scale", "2", "--count", "3", "--save-parameters", "--json")
    ran = here("degrade", "a.png", "-o", "out", *arguments)
    assert ran.code == 0, ran.err
    results = json.loads(ran.out)["results"]
    assert [Path(result["output"]).name for result in results] == ["a_low_1.png", "a_low_2.png", "a_low_3.png"]
    for result in results:
        saved = json.loads((tmp_path / result["parameters_file"]).read_text())
        assert saved == {key: result[key] for key in ("degradation", "scale", "parameters")}
        again = here("degrade", "a.png", "-o", "again.png", "--parameters", result["parameters_file"], "--overwrite")
        assert again.code == 0, again.err
        assert np.array_equal(pixels(tmp_path / "again.png"), pixels(tmp_path / result["output"]))
    assert not np.array_equal(*(pixels(tmp_path / result["output"]) for result in results[:2]))


def test_a_second_run_leaves_its_results_alone(here: Command, textured: Callable[..., Path], tmp_path: Path) -> None:
    textured(tmp_path / "in" / "a.png")
    assert here("degrade", "in", "--count", "2").code == 0
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "in").iterdir()}
    assert sorted(before) == ["a.png", "a_low_1.png", "a_low_2.png"]
    refused = here("degrade", "in", "--count", "2")
    assert refused.code == 2
    assert "--skip-existing" in refused.err
    assert here("degrade", "in", "--count", "2", "--skip-existing").code == 0
    assert before == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "in").iterdir()}


def test_bicubic_is_exactly_matlab_s(here: Command, textured: Callable[..., Path], tmp_path: Path) -> None:
    source = pixels(textured(tmp_path / "a.png"))
    assert here("degrade", "a.png", "-o", "low.png", "--degradation", "bicubic").code == 0
    expected = resize_8bit(torch.from_numpy(source.copy()).permute(2, 0, 1), scale=0.25).permute(1, 2, 0).numpy()
    assert np.array_equal(pixels(tmp_path / "low.png"), expected)


def test_all_kinds_of_pictures(here: Command, textured: Callable[..., Path], tmp_path: Path) -> None:
    textured(tmp_path / "grey.png", mode="L")
    textured(tmp_path / "alpha.png", mode="RGBA")
    deep = np.random.default_rng(0).integers(0, 65536, (16, 24), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    textured(tmp_path / "odd.png", 21, 18)
    for degradation, modes in (
        ("real-esrgan", ("RGB", "RGBA", "RGB")),
        ("bicubic", ("L", "RGBA", "I;16")),
    ):
        names = [f"{name}.png" for name in ("grey", "alpha", "deep", "odd")]
        ran = here("degrade", *names, "-o", degradation, "--degradation", degradation)
        assert ran.code == 0, ran.err
        assert "odd.png: cropped to 20 x 16" in ran.err
        for name, mode in zip(("grey", "alpha", "deep"), modes, strict=True):
            with Image.open(tmp_path / degradation / f"{name}_low.png") as image:
                assert image.mode == mode
        with Image.open(tmp_path / degradation / "odd_low.png") as image:
            assert image.size == (5, 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--parameters", "none.json"), "none.json cannot be read"),
        (("--parameters", "typo.json"), "typo.json: the record: unknown key 'sale'. Did you mean scale?"),
        (("--parameters", "typo.json", "--seed", "3"), "leave out --seed"),
        (("--count", "2", "-o", "one.png"), "Give a folder"),
        (("--degradation", "real-esrgn"), "real-esrgan"),
        (("--scale", "0"), "scale"),
        (("--overwrite", "--skip-existing"), "exclude each other"),
        (("-o", "-", "--json"), "--json and a picture"),
        (("-o", "-", "--save-parameters"), "beside the result"),
        (("-o", "a.png"), "never overwritten"),
        (("--scale", "16", "-o", "x.png"), "nothing is left"),
    ],
)
def test_what_cannot_work_is_one_line_and_writes_nothing(
    here: Command, textured: Callable[..., Path], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    textured(tmp_path / "a.png", 12, 12)
    (tmp_path / "typo.json").write_text('{"degradation": "bicubic", "sale": 4, "parameters": null}')
    ran = here("degrade", "a.png", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert one_line(ran.err), ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "typo.json"]


def test_one_bad_picture_does_not_stop_the_others(here: Command, textured: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    textured(tmp_path / "good.png")
    ran = here("degrade", "bad.png", "good.png", "missing.png", "-o", "out")
    assert ran.code == 1
    assert ran.out.strip() == str(Path("out") / "good_low.png")
    assert "2 of 3 pictures failed" in ran.err
