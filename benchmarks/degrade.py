"""Second-order degradation of 256x256 crops: ours against the published steps, one picture after the other, on the CPU.

``python benchmarks/degrade.py [--pictures 24] [--rounds 5] [--threads 1] [--json FILE]`` carries the same drawn
parameters out both ways, alternating, and prints pictures a second and the median of the ratios of neighbouring runs.
Two rows: the degradation alone, and with the sharpening of the ground truth that comes before it when training.

The published way, written here as plainly as it is described: every kernel padded to 21x21 and convolved whole, the
distinct levels for photon noise counted by sorting, JPEG block by block with an 8x8x8x8 tensor of cosines, and the
51x51 Gaussian of the sharpening as a whole kernel.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade.filtering import unsharp_kernel, unsharp_mask
from finesight.degrade.second_order import Kernel, Noise, Parameters, SecondOrder, Stage, apply, noise_field, sample

SIZE, SCALE = 256, 4
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))


def filtered(image: Tensor, kernel: Tensor) -> Tensor:
    """A whole kernel for all channels, the border reflected."""
    radius, channels = kernel.shape[-1] // 2, image.shape[1]
    mode = "reflect" if radius < min(image.shape[-2:]) else "replicate"
    extended = F.pad(image, (radius,) * 4, mode=mode)
    return F.conv2d(extended, kernel.to(image).expand(channels, 1, *kernel.shape), groups=channels)


def sharpened(image: Tensor) -> Tensor:
    """Unsharp masking with the 51x51 kernel as it is."""
    row = unsharp_kernel()
    kernel = torch.outer(row, row)
    residual = image - filtered(image, kernel)
    mask = filtered((residual.abs() * 255 > 10).float(), kernel)
    return mask * (image + 0.5 * residual).clamp(0, 1) + (1 - mask) * image


def cosines() -> tuple[Tensor, Tensor]:
    """The tensor of cosines (x, y, u, v) and the scaling of coefficients (u, v)."""
    angle = torch.tensor([[math.cos((2 * x + 1) * u * math.pi / 16) for u in range(8)] for x in range(8)])
    alpha = torch.tensor([1 / math.sqrt(2)] + [1.0] * 7)
    return torch.einsum("xu,yv->xyuv", angle, angle), torch.outer(alpha, alpha) / 4


COSINES, SCALING = cosines()


def coded(plane: Tensor, table: Tensor) -> Tensor:
    """One plane ``(H, W)`` block by block: cut, transform, quantise, and all of it back."""
    height, width = plane.shape
    blocks = plane.reshape(height // 8, 8, width // 8, 8).permute(0, 2, 1, 3).reshape(-1, 8, 8)
    values = SCALING * torch.einsum("bxy,xyuv->buv", blocks - 128, COSINES)
    values = torch.round(values / table) * table
    back = torch.einsum("buv,xyuv->bxy", values * SCALING, COSINES) + 128
    return back.reshape(height // 8, width // 8, 8, 8).permute(0, 2, 1, 3).reshape(height, width)


def compressed(image: Tensor, quality: float) -> Tensor:
    """JPEG of one picture ``(1, 3, H, W)`` on tensors."""
    height, width = image.shape[-2:]
    factor = (5000 / quality if quality < 50 else 200 - 2 * quality) / 100
    luma = torch.tensor(LUMA, dtype=torch.float32).T * factor
    chroma = torch.full((8, 8), 99.0)
    chroma[:4, :4] = torch.tensor(CORNER, dtype=torch.float32).T
    padded = F.pad(image, (0, -width % 16, 0, -height % 16))[0].permute(1, 2, 0) * 255
    turn = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    ycc = torch.tensordot(padded, turn.T, dims=1) + torch.tensor([0.0, 128.0, 128.0])
    planes = [coded(ycc[..., 0], luma)]
    for channel in (1, 2):
        half = F.avg_pool2d(ycc[None, None, ..., channel], 2)[0, 0]
        planes.append(coded(half, chroma * factor).repeat_interleave(2, 0).repeat_interleave(2, 1) - 128)
    back = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])
    rgb = torch.tensordot(torch.stack(planes, -1), back.T, dims=1).clamp(0, 255) / 255
    return rgb.permute(2, 0, 1)[None, :, :height, :width]


def noisy(image: Tensor, noise: Noise, *, our_draws: bool = False) -> Tensor:
    """One noise added; distinct levels are counted by sorting. With our draws, to see that the rest is equal."""
    if our_draws:
        return (image + noise_field(image, noise)).clamp(0, 1)
    generator = torch.Generator().manual_seed(noise.seed)
    if noise.kind == "gaussian":
        shape = (1, 1 if noise.gray else 3, *image.shape[-2:])
        return (image + torch.randn(shape, generator=generator) * noise.strength / 255).clamp(0, 1)
    seen = image
    if noise.gray:
        seen = (image * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    seen = (seen * 255).round().clamp(0, 255) / 255
    counts = 2 ** math.ceil(math.log2(len(torch.unique(seen))))
    field = torch.poisson(seen * counts, generator=generator) / counts - seen
    return (image + field * noise.strength).clamp(0, 1)


def published(image: Tensor, parameters: Parameters, *, our_draws: bool = False) -> Tensor:
    """The steps in the published order."""

    def blurred(values: Tensor, kernel: Kernel) -> Tensor:
        return values if kernel.family == "none" else filtered(values, kernel.values())

    def end(values: Tensor) -> Tensor:
        small = F.interpolate(values, size=(SIZE // SCALE,) * 2, mode=parameters.final_mode)
        return filtered(small, parameters.final_sinc.values())  # a pulse too, as published

    first: Stage = parameters.first
    second: Stage = parameters.second
    out = F.interpolate(blurred(image, first.blur), scale_factor=first.resize.factor, mode=first.resize.mode)
    out = compressed(noisy(out, first.noise, our_draws=our_draws), first.quality)
    side = int(SIZE / SCALE * second.resize.factor)
    out = F.interpolate(blurred(out, second.blur), size=(side, side), mode=second.resize.mode)
    out = noisy(out, second.noise, our_draws=our_draws)
    if parameters.jpeg_last:
        out = compressed(end(out).clamp(0, 1), second.quality)
    else:
        out = end(compressed(out.clamp(0, 1), second.quality))
    return (out * 255).round().clamp(0, 255) / 255


def crops(count: int) -> Tensor:
    """Smooth shapes with texture; what is in them hardly changes the time."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 20, 20, generator=generator)
    smooth = F.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


