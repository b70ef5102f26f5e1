"""``finesight matte`` and ``finesight trimap`` as people run them: files in, files out, read back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight import media
from finesight.media.clips import ClipWriter, Frame, inspect_clip, read_clip
from finesight.models.matting.trimap_unet import TrimapUnet
from finesight.train.state import save_weights

from .conftest import Command, one_line

SIZE = (48, 60)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = {"widths": [4, 4, 4, 4], "detail": 3, "dilations": [1], "first": "between"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TrimapUnet(widths=(4, 4, 4, 4), detail=3, dilations=(1,), first="between")
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(network, path, architecture="trimap-unet", arguments=arguments, card={})
    return path


def scene(folder: Path, name: str = "cat", *, depth: int = 8, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture ``NAME.png`` and its trimap ``NAME_trimap.png``; the classes' levels."""
    random = np.random.default_rng(len(name))
    most, dtype = (255, np.uint8) if depth == 8 else (65535, np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = random.integers(0, most + 1, (*size, 3)).astype(dtype)
    media.write(folder / f"{name}.png", media.Picture(pixels=pixels, depth=depth, dpi=(150.0, 150.0)))
    columns = np.arange(size[1])
    levels = np.where(columns < size[1] // 3, 0, np.where(columns < size[1] // 2, 128, 255))
    trimap = np.broadcast_to(levels, size).astype(np.uint8)
    Image.fromarray(trimap).save(folder / f"{name}_trimap.png")
    return trimap


@pytest.mark.parametrize("depth", [8, 16])
def test_alpha_is_written_as_the_trimap_says(
    installed: Command, here: Command, weights: Path, tmp_path: Path, depth: int
) -> None:
    trimap = scene(tmp_path, depth=depth)
    run = installed if depth == 8 else here
    ran = run("matte", "cat.png", "-t", "cat_trimap.png", "-m", weights, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    (result,) = json.loads(ran.out)["results"]
    assert result["output"] == "cat_alpha.png"
    assert (result["unknown"], result["computed"]) == (int((trimap == 128).sum()), 1)
    alpha = media.read(tmp_path / "cat_alpha.png")
    assert (alpha.depth, alpha.channels, alpha.alpha) == (depth, 1, None)
    assert alpha.dpi == pytest.approx((150, 150), abs=0.1)
    most = 255 if depth == 8 else 65535
    assert (alpha.pixels[:, :, 0][trimap == 0] == 0).all()
    assert (alpha.pixels[:, :, 0][trimap == 255] == most).all()


def test_cutouts_and_composites(here: Command, weights: Path, tmp_path: Path) -> None:
    trimap = scene(tmp_path)
    given = media.read(tmp_path / "cat.png").pixels
    ran = here("matte", "cat.png", "-t", "cat_trimap.png", "-m", weights, "--cutout", "-o", "cut.png", "--depth", "16")
    assert ran.code == 0, ran.err
    cut = media.read(tmp_path / "cut.png")
    assert cut.alpha is not None
    assert cut.depth == 16
    assert np.array_equal(cut.pixels[trimap == 255], given[trimap == 255].astype(np.uint16) * 257)
    ran = here("matte", "cat.png", "-t", "cat_trimap.png", "-m", weights, "--background", "#ff8000", "-o", "on.jpg")
    assert ran.code == 0, ran.err
    on = media.read(tmp_path / "on.jpg")
    assert on.alpha is None
    assert np.abs(on.pixels[:, :12].astype(int) - (255, 128, 0)).max() < 12
    media.write(tmp_path / "back.png", media.Picture(pixels=np.full((9, 9, 3), 77, np.uint8)))
    ran = here("matte", "cat.png", "-t", "cat_trimap.png", "-m", weights, "--background", "back.png")
    assert ran.code == 0, ran.err
    assert (media.read(tmp_path / "cat_composite.png").pixels[trimap == 0] == 77).all()


def test_folders_are_matched_by_name(here: Command, weights: Path, tmp_path: Path) -> None:
    for name in ("one", "three", "lonely"):
        scene(tmp_path / "in", name)
    (tmp_path / "marks").mkdir()
    for name in ("one", "three"):
        (tmp_path / "in" / f"{name}_trimap.png").rename(tmp_path / "marks" / f"{name}_trimap.png")
    (tmp_path / "in" / "lonely_trimap.png").unlink()
    ran = here("matte", "in", "-t", "marks", "-m", weights, "-o", "out")
    assert ran.code == 1
    assert "There is no trimap for in/lonely.png: marks holds no picture named lonely or lonely_trimap." in ran.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one_alpha.png", "three_alpha.png"]
    ran = here("matte", "in/one.png", "-t", "marks/*_trimap.png", "-m", weights, "-o", "again.png")
    assert ran.code == 0, ran.err
    assert (tmp_path / "again.png").read_bytes()


def test_nothing_unknown_is_said(here: Command, weights: Path, tmp_path: Path) -> None:
    trimap = scene(tmp_path)
    Image.fromarray(np.where(trimap == 128, 0, trimap).astype(np.uint8)).save(tmp_path / "cat_trimap.png")
    ran = here("matte", "cat.png", "-t", "cat_trimap.png", "-m", weights)
    assert ran.code == 0
    assert "has no unknown region: alpha is 0 and 255 as it says, and no network was used" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cat.png", "-t", "small.png"), r"The trimap small.png is 5x4, the picture 60x48. Add --resize-trimap"),
        (("cat.png", "-t", "none.png"), r"There is no trimap for cat.png: none.png does not exist."),
        (("cat.png", "-t", "grey.png"), r"is unknown everywhere: some background"),
        (("cat.png", "-t", "cat_trimap.png", "-o", "cat_trimap.png"), r"would replace its trimap"),
        (("cat.png", "-t", "cat_trimap.png", "--cutout", "-o", "a.jpg"), r"jpeg holds no transparency"),
        (("cat.png", "-t", "cat_trimap.png", "--cutout", "--background", "red"), r"exclude each other"),
        (("cat.png", "-t", "cat_trimap.png", "--background", "nothing.png"), r"neither a picture that exists nor"),
        (("cat.png", "-t", "cat_trimap.png", "--codec", "ffv1"), r"--codec is of clips"),
        (("cat.png", "-t", "cat_trimap.png", "-m", "finesight-x2"), r"finds no alpha \(task super-resolution\)"),
        (("cat.png", "-t", "cat_trimap.png", "-o", "there.png"), r"there.png exists already. Add --overwrite"),
        (("cat.png",), r"[Mm]issing option '?--trimap"),
    ],
)
def test_bad_input_is_one_line(
    here: Command, weights: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    scene(tmp_path)
    Image.fromarray(np.array([[0, 128, 255, 0, 0]] * 4, np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.full(SIZE, 128, np.uint8)).save(tmp_path / "grey.png")
    (tmp_path / "there.png").write_bytes(b"mine")
    model = () if "-m" in arguments else ("-m", weights)
    ran = here("matte", *arguments, *model)
    assert ran.code == 2
    assert one_line(ran.err)
    assert re.search(message, ran.err), ran.err
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    assert {p.name for p in tmp_path.iterdir()} == {"cat.png", "cat_trimap.png", "small.png", "grey.png", "there.png"}


def clip(path: Path, frames: int = 3) -> None:
    random = np.random.default_rng(0)
    with ClipWriter(path, width=SIZE[1], height=SIZE[0], rate=media.clips.parse_rate(10)) as out:
        for number in range(frames):
            pixels = random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
            out.write(Frame(pixels=pixels, time=media.clips.parse_rate(10) ** -1 * number))


@pytest.mark.parametrize(("target", "depth"), [("out.mov", 10), ("out.mkv", 8), ("frames", 8)])
def test_clips_frame_by_frame(here: Command, weights: Path, tmp_path: Path, target: str, depth: int) -> None:
    trimap = scene(tmp_path)
    clip(tmp_path / "in.mkv")
    ran = here("matte", "in.mkv", "-t", "cat_trimap.png", "-m", weights, "--cutout", "-o", target)
    assert ran.code == 0, ran.err
    if target == "frames":
        files = sorted((tmp_path / target).glob("*.png"))
        assert len(files) == 3
        alphas = [media.read(file).alpha for file in files]
    else:
        info = inspect_clip(tmp_path / target)
        assert info.alpha
        assert info.depth >= depth
        with read_clip(tmp_path / target) as back:
            alphas = [frame.alpha for frame in back]
    assert len(alphas) == 3
    for alpha in alphas:
        assert alpha is not None
        share = alpha.astype(np.float64) / np.iinfo(alpha.dtype).max
        assert share[trimap == 0].max() < 0.01
        assert share[trimap == 255].min() > 0.99


def test_clip_with_a_folder_of_trimaps(here: Command, weights: Path, tmp_path: Path) -> None:
    trimap = scene(tmp_path)
    clip(tmp_path / "in.mkv", frames=3)
    (tmp_path / "marks").mkdir()
    for number in range(3):
        Image.fromarray(np.roll(trimap, number * 4, 1)).save(tmp_path / "marks" / f"{number:03d}.png")
    ran = here("matte", "in.mkv", "-t", "marks", "-m", weights, "-o", "alphas")
    assert ran.code == 0, ran.err
    for number, file in enumerate(sorted((tmp_path / "alphas").glob("*.png"))):
        alpha = media.read(file).pixels[:, :, 0]
        marks = np.roll(trimap, number * 4, 1)
        assert (alpha[marks == 255] == 255).all()
        assert (alpha[marks == 0] == 0).all()
    (tmp_path / "marks" / "002.png").unlink()
    ran = here("matte", "in.mkv", "-t", "marks", "-m", weights, "-o", "fewer")
    assert ran.code == 1
    assert "marks ends after 2 frames, before in.mkv does." in ran.err
    assert not (tmp_path / "fewer").exists()
    ran = here("matte", "in.mkv", "-t", "marks", "-m", weights, "--cutout", "-o", "cut.mp4")
    assert ran.code == 2
    assert ".mp4 holds no transparency" in ran.err


def test_trimaps_are_made_from_masks(installed: Command, tmp_path: Path) -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:, 20:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    ran = installed("trimap", "mask.png", "--inside", "3", "--outside", "5", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    (result,) = json.loads(ran.out)["results"]
    assert (result["output"], result["unknown"]) == ("mask_trimap.png", 20 * 8)
    row = np.asarray(Image.open(tmp_path / "mask_trimap.png"))[7].tolist()
    assert row == [0] * 15 + [128] * 8 + [255] * 17


def test_trimaps_of_other_sources(here: Command, tmp_path: Path) -> None:
    scene(tmp_path)
    ran = here(
        "trimap", "cat.png", "--box", "10,10,30,20", "--unknown-box", "40,0,5,5", "--inside", "2", "--outside", "2",
        "-o", "boxed.png",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    boxed = np.asarray(Image.open(tmp_path / "boxed.png"))
    assert boxed[20].tolist() == [0] * 8 + [128] * 4 + [255] * 26 + [128] * 4 + [0] * 18
    assert (boxed[:5, 40:45] == 128).all()
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[:, 30:, 3] = 255
    pixels[:, 29, 3] = 100
    Image.fromarray(pixels).save(tmp_path / "cut.png")
    assert here("trimap", "cut.png", "--inside", "0", "--outside", "1").code == 0
    row = np.asarray(Image.open(tmp_path / "cut_trimap.png"))[3].tolist()
    assert row == [0] * 28 + [128] * 2 + [255] * 30
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(tmp_path / "full.png")
    ran = here("trimap", "full.png", "--invert", "-o", "none.png")
    assert "the trimap has no foreground" in ran.err
    ran = here("trimap", "full.png", "--box", "1,2,3")
    assert ran.code == 2
    assert one_line(ran.err)
    assert "--box: expected LEFT,TOP,WIDTH,HEIGHT in pixels" in ran.err
    assert "would blur the three levels" in here("trimap", "full.png", "-o", "a.jpg").err
