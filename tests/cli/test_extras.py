"""What people ask for besides: self-ensemble, sizes, strength of denoising."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .conftest import Command

Make = Callable[..., Path]


def test_self_ensemble_is_in_the_provenance(here: Command, tiny: Path, picture: Make, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    plain = here("upscale", "a.png", "--model", tiny, "--suffix", "_plain", "--json")
    turned = here("upscale", "a.png", "--model", tiny, "--self-ensemble", "--json")
    assert turned.code == 0, turned.err
    told = [json.loads(ran.out)["results"][0]["self_ensemble"] for ran in (plain, turned)]
    assert told == [False, True]
    assert (tmp_path / "a_plain.png").read_bytes() != (tmp_path / "a_x2.png").read_bytes()
    assert "self-ensemble" in here("info", "a_x2.png").out
    assert "self-ensemble" not in here("info", "a_plain.png").out
