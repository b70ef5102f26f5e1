"""How fast published networks run: the plain way against ours, in turns: ``python -m benchmarks.zoo [--json FILE]``.

Random weights, drawn pictures. Plain is eager float32 torch on the whole picture; for LIIF it is the published way: the
features unfolded, four shifted queries one after the other through the whole perceptron, 30,000 queries at a time; for
TTSR all patches are unfolded and compared in one matrix.
Ours is ``finesight.run.Upscaler`` with its own choice of engine and precision, from 8-bit to 8-bit pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.upscale import difference, drawn, measure
from finesight import media
from finesight.models.image.liif import LiifEdsr
from finesight.models.prior.ttsr import Ttsr
from finesight.models.table import network_class
from finesight.nn.coordinates import pixel_centres
from finesight.nn.resample import bicubic
from finesight.run import Upscaler
from finesight.zoo.model import Card, Model

__all__ = ["main", "plain_liif", "plain_ttsr"]

NETWORKS: dict[str, tuple[dict[str, Any], int]] = {
    "edsr": ({"scale": 4}, 384),
    "rdn": ({"scale": 4}, 192),
    "rrdbnet": ({}, 192),
    "a2n": ({"scale": 4}, 256),
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
def plain_liif(network: LiifEdsr, scale: int, image: Tensor) -> Tensor:
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


@torch.no_grad()
def plain_ttsr(network: Ttsr, reference: Tensor, image: Tensor) -> Tensor:
    """TTSR as published implementations compute it: all patches unfolded, one matrix of all pairs."""
    size = (image.shape[2] * 4, image.shape[3] * 4)
    enlarged = bicubic(image, size)
    wide = (reference.shape[2], reference.shape[3])
    blurred = bicubic(bicubic(reference, (wide[0] // 4, wide[1] // 4)), wide)
    query, key = network.extractor(enlarged)[0], network.extractor(blurred)[0]
    values = network.extractor(reference)
    patches = [F.normalize(F.unfold(features, 3, padding=1), dim=1) for features in (query, key)]
    attention, index = torch.bmm(patches[1].transpose(1, 2), patches[0]).max(dim=1)
    attention = attention.view(1, 1, *query.shape[2:])
    textures = []
    for level, value in enumerate(values):
        step = 2**level
        columns = F.unfold(value, 3 * step, padding=step, stride=step)
        found = columns.gather(2, index[:, None].expand(-1, columns.shape[1], -1))
        sides = (query.shape[2] * step, query.shape[3] * step)
        textures.append(F.fold(found, sides, 3 * step, padding=step, stride=step) / 9)
    return network.generator(image * 2 - 1, attention, textures) / 2 + 0.5


def special_row(
    upscaler: Upscaler, pixels: np.ndarray, scale: int, plain: Callable[[Tensor], Tensor], repetitions: int
) -> list[dict[str, Any]]:
    """Plain and ours, in turns; both from 8-bit to 8-bit pixels."""
    picture = media.from_array(pixels)
    times: dict[str, list[float]] = {"plain": [], "auto": []}
    for turn in range(repetitions + 1):
        for way in times:
            began = time.perf_counter()
            if way == "plain":
                found = plain(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0)
                expected = found.clamp(0, 1).mul(255).round().byte().numpy()
            else:
                result, report = upscaler(picture, scale)
            if turn:
                times[way].append(time.perf_counter() - began)
    largest, rms = difference(result.pixels, expected)
    fastest = {way: min(values) for way, values in times.items()}
    ours = {
        "way": "auto",
        "seconds": fastest["auto"],
        "ratio": fastest["plain"] / fastest["auto"],
        "largest difference": largest,
        "rms difference": rms,
        "computed by": f"{report.engine} {report.precision}",
    }
    return [{"way": "plain", "seconds": fastest["plain"], "ratio": 1.0, "computed by": "torch float32"}, ours]


def special_rows(repetitions: int) -> list[dict[str, Any]]:
    """LIIF at two scales, and TTSR with a reference of its result's size."""
    rows = []
    liif = model_of("liif-edsr", {})
    upscaler, pixels = Upscaler(liif, device="cpu"), drawn(48, 48, 0)
    for scale in (4, 8):
        found = special_row(upscaler, pixels, scale, partial(plain_liif, liif.network, scale), repetitions)
        rows += [{"model": f"liif-edsr x{scale}", "side": 48, **row} for row in found]
    ttsr, reference = model_of("ttsr", {}), drawn(256, 256, 1)
    given = torch.from_numpy(reference).permute(2, 0, 1)[None] / 255
    upscaler = Upscaler(ttsr, device="cpu", reference=reference)
    found = special_row(upscaler, drawn(64, 64, 0), 4, partial(plain_ttsr, ttsr.network, given), repetitions)
    return rows + [{"model": "ttsr", "side": 64, **row} for row in found]


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
    rows += special_rows(options.repetitions)
    for row in rows:
        rms = row.get("rms difference", 0.0)
        print(f"{row['model']:14} {row['way']:6} {row['seconds']:8.3f} s  {row['ratio']:5.2f}  rms {rms:.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
