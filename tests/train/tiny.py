"""Recipes small enough to be trained in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from finesight.models.quality.vgg import Vgg
from finesight.zoo.saving import save

__all__ = ["LEARNING", "content", "network_of", "random_vgg", "same", "weights_of"]


def content(**changes: Any) -> dict[str, Any]:
    """A recipe that needs no data; a step takes some milliseconds."""
    return {
        "name": "tiny-x2",
        "network": {"architecture": "srcnn", "arguments": {"channels": [3, 8, 8, 3], "scale": 2}},
        "data": {"kind": "drawn", "pictures": 6, "side": 48, "patch": 8, "batch": 4, "held_out": 3},
        "optimizer": {"learning_rate": 2e-3, "warmup": 2},
        "steps": 8,
        "validate_every": 4,
        "save_every": 2,
        "log_every": 1,
    } | changes


LEARNING = {"architecture": "collapsible", "arguments": {"width": 8, "depth": 1, "expansion": 8, "scale": 2}}
"""A network that begins as bicubic enlargement and becomes better within some steps."""


def network_of(folder: Path, part: str = "learner") -> dict[str, Tensor]:
    """The tensors of one network in a run's state."""
    state = torch.load(folder / "state.pt", weights_only=True)
    tensors: dict[str, Tensor] = state["average"] if part == "average" else state[part]["network"]
    return tensors


def same(one: dict[str, Tensor], other: dict[str, Tensor], *, tolerance: float = 0.0) -> bool:
    """Whether two networks have equal tensors."""
    assert one.keys() == other.keys()
    return all(float((tensor.double() - other[name].double()).abs().max()) <= tolerance for name, tensor in one.items())


def weights_of(folder: Path, name: str = "tiny-x2") -> dict[str, Tensor]:
    """The tensors that a finished run wrote."""
    return load_file(folder / f"{name}.safetensors")


def random_vgg(path: Path) -> Path:
    """A VGG-19 up to its fourth convolution, with the same random weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = Vgg(19, layers=["conv2_2"])
        for tensor in network.parameters():
            torch.nn.init.normal_(tensor, std=tensor[0].numel() ** -0.5)
    return save(path, network, architecture="vgg", arguments={"depth": 19, "layers": ["conv2_2"]})
