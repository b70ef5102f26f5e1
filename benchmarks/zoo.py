"""How fast published networks run: the plain way against ours, in turns: ``python -m benchmarks.zoo [--json FILE]``.

Random weights, drawn pictures. Plain is eager float32 torch on the whole picture; for LIIF it is the published way: the
features unfolded, four shifted queries one after the other through the whole perceptron, 30,000 queries at a time.
Ours is ``finesight.run.Upscaler`` with its own choice of engine and precision, from 8-bit to 8-bit pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.upscale import difference, drawn, measure
from finesight import media
from finesight.models.image.liif import LiifEdsr
from finesight.models.table import network_class
from finesight.nn.coordinates import pixel_centres
from finesight.run import Upscaler
from finesight.zoo.model import Card, Model

__all__ = ["main", "plain_liif"]

NETWORKS: dict[str, tuple[dict[str, Any], int]] = {
    "edsr": ({"scale": 4}, 256),
    "rdn": ({"scale": 4}, 96),
    "rrdbnet": ({}, 96),
    "a2n": ({"scale": 4}, 192),
}
"""Architecture, its arguments, and the side of the picture."""


def model_of(architecture: str, arguments: dict[str, Any]) -> Model:
    """A network of random weights."""
    torch.manual_seed(0)
    network = network_class(architecture)(**arguments).eval()
    return Model(network, network.traits, Card(name=architecture, architecture=architecture, arguments=arguments))


def _liif_inputs(grid: Tensor, coordinates: Tensor, shift: tuple[int, int], cell: Tensor) -> tuple[Tensor, Tensor]:
    """The perceptron's input and the area for one of the four shifted looks."""
    height, width = grid.shape[-2:]
    size = torch.tensor([height, width])
    moved = coordinates + torch.tensor(shift) / size + 1e-6
    moved = moved.clamp(-1 + 1e-6, 1 - 1e-6)
    at = moved.flip(-1)[None, None]
    found = F.grid_sample(grid, at, mode="nearest", align_corners=False)[0, :, 0].T
    rows, columns = (-1 + (2 * torch.arange(n) + 1) / n for n in (height, width))
    centres = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
    centre = F.grid_sample(centres, at, mode="nearest", align_corners=False)[0, :, 0].T
    relative = (coordinates - centre) * size
    numbers = torch.cat([found, relative, cell * size], -1)
    return numbers, relative.prod(-1).abs() + 1e-9


@torch.no_grad()
def plain_liif(network: LiifEdsr, image: Tensor, scale: int) -> Tensor:
    """LIIF as published implementations compute it: ``(1, 3, h, w)`` to ``(1, 3, scale h, scale w)``, not clamped."""
    features = network.encode(image)
    grid = F.unfold(features, 3, padding=1).reshape(1, -1, *features.shape[-2:])
    height, width = image.shape[-2] * scale, image.shape[-1] * scale
    coordinates = pixel_centres((height, width)).reshape(-1, 2)
    cell = torch.tensor([2 / height, 2 / width]).expand(len(coordinates), 2)
    colours = []
    for part, size in zip(coordinates.split(30_000), cell.split(30_000), strict=True):
        answers, areas = [], []
        for shift in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            numbers, area = _liif_inputs(grid, part, shift, size)
            answers.append(network.imnet(numbers))
            areas.append(area)
        total = torch.stack(areas).sum(0)
        colours.append(sum(a * (b / total)[:, None] for a, b in zip(answers, reversed(areas), strict=True)))
    colour = torch.cat(colours) * network.std.flatten() + network.mean.flatten()
    return colour.T.reshape(1, 3, height, width)


def liif_row(scale: int, side: int, repetitions: int) -> list[dict[str, Any]]:
    """Plain and ours, in turns."""
    model = model_of("liif-edsr", {})
    upscaler = Upscaler(model, device="cpu")
    pixels = drawn(side, side, 0)
    picture, image = media.from_array(pixels), torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    times: dict[str, list[float]] = {"plain": [], "auto": []}
    for turn in range(repetitions + 1):
        for way in times:
            began = time.perf_counter()
            if way == "plain":
                found = plain_liif(model.network, image, scale)[0].permute(1, 2, 0)
                expected = found.clamp(0, 1).mul(255).round().byte().numpy()
            else:
                answer = upscaler(picture, scale)[0].pixels
            if turn:
                times[way].append(time.perf_counter() - began)
    largest, rms = difference(answer, expected)
    fastest = {way: min(values) for way, values in times.items()}
    ours = {
        "way": "auto",
        "seconds": fastest["auto"],
        "ratio": fastest["plain"] / fastest["auto"],
        "largest difference": largest,
        "rms difference": rms,
        "computed by": "torch float32",
    }
    return [{"way": "plain", "seconds": fastest["plain"], "ratio": 1.0}, ours]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for name, (arguments, side) in NETWORKS.items():
        model = model_of(name, arguments)
        ways = {"auto": Upscaler(model, device="cpu")}
        rows += [
            {"model": name, "side": side} | row for row in measure(model, (side, side, 1), ways, options.repetitions)
        ]
    for scale in (4, 8):
        rows += [{"model": f"liif-edsr x{scale}", "side": 48} | row for row in liif_row(scale, 48, options.repetitions)]
    for row in rows:
        rms = row.get("rms difference", 0.0)
        print(f"{row['model']:14} {row['way']:6} {row['seconds']:8.3f} s  {row['ratio']:5.2f}  rms {rms:.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
