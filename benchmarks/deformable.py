"""Deformable convolution: ours against a version that calls grid_sample once for each tap.

``python -m benchmarks.deformable [--rounds 15] [--threads N] [--device cuda] [--json FILE]`` prints, for the sizes that
published networks use, forward and with the gradient of everything, the median time of each and the median of the
ratios of neighbouring runs (they alternate). Beside the time on the clock stands the processor's time of this process,
which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.nn.deformable import deformable_convolution

Row = dict[str, float | str]

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


def seconds(call: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """On the clock, and of the processor."""
    start = time.perf_counter(), time.process_time()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest relative one (root mean square): single gradients jump where a sample crosses a pixel."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, theirs, strict=True))


def alternated(theirs: Callable[[], object], ours: Callable[[], object], rounds: int, device: torch.device) -> Row:
    """Medians in milliseconds, and the medians of the ratios of neighbouring runs."""
    theirs(), ours()
    runs = [(seconds(theirs, device), seconds(ours, device)) for _ in range(rounds)]
    row: Row = {}
    for number, clock in enumerate(("clock", "processor")):
        row[f"tap by tap, {clock} ms"] = 1000 * statistics.median(a[number] for a, _ in runs)
        row[f"ours, {clock} ms"] = 1000 * statistics.median(b[number] for _, b in runs)
        row[f"ratio, {clock}"] = statistics.median(a[number] / b[number] for a, b in runs)
    return row


def measure(size: tuple[str, int, int, int, int, int], rounds: int, device: torch.device) -> list[Row]:
    """One size: forward alone, and forward with all gradients."""
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
    parts, direction = (x, offset, weight, bias, mask), random(1, outputs, height, width)

    def theirs() -> Tensor:
        return tap_by_tap(*parts)

    def ours() -> Tensor:
        return deformable_convolution(x, offset, weight, bias, mask=mask, padding=1)

    def learning(call: Callable[[], Tensor]) -> Callable[[], tuple[Tensor, ...]]:
        return lambda: torch.autograd.grad(call(), parts, direction)

    with torch.no_grad():
        forward: Row = {"size": name, "what": "forward", "difference": difference([ours()], [theirs()])}
        forward |= alternated(theirs, ours, rounds, device)
    for part in parts:
        part.requires_grad_()
    error = difference(learning(ours)(), learning(theirs)())
    both: Row = {"size": name, "what": "with gradient", "difference": error}
    return [forward, both | alternated(learning(theirs), learning(ours), rounds, device)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = [row for size in SIZES for row in measure(size, arguments.rounds, torch.device(arguments.device))]
    print(f"{'':36}{'tap by tap':>13}{'ours':>12}{'ratio':>7}{'of processor time':>19}{'difference':>12}")
    for row in table:
        print(
            f"{row['size']:20}{row['what']:16}{row['tap by tap, clock ms']:>10.1f} ms{row['ours, clock ms']:>9.1f} ms"
            f"{row['ratio, clock']:>7.2f}{row['ratio, processor']:>19.2f}{row['difference']:>12.0e}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
