"""FID and KID of two folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from finesight.evaluate.scoring import as_tensor
from finesight.metrics.frechet import FeatureStatistics, KernelDistance, frechet_distance, kernel_distance
from finesight.progress import Cancel, Progress, silent

__all__ = ["SetDistance", "features_of", "set_distance"]


@dataclass(frozen=True)
class SetDistance:
    """How far two sets of pictures are apart, and how many there were."""

    fid: float
    kid: KernelDistance
    counts: tuple[int, int]


def features_of(
    files: Sequence[Path], network: nn.Module, *, progress: Progress = silent, cancel: Cancel | None = None
) -> Iterator[Tensor]:
    """(1, 2048) of each picture, one picture in memory at a time; grey pictures count as colour."""
    device = next(network.parameters()).device
    for done, file in enumerate(files):
        if cancel is not None:
            cancel.check()
        progress(done, len(files), file.name)
        image = as_tensor(file).to(device)
        with torch.no_grad():
            yield network(image.expand(-1, 3, -1, -1)).cpu()
    progress(len(files), len(files), "")


def set_distance(
    restored: Sequence[Path],
    reference: Sequence[Path],
    network: nn.Module,
    *,
    generator: torch.Generator,
    subset: int = 1000,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> SetDistance:
    """FID and KID of two lists of files. Only features are kept, never pictures.

    Args:
        restored, reference: files; any sizes, any order.
        network: the Inception of FID (``parameters.inception_network``).
        generator: for KID's random subsets.
        subset: pictures in each; at most as many as there are.
        progress: pictures of the list at hand.
        cancel: stops between pictures.

    Raises:
        InputError: fewer than two pictures in a list, or one that cannot be read.
    """
    features, statistics = [], []
    for files in (restored, reference):
        statistic, kept = FeatureStatistics(), []
        for found in features_of(files, network, progress=progress, cancel=cancel):
            statistic.update(found)
            kept.append(found)
        statistics.append(statistic)
        features.append(torch.cat(kept) if kept else torch.zeros(0, 2048))
    fid = frechet_distance(statistics[0], statistics[1])
    size = min(subset, len(features[0]), len(features[1]))
    kid = kernel_distance(features[0], features[1], generator=generator, size=size)
    return SetDistance(fid, kid, (len(features[0]), len(features[1])))
