"""What a run measures on its held-out samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from finesight.data.batch import Batch
from finesight.errors import SettingError, nearest
from finesight.train.answers import shown
from finesight.train.recipe import ValidationSettings

__all__ = ["METRICS", "Metric", "find_metric", "validate"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of one result.

    Args:
        measure: from the result, clamped to [0, 1], and the batch to one number; both already cut to the border.
        higher: whether more is better.
        unit: for people.
    """

    measure: Callable[[Tensor, Batch], float]
    higher: bool = True
    unit: str = ""


def _psnr(result: Tensor, batch: Batch) -> float:
    error = float((result - batch.target).double().square().mean())
    return 10 * math.log10(1 / max(error, 1e-10))


def _l1(result: Tensor, batch: Batch) -> float:
    return float((result - batch.target).double().abs().mean())


def _unknown(result: Tensor, batch: Batch) -> float:
    weight = torch.ones_like(batch.target) if batch.weight is None else batch.weight
    return float(((result - batch.target).double().abs() * weight).sum() / weight.sum().clamp(min=1))


METRICS: dict[str, Metric] = {
    "psnr": Metric(_psnr, unit="dB"),
    "l1": Metric(_l1, higher=False),
    "weighted-l1": Metric(_unknown, higher=False),
}


def find_metric(name: str) -> Metric:
    """A measure by name.

    Raises:
        SettingError: there is none of this name; the nearest are given.
    """
    if name not in METRICS:
        raise SettingError(f"validation.metric: '{name}' is not a measure. {nearest(name, METRICS)}".rstrip())
    return METRICS[name]


@torch.no_grad()
def validate(
    network: nn.Module,
    batches: Iterable[Batch],
    settings: ValidationSettings,
    device: torch.device,
    *,
    keep: Callable[[int, Tensor, Batch], None] | None = None,
) -> float:
    """The mean of the measure over the held-out samples; NaN where nothing is held out.

    Args:
        keep: called with the number, the result and the batch of the first ``settings.pictures`` samples.
    """
    metric = find_metric(settings.metric)
    scale = getattr(getattr(network, "traits", None), "scale", 1) or 1
    border = settings.border if settings.border is not None else (scale if scale > 1 else 0)
    values = []
    for number, batch in enumerate(islice(batches, settings.limit)):
        result = shown(network, batch.to(device)).float().clamp(0, 1).cpu()
        if keep is not None and number < settings.pictures:
            keep(number, result, batch)
        values.append(metric.measure(_cut(result, border), _cut_batch(batch, border)))
    return sum(values) / len(values) if values else math.nan


def _cut(picture: Tensor, border: int) -> Tensor:
    inner = slice(border, -border if border else None)
    return picture[..., inner, inner] if min(picture.shape[-2:]) > 2 * border else picture


def _cut_batch(batch: Batch, border: int) -> Batch:
    weight = None if batch.weight is None else _cut(batch.weight, border)
    return Batch(batch.inputs, _cut(batch.target, border), weight, batch.others)
