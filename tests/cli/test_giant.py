"""``finesight upscale`` takes the way by strips by itself where a picture and its result are too large for memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finesight import media
from finesight.media.strips import StripReader
from finesight.run import giant

from .conftest import Command

Make = Callable[..., Path]


def test_a_giant_picture_goes_by_strips(
    here: Command, tiny: Path, picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png", 120, 90)
    plain = ["upscale", "a.png", "--model", tiny, "--json", "--engine", "torch", "--precision", "float32"]
    whole = json.loads(here(*plain, "-o", "whole.tif").out)["results"][0]
    assert "streamed" not in whole
    monkeypatch.setattr(giant, "STREAM_FROM", 100)
    strips = json.loads(here(*plain, "-o", "strips.tif").out)["results"][0]
    assert strips["streamed"] is True
    assert strips["exact"] is True
    assert strips.keys() - {"streamed"} == whole.keys()
    ours, theirs = media.read(tmp_path / "strips.tif"), media.read(tmp_path / "whole.tif")
    assert np.array_equal(ours.pixels, theirs.pixels)
    assert media.inspect(tmp_path / "strips.tif").provenance == media.inspect(tmp_path / "whole.tif").provenance
    # Formats and options that need the whole picture still work, the usual way.
    for arguments in (["-o", "b.jpg"], ["-o", "c.tif", "--scale", "3"], ["-o", "d.tif", "--seam-check"]):
        result = json.loads(here(*plain, *arguments).out)["results"][0]
        assert "streamed" not in result
        assert (tmp_path / arguments[1]).exists()


def test_a_giant_picture_is_foreseen_without_reading_it(
    here: Command, tiny: Path, picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png", 120, 900)
    monkeypatch.setattr(giant, "STREAM_FROM", 100)
    monkeypatch.setattr(media, "read", lambda *_: pytest.fail("it was read whole"))
    rows = []
    read = StripReader.rows
    monkeypatch.setattr(
        StripReader, "rows", lambda self, top, count: (rows.append(top + count), read(self, top, count))[1]
    )
    plain = ["upscale", "a.png", "-o", "a.tif", "--model", tiny, "--engine", "torch", "--precision", "float32"]
    answer = here(*plain, "--dry-run", "--json")
    assert answer.code == 0, answer.err
    (plan,) = json.loads(answer.out)["results"]
    assert plan["streamed"] is True
    assert (plan["width"], plan["height"]) == (240, 1800)
    assert plan["seconds"] > 0
    assert max(rows) <= 256
    assert not (tmp_path / "a.tif").exists()
