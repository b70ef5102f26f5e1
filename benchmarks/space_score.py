"""Time of the challenge's score of one picture against the published way: ``python benchmarks/space_score.py``.

The published script evaluates LPIPS pair by pair (ground truth anew each time, every layer enlarged on its own) and
reduces the ground truth anew for each sample with a NumPy resampling that gathers all taps at once. Weights are drawn:
time does not depend on them. Both must give the same digits. Also prints the peak of resident memory of our side.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade.resize import taps
from finesight.models.quality.lpips import Lpips
from finesight.space.challenge import score_picture


def plain_resize(image: np.ndarray, scale: float) -> np.ndarray:
    """(H, W, 3) uint8, rows then columns; rounded to 8 bits after each."""
    for axis in (0, 1):
        length = image.shape[axis]
        index, weight = taps(length, math.ceil(length * scale), scale, "bicubic", True)
        gathered = np.moveaxis(image, axis, 0)[index].astype(np.float64)  # out taps other channels
        out = (gathered * weight[:, :, None, None]).sum(1)
        image = np.moveaxis(np.rint(np.clip(out, 0, 255)).astype(np.uint8), 0, axis)
    return image


def plain_features(network: Lpips, image: Tensor) -> list[Tensor]:
    """As the lpips package does it: features of both pictures anew, the root of a sum of squares, then a division."""
    x = (2 * image - 1 - network.image_shift) / network.image_scale
    found = network.trunk(x).values()
    return [part / (torch.sqrt(torch.sum(part**2, dim=1, keepdim=True)) + 1e-10) for part in found]


def plain_lpips(network: Lpips, first: Tensor, second: Tensor) -> Tensor:
    assert network.heads is not None
    size = (first.shape[-2], first.shape[-1])
    total = torch.zeros(1, 1, *size)
    pairs = zip(network.heads, plain_features(network, first), plain_features(network, second), strict=True)
    for head, one, other in pairs:
        total = total + F.interpolate(head((one - other) ** 2), size, mode="bilinear", align_corners=False)
    return total[0, 0]


@torch.no_grad()
def plain_score(truth: Tensor, samples: list[Tensor], network: Lpips, scale: int) -> tuple[float, float]:
    maps, psnrs = [], []
    for sample in samples:
        maps.append(plain_lpips(network, sample[None] / 255, truth[None] / 255))
        low = [plain_resize(x.permute(1, 2, 0).numpy(), 1 / scale).astype(np.float64) for x in (sample, truth)]
        psnrs.append(10 * math.log10(255**2 / np.mean((low[0] - low[1]) ** 2)))
    stacked = torch.stack(maps).double()
    best = float(stacked.mean(dim=(1, 2)).min())
    return 100 * (best - float(stacked.min(0).values.mean())) / best, min(psnrs)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 1024), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--scale", type=int, choices=(4, 8), default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine that others use too"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    generator = torch.Generator().manual_seed(0)
    truth = F.interpolate(torch.rand(1, 3, 64, 64, generator=generator), options.size, mode="bicubic")[0].clamp(0, 1)
    noise = (torch.randn(truth.shape, generator=generator) * 0.03 for _ in range(options.samples))
    samples = [((truth + one).clamp(0, 1) * 255).byte() for one in noise]
    truth = (truth * 255).byte()
    torch.manual_seed(0)
    network = Lpips("alex").eval()
    assert network.heads is not None
    for head in network.heads.parameters():
        head.data.abs_()
    score_picture(truth[:, :64, :64], [x[:, :64, :64] for x in samples], network, scale=options.scale)  # warm
    start = clock()
    found = score_picture(truth, samples, network, scale=options.scale)
    ours = clock() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = clock()
    score, worst = plain_score(truth, samples, network, options.scale)
    plain = clock() - start
    apart = max(abs(found.score - score), abs(found.lrpsnr_worst - worst))
    print(f"{options.size[0]}x{options.size[1]}, {options.samples} samples, {options.threads} threads, {options.clock}")
    print(f"ours {ours:.2f} s, plain {plain:.2f} s, ratio {plain / ours:.1f} (goal 5), difference {apart:.1e}")
    print(f"peak of resident memory on our side {peak:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
