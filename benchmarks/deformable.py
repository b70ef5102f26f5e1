"""Deformable convolution: ours against a version that calls grid_sample once for each tap.

``python benchmarks/deformable.py [--rounds 15] [--threads N] [--device cuda] [--json FILE]`` prints, for the sizes that
published networks use, the median time of each and the median of the ratios of neighbouring runs (they alternate).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.nn.deformable import deformable_convolution

SIZES = (  # name, channels, deformable groups, output channels, height, width
    ("EDVR-M, 64x64", 64, 8, 64, 64, 64),
    ("EDVR-L, 64x64", 128, 8, 128, 64, 64),
    ("BasicVSR++, 64x64", 128, 16, 64, 64, 64),
    ("EDVR-M, 180x320", 64, 8, 64, 180, 320),
    ("BasicVSR++, 180x320", 128, 16, 64, 180, 320),
)


def tap_by_tap(x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    """3x3, padding 1, stride 1: one grid_sample a tap for all groups, then one matrix product."""
    batch, channels, height, width = x.shape
    groups = offset.shape[1] // 18
    moves = offset.view(batch, groups, 9, 2, height, width)
    weights = mask.view(batch, groups, 9, 1, height, width)
    source = x.reshape(batch * groups, channels // groups, height, width)
    rows = torch.arange(height, dtype=x.dtype, device=x.device).view(-1, 1)
    columns = torch.arange(width, dtype=x.dtype, device=x.device)
    samples = []
    for tap in range(9):
        y = rows + (tap // 3 - 1) + moves[:, :, tap, 0]
        x_ = columns + (tap % 3 - 1) + moves[:, :, tap, 1]
        grid = torch.stack((2 * x_ / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1).flatten(0, 1)
        sampled = F.grid_sample(source, grid, align_corners=True).view(batch, groups, -1, height, width)
        samples.append((sampled * weights[:, :, tap]).reshape(batch, channels, -1))
    product = weight.flatten(1) @ torch.stack(samples, dim=2).flatten(1, 2)
    return product.view(batch, -1, height, width) + bias.view(-1, 1, 1)


def seconds(call: Callable[[], Tensor], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(size: tuple[str, int, int, int, int, int], rounds: int, device: torch.device) -> dict[str, float | str]:
    name, channels, groups, outputs, height, width = size
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    x, offset, weight = (
        random(1, channels, height, width),
        random(1, groups * 18, height, width),
        random(outputs, channels, 3, 3),
    )
    bias, mask = random(outputs), torch.sigmoid(random(1, groups * 9, height, width))
    calls = {
        "theirs": lambda: tap_by_tap(x, offset, weight, bias, mask),
        "ours": lambda: deformable_convolution(x, offset, weight, bias, mask=mask, padding=1),
    }
    with torch.no_grad():
        error = (calls["ours"]() - calls["theirs"]()).abs().max() / calls["theirs"]().abs().max()
        runs = [{key: seconds(call, device) for key, call in calls.items()} for _ in range(rounds)]
    return {
        "size": name,
        "tap by tap, ms": 1000 * statistics.median(run["theirs"] for run in runs),
        "ours, ms": 1000 * statistics.median(run["ours"] for run in runs),
        "ratio": statistics.median(run["theirs"] / run["ours"] for run in runs),
        "largest difference": float(error),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = [measure(size, arguments.rounds, torch.device(arguments.device)) for size in SIZES]
    print(f"{'':22}{'tap by tap':>12}{'ours':>12}{'ratio':>8}{'difference':>12}")
    for row in table:
        print(
            f"{row['size']:22}{row['tap by tap, ms']:>9.1f} ms{row['ours, ms']:>9.1f} ms{row['ratio']:>8.2f}"
            f"{row['largest difference']:>12.0e}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
