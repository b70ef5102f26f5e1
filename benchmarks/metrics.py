"""Time of our metrics against the published way written plainly: ``python benchmarks/metrics.py [--side 512]``.

Plain means what the published code does, one line after the other: a dense window moved over each plane (SSIM), every
block fitted on its own by a search over the whole grid (NIQE), every filter made and transformed back for every picture
(FSIM), dense convolutions of all bands and full-size box sums (VIF). Both sides run on the CPU with the same number of
threads, in the precision of the published code, and must agree. The best of several runs is taken. Prints a table;
``-o`` writes JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade.resize import resize
from finesight.metrics import NiqeModel, fsim, luma, niqe, ssim, vif
from finesight.metrics.fsim import ORIENTATIONS, SCALES, _similarity
from finesight.metrics.vif import NOISE, TINY, PyramidFilters

GOALS = {"SSIM": 5.0, "NIQE": 5.0, "FSIM": 3.0, "VIF": 3.0}


def window(taps: int, sigma: float) -> Tensor:
    places = torch.arange(taps, dtype=torch.float64) - taps // 2
    line = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = line[:, None] * line
    return kernel / kernel.sum()


def plain_ssim(first: Tensor, second: Tensor) -> Tensor:
    """As in BasicSR and IQA-PyTorch: five dense 11x11 filters for each channel."""
    kernel = window(11, 1.5)[None, None]
    answers = []
    for channel in range(first.shape[1]):
        x, y = (image[:, channel : channel + 1].double() * 255 for image in (first, second))
        mean_x, mean_y = F.conv2d(x, kernel), F.conv2d(y, kernel)
        var_x = F.conv2d(x * x, kernel) - mean_x**2
        var_y = F.conv2d(y * y, kernel) - mean_y**2
        covariance = F.conv2d(x * y, kernel) - mean_x * mean_y
        low, high = 2.55**2, 7.65**2
        numerator = (2 * mean_x * mean_y + low) * (2 * covariance + high)
        answers.append((numerator / ((mean_x**2 + mean_y**2 + low) * (var_x + var_y + high))).mean())
    return torch.stack(answers).mean()[None]


GRID = np.arange(0.2, 10.001, 0.001)
GAMMA = np.vectorize(math.gamma)
TABLE = GAMMA(2 / GRID) ** 2 / (GAMMA(1 / GRID) * GAMMA(3 / GRID))


def plain_fit(block: np.ndarray) -> tuple[float, float, float]:
    block = block.flatten()
    left = np.sqrt(np.mean(block[block < 0] ** 2))
    right = np.sqrt(np.mean(block[block > 0] ** 2))
    ratio = left / right
    target = np.mean(np.abs(block)) ** 2 / np.mean(block**2) * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alpha = GRID[np.argmin((TABLE - target) ** 2)]
    width = math.sqrt(math.gamma(1 / alpha) / math.gamma(3 / alpha))
    return alpha, left * width, right * width


def plain_niqe(image: Tensor, model: NiqeModel) -> Tensor:
    """As in BasicSR: a loop over blocks, five fits in each."""
    levels = (luma(image.float()) * 255).round().double()
    height, width = (side // 96 * 96 for side in levels.shape[-2:])
    levels = levels[..., :height, :width]
    kernel = window(7, 7 / 6)[None, None]
    scales = []
    for scale in (1, 2):
        padded = F.pad(levels, (3, 3, 3, 3), mode="replicate")
        mean = F.conv2d(padded, kernel)
        deviation = (F.conv2d(padded**2, kernel) - mean**2).abs().sqrt()
        contrast = ((levels - mean) / (deviation + 1))[0, 0].numpy()
        side = 96 // scale
        rows = []
        for column in range(contrast.shape[1] // side):
            for row in range(contrast.shape[0] // side):
                block = contrast[row * side : (row + 1) * side, column * side : (column + 1) * side]
                alpha, left, right = plain_fit(block)
                features = [alpha, (left + right) / 2]
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    alpha, left, right = plain_fit(block * np.roll(block, shift, axis=(0, 1)))
                    middle = (right - left) * math.gamma(2 / alpha) / math.gamma(1 / alpha)
                    features += [alpha, middle, left, right]
                rows.append(features)
        scales.append(np.array(rows))
        if scale == 1:
            levels = resize(levels / 255, scale=0.5) * 255
    features_of_all = torch.from_numpy(np.concatenate(scales, axis=1))
    apart = model.mean - features_of_all.mean(0)
    inverse = torch.linalg.pinv((model.covariance + features_of_all.T.cov()) / 2)
    return (apart @ inverse @ apart).sqrt()[None]


def plain_filters(height: int, width: int) -> list[list[Tensor]]:
    def axis(length: int) -> Tensor:
        half = (length - 1) // 2
        if length % 2:
            return torch.arange(-half, half + 1, dtype=torch.float32) / (length - 1)
        return torch.arange(-length // 2, length // 2, dtype=torch.float32) / length

    rows, columns = torch.meshgrid(axis(height), axis(width), indexing="ij")
    radius, angle = (torch.fft.ifftshift(x) for x in (torch.hypot(rows, columns), torch.atan2(-columns, rows)))
    radius[0, 0] = 1
    bank = []
    for orientation in range(ORIENTATIONS):
        turn = orientation * math.pi / ORIENTATIONS
        sine = angle.sin() * math.cos(turn) - angle.cos() * math.sin(turn)
        cosine = angle.cos() * math.cos(turn) + angle.sin() * math.sin(turn)
        spread = torch.exp(-(torch.atan2(sine, cosine).abs() ** 2) / (2 * (math.pi / 4.8) ** 2))
        filters = []
        for scale in range(SCALES):
            gabor = torch.exp(-((radius * 6 * 2**scale).log() ** 2) / (2 * math.log(0.55) ** 2))
            gabor = gabor / (1 + (radius / 0.45) ** 30)
            gabor[0, 0] = 0
            filters.append(gabor * spread)
        bank.append(filters)
    return bank


def plain_congruency(levels: Tensor) -> Tensor:
    height, width = levels.shape
    spectrum = torch.fft.fft2(levels)
    tiny = torch.finfo(torch.float32).eps
    energies, amplitudes = torch.zeros_like(levels), torch.zeros_like(levels)
    for filters in plain_filters(height, width):
        back = [torch.fft.ifft2(one).real * math.sqrt(height * width) for one in filters]
        responses = [torch.fft.ifft2(spectrum * one) for one in filters]
        even, odd = sum(r.real for r in responses), sum(r.imag for r in responses)
        length = torch.sqrt(even**2 + odd**2) + tiny
        mean_even, mean_odd = even / length, odd / length
        energy = torch.zeros_like(levels)
        for response in responses:
            e, o = response.real, response.imag
            energy += e * mean_even + o * mean_odd - (e * mean_odd - o * mean_even).abs()
        median = (responses[0].abs() ** 2).flatten().median()
        power = -median / math.log(0.5) / (filters[0] ** 2).sum()
        squares = sum(b**2 for b in back)
        crossed = sum(back[s] * back[t] for s in range(SCALES) for t in range(s + 1, SCALES))
        noise = 2 * power * squares.sum() + 4 * power * crossed.sum()
        tau = (noise / 2).sqrt()
        threshold = (tau * math.sqrt(math.pi / 2) + 2 * tau * math.sqrt(2 - math.pi / 2)) / 1.7
        energies += (energy - threshold).clamp(min=0)
        amplitudes += sum(r.abs() for r in responses)
    return (energies + tiny) / (amplitudes + tiny)


def plain_fsim(first: Tensor, second: Tensor) -> Tensor:
    """As in IQA-PyTorch: filters made anew, every one transformed back for the noise, one picture after the other."""
    factor = max(1, round(min(first.shape[-2:]) / 256))
    grey = [F.avg_pool2d(luma(x, "gray") * 255, factor) for x in (first, second)]
    congruency = [plain_congruency(x[0, 0]) for x in grey]
    scharr = torch.tensor([[3.0, 0, -3], [10, 0, -10], [3, 0, -3]])[None, None] / 16
    tiny = torch.finfo(torch.float32).eps
    gradient = []
    for x in grey:
        across, down = F.conv2d(x, scharr, padding=1), F.conv2d(x, scharr.transpose(2, 3), padding=1)
        gradient.append(torch.sqrt(across**2 + down**2 + tiny)[0, 0])
    similarity = _similarity(*congruency, 0.85) * _similarity(*gradient, 160)
    weight = torch.maximum(*congruency)
    return ((similarity * weight).sum() / weight.sum())[None]


def plain_correlate(image: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    edge = kernel.shape[0] // 2
    return F.conv2d(F.pad(image, (edge,) * 4, mode="reflect"), kernel[None, None], stride=stride)


def plain_vif(first: Tensor, second: Tensor, filters: PyramidFilters) -> Tensor:
    """As in the original and IQA-PyTorch: the whole pyramid, box sums at every pixel, then every third of them."""
    lo0, lo, hi0 = (filters[name].double() for name in ("lo0filt", "lofilt", "hi0filt"))
    kernels = [filters["bfilts"][:, k].double().reshape(7, 7).T for k in range(6)]
    pyramids = []
    for image in (first, second):
        levels = image.double() * 255
        plain_correlate(levels, hi0)  # the published pyramid has it, VIF does not look at it
        low, bands = plain_correlate(levels, lo0), []
        for _ in range(4):
            bands.append([plain_correlate(low, kernel) for kernel in kernels])
            low = plain_correlate(low, lo, 2)
        pyramids.append(bands)
    kept = information = 0.0
    for level in range(4):
        taps = 2 ** (4 - level) + 1
        for band in (0, 3):
            restored, truth = (pyramid[level][band] for pyramid in pyramids)
            height, width = (side // 3 * 3 for side in truth.shape[-2:])
            gained, total = plain_band(restored[..., :height, :width], truth[..., :height, :width], taps)
            kept, information = kept + gained, information + total
    return torch.tensor([kept / (information + TINY)])


def plain_band(restored: Tensor, truth: Tensor, taps: int) -> tuple[float, float]:
    box = torch.ones(taps, taps, dtype=torch.float64)
    sums = [
        plain_correlate(x, box)[..., 1::3, 1::3] for x in (truth, restored, truth**2, restored**2, truth * restored)
    ]
    area = taps**2
    variance1 = (sums[2] - sums[0] ** 2 / area).clamp(min=0)
    variance2 = (sums[3] - sums[1] ** 2 / area).clamp(min=0)
    covariance = sums[4] - sums[0] * sums[1] / area
    gain = covariance / (variance1 + TINY)
    noise = (variance2 - gain * covariance) / area
    gain, noise = torch.where(variance1 < TINY, 0.0, gain), torch.where(variance1 < TINY, variance2, noise)
    gain, noise = torch.where(variance2 < TINY, 0.0, gain), torch.where(variance2 < TINY, 0.0, noise)
    noise = torch.where(gain < 0, variance2, noise).clamp(min=TINY)
    gain = gain.clamp(min=0)
    patches = F.unfold(truth, 3)[0].reshape(3, 3, -1).transpose(0, 1).reshape(9, -1)
    centred = patches - patches.mean(1, keepdim=True)
    covariance_of_patches = centred @ centred.T / patches.shape[1]
    blocks = F.unfold(truth, 3, stride=3)[0].reshape(3, 3, -1).transpose(0, 1).reshape(9, -1)
    field = ((torch.linalg.pinv(covariance_of_patches) @ blocks) * blocks).sum(0) / 9
    field = field.reshape(gain.shape)
    margin = math.ceil((taps - 1) / 2 / 3)
    inner = (..., slice(margin, gain.shape[-2] - margin), slice(margin, gain.shape[-1] - margin))
    gain, noise, field = gain[inner], noise[inner], field[inner]
    kept = total = 0.0
    for eigenvalue in torch.linalg.eigvalsh(covariance_of_patches):
        kept += float(torch.log2(1 + gain**2 * field * eigenvalue / (noise + NOISE)).sum())
        total += float(torch.log2(1 + field * eigenvalue / NOISE).sum())
    return kept, total


def seconds(function: Callable[[], Tensor], repeats: int, clock: Callable[[], float]) -> tuple[float, Tensor]:
    answer = function()
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times), answer


def pictures(side: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(1, 3, side, side)
    for size in (8, 32, 128):
        truth += 0.12 * F.interpolate(torch.randn(1, 3, size, size, generator=generator), (side, side), mode="bicubic")
    truth = (truth + 0.5 + 0.01 * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    restored = (truth + 0.04 * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    return (restored * 255).round() / 255, (truth * 255).round() / 255


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the square picture")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine that others use too"
    )
    parser.add_argument("-o", "--output", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    restored, truth = pictures(options.side)
    grey = luma(restored, "gray-rounded"), luma(truth, "gray-rounded")
    generator = torch.Generator().manual_seed(1)
    # stand-ins for published parameters: the time does not depend on their values
    spread = torch.randn(36, 72, dtype=torch.float64, generator=generator)
    model = NiqeModel(torch.full((36,), 0.5, dtype=torch.float64), spread @ spread.T / 72, "drawn")
    filters = {
        name: torch.randn(k, k, generator=generator).double() / k
        for name, k in (("lo0filt", 5), ("lofilt", 9), ("hi0filt", 9))
    }
    filters["bfilts"] = torch.randn(49, 6, generator=generator).double() / 7
    runs: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
        "SSIM": (lambda: ssim(restored, truth), lambda: plain_ssim(restored, truth)),
        "NIQE": (lambda: niqe(restored, model), lambda: plain_niqe(restored, model)),
        "FSIM": (lambda: fsim(restored, truth, colour=False), lambda: plain_fsim(restored, truth)),
        "VIF": (lambda: vif(*grey, filters), lambda: plain_vif(*grey, filters)),
    }
    rows = []
    print(f"{options.side}x{options.side}, {options.threads} threads, {options.clock} time, best of {options.repeats}")
    print(f"{'metric':8}{'ours':>10}{'plain':>10}{'ratio':>8}{'goal':>6}{'difference':>13}")
    for name, (ours, plain) in runs.items():
        quick, answer = seconds(ours, options.repeats, clock)
        slow, expected = seconds(plain, max(1, options.repeats // 2), clock)
        apart = abs(float(answer[0]) - float(expected[0])) / abs(float(expected[0]))
        print(f"{name:8}{quick * 1e3:8.1f}ms{slow * 1e3:8.1f}ms{slow / quick:8.1f}{GOALS[name]:6.0f}{apart:13.1e}")
        rows.append({"metric": name, "ours_s": quick, "plain_s": slow, "ratio": slow / quick, "difference": apart})
    if options.output:
        options.output.write_text(
            json.dumps(
                {"side": options.side, "threads": options.threads, "clock": options.clock, "rows": rows}, indent=2
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
