"""Strengths of denoising: a network between two sets of weights that a card names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import finesight
from finesight import zoo
from finesight.cli.app import run
from finesight.errors import ModelError, SettingError
from finesight.models.image.srvgg import SrvggCompact

STRONG, WEAK = "realesr-general-x4v3", "realesr-general-wdn-x4v3"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small weights in the place of both published files."""
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FINESIGHT_OFFLINE", "1")
    arguments = {"scale": 4, "convolutions": 2, "width": 6}
    for seed, name in enumerate((STRONG, WEAK)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SrvggCompact(**arguments)  # type: ignore[arg-type]
        file = zoo.path(name)
        made = zoo.save(tmp_path / f"{name}.safetensors", network, architecture="srvgg-compact", arguments=arguments)
        file.parent.mkdir(parents=True, exist_ok=True)
        made.rename(file)
    return tmp_path


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_is_between_the_two(strength: float) -> None:
    strong, weak = finesight.load(STRONG), finesight.load(WEAK)
    before = {name: tensor.clone() for name, tensor in strong.network.state_dict().items()}
    mixed = zoo.denoising(strong, strength).network.state_dict()
    for name, tensor in weak.network.state_dict().items():
        torch.testing.assert_close(mixed[name], strength * before[name] + (1 - strength) * tensor)
        assert torch.equal(strong.network.state_dict()[name], before[name])


@pytest.mark.usefixtures("cached")
def test_upscale_takes_a_strength() -> None:
    array = np.random.default_rng(0).random((6, 7, 3)).astype(np.float32)
    options = {"engine": "torch", "precision": "float32"}
    mixed = finesight.upscale(array, model=STRONG, denoise=0.3, **options)
    blended = zoo.blend(finesight.load(STRONG), finesight.load(WEAK), 0.3)
    np.testing.assert_array_equal(mixed, finesight.upscale(array, model=blended, **options))
    np.testing.assert_array_equal(
        finesight.upscale(array, model=STRONG, denoise=1, **options), finesight.upscale(array, model=STRONG, **options)
    )
    assert np.abs(mixed - finesight.upscale(array, model=STRONG, **options)).max() > 1e-3


def test_the_command_says_what_was_mixed(cached: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    Image.effect_noise((9, 7), 60).save(cached / "a.png")
    assert run(["upscale", str(cached / "a.png"), "--model", STRONG, "--denoise", "0.25"]) == 0
    capsys.readouterr()
    assert run(["info", str(cached / "a_x4.png")]) == 0
    assert f"0.25*{STRONG}+0.75*{WEAK}" in capsys.readouterr().out


@pytest.mark.usefixtures("cached")
def test_what_cannot_be_mixed() -> None:
    with pytest.raises(ModelError, match=f"finesight-x2 has one strength of denoising only.*{STRONG}"):
        zoo.denoising(finesight.load("finesight-x2"), 0.5)
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingError, match="between 0 and 1"):
            zoo.denoising(finesight.load(STRONG), strength)
    with pytest.raises(SettingError, match="needs a model"):
        finesight.upscale(np.zeros((4, 4, 3)), denoise=0.5)
    assert run(["upscale", "a.png", "--denoise", "0.5"]) == 2
    assert run(["upscale", "a.png", "--model", STRONG, "--denoise", "1.5"]) == 2


def test_cards_name_the_same_network() -> None:
    cards = zoo.catalog()
    named = {card.name: cards[card.denoise_weak] for card in cards.values() if card.denoise_weak}
    assert STRONG in named
    for name, weak in named.items():
        assert (weak.architecture, weak.arguments) == (cards[name].architecture, cards[name].arguments)
