"""PSNR of the shipped weights: ``python -m benchmarks.set5 FOLDER... [--json FILE] [--weights NAME...]``.

Protocol ``sr-y``: the truth is cropped to a multiple of the scale (top left), shrunk by the 8-bit MATLAB bicubic,
enlarged, rounded to 8 bits, and compared on BT.601 luma (16 to 235) with ``scale`` border pixels left out; the mean is
over pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from finesight.degrade.resize import resize_8bit
from finesight.metrics.colour import luma
from finesight.metrics.psnr import psnr

__all__ = ["bicubic_scores", "network_scores", "picture", "scores"]

Enlarge = Callable[[Tensor], Tensor]


def picture(path: Path) -> Tensor:
    """A file as uint8 ``(1, 3, H, W)`` RGB."""
    import numpy as np

    pixels = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]


def scores(folder: Path, scale: int, enlarge: Enlarge) -> Tensor:
    """PSNR-Y in dB of each picture in order of names; ``enlarge`` takes and gives uint8 ``(1, 3, H, W)``."""
    found = []
    for path in sorted(folder.glob("*.png")):
        truth = picture(path)
        truth = truth[..., : truth.shape[-2] // scale * scale, : truth.shape[-1] // scale * scale]
        restored = enlarge(resize_8bit(truth, scale=1 / scale))
        found.append(psnr(luma(restored / 255), luma(truth / 255), border=scale))
    return torch.cat(found)


def bicubic_scores(folder: Path, scale: int) -> Tensor:
    """The floor: the same bicubic kernel enlarging."""
    return scores(folder, scale, lambda low: resize_8bit(low, scale=scale))


@torch.no_grad()
def network_scores(folder: Path, weights: str) -> Tensor:
    """The scores of a model of the zoo or of a weights file, whole pictures in float32."""
    import finesight

    model = finesight.load(weights)
    network = model.network.eval()

    def enlarge(low: Tensor) -> Tensor:
        return network(low / 255).mul(255).round().clamp(0, 255).byte()

    assert model.traits.scale is not None
    return scores(folder, model.traits.scale, enlarge)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--weights", nargs="*", default=["finesight-x2", "finesight-x3", "finesight-x4", "finesight-photo-x4"]
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for weights in arguments.weights:
        import finesight

        scale = finesight.load(weights).traits.scale
        assert scale is not None
        for folder in arguments.folders:
            ours, floor = float(network_scores(folder, weights).mean()), float(bicubic_scores(folder, scale).mean())
            rows.append({"model": weights, "set": folder.name, "psnr": ours, "bicubic": floor, "gain": ours - floor})
            print(f"{weights:24} {folder.name:8} {ours:6.2f} dB  bicubic {floor:6.2f} dB  {ours - floor:+.2f} dB")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
