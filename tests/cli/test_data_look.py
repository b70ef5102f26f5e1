"""``finesight data look``: what training would find, and an exit code that says whether all of it can be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .conftest import Command, one_line


def test_good_and_bad_pictures(here: Command, picture: Callable[..., Path], tmp_path: Path) -> None:
    picture(tmp_path / "große Bilder" / "a.png", 40, 30)
    picture(tmp_path / "große Bilder" / "more" / "b.jpg", 20, 10)
    ran = here("data", "look", "große Bilder")
    assert (ran.code, ran.out) == (0, "große Bilder: 2 pictures, 20x10 to 40x30, 0.0 megapixels\n")
    (tmp_path / "große Bilder" / "c.png").write_text("no picture")
    ran = here("data", "look", "große Bilder", "--least", "16")
    assert ran.code == 1
    assert "1 pictures, 40x30 to 40x30, 0.0 megapixels; 2 cannot be used" in ran.out
    assert "c.png" in ran.err
    assert "20x10 has a side below 16" in ran.err


def test_headers_do_not_tell_all(here: Command, picture: Callable[..., Path], tmp_path: Path) -> None:
    data = picture(tmp_path / "in" / "a.png", 60, 60).read_bytes()
    picture(tmp_path / "in" / "b.png", 60, 60)
    (tmp_path / "in" / "a.png").write_bytes(data[: len(data) // 2])
    assert here("data", "look", "in").code == 0
    ran = here("data", "look", "in", "--whole", "--json")
    assert ran.code == 1
    (found,) = json.loads(ran.out)["folders"]
    assert (found["pictures"], list(found["unusable"])) == (1, ["a.png"])


def test_folders_that_are_not_there(here: Command, tmp_path: Path) -> None:
    ran = here("data", "look", "nowhere")
    assert ran.code == 2
    assert one_line(ran.err)
    assert "nowhere does not exist" in ran.err
    (tmp_path / "empty").mkdir()
    ran = here("data", "look", "empty")
    assert ran.code == 2
    assert one_line(ran.err)
    assert "holds no pictures" in ran.err
