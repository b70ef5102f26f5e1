"""From a name or a file to a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import finesight
from finesight import zoo
from finesight.models.image.collapsible import Collapsible

SMALL = {"width": 8, "depth": 2, "expansion": 6, "scale": 3}


@pytest.fixture
def network() -> Collapsible:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Collapsible(**SMALL)  # type: ignore[arg-type]


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_saved_weights_come_back_with_their_card(tmp_path: Path, network: Collapsible) -> None:
    file = zoo.save(
        tmp_path / "x.safetensors",
        network,
        architecture="collapsible",
        arguments=SMALL,
        card={"steps": 7, "licence": "CC0"},
    )
    model = finesight.load(file)
    assert same(model.network, network)
    assert model.traits.scale == 3
    assert dict(model.card.arguments) == SMALL
    assert model.card.training["steps"] == 7
    assert model.card.licence == "CC0"
    assert len(model.card.weights_sha256) == 64
    assert not model.network.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.network.parameters())


def test_half_precision_files_load_as_float32(tmp_path: Path, network: Collapsible) -> None:
    file = zoo.save(
        tmp_path / "h.safetensors", network, architecture="collapsible", arguments=SMALL, dtype=torch.float16
    )
    loaded = finesight.load(file).network
    for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b.half().float())


@pytest.mark.parametrize("modern", [True, False])
def test_a_bare_checkpoint_is_recognised(tmp_path: Path, network: Collapsible, modern: bool) -> None:
    file = tmp_path / "b.pth"
    torch.save({"params": network.state_dict(), "iter": 3}, file, _use_new_zipfile_serialization=modern)
    model = finesight.load(file)
    assert dict(model.card.arguments) == SMALL
    assert same(model.network, network)


def test_loading_leaves_the_global_random_state(tmp_path: Path, network: Collapsible) -> None:
    file = zoo.save(tmp_path / "x.safetensors", network, architecture="collapsible", arguments=SMALL)
    before = torch.random.get_rng_state()
    finesight.load(file)
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(finesight.Error, match=r"finesight-x5.*Did you mean finesight-x\d"):
        finesight.load("finesight-x5")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(finesight.Error, match=r"none\.pth cannot be read: No such file"):
        finesight.load(tmp_path / "none.pth")
