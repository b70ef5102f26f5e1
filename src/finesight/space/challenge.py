"""Scores of the challenge of learning the super-resolution space (NTIRE 2021 and 2022), digit by digit.

Each picture is enlarged several times at random. Measured are the realism of the samples (LPIPS, only a rough guide),
how much of the truth some sample catches at each place (diversity), and whether the samples, reduced again, are the
low-resolution picture (LR-PSNR). Features of the ground truth are computed once; one sample is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade.resize import taps
from finesight.errors import InputError, SettingError
from finesight.metrics.filtering import symmetric
from finesight.models.quality.lpips import Lpips

__all__ = ["Curve", "PictureScore", "Rank", "rank", "score_curve", "score_picture"]

MULTIPLE = 8  # ground truth is cut to multiples of this
GOAL = 45.0  # dB of LR-PSNR above which all methods are equally consistent
BOX = 16  # side of the window of the squared-error variant
CACHED = 1 << 16  # feature values worked on at a time


@dataclass(frozen=True)
class PictureScore:
    """What the challenge prints for one picture, and where it comes from.

    Args:
        name: of the picture.
        lpips_mean: mean LPIPS of the samples.
        lrpsnr_worst, lrpsnr_mean: of the samples, dB; infinite where the reduced pictures are equal.
        score: diversity: 100 (global_best - local_best)/global_best.
        global_best: LPIPS of the best sample.
        local_best: mean over pixels of the best LPIPS that any sample has there.
        sample_lpips, sample_lrpsnr: (samples,) float64.
        best_map: (H, W) float32, the best LPIPS of each pixel.
    """

    name: str
    lpips_mean: float
    lrpsnr_worst: float
    lrpsnr_mean: float
    score: float
    global_best: float
    local_best: float
    sample_lpips: Tensor
    sample_lrpsnr: Tensor
    best_map: Tensor


@dataclass(frozen=True)
class Curve:
    """The measures with the first 1, 2, ... samples: each (samples,) float64."""

    mean: Tensor
    best_local: Tensor
    difference: Tensor
    score: Tensor


def _cut(truth: Tensor) -> tuple[int, int]:
    """Height and width of the ground truth that count."""
    height, width = (side // MULTIPLE * MULTIPLE for side in truth.shape[-2:])
    if truth.dtype != torch.uint8 or truth.ndim != 3 or truth.shape[0] != 3:
        raise SettingError(f"the challenge scores 8-bit RGB pictures (3, H, W), got {truth.dtype} {tuple(truth.shape)}")
    if min(height, width) < 32:
        raise InputError(
            f"the challenge needs pictures of at least 32x32 pixels, got {truth.shape[2]}x{truth.shape[1]}"
        )
    return height, width


def _sample(sample: Tensor, height: int, width: int, index: int) -> Tensor:
    if sample.dtype != torch.uint8 or sample.ndim != 3 or sample.shape[0] != 3:
        raise SettingError(f"sample {index} is {sample.dtype} {tuple(sample.shape)}, expected 8-bit RGB (3, H, W)")
    if sample.shape[1] < height or sample.shape[2] < width:
        raise InputError(
            f"sample {index} has {sample.shape[2]}x{sample.shape[1]} pixels, the ground truth counts {width}x{height}"
        )
    return sample[:, :height, :width]


def _check(scale: int) -> None:
    if scale not in (4, 8):
        raise SettingError(f"the challenge has scales 4 and 8, got {scale}")


def _distance_map(network: Lpips, sample: Tensor, truth: Sequence[Tensor]) -> Tensor:
    """LPIPS of one sample (3, H, W) 8-bit at each pixel, (H, W) float32."""
    found = _trunk(network, sample)
    heads = [None] * len(found) if network.heads is None else [head.weight for head in network.heads]
    layers = [_layer(*layer) for layer in zip(found, truth, heads, strict=True)]  # type: ignore[arg-type]
    return network.enlarge(layers, (sample.shape[-2], sample.shape[-1]))[0, 0]


def _layer(feature: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted squared difference of unit features, (1, 1, h, w), a few rows at a time: they stay in the cache."""
    height, width = feature.shape[-2:]
    own, others = (part.permute(0, 2, 3, 1).flatten(0, 2) for part in (feature, target))  # pixels channels
    rows = max(1, CACHED // own.shape[1]) if own.device.type == "cpu" else len(own)
    answer = own.new_empty(len(own))
    for start in range(0, len(own), rows):
        part = own[start : start + rows]
        length = torch.linalg.vector_norm(part, dim=1, keepdim=True)
        square = (part / (length + 1e-10)).sub_(others[start : start + rows]).square_()
        answer[start : start + rows] = square.sum(1) if weights is None else square @ weights.flatten()
    return answer.view(1, 1, height, width)


def _trunk(network: Lpips, image: Tensor) -> list[Tensor]:
    """Features of an 8-bit picture (3, H, W); channels last, which convolutions on CPUs and the norm like best."""
    gain = 2 / (255 * network.image_scale)
    shift = (1 + network.image_shift) / network.image_scale
    batch = image[None].to(gain.dtype, memory_format=torch.channels_last)
    return list(network.trunk(batch.mul_(gain).sub_(shift)).values())


def _features(network: Lpips, image: Tensor) -> list[Tensor]:
    """The same of length one over channels."""
    return network.unit(_trunk(network, image))


def _reduced(image: Tensor, scale: int) -> Tensor:
    """The challenge's 8-bit reduction of (3, H, W), sides multiples of ``scale``: (3, H/scale, W/scale) float64.

    The same as ``resize_8bit`` with ``half-even`` rounding, many times quicker: at a whole scale all output pixels have
    the same taps, multiples of 2^-12 (x4) or 2^-16 (x8), whose sums float32 holds exactly at x4, float64 always.
    """
    _, weights = taps(16 * scale, 16, 1 / scale, "bicubic", antialias=True)
    line = weights[1].tolist()
    levels = image.to(torch.float32 if scale == 4 else torch.float64)
    levels = _reduced_rows(levels, line, scale).transpose(1, 2).contiguous()
    return _reduced_rows(levels, line, scale).transpose(1, 2).double()


def _reduced_rows(levels: Tensor, line: Sequence[float], scale: int) -> Tensor:
    """(3, H, W) -> (3, H/scale, W), rounded and clipped to 8-bit levels."""
    count = levels.shape[1] // scale
    edge = (len(line) - scale) // 2
    padded = symmetric(levels, (0, 0, edge, edge))
    total = levels.new_zeros(levels.shape[0], count, levels.shape[2])
    for start, weight in enumerate(line):
        total.add_(padded[:, start : start + (count - 1) * scale + 1 : scale], alpha=weight)
    return total.round_().clamp_(0, 255)


def _lr_psnr(sample: Tensor, low: Tensor, scale: int) -> float:
    error = float((_reduced(sample, scale) - low).square().mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


@torch.no_grad()
def score_picture(
    truth: Tensor, samples: Iterable[Tensor], network: Lpips, *, scale: Literal[4, 8], name: str = ""
) -> PictureScore:
    """All measures of one picture.

    Args:
        truth: (3, h, w) uint8; cut to multiples of 8 at its right and bottom.
        samples: (3, H, W) uint8 each, at least as large as what is left of the truth; read one after the other.
        network: LPIPS with AlexNet, version 0.1, on any device.
        scale: of the challenge's track.
        name: for the table.

    Raises:
        SettingError: not 8-bit RGB, another scale, or no samples.
        InputError: a sample is too small, or the truth is.
    """
    _check(scale)
    height, width = _cut(truth)
    device = next(network.parameters()).device
    truth = truth[:, :height, :width].to(device)
    features = _features(network, truth)
    low = _reduced(truth, scale)
    best: Tensor | None = None
    distances, consistencies = [], []
    for index, given in enumerate(samples):
        sample = _sample(given, height, width, index).to(device)
        distance = _distance_map(network, sample, features)
        distances.append(distance.mean(dtype=torch.float64))
        consistencies.append(_lr_psnr(sample, low, scale))
        best = distance if best is None else torch.minimum(best, distance, out=best)
    if best is None:
        raise SettingError(f"there are no samples of {name or 'the picture'}")
    means = torch.stack(distances).cpu()
    psnrs = torch.tensor(consistencies, dtype=torch.float64)
    global_best, local_best = float(means.min()), float(best.double().mean())
    return PictureScore(
        name=name,
        lpips_mean=float(means.mean()),
        lrpsnr_worst=float(psnrs.min()),
        lrpsnr_mean=float(psnrs.mean()),
        score=_diversity(global_best, local_best),
        global_best=global_best,
        local_best=local_best,
        sample_lpips=means,
        sample_lrpsnr=psnrs,
        best_map=best.cpu(),
    )


def _diversity(global_best: float, local_best: float) -> float:
    """100 (global - local)/global; 0 where every sample is the truth itself."""
    return 100 * (global_best - local_best) / global_best if global_best else 0.0


@torch.no_grad()
def score_curve(truth: Tensor, samples: Iterable[Tensor], network: Lpips | None = None) -> Curve:
    """How the measures grow with the number of samples, in their order: of LPIPS, or of squared errors.

    Args:
        truth, samples: as in ``score_picture``.
        network: LPIPS; without it the local measure is the squared error of 8-bit levels, averaged over channels and
            over 16x16 boxes that may hang over the border (outside nothing is wrong), as published.
    """
    height, width = _cut(truth)
    device = torch.device("cpu") if network is None else next(network.parameters()).device
    truth = truth[:, :height, :width].to(device)
    features = [] if network is None else _features(network, truth)
    best: Tensor | None = None
    means, locals_ = [], []
    for index, given in enumerate(samples):
        sample = _sample(given, height, width, index).to(device)
        found = _squared_error_map(sample, truth) if network is None else _distance_map(network, sample, features)
        best = found if best is None else torch.minimum(best, found)
        means.append(float(found.double().mean()))
        locals_.append(float(best.double().mean()))
    values, local = torch.tensor(means, dtype=torch.float64), torch.tensor(locals_, dtype=torch.float64)
    if not len(values):
        raise SettingError("there are no samples")
    top = values.cummin(0).values
    difference = top - local
    share = torch.where(top > 0, 100 * difference / top.clamp(min=1e-300), torch.zeros_like(top))
    counts = torch.arange(1, len(values) + 1, dtype=torch.float64)
    return Curve(values.cumsum(0) / counts, local, difference, share)


def _squared_error_map(sample: Tensor, truth: Tensor) -> Tensor:
    error = (sample.double() - truth.double()).square().mean(0)
    edge = BOX - 1
    return F.avg_pool2d(F.pad(error[None, None], (edge, edge, edge, edge)), BOX, stride=1)[0, 0]


@dataclass(frozen=True)
class Rank:
    """The place of one method.

    Args:
        name: of the method.
        score, lrpsnr: its diversity and its (worst) LR-PSNR, means over pictures.
        diversity: its place by diversity, 1 is best.
        consistency: its place by LR-PSNR; all above 45 dB share the first.
        opinion: its place by people's mean opinion rank, if known.
        final: the mean of the places by diversity and by opinion, if that is known.
    """

    name: str
    score: float
    lrpsnr: float
    diversity: int
    consistency: int
    opinion: int | None
    final: float | None


def rank(methods: Mapping[str, tuple[float, float]], opinions: Mapping[str, float] | None = None) -> list[Rank]:
    """Order methods by the challenge's rules: final places first, then by diversity.

    Args:
        methods: name -> (diversity score, LR-PSNR in dB).
        opinions: name -> mean opinion rank of the human study, lower is better; methods may lack.

    Raises:
        SettingError: an opinion about a method that is not there.
    """
    opinions = dict(opinions or {})
    if unknown := sorted(set(opinions) - set(methods)):
        raise SettingError(f"there are opinions on {', '.join(unknown)}, but no scores")
    consistent = {name: min(lrpsnr, GOAL) for name, (_, lrpsnr) in methods.items()}
    places = []
    for name, (score, lrpsnr) in methods.items():
        diversity = 1 + sum(other > score for other, _ in methods.values())
        consistency = 1 + sum(other > consistent[name] for other in consistent.values())
        opinion = 1 + sum(v < opinions[name] for v in opinions.values()) if name in opinions else None
        final = None if opinion is None else (diversity + opinion) / 2
        places.append(Rank(name, score, lrpsnr, diversity, consistency, opinion, final))
    return sorted(places, key=lambda p: (p.final is None, p.final or 0.0, p.diversity, p.name))
