"""``finesight inpaint`` as people run it: files in, files out, read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight import media
from finesight.models.inpainting.rayfill import RayFill
from finesight.train.state import save_weights

from .conftest import Command, one_line

SIZE = (48, 60)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = {"widths": [4, 6, 8], "dilations": [1, 2], "sweeps": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = RayFill(widths=(4, 6, 8), dilations=(1, 2), sweeps=4)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(network, path, architecture="rayfill", arguments=arguments, card={})
    return path


def picture(path: Path, *, alpha: bool = False, seed: int = 0, depth: int = 8) -> np.ndarray:
    random = np.random.default_rng(seed)
    top = 256 if depth == 8 else 65536
    pixels = random.integers(0, top, (*SIZE, 3)).astype(np.uint8 if depth == 8 else np.uint16)
    opacity = None
    if alpha:
        opacity = np.full(SIZE, top - 1, pixels.dtype)
        opacity[10:20, 10:30] = 0
        pixels[10:20, 10:30] = 7
    path.parent.mkdir(parents=True, exist_ok=True)
    media.write(path, media.Picture(pixels, opacity, depth, dpi=(300, 300)))  # type: ignore[arg-type]
    return pixels


def mask(path: Path, size: tuple[int, int] = SIZE, value: int = 255) -> np.ndarray:
    hole = np.zeros(size, bool)
    hole[5:17, 20:41] = True
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(hole.astype(np.uint8) * value).save(path)
    return hole


def test_the_installed_command_fills_a_hole_and_nothing_else(installed: Command, weights: Path, tmp_path: Path) -> None:
    before = picture(tmp_path / "ä photo.png", depth=16)
    hole = mask(tmp_path / "mask.png")
    ran = installed("inpaint", "ä photo.png", "--mask", "mask.png", "--model", weights, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)["results"][0]
    assert told["missing"] == hole.sum()
    assert told["holes"] == 1
    assert told["model"] == "tiny"
    assert told["weights"]
    after = media.read(tmp_path / "ä photo_filled.png")
    assert after.depth == 16
    assert after.dpi == pytest.approx((300, 300), abs=0.1)
    assert np.array_equal(after.pixels[~hole], before[~hole])
    assert not np.array_equal(after.pixels[hole], before[hole])
    assert after.xmp is not None
    assert b"inpaint" in after.xmp


def test_masks_from_alpha_colours_and_boxes(here: Command, weights: Path, tmp_path: Path) -> None:
    before = picture(tmp_path / "a.png", alpha=True)
    hole = np.zeros(SIZE, bool)
    hole[10:20, 10:30] = True
    ways = {
        "alpha": ["--mask", "alpha"],
        "colour": ["--mask-color", "#070707"],
        "numbers": ["--mask-color", "8,8,8", "--tolerance", "1"],
        "box": ["--mask-box", "10,10,20,10"],
        "boxes": ["--mask-box", "10,10,20,4", "--mask-box", "10,14,20,6"],
    }
    for name, options in ways.items():
        ran = here("inpaint", "a.png", *options, "-m", weights, "-o", f"{name}.png")
        assert ran.code == 0, ran.err
        after = media.read(tmp_path / f"{name}.png")
        assert np.array_equal(after.pixels[~hole], before[~hole])
        assert (after.pixels[hole] != 7).any()
        assert after.alpha is not None
        assert (after.alpha[~hole] == 255).all()
        assert (after.alpha[hole] == (255 if name == "alpha" else 0)).all()


def test_folders_are_matched_by_name_and_missing_pairs_are_told(here: Command, weights: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "b.webp", "sub/c.png")):
        picture(tmp_path / "photos" / name, seed=number)
    mask(tmp_path / "masks" / "a.png")
    mask(tmp_path / "masks" / "sub" / "c_mask.png")
    ran = here("inpaint", "photos", "--mask", "masks", "-m", weights, "-o", "out")
    assert ran.code == 1
    assert "There is no mask for photos/b.webp: masks holds no picture named b or b_mask." in ran.err
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png")) == [
        "a_filled.png",
        "sub/c_filled.png",
    ]


def test_patterns_and_one_mask_for_many(here: Command, weights: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
        mask(tmp_path / "m" / f"{name}-hole.png")
    assert here("inpaint", "a.png", "b.png", "--mask", "m/*-hole.png", "-m", weights, "-o", "one").code == 0
    assert here("inpaint", "a.png", "b.png", "--mask", "m/a-hole.png", "-m", weights, "-o", "two").code == 0
    for folder in ("one", "two"):
        assert len(list((tmp_path / folder).iterdir())) == 2
    ran = here("inpaint", "a.png", "--mask", "m/*-no.png", "-m", weights)
    assert ran.code == 2
    assert one_line(ran.err)
    assert "m/a-no.png does not exist" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing says what is missing"),
        (["--mask", "small.png"], "30x24, its picture 60x48"),
        (["--mask", "full.png"], "marks the whole picture"),
        (["--mask", "broken.png"], "broken.png"),
        (["--mask", "none.png"], "none.png does not exist"),
        (["--mask", "alpha"], "the picture has none"),
        (["--mask-color", "red"], "six hexadecimal digits"),
        (["--mask-box", "1,2,3"], "LEFT,TOP,WIDTH,HEIGHT"),
        (["--mask-box", "99,2,3,4"], "holds no pixel of a picture of 60x48"),
        (["--invert", "--mask-box", "1,2,3,4"], "--invert"),
        (["--mask", "mask.png", "-m", "finesight-x2"], "does not fill holes"),
        (["--mask", "mask.png", "-o", "mask.png", "--overwrite"], "would replace its mask"),
    ],
)
def test_one_clear_line_for_each_mistake(
    here: Command, weights: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    picture(tmp_path / "a.png")
    mask(tmp_path / "mask.png")
    mask(tmp_path / "small.png", (24, 30))
    Image.new("L", SIZE[::-1], 255).save(tmp_path / "full.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "mask.png").read_bytes()[:40])
    if "-m" not in arguments:
        arguments = [*arguments, "-m", str(weights)]
    before = sorted(tmp_path.iterdir())
    ran = here("inpaint", "a.png", *arguments)
    assert ran.code != 0
    assert one_line(ran.err)
    assert message in ran.err
    assert sorted(tmp_path.iterdir()) == before


def test_empty_masks_copy_the_file_and_say_so(here: Command, weights: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=60)
    Image.new("L", SIZE[::-1], 0).save(tmp_path / "none.png")
    ran = here("inpaint", "a.jpg", "--mask", "none.png", "-m", weights)
    assert ran.code == 0
    assert "marks nothing" in ran.err
    assert (tmp_path / "a_filled.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert here("inpaint", "a.jpg", "--mask", "none.png", "-m", weights, "-o", "b.png").code == 0
    assert np.array_equal(media.read(tmp_path / "b.png").pixels, media.read(tmp_path / "a.jpg").pixels)


def test_inverted_masks_are_suspected_and_turned_round(here: Command, weights: Path, tmp_path: Path) -> None:
    before = picture(tmp_path / "a.png")
    hole = np.ones(SIZE, bool)
    hole[:2] = False
    Image.fromarray(hole.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    ran = here("inpaint", "a.png", "--mask", "mask.png", "-m", weights)
    assert ran.code == 0
    assert "96% of the picture" in ran.err
    assert "--invert" in ran.err
    ran = here("inpaint", "a.png", "--mask", "mask.png", "--invert", "-m", weights, "--overwrite")
    assert ran.code == 0
    assert "96%" not in ran.err
    assert np.array_equal(media.read(tmp_path / "a_filled.png").pixels[2:], before[2:])


def test_results_that_exist_stay_unless_asked(here: Command, weights: Path, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    mask(tmp_path / "mask.png")
    (tmp_path / "a_filled.png").write_text("mine")
    ran = here("inpaint", "a.png", "--mask", "mask.png", "-m", weights)
    assert ran.code == 2
    assert "exists already" in ran.err
    assert here("inpaint", "a.png", "--mask", "mask.png", "-m", weights, "--skip-existing").code == 0
    assert (tmp_path / "a_filled.png").read_text() == "mine"
    assert here("inpaint", "a.png", "--mask", "mask.png", "-m", weights, "--overwrite").code == 0
    assert media.read(tmp_path / "a_filled.png").width == 60
