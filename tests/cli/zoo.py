"""Very small networks of the zoo's other kinds, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from finesight.models.table import network_class
from finesight.train.state import save_weights

__all__ = ["ZOO", "save"]

ZOO: dict[str, tuple[str, dict[str, Any]]] = {
    "liif-edsr": ("liif-edsr", {"width": 8, "blocks": 1, "hidden": (16, 16)}),
    "ttsr-gan-x4": ("ttsr", {"width": 4, "blocks": (1, 1, 1, 1)}),
    "dic-x8": ("dic", {"width": 4, "blocks": 2, "landmark_width": 8, "steps": 2, "fusion_blocks": 1}),
    "glean-ffhq-16x": (
        "glean",
        {"in_size": 8, "out_size": 32, "width": 8, "blocks": 1, "growth": 4, "style_channels": 8, "mapping_layers": 1}
        | {"most_channels": 16},
    ),
    "cain": ("cain", {"groups": 1, "blocks": 1, "depth": 2, "padding": 2}),
    "flavr": ("flavr", {"widths": (4, 4, 4, 4), "blocks": (1, 1, 1, 1)}),
    "basicvsr-plusplus-reds4": ("basicvsr-pp", {"width": 16, "blocks": 1}),
    "basicvsr-plusplus-ntire-decompress-1": ("basicvsr-pp", {"width": 16, "blocks": 1, "scale": 1}),
}
"""Name in the catalog -> architecture and arguments."""


def save(folder: Path) -> dict[str, Path]:
    """Write all of them, the same in every run: name in the catalog -> file."""
    files = {}
    for name, (architecture, arguments) in ZOO.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(8)
            network = network_class(architecture)(**arguments)
        files[name] = folder / f"{name}.safetensors"
        save_weights(network, files[name], architecture=architecture, arguments=arguments, card={})
    return files
