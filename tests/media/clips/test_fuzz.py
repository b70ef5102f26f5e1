"""Damaged files of every container: one of our errors or a clip, never anything else, and nothing left behind."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from finesight.errors import Error
from finesight.media.clips import ClipWriter, read_clip

from .samples import make_rich, make_video


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut off, with wrong bytes anywhere or in the header, or with another piece inside."""
    data = bytearray(content)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(data[: chance.randrange(1, len(data))])
    if kind == 3:
        place = chance.randrange(len(data))
        data[place : place + chance.randrange(1, 400)] = chance.randbytes(chance.randrange(300))
        return bytes(data)
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data) if kind == 1 else min(len(data), 2000))] = chance.choice((0, 128, 255))
    return bytes(data)


def passed_on(source: Path, target: Path) -> None:
    with (
        read_clip(source, damaged="skip") as clip,
        ClipWriter(
            target,
            like=clip.info,
            width=clip.info.width,
            height=clip.info.height,
            codec="ffv1",
            copy_streams="possible",
        ) as out,
    ):
        for frame in clip:
            out.write(frame)


@pytest.mark.parametrize("name", ["rich.mkv", "rich.mp4", "plain.ts", "plain.avi"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    whole = tmp_path / name
    if name.startswith("rich"):
        mkv = name.endswith("mkv")
        make_rich(whole, sounds=("aac",), subtitles="subrip" if mkv else "", attach=mkv, seconds=0.5)
    else:
        make_video(whole, codec="mpeg4" if name.endswith("avi") else "libx264", options={}, count=6)
    chance = random.Random(name)
    content = whole.read_bytes()
    worked = 0
    for _ in range(20):
        (tmp_path / f"torn{whole.suffix}").write_bytes(damaged(content, chance))
        said = ""
        try:
            passed_on(tmp_path / f"torn{whole.suffix}", tmp_path / "out.mkv")
        except Error as error:
            said = str(error)
        assert "\n" not in said
        assert bool(said) != (tmp_path / "out.mkv").exists()
        worked += not said
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / "out.mkv").unlink()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert 0 < worked < 20
