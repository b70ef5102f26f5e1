"""Data out of folders as recipes name it: what reaches the network, and what is refused before a run begins."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.errors import InputError, SettingError
from finesight.nn.traits import Port, Traits
from finesight.train.recipe import with_settings
from finesight.train.settings.degradations import how
from tests.conftest import ROOT

IMAGE = Traits(task="super-resolution", scale=2, halo=1)
FACES = Traits(task="super-resolution", scale=8, halo=1)
QUERY = Traits(task="super-resolution", kind="query", scale=None, halo=1)
REFERENCE = Traits(task="super-resolution", scale=4, halo=1, inputs=(Port("image"), Port("reference", "whole")))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        pixels = drawn_picture(np.random.default_rng(number), 64)
        for folder, side in (("high", 64), ("low", 32)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).resize((side, side)).save(tmp_path / folder / f"{number}.png")
    points = {f"{number}.png": [[number, 2 * number]] * 68 for number in range(4)}
    (tmp_path / "points.json").write_text(json.dumps(points))
    return tmp_path


def settings(**data: Any) -> Any:
    content = {"name": "a", "network": {"architecture": "srcnn"}, "data": data, "optimizer": {"learning_rate": 1e-3}}
    return with_settings(content).data


@pytest.mark.parametrize(
    ("traits", "data", "inputs", "target"),
    [
        (IMAGE, {"kind": "folder", "folder": "high", "patch": 8}, [(3, 8, 8)], (3, 16, 16)),
        (IMAGE, {"kind": "folder", "folder": ["high", "low"], "patch": 8}, [(3, 8, 8)], (3, 16, 16)),
        (IMAGE, {"kind": "folder", "folder": "high", "patch": 8, "degradation": "bsrgan"}, [(3, 8, 8)], (3, 16, 16)),
        (
            IMAGE,
            {"kind": "folder", "folder": "high", "patch": 16, "degradation": {"kind": "second-order"}, "sharpen": True},
            [(3, 16, 16)],
            (3, 32, 32),
        ),
        (IMAGE, {"kind": "paired", "low": "low", "high": "high", "patch": 8}, [(3, 8, 8)], (3, 16, 16)),
        (IMAGE, {"kind": "paired", "low": "low", "high": "high", "patch": None}, [(3, 32, 32)], (3, 64, 64)),
        (
            REFERENCE,
            {"kind": "reference", "inputs": "high", "references": "high"},
            [(3, 16, 16), (3, 64, 64)],
            (3, 64, 64),
        ),
        (FACES, {"kind": "faces", "folder": "high", "landmarks": "points.json"}, [(3, 16, 16)], (3, 128, 128)),
        (
            QUERY,
            {"kind": "scales", "folder": "high", "patch": 16, "queries": 9},
            [(3, 16, 16), (9, 2), (9, 2)],
            (9, 3),
        ),
    ],
)
def test_what_networks_are_fed(
    traits: Traits, data: dict[str, Any], inputs: list[tuple[int, ...]], target: tuple[int, ...]
) -> None:
    source = settings(**data).source(traits, seed=1)
    batch = source.batch(3, 2)
    assert [tuple(one.shape[1:]) for one in batch.inputs] == inputs
    assert tuple(batch.target.shape[1:]) == target
    assert all(float(one.min()) >= 0 and float(one.max()) <= 1 for one in (batch.inputs[0], batch.target))
    again = settings(**data).source(traits, seed=1).batch(3, 2)
    assert torch.equal(batch.target, again.target)


@pytest.mark.parametrize(
    ("traits", "data", "said"),
    [
        (QUERY, {"kind": "folder", "folder": "high"}, "feeds a picture; this network is of kind query"),
        (REFERENCE, {"kind": "paired", "low": "low", "high": "high"}, "takes image, reference"),
        (IMAGE, {"kind": "reference", "inputs": "high", "references": "high"}, "a picture and a reference"),
        (IMAGE, {"kind": "faces", "folder": "high", "landmarks": "points.json"}, "scale 8, such as dic"),
        (IMAGE, {"kind": "scales", "folder": "high"}, "such as liif"),
        (IMAGE, {"kind": "folder", "folder": "high", "shrinks": [0.0]}, "shrinks: expected factors above 0"),
        (IMAGE, {"kind": "folder", "folder": "high", "patch": 8, "block": 33}, "block: expected a multiple of 2"),
        (IMAGE, {"kind": "folder", "folder": "high", "patch": 8, "sharpen": True}, "above 25 pixels, got 16"),
        (
            REFERENCE,
            {"kind": "reference", "inputs": "high", "references": "high", "validation_inputs": "high"},
            "belong together",
        ),
    ],
)
def test_what_does_not_fit_is_said(traits: Traits, data: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        settings(**data).source(traits, seed=1)


def test_pictures_that_are_too_small_for_the_patch() -> None:
    with pytest.raises(InputError, match="64x64 is less than 66x66"):
        settings(kind="folder", folder="high", patch=33).source(IMAGE, seed=0)


def test_held_out_pictures_are_cut_and_given_ones_are_whole(place: Path) -> None:
    Image.fromarray(drawn_picture(np.random.default_rng(9), 300)).save(place / "high" / "z.png")
    held = settings(kind="folder", folder="high", held_out=5, patch=8).source(IMAGE, seed=0)
    assert [tuple(one.target.shape) for one in held.validation()] == [(1, 3, 256, 256)]
    given = settings(kind="folder", folder="low", validation="high", patch=8).source(IMAGE, seed=0)
    assert max(one.target.shape[-1] for one in given.validation()) == 300


def test_the_example_of_the_page_is_one() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    checked = settings(**yaml.safe_load(example)["data"])
    assert (checked.kind, checked.shrinks[1], checked.changes.turns) == ("folder", 0.75, "mirror")


def test_ranges_of_ones_own() -> None:
    with pytest.raises(SettingError, match=r"sizes: expected odd numbers from 1 to 21, got \[8\]"):
        how(
            settings(
                kind="folder", folder="a", degradation={"kind": "second-order", "first": {"sizes": [8]}}
            ).degradation
        )
    with pytest.raises(SettingError, match="Did you mean sigma"):
        settings(kind="folder", folder="a", degradation={"kind": "second-order", "second": {"sigm": [0, 1]}})
    with pytest.raises(SettingError, match="degradation"):
        settings(kind="folder", folder="a", degradation="real-esrgn")
