"""``finesight score`` of clips: video files and folders of frames, metrics of motion, lengths and times."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import Command, one_line

FRAMES = 4


def moving(index: int, noise: int = 0) -> np.ndarray:
    """A square that goes right by two pixels a frame over a slope, (56, 64, 3)."""
    rows, columns = np.indices((56, 64))
    pixels = np.stack([40 + rows, 60 + columns, 200 - rows - columns // 2], axis=-1)
    pixels[16:40, 10 + 2 * index : 34 + 2 * index] = (220, 90, 40)
    random = np.random.default_rng(index)
    return (pixels + random.integers(-noise, noise + 1, pixels.shape)).clip(0, 255).astype(np.uint8)


def write_clip(path: Path, *, noise: int = 0, count: int = FRAMES, rate: int = 25) -> Path:
    from finesight.media.clips import ClipWriter, Frame

    path.parent.mkdir(parents=True, exist_ok=True)
    # lossless, and RGB as it is
    with ClipWriter(path, width=64, height=56, rate=Fraction(rate), codec="ffv1", pixel_format="bgr0") as writer:
        for index in range(count):
            writer.write(Frame(moving(index, noise), Fraction(index, rate), Fraction(1, rate)))
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    write_clip(tmp_path / "truth" / "walk.mkv")
    write_clip(tmp_path / "made" / "walk_x2.mkv", noise=6)
    write_clip(tmp_path / "worse" / "walk_x2.mkv", noise=20)
    for index in range(FRAMES):
        for folder, noise in (("frames", 6), ("frames_truth", 0)):
            file = tmp_path / folder / f"{index:04d}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(moving(index, noise)).save(file)
    return tmp_path


def expected_psnr(noise: int) -> list[float]:
    answer = []
    for index in range(FRAMES):
        error = moving(index, noise).astype(float) - moving(index).astype(float)
        answer.append(10 * np.log10(255**2 / (error**2).mean()))
    return answer


def test_a_clip_against_another(here: Command, clips: Path) -> None:
    from finesight.metrics.temporal import tof

    base = ("score", "made/walk_x2.mkv", "truth/walk.mkv", "-p", "real-esrgan", "-m", "psnr,tof", "--json")
    ran = here(*base)
    assert ran.code == 0, ran.err
    images = json.loads(ran.out)["images"]
    assert [image["name"] for image in images] == [f"walk {index:06d}" for index in range(FRAMES)]
    assert [image["psnr"] for image in images] == pytest.approx(expected_psnr(6), abs=1e-3)
    assert images[0]["tof"] is None  # nothing moved yet
    made, truth = (
        torch.from_numpy(np.stack([moving(i, n) for i in range(FRAMES)])).permute(0, 3, 1, 2) / 255 for n in (6, 0)
    )
    assert [image["tof"] for image in images[1:]] == pytest.approx(tof(made, truth).tolist(), rel=1e-4)
    assert "tOF: 1 without a value (walk 000000) not in the mean" in ran.err
    frames = json.loads(here("score", "frames", "frames_truth", *base[3:]).out)
    assert [image["tof"] for image in frames["images"][1:]] == pytest.approx([i["tof"] for i in images[1:]], rel=1e-4)
    mixed = json.loads(here("score", "made/walk_x2.mkv", "frames_truth", *base[3:]).out)
    assert mixed["mean"]["psnr"] == pytest.approx(frames["mean"]["psnr"], abs=1e-3)


def test_folders_of_clips_and_several_methods(here: Command, clips: Path) -> None:
    base = ("score", "made", "worse", "-r", "truth", "-p", "vid4-y", "-m", "psnr")
    found = json.loads(here(*base, "--json").out)
    assert found["best"] == {"psnr": ["made"]}
    assert found["methods"]["made"]["images"][0]["clip"] == "walk"
    assert "mean over clips of the mean over frames" in here(*base).out
    matches = json.loads(here(*base, "--dry-run", "--json").out)["matches"]
    assert [(m["method"], m["restored"], m["reference"]) for m in matches] == [
        ("made", "made/walk_x2.mkv", "truth/walk.mkv"),
        ("worse", "worse/walk_x2.mkv", "truth/walk.mkv"),
    ]
    middle = json.loads(here("score", "made", "truth", "-p", "vimeo-t", "-m", "psnr", "--json").out)
    assert [image["name"] for image in middle["images"]] == ["walk 000002"]


def test_clips_that_do_not_fit(here: Command, clips: Path) -> None:
    write_clip(clips / "short.mkv", count=3)
    write_clip(clips / "slow.mkv", rate=20)
    write_clip(clips / "more" / "other.mkv")
    (clips / "text.mkv").write_text("no clip")
    told: dict[tuple[str, ...], str] = {
        ("short.mkv", "truth/walk.mkv"): "short.mkv ends after 3 frames, truth/walk.mkv goes on",
        ("truth/walk.mkv", "short.mkv"): "short.mkv ends after 3 frames",
        ("slow.mkv", "truth/walk.mkv"): "frame 3 of slow.mkv is at 0.150 s, that of truth/walk.mkv at 0.120 s",
        ("text.mkv", "truth/walk.mkv"): "text.mkv",
        ("nowhere.mkv", "truth/walk.mkv"): "nowhere.mkv does not exist",
        ("made/walk_x2.mkv",): "psnr compares with a reference",
        ("made/walk_x2.mkv", "truth/walk.mkv", "--mask", "truth"): "--mask is for pictures",
    }
    for words, part in told.items():
        ran = here("score", *words, "-m", "psnr", "-p", "real-esrgan")
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), (words, ran)
        assert part in ran.err, (words, ran.err)
    ran = here("score", "--explain", "sr-y", "sr-rgb", "made/walk_x2.mkv", "truth/walk.mkv", "-m", "psnr")
    assert (ran.code, one_line(ran.err), "not clips" in ran.err) == (2, True, True)
    picture = here("score", "frames/0000.png", "frames_truth/0000.png", "-m", "tof", "-p", "plain")
    assert (picture.code, one_line(picture.err), "compares motion" in picture.err) == (2, True, True)
    ran = here("score", "made", "more", "-m", "psnr", "-p", "plain")
    assert ran.code == 0  # one clip each: they belong together whatever their names
    write_clip(clips / "more" / "third.mkv")
    ran = here("score", "made", "more", "-m", "psnr", "-p", "plain")
    assert (ran.code, one_line(ran.err), "no partner in more" in ran.err) == (2, True, True)
