"""The Python example of the page about clips is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finesight.media.clips import inspect_clip

from .samples import make_rich

PAGE = Path(__file__).resolve().parents[3] / "docs" / "video.md"


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_rich(tmp_path / "film.mkv")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})
    assert inspect_clip("out.mkv").provenance == {}
    assert [stream.kind for stream in inspect_clip("out.mkv").streams][:2] == ["video", "audio"]


def test_every_option_that_the_page_names_exists() -> None:
    from finesight.cli import clip_options

    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`--([a-z-]+)", text))
    known = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower() for name in clip_options.__all__}
    known |= {"model", "factor", "fps"}
    assert {name for name in named if name not in known} == set()
