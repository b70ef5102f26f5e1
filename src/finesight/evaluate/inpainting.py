"""Inpainting as its tables measure it, by how much of a picture is missing.

    python -m finesight.evaluate.inpainting MODEL PICTURES --test places365-irregular --seed 0

The published test pipelines draw crops and masks at random, so their numbers cannot be repeated to the last digit. Here
the same draws come from a stated seed: equal seeds give equal numbers, whatever the model. The published tables do not
say the unit of their l1; every l1 here says its own.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from finesight.data.batch import chance
from finesight.data.inpainting import Cut, Pictures, pictures_of
from finesight.data.mask_files import MaskFiles
from finesight.data.masks import BUCKETS, Box, BucketMasks, Irregular, MaskGenerator, bucket_of
from finesight.errors import Error, SettingError, nearest
from finesight.metrics import psnr, ssim
from finesight.zoo import load

__all__ = ["TESTS", "UNITS", "InpaintingTest", "by_bucket", "find_test", "measure", "samples"]

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "psnr": "dB, 8-bit composite, whole picture",
        "ssim": "8-bit composite, whole picture, mean of the channels",
        "l1-hole": "% of the [0, 1] range, what the network paints, inside the hole",
        "l1-picture": "% of the [0, 1] range, composite, whole picture",
        "l1-picture-signed": "% of the [-1, 1] scale's unit, composite, whole picture",
    }
)
"""What each value of ``measure`` is."""

Paint = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class InpaintingTest:
    """A published way to draw test samples.

    Args:
        title: in one line.
        cut: how a sample is cut out of a picture.
        masks: what draws its hole; ``None``: a folder of masks must be given.
    """

    title: str
    cut: Cut
    masks: MaskGenerator | None


_CROP = Cut(size=256, crop=384)
_WHOLE = Cut(size=512, area=(0.08, 1.0))

TESTS: Mapping[str, InpaintingTest] = MappingProxyType(
    {
        "places365-box": InpaintingTest(
            title="Places365-val, 384 to 256, a box (Global&Local, DeepFillv1)", cut=_CROP, masks=Box()
        ),
        "places365-irregular": InpaintingTest(
            title="Places365-val, 384 to 256, polylines (PConv, DeepFillv2)", cut=_CROP, masks=Irregular()
        ),
        "celeba-hq-box": InpaintingTest(
            title="CelebA-HQ, 256, a box (Global&Local, DeepFillv1)", cut=Cut(size=256), masks=Box()
        ),
        "celeba-hq-irregular": InpaintingTest(
            title="CelebA-HQ, 256, polylines (PConv, DeepFillv2)", cut=Cut(size=256), masks=Irregular()
        ),
        "places365-files": InpaintingTest(
            title="Places365-val, random rectangle to 512, masks from files (AOT-GAN)", cut=_WHOLE, masks=None
        ),
        "buckets": InpaintingTest(
            title="256, strokes of every area bucket in turn (ours)", cut=Cut(size=256), masks=BucketMasks()
        ),
    }
)
"""Every test by its name."""


def find_test(name: str) -> InpaintingTest:
    """A test by its name.

    Raises:
        SettingError: there is none of that name; the nearest names are given.
    """
    if name not in TESTS:
        hint = nearest(name, TESTS) or f"There are {', '.join(TESTS)}."
        raise SettingError(f"'{name}' is not a test of inpainting. {hint}")
    return TESTS[name]


def samples(
    pictures: Pictures, test: InpaintingTest, *, seed: int, masks: MaskGenerator | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Truth ``(1, 3, S, S)`` in [0, 1] and mask ``(1, 1, S, S)`` of every picture, decided by ``seed`` alone.

    Args:
        masks: in place of the test's own.

    Raises:
        SettingError: the test has no masks of its own, and none were given.
    """
    kind = masks or test.masks
    if kind is None:
        raise SettingError("This test takes masks from files: give their folder with --masks.")
    for number in range(len(pictures)):
        generator = chance(seed, number)
        truth = test.cut(pictures[number], generator)
        mask = kind.draw(test.cut.size, test.cut.size, generator)
        yield truth[None], torch.from_numpy(mask)[None, None].float()


