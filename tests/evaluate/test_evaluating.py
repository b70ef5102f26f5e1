"""Every published row runs end to end, on generated test sets in the published layouts, with drawn weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finesight.errors import InputError, SettingError
from finesight.evaluate.cost import network_cost
from finesight.evaluate.evaluating import evaluate, protocol_for
from finesight.evaluate.protocols import PROTOCOLS
from finesight.evaluate.published import PublishedRow, find_row, published_rows
from finesight.evaluate.testsets import find_examples
from finesight.models.table import NETWORKS
from finesight.zoo import catalog
from finesight.zoo.model import Card, Model
from tests.models.tiny import TINY, Tiny

Maker = Callable[[PublishedRow, Card, Path], Path]


def picture(path: Path, height: int, width: int, seed: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


def levels(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path)


def make_set(row: PublishedRow, card: Card, network: torch.nn.Module, root: Path) -> Path:
    """A small test set in the layout of the published one."""
    traits = network.traits
    low = (12 if row.scale < 18 else 4) if traits.maximum is None else traits.maximum
    side = low * row.scale
    if card.task == "matting":
        for name in ("a_0", "b_0"):
            picture(root / "merged" / f"{name}.png", 40, 48, 1)
            alpha = np.tile(np.linspace(0, 255, 48), (40, 1)).round()
            levels(root / "alpha" / f"{name}.png", alpha)
            levels(root / "trimaps" / f"{name}.png", np.where(alpha <= 80, 0, np.where(alpha >= 170, 255, 128)))
            known = np.where(alpha <= 80, 0, np.where(alpha >= 170, 255, alpha))
            levels(root / "alpha" / f"{name}.png", known)
    elif card.task == "inpainting":
        for name in ("Places365_val_1", "Places365_val_2"):
            picture(root / "GT" / f"{name}.png", 80, 88, len(name))
            hole = np.zeros((80, 88))
            hole[20:44, 30:60] = 255
            levels(root / "masks" / f"{name}.png", hole)
    elif card.task == "interpolation":
        for clip in ("00001/0389", "00001/0402"):
            for frame in range(1, 2 * traits.frames):
                picture(root / "sequences" / clip / f"im{frame}.png", 32, 48, frame)
    elif traits.kind in ("window", "recurrent"):
        folder = f"{'BD' if 'BD' in row.on.split() else 'BI'}x{row.scale}"
        for clip in ("calendar", "city") if card.architecture == "basicvsr" else ("calendar",):
            for frame in range(3):
                picture(root / "GT" / clip / f"{frame:08d}.png", 48, 64, frame)
                if row.scale > 1:
                    picture(root / folder / clip / f"{frame:08d}.png", 12, 16, frame)
    elif row.on == "CUFED":
        picture(root / "000_0.png", 48, 64, 1)
        picture(root / "000_1.png", 48, 64, 2)
    elif row.on.startswith("DIV2K"):
        for number in (801, 802):
            picture(root / "DIV2K_valid_HR" / f"{number:04d}.png", side, side + row.scale, number)
            picture(root / "DIV2K_valid_LR_bicubic" / f"X{row.scale}" / f"{number:04d}x{row.scale}.png", low, low + 1)
    else:
        wide = side if traits.maximum is not None else side + 3  # not a multiple: cut as published
        for name in ("baby", "bird"):
            picture(root / "GTmod12" / f"{name}.png", side, wide, len(name))
    return root


@cache
def tiny(architecture: str, scale: int) -> torch.nn.Module:
    found = TINY[architecture]
    arguments = dict(found.arguments)
    takes_scale = "scale" in catalog_arguments(architecture)
    return Tiny(arguments | ({"scale": scale} if takes_scale else {}), prepare=found.prepare).build(architecture)


@cache
def catalog_arguments(architecture: str) -> frozenset[str]:
    cards = [card for card in catalog().values() if card.architecture == architecture]
    return frozenset(key for card in cards for key in card.arguments)


def kind_of(row: PublishedRow) -> str:
    """What makes a difference to how a row runs. Clips are read in one way: BasicVSR stands for all protocols."""
    architecture = catalog()[row.model].architecture
    clips = catalog()[row.model].task == "super-resolution" and row.protocol in ("reds4", "vid4-y", "vimeo-t")
    return f"{architecture} x{row.scale} {'clips' if clips and architecture != 'basicvsr' else row.protocol}"


ROWS = {kind_of(row): row for row in published_rows() if row.runnable}


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_of_row_runs(kind: str, tmp_path: Path) -> None:
    row = ROWS[kind]
    card = catalog()[row.model]
    network = tiny(card.architecture, row.scale)
    traits = network.traits
    if card.architecture == "glean":  # the shrunk network is x4 where the published are x8 and x16
        row = PublishedRow(row.model, row.on, traits.scale, row.protocol, row.values, True)
    root = make_set(row, card, network, tmp_path / row.on)
    metrics = {"videolq": ("piqe",)}.get(row.protocol, () if card.architecture != "glean" else ("psnr",))
    model = Model(network, traits, card)
    found = evaluate(
        model, root, protocol_name=row.protocol, on=row.on, scale=row.scale, metrics=metrics, keep=tmp_path / "made"
    )
    names = [column.name for column in found.table.columns]
    expected = [name for name in row.values if name not in ("l1", "nrqm", "pi", "niqe", "brisque")]
    assert names == (expected or ["piqe"])
    assert all(np.isfinite(mean.value) for mean in found.table.means().values()) or "piqe" in names
    assert found.table.protocol_name == row.protocol
    if card.architecture != "glean":
        assert found.published is not None
        assert found.published.values == row.values
    assert found.cost.parameters == sum(p.numel() for p in network.parameters())
    assert found.cost.multiply_adds > 0
    assert len(list((tmp_path / "made").rglob("*.png"))) >= len(found.table.rows)


def test_all_rows_are_covered() -> None:
    rows = published_rows()
    assert len(rows) == sum(len(card.scores) for card in catalog().values()) > 170
    assert {row.protocol for row in rows} <= set(PROTOCOLS)
    assert all(row.runnable == (catalog()[row.model].architecture in NETWORKS) for row in rows)
    assert {kind_of(row) for row in rows if row.runnable} == set(ROWS)


def test_the_measured_number_is_that_of_the_made_file(tmp_path: Path) -> None:
    card = catalog()["edsr-x2"]
    network = tiny("edsr", 2)
    root = tmp_path / "Set5"
    truth = picture(root / "GTmod12" / "baby.png", 24, 36)
    picture(root / "LRbicx2" / "baby.png", 12, 18, seed=3)
    model = Model(network, network.traits, card)
    found = evaluate(model, root, keep=tmp_path / "made")
    assert (found.protocol, found.on, found.published.values["psnr"]) == ("mmediting-rgb", "Set5", 35.7592)
    low = np.asarray(Image.open(root / "LRbicx2" / "baby.png"))
    with torch.no_grad():
        answer = network(torch.from_numpy(low.copy()).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0)
    expected = (answer.clamp(0, 1) * 255).round().numpy()
    made = np.asarray(Image.open(tmp_path / "made" / "baby.png")).astype(float)
    assert np.abs(made - expected).max() <= 1
    error = (made - np.asarray(Image.open(truth)).astype(float))[2:-2, 2:-2]
    assert found.table.mean("psnr").value == pytest.approx(10 * np.log10(255**2 / (error**2).mean()), abs=1e-4)
    assert protocol_for(model, root, None, None, 2).name == "mmediting-rgb"
    assert protocol_for(model, root, "sr-y", None, 2).name == "sr-y"


def test_cost_by_hand() -> None:
    network = tiny("srcnn", 4)
    widths = network.traits and [p.numel() for n, p in network.named_parameters() if n.endswith("weight")]
    cost = network_cost(network, network.traits)
    assert cost.multiply_adds == pytest.approx(sum(widths) * 1e6)  # every weight once for each output pixel
    assert cost.parameters == sum(widths) + 8 + 6 + 3


def test_rows_are_found_by_name() -> None:
    rows = published_rows(["edsr-x4"])
    assert find_row(rows, "set5", protocol="mmediting-rgb", scale=4).values["psnr"] == 30.2223
    assert find_row(rows, "DIV2K", protocol="mmediting-rgb", scale=4).on == "DIV2K valid"
    assert find_row(rows, "Set", protocol="mmediting-rgb", scale=4) is None  # two begin so
    assert find_row(rows, "Set5", protocol="sr-y", scale=4) is None


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        find_examples(tmp_path / "none", "super-resolution")
    picture(tmp_path / "set" / "GT" / "a.png", 16, 16)
    with pytest.raises(InputError, match="no folder of masks"):
        find_examples(tmp_path / "set", "inpainting")
    with pytest.raises(InputError, match="no folder BDx4"):
        find_examples(tmp_path / "set", "super-resolution", scale=4, blurred=True)
    with pytest.raises(InputError, match="has 1 frames; 3 are needed"):
        find_examples(tmp_path / "set", "interpolation", frames=2)
    with pytest.raises(InputError, match="no folder of reference"):
        find_examples(tmp_path / "set", "super-resolution", scale=4, reference=True)
    network = tiny("spynet", 1)
    with pytest.raises(SettingError, match="nothing to evaluate"):
        evaluate(Model(network, network.traits, Card(name="spynet")), tmp_path / "set")
