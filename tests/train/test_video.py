"""Losses of networks for clips, schedules with rest, data that moves, and the shipped recipes of video."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from finesight.data.batch import Batch
from finesight.data.clip_files import open_clips
from finesight.data.moving import MovingCrops
from finesight.errors import SettingError
from finesight.models.interpolation.midway import Midway
from finesight.models.video.realbasicvsr import RealBasicVsr
from finesight.models.video.tdan import Tdan
from finesight.train.answers import Answer, answer
from finesight.train.schedules import Falling
from finesight.train.settings.moving import MovingSettings
from finesight.train.settings.optimizer import Plateau
from finesight.train.settings.video_losses import Alignment, Cleaning
from tests.models.tiny import TINY

CPU = torch.device("cpu")


def batch(frames: int, target: tuple[int, ...]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch((torch.rand(1, frames, 3, 8, 8, generator=generator),), torch.rand(target, generator=generator))


def test_alignment_looks_at_the_centre() -> None:
    given = batch(5, (1, 3, 32, 32))
    aligned = given.inputs[0].clone()
    aligned[:] = aligned[:, 2:3]
    term = Alignment().term(CPU)
    assert float(term(Answer((), {"aligned": aligned}), given)) == 0
    aligned[:, 0] += 0.5  # one of five frames is off by half
    assert float(term(Answer((), {"aligned": aligned}), given)) == pytest.approx(0.25 / 5)


def test_cleaning_looks_at_the_mean_of_4x4_pixels() -> None:
    target = torch.arange(16.0).view(4, 4).repeat(1, 2, 3, 2, 2) / 16
    given = Batch((torch.zeros(1, 2, 3, 2, 2),), target)
    cleaned = torch.full((1, 2, 3, 2, 2), 7.5 / 16)
    term = Cleaning().term(CPU)
    assert float(term(Answer((), {"cleaned": cleaned}), given)) == pytest.approx(0, abs=1e-6)
    assert float(term(Answer((), {"cleaned": cleaned + 0.25}), given)) == pytest.approx(0.25)


def test_networks_show_what_their_losses_want() -> None:
    tdan, real = TINY["tdan"].build("tdan"), TINY["realbasicvsr"].build("realbasicvsr")
    assert isinstance(tdan, Tdan)
    assert isinstance(real, RealBasicVsr)
    given = batch(5, (1, 3, 32, 32))
    found = answer(tdan, given, Alignment.needs)
    assert torch.equal(found.pictures[-1], tdan(given.inputs[0]))
    assert torch.equal(found.others["aligned"][:, 2], given.inputs[0][:, 2])
    found = answer(real, given, Cleaning.needs)
    assert torch.equal(found.pictures[-1], real(given.inputs[0]))
    assert torch.equal(found.others["cleaned"], real.clean(given.inputs[0]))


def test_a_plateau_rests_and_asks_for_more_than_a_little() -> None:
    """By torch's own scheduler: CAIN and FLAVR are published with it."""
    values = [30.0, 31.0, 31.001, 31.002, 31.0, 31.0, 30.0, 32.0, 31.0, 31.0, 31.0, 31.0, 31.0, 31.0, 31.0, 33.0, 33.0]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=2, threshold=1e-3, cooldown=2
    )
    ours, settings = Falling(), Plateau(gamma=0.5, patience=3, threshold=1e-3, cooldown=2)
    for value in values:
        theirs.step(value)
        ours.see(value, settings, higher=True)
        assert ours.factor == optimizer.param_groups[0]["lr"]
    assert ours.factor == 0.25


def test_reds_without_its_four(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("000", "001", "015", "240"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "0.png")
    found = {pair.high.name for pair in open_clips(tmp_path, layout="reds", split="not-reds4")}
    assert found == {"001", "240"}


def test_settings_of_moving_data_follow_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr(MovingCrops, "__init__", lambda *_, **settings: made.append(settings))
    settings = MovingSettings(pack=str(tmp_path), patch=32, frames=5)
    settings.source(Midway((4, 4)).traits, seed=1)
    settings.source(TINY["collapsible-clip"].build("collapsible-clip").traits, seed=1)  # type: ignore[arg-type]
    assert [(one["wanted"], one["frames"], one["scale"]) for one in made] == [("middle", 3, 1), ("enlarged", 5, 2)]
    with pytest.raises(SettingError, match="kind image for super-resolution"):
        settings.source(TINY["edsr"].build("edsr").traits, seed=1)  # type: ignore[arg-type]


def test_rates_of_groups_name_parameters_that_are_there() -> None:
    from finesight.models.table import network_class
    from finesight.train.recipe import read_recipe
    from finesight.zoo.building import skeleton
    from tests.conftest import ROOT

    checked = 0
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        recipe = read_recipe(path)
        if recipe.data.kind not in ("clips", "moving"):
            continue
        names = [
            name
            for name, _ in skeleton(
                network_class(str(recipe.network.architecture)), recipe.network.arguments
            ).named_parameters()
        ]
        for group in recipe.optimizer.groups:
            assert any(name.startswith(group.prefix) for name in names), (path.name, group.prefix)
            checked += 1
    assert checked >= 16
