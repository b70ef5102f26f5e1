"""``finesight info`` on clips."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from finesight.media.clips import ClipWriter, read_clip
from tests.cli.conftest import Command
from tests.media.clips.samples import HEIGHT, WIDTH, make_rich, make_video


def test_everything_about_a_clip(installed: Command, tmp_path: Path) -> None:
    make_rich(tmp_path / "in.mkv")
    with (
        read_clip(tmp_path / "in.mkv") as clip,
        ClipWriter(
            tmp_path / "ü 1.mkv",
            like=clip.info,
            width=WIDTH,
            height=HEIGHT,
            provenance={"model": "x", "weights": "0123"},
        ) as out,
    ):
        for frame in clip:
            out.write(frame)
    ran = installed("info", tmp_path / "ü 1.mkv")
    assert ran.code == 0, ran.err
    for text in ("64 x 48 pixels", "24 frames per second, uneven", "bt601, limited range", "aac, eng, 'Track 0'",
                 "subtitle, srt, ita", "Made by: model", "0:00:00.40 to 0:00:01.50  Two", "Begins at"):  # fmt: skip
        assert text in ran.out
    found = json.loads(installed("info", tmp_path / "ü 1.mkv", "--json").out)
    assert found["provenance"] == {"model": "x", "weights": "0123"}
    assert [stream["kind"] for stream in found["streams"]] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert found["begin"] == 0.5
    assert found["matrix_assumed"] is False


def test_turned_and_broken_clips(installed: Command, tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4", rotation=90, aspect=Fraction(4, 3))
    ran = installed("info", tmp_path / "in.mp4")
    assert "90 degrees clockwise" in ran.out
    assert "48 x 64 pixels" in ran.out
    assert "3:4" in ran.out
    assert "BT.601 is taken" in ran.out
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "in.mp4").read_bytes()[:900])
    ran = installed("info", tmp_path / "cut.mp4")
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert "cut.mp4" in ran.err
