"""Real-picture networks on degraded pictures: ``python -m benchmarks.photo FOLDER... [--json FILE]``.

Each truth is degraded with ``finesight.degrade.first_order`` (its defaults: blur, shrink x4, noise, JPEG), drawn
with seed 0 in the order of the names, then enlarged; PSNR on luma with 4 border pixels left out, mean over pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

import finesight
from benchmarks.set5 import picture
from finesight.degrade.first_order import FirstOrder, apply, sample
from finesight.degrade.resize import resize
from finesight.metrics.colour import luma
from finesight.metrics.psnr import psnr

__all__ = ["photo_scores"]

MODELS = ("bicubic", "finesight-x4", "finesight-photo-x4")


@torch.no_grad()
def photo_scores(folder: Path) -> dict[str, Tensor]:
    """PSNR-Y in dB of each picture, for bicubic and both x4 networks."""
    networks = {name: finesight.load(name).network for name in MODELS[1:]}
    generator = torch.Generator().manual_seed(0)
    found: dict[str, list[Tensor]] = {name: [] for name in MODELS}
    for path in sorted(folder.glob("*.png")):
        truth = picture(path) / 255
        truth = truth[..., : truth.shape[-2] // 4 * 4, : truth.shape[-1] // 4 * 4]
        low = apply(truth, sample(FirstOrder(), generator), scale=4)
        for name in MODELS:
            restored = networks[name](low) if name in networks else resize(low, scale=4)
            restored = restored.clamp(0, 1).mul(255).round() / 255
            found[name].append(psnr(luma(restored), luma(truth), border=4))
    return {name: torch.cat(values) for name, values in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for folder in arguments.folders:
        means = {name: float(values.mean()) for name, values in photo_scores(folder).items()}
        rows.append({"set": folder.name} | means)
        print(f"{folder.name:8} " + "  ".join(f"{name} {value:.2f} dB" for name, value in means.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
