"""Inpainting by area of the hole, on photographs that no network saw: ``python -m benchmarks.inpainting FOLDER``.

Free-form masks of each area bucket over a crop of 256x256 from the middle of every picture, from a stated seed. Printed
for the harmonic fill and for a model: PSNR inside the hole in dB (mean of the pictures), l1 inside the hole in per cent
of the [0, 1] range, and the texture gap: the mean absolute difference of log2 of the local contrast (root mean square
of the differences between neighbours, windows of 8x8 that lie in the hole by a third at least) to the truth; 0 = as
much detail as there should be, 1 = half as much or double. ``-o`` writes JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight import media
from finesight.data.masks import BUCKETS, in_bucket
from finesight.losses.contrast import texture
from finesight.nn.harmonic import harmonic_fill
from finesight.run.inpainting import Inpainter

METHODS = ("harmonic fill", "model", "model and patches")
SIDE = 256


def measures(filled: Tensor, truth: Tensor, mask: Tensor) -> dict[str, float]:
    """Of one picture ``(1, 3, H, W)``."""
    count = 3 * mask.sum()
    squared = float(((filled - truth).square() * mask).sum() / count)
    found, share = texture(filled, mask)
    wanted, _ = texture(truth, mask)
    gap = (found / wanted).log2().abs()[share > 1 / 3]
    return {
        "psnr": -10 * float(np.log10(max(squared, 1e-10))),
        "l1": 100 * float(((filled - truth).abs() * mask).sum() / count),
        "texture gap": float(gap.mean()) if len(gap) else float("nan"),
    }


def crop(path: Path) -> np.ndarray | None:
    pixels = media.read(path).to_depth(8).pixels
    top, left = ((length - SIDE) // 2 for length in pixels.shape[:2])
    if min(top, left) < 0 or pixels.shape[2] != 3:
        return None
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def crops_of(folder: Path, count: int) -> list[np.ndarray]:
    paths = sorted(path for path in folder.iterdir() if media.format_of_suffix(path.suffix))
    return [found for found in map(crop, paths) if found is not None][:count]


@torch.inference_mode()
def compare(
    folder: Path, *, pictures: int, bucket: tuple[float, float], model: str | None = None, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Means of the measures by method, for holes of one area bucket."""
    fillers = {"model": Inpainter(model, detail=False), "model and patches": Inpainter(model)}
    values: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    for number, pixels in enumerate(crops_of(folder, pictures)):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        hole = in_bucket(bucket, SIDE, SIDE, generator)
        truth = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        mask = torch.from_numpy(hole)[None, None].float()
        values["harmonic fill"].append(measures(harmonic_fill(truth, mask, sweeps=64), truth, mask))
        for method, filler in fillers.items():
            filled, _ = filler(media.Picture(pixels), hole.astype(bool))
            result = torch.from_numpy(filled.pixels).permute(2, 0, 1)[None] / 255
            values[method].append(measures(result, truth, mask))
    return {
        method: {key: float(np.nanmean([one[key] for one in rows])) for key in rows[0]}
        for method, rows in values.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", "-o", type=Path)
    arguments = parser.parse_args()
    table: dict[str, dict[str, dict[str, float]]] = {}
    for bucket in BUCKETS:
        name = f"{bucket[0]:.0%} to {bucket[1]:.0%}"
        table[name] = compare(
            arguments.folder, pictures=arguments.pictures, bucket=bucket, model=arguments.model, seed=arguments.seed
        )
        for method, row in table[name].items():
            numbers = f"{row['psnr']:>8.2f} dB{row['l1']:>8.3f} %{row['texture gap']:>8.3f}"
            print(f"{name:12}{method:18}{numbers}", flush=True)
    for key, sign in (("psnr", 1), ("l1", -1), ("texture gap", -1)):
        margin = [sign * (rows["model"][key] - rows["harmonic fill"][key]) for rows in table.values()]
        print(f"mean margin of the model in {key}: {np.mean(margin):+.3f}")
    if arguments.output:
        facts = {"pictures": arguments.pictures, "seed": arguments.seed, "side": SIDE, "table": table}
        arguments.output.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