def seconds(call: Callable[[int], Tensor], count: int) -> float:
    """Of this process alone, so that others on the machine disturb less; with one thread it is time by the clock."""
    start = time.process_time()
    for number in range(count):
        call(number)
    return time.process_time() - start


def measure(name: str, count: int, rounds: int, *, sharpen: bool) -> dict[str, float | str]:
    images = crops(count)
    drawn = [sample(SecondOrder(), torch.Generator().manual_seed(seed)) for seed in range(count)]

    def theirs(number: int, *, our_draws: bool = False) -> Tensor:
        image = images[number : number + 1]
        return published(sharpened(image) if sharpen else image, drawn[number], our_draws=our_draws)

    def ours(number: int) -> Tensor:
        image = images[number : number + 1]
        return apply(unsharp_mask(image) if sharpen else image, drawn[number], scale=SCALE)

    differences = torch.stack(
        [(ours(number) - theirs(number, our_draws=True)).abs().mean() * 255 for number in range(count)]
    )
    runs = [(seconds(theirs, count), seconds(ours, count)) for _ in range(rounds)]
    return {
        "what": name,
        "published_per_second": count / statistics.median(run[0] for run in runs),
        "ours_per_second": count / statistics.median(run[1] for run in runs),
        "ratio": statistics.median(run[0] / run[1] for run in runs),
        "difference": float(differences.median()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        rows = [
            measure("degradation", arguments.pictures, arguments.rounds, sharpen=False),
            measure("sharpening and degradation", arguments.pictures, arguments.rounds, sharpen=True),
        ]
    print(f"{SIZE}x{SIZE}, x{SCALE}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'':28}{'published/s':>12}{'ours/s':>9}{'ratio':>8}{'difference':>12}")
    for row in rows:
        print(
            f"{row['what']:28}{row['published_per_second']:12.1f}{row['ours_per_second']:9.1f}"
            f"{row['ratio']:8.2f}{row['difference']:12.4f}"
        )
    if arguments.json:
        content = {"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
