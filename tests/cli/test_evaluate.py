"""``finesight evaluate``: what is printed beside what, what is recorded, what bad input gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Command, one_line

Maker = Callable[..., Path]


@pytest.fixture
def set5(tmp_path: Path, picture: Maker) -> Path:
    for name in ("baby", "bird"):
        picture(tmp_path / "Set5" / "GTmod12" / f"{name}.png", 48, 36)
    return tmp_path / "Set5"


def test_a_model_on_a_test_set(here: Command, set5: Path, tiny: Path) -> None:
    ran = here("evaluate", tiny, "--data", set5, "-p", "sr-y", "--keep", "made")
    assert ran.code == 0, ran.err
    head, row = (ran.out.splitlines()[index] for index in (0, 2))
    for title in ("PSNR", "SSIM", "published", "parameters", "multiply-adds/MP", "s/MP"):
        assert title in head
    assert "Set5 x2" in row
    assert "sr-y: Y of BT.601" in ran.out
    assert sorted(path.name for path in (set5.parent / "made" / "tiny").iterdir()) == ["baby.png", "bird.png"]
    found = json.loads(here("evaluate", tiny, "--data", set5, "-p", "sr-y", "--json").out)["models"][0]
    scored = json.loads(here("score", "made/tiny", set5 / "GTmod12", "-p", "sr-y", "--scale", "2", "--json").out)
    assert found["measured"] == pytest.approx(scored["mean"])
    assert (found["published"], found["pictures"]) == (None, 2)


def test_published_rows_with_drawn_weights(here: Command, set5: Path) -> None:
    ran = here("evaluate", "srcnn-x4", "--data", set5, "--drawn-weights")
    assert ran.code == 0, ran.err
    row = next(line for line in ran.out.splitlines() if line.startswith("srcnn-x4"))
    assert row.count("not measured here") == 2
    assert "28.43" in row
    assert "0.8099" in row
    assert "mmediting-rgb" in ran.out
    found = json.loads(here("evaluate", "srcnn-x4", "--data", set5, "--drawn-weights", "--json").out)["models"][0]
    assert found["measured"] is None
    assert found["published"] == {"psnr": 28.4316, "ssim": 0.8099}


def test_list_and_record(here: Command, set5: Path) -> None:
    from finesight.evaluate.published import published_rows

    found = json.loads(here("evaluate", "--list", "--json").out)["rows"]
    assert len(found) == len(published_rows())
    assert {row["measured"] for row in found} <= {"not measured here", "no network yet"}
    record = set5.parent / "record.json"
    record.write_text(json.dumps({"srcnn-x4 on Set5 x4": {"psnr": 28.43, "ssim": 0.81}}))
    out = here("evaluate", "srcnn-x4", "--list", "--record", record).out
    assert "psnr 28.4300" in out
    assert out.count("not measured here") == 2
    assert "3 published results; 1 measured here" in out
    assert here("evaluate", "srcnn-x4", "-d", set5, "--drawn-weights", "--record", record).code == 0
    assert json.loads(record.read_text()) == {"srcnn-x4 on Set5 x4": {"psnr": 28.43, "ssim": 0.81}}  # drawn: nothing


def test_mistakes(here: Command, set5: Path, tiny: Path) -> None:
    told: dict[tuple[str | Path, ...], str] = {
        (): "name models and a test set",
        (tiny,): "--data FOLDER",
        (tiny, tiny, "-d", set5): "named twice",
        (tiny, "-d", "nowhere"): "nowhere is not a folder",
        ("srcn-x4", "-d", set5, "--drawn-weights"): "srcnn-x4",
        ("srcnn-x4", "-d", set5): "srcnn_x4k915_1x16_1000k_div2k_20200608-4186f232.pth",
        (tiny, "-d", set5, "-p", "sr-x"): "sr-y",
        ("lpips-alex-heads", "-d", set5): "lpips",
        ("pconv-places", "-d", set5, "--drawn-weights"): "no folder of masks",
    }
    for words, part in told.items():
        ran = here("evaluate", *words)
        assert (ran.code, ran.out, one_line(ran.err)) == (2, "", True), (words, ran)
        assert part in ran.err, (words, ran.err)