def measure(painted: Tensor, truth: Tensor, mask: Tensor) -> dict[str, float]:
    """The values of ``UNITS`` for one picture.

    Args:
        painted: ``(1, 3, H, W)``, what the network painted everywhere, in [0, 1] up to overshooting.
        truth, mask: as of ``samples``.
    """
    composite = painted * mask + truth * (1 - mask)
    shown, wanted = ((one * 255).clamp(0, 255).round() for one in (composite, truth))
    difference = float((composite - truth).abs().mean())
    inside = (painted - truth).abs() * mask
    return {
        "psnr": float(psnr(shown, wanted, peak=255.0)[0]),
        "ssim": float(ssim(shown, wanted, peak=255.0)[0]),
        "l1-hole": 100 * float(inside.sum() / (mask.sum() * painted.shape[1] + 1e-12)),
        "l1-picture": 100 * difference,
        "l1-picture-signed": 200 * difference,
    }


def by_bucket(found: Iterable[tuple[float, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Means by area bucket, and of all: ``all``, ``1-10%`` ... each with its ``count``.

    A PSNR of infinity (equal in 8 bits) makes a mean infinite, as in the published table.

    Args:
        found: the share of the picture that was missing, and what ``measure`` gave.
    """
    groups: dict[str, list[Mapping[str, float]]] = {"all": []}
    for share, values in found:
        bucket = bucket_of(share)
        name = "other" if bucket is None else _named(bucket)
        groups["all"].append(values)
        groups.setdefault(name, []).append(values)
    known = ["all", *(_named(bucket) for bucket in BUCKETS), "other"]
    return {
        name: {"count": len(groups[name])}
        | {key: float(np.mean([one[key] for one in groups[name]])) for key in UNITS if groups[name]}
        for name in known
        if name in groups
    }


def _named(bucket: tuple[float, float]) -> str:
    return f"{bucket[0] * 100:.0f}-{bucket[1] * 100:.0f}%"


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> int:
    """Measure one model."""
    parser = argparse.ArgumentParser(prog="python -m finesight.evaluate.inpainting", description=__doc__.split("\n")[0])
    parser.add_argument("model", help="name of the catalog, or file of weights")
    parser.add_argument("pictures", type=Path, help="folder, list or pack")
    parser.add_argument("--test", default="places365-irregular", help=", ".join(TESTS))
    parser.add_argument("--masks", type=Path, help="folder or list of masks, in place of the test's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="at most so many pictures")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        test = find_test(given.test)
        rotation = 45.0 if given.test == "places365-files" else 0.0
        masks = None if given.masks is None else MaskFiles(given.masks, rotation=rotation)
        table = _measured(given.model, pictures_of(given.pictures), test, given.seed, masks, given.limit)
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.json:
        content = {"model": given.model, "test": given.test, "seed": given.seed, "units": dict(UNITS), "table": table}
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
        return 0
    lines = [f"{given.model}: {test.title}; seed {given.seed}"]
    lines.append(f"{'missing':10}{'pictures':>9}" + "".join(f"{name:>19}" for name in UNITS))
    for name, row in table.items():
        numbers = "".join(f"{row[key]:>19.3f}" for key in UNITS if key in row)
        lines.append(f"{name:10}{row['count']:>9.0f}{numbers}")
    lines += [f"{name}: {unit}" for name, unit in UNITS.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _measured(
    name: str, pictures: Pictures, test: InpaintingTest, seed: int, masks: MaskGenerator | None, limit: int | None
) -> dict[str, dict[str, float]]:
    model = load(name)
    network = model.network
    if model.traits.task != "inpainting":
        raise SettingError(f"{name} fills no holes (task {model.traits.task}).")
    found = []
    for number, (truth, mask) in enumerate(samples(pictures, test, seed=seed, masks=masks)):
        if number >= (limit if limit is not None else math.inf):
            break
        painted: Tensor = network.predictions(truth, mask)[-1]  # type: ignore[operator]
        found.append((float(mask.mean()), measure(painted, truth, mask)))
    return by_bucket(found)


if __name__ == "__main__":
    sys.exit(main())
