"""Shipped weights answer as the trained ones do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import finesight
from finesight.errors import InputError
from finesight.models.image.collapsible import Collapsible
from finesight.train.ship import ship
from finesight.train.state import save_weights


def test_shipped_weights_answer_as_trained_ones(tmp_path: Path) -> None:
    torch.manual_seed(1)
    arguments = {"width": 8, "depth": 2, "expansion": 16, "scale": 3}
    network = Collapsible(**arguments)  # type: ignore[arg-type]
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    save_weights(
        network, tmp_path / "a.safetensors", architecture="collapsible", arguments=arguments, card={"steps": 3}
    )
    ship(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert (tmp_path / "b.safetensors").stat().st_size < (tmp_path / "a.safetensors").stat().st_size
    trained, shipped = (finesight.load(tmp_path / f"{name}.safetensors").network for name in "ab")
    picture = torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        assert torch.allclose(trained(picture), shipped(picture), atol=2e-3)
        assert torch.allclose(network(picture), network.collapsed()(picture), atol=1e-5)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="finesight train"):
        ship(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
