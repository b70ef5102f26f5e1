"""The weights that ship: small enough, free, and as good as benchmarks/RESULTS.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import finesight
from finesight.degrade.resize import resize
from finesight.zoo.cards import WEIGHTS, catalog
from tests.conftest import ROOT

SHIPPED = [name for name, card in catalog().items() if card.packaged]
ENLARGING = [name for name in SHIPPED if catalog()[name].task == "super-resolution" and "video" not in name]
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")


def test_they_are_the_ones_promised_and_small() -> None:
    assert set(ENLARGING) == {"finesight-x2", "finesight-x3", "finesight-x4", "finesight-photo-x4"}
    assert {"finesight-inpaint", "finesight-matte"} <= set(SHIPPED)
    assert {path.name for path in WEIGHTS.iterdir()} == {catalog()[name].packaged for name in SHIPPED}
    assert sum((WEIGHTS / catalog()[name].packaged).stat().st_size for name in ENLARGING) < 6_000_000
    assert (WEIGHTS / "finesight-inpaint.safetensors").stat().st_size < 3_000_000
    assert (WEIGHTS / "finesight-matte.safetensors").stat().st_size < 3_000_000


@pytest.mark.parametrize("name", ENLARGING)
def test_each_loads_offline_and_enlarges(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    model = finesight.load(name)
    scale = int(name[-1])
    assert model.traits.scale == scale
    ramp = torch.linspace(0.2, 0.8, 20).expand(1, 3, 16, 20)
    with torch.no_grad():
        answer = model.network(ramp)
    assert answer.shape == (1, 3, 16 * scale, 20 * scale)
    assert float((answer - resize(ramp, scale=scale)).abs().mean()) < 0.01, "a ramp stays a ramp"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipe_is_the_one_in_the_repository(name: str) -> None:
    from finesight.train.recipe import Recipe, read_recipe

    recorded = finesight.load(name).card.training["recipe"]
    assert Recipe.model_validate(recorded) == read_recipe(ROOT / "recipes" / f"{name}.yaml")


@pytest.mark.parametrize("name", ENLARGING)
def test_set5_is_what_the_results_say(name: str, shared: Path) -> None:
    from benchmarks.set5 import bicubic_scores, network_scores

    row = re.search(rf"\| {name} \| ([\d.]+) \| ([\d.]+) \| \+([\d.]+) \|", RESULTS)
    assert row is not None
    scale = finesight.load(name).traits.scale
    assert scale is not None
    measured = float(network_scores(shared / "data" / "set5", name).mean())
    floor = float(bicubic_scores(shared / "data" / "set5", scale).mean())
    assert measured == pytest.approx(float(row[1]), abs=0.01)
    assert floor == pytest.approx(float(row[2]), abs=0.01)
    if name != "finesight-photo-x4":
        assert measured - floor >= {2: 2.0, 3: 1.9, 4: 1.7}[scale], "the least that was promised"


def test_inpainting_beats_diffusion(shared: Path) -> None:
    from benchmarks.inpainting import compare

    rows = compare(shared / "data" / "set14", pictures=4, bucket=(0.1, 0.2))
    assert rows["model"]["psnr"] > rows["harmonic fill"]["psnr"]
    assert rows["model"]["l1"] < 0.97 * rows["harmonic fill"]["l1"]
    assert rows["model"]["texture gap"] < rows["harmonic fill"]["texture gap"] - 0.5
