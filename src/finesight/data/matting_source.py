"""Matting data made from any photographs: drawn alphas compose one photograph over another.

Every batch is a function of the seed and the step alone, so that a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.matting_drawn import drawn_alpha
from finesight.data.pack import read_pack
from finesight.errors import InputError, SettingError
from finesight.losses.matting import composed, unknown_weight
from finesight.nn.trimap import BACKGROUND, FOREGROUND, UNKNOWN

__all__ = ["DrawnMattes", "drawn_sample", "loose_trimap"]

_HELD_OUT = 24  # samples for validation
_TRIES, _LEAST = 8, 0.04  # how often it is drawn anew, until so much of each class is there

Sample = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Picture, trimap, alpha, foreground, background."""


def loose_trimap(alpha: Tensor, foreground: int, background: int) -> Tensor:
    """Classes ``(N, 1, H, W)``: unknown is what lies within so many pixels (a square) of anything not quite known.

    Args:
        alpha: ``(N, 1, H, W)`` in [0, 1].
        foreground, background: how far, in pixels, known foreground and background keep from it.
    """

    def kept(known: Tensor, distance: int) -> Tensor:
        lost = (~known).int()
        for axis in (-2, -1):  # sums over windows, as differences of running sums
            edges = (0, 0, distance + 1, distance) if axis == -2 else (distance + 1, distance)
            running = F.pad(lost, edges).cumsum(axis)
            length, window = lost.shape[axis], 2 * distance + 1
            lost = running.narrow(axis, window, length) - running.narrow(axis, 0, length)
        return lost == 0

    trimap = torch.full_like(alpha, UNKNOWN)
    trimap[kept(alpha >= 1, foreground)] = FOREGROUND
    trimap[kept(alpha <= 0, background)] = BACKGROUND
    return trimap


class DrawnMattes:
    """Samples composed of the crops of a pack (``finesight data pack``) and drawn alphas (``drawn_alpha``).

    Args:
        path: the pack; its crops lend foreground and background their colours.
        patch: side of a sample in pixels, at most that of the crops.
        widest: the unknown region reaches at most so many pixels beyond what is not quite known.
        noise: largest standard deviation of noise, in grey levels of 255.
        alphas: so many are drawn at the start, a third larger than a sample, which is cut and turned from one or two.
        held_out: every so many photographs one is kept for validation, with all its crops.
        seed: decides every batch.

    Raises:
        InputError: the pack cannot be read, or holds too little.
        SettingError: the crops are smaller than the patch.
    """

    def __init__(
        self,
        path: Path,
        *,
        patch: int,
        widest: int = 24,
        noise: float = 4.0,
        alphas: int = 600,
        held_out: int = 7,
        seed: int = 0,
    ) -> None:
        crops, names = read_pack(path), _photographs(path)
        photographs = sorted(set(names) - {"drawn"})
        kept = set(photographs[held_out - 1 :: held_out])
        if len(photographs) < 2 or not kept:
            raise InputError(f"{path} holds {len(photographs)} photographs; held_out {held_out} needs as many.")
        if patch > crops[0].shape[0]:
            raise SettingError(f"patch {patch} is larger than the crops of {path}, {crops[0].shape[0]} pixels.")
        self.patch, self.widest, self.noise, self.seed = patch, widest, noise, seed
        self.crops = np.stack([crop for crop, name in zip(crops, names, strict=True) if name not in kept])
        self.held = np.stack([crop for crop, name in zip(crops, names, strict=True) if name in kept])
        self.alphas = _alphas(np.random.default_rng([seed, 1]), alphas, patch * 4 // 3)

    def batch(self, step: int, size: int) -> Batch:
        """The samples of one step: picture and trimap, alpha, the unknown region as weight; ``others`` holds
        ``foreground``, ``background`` and ``merged`` (the picture before noise)."""
        generator = chance(self.seed, step)
        random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        samples = [self._sample(random, self.crops, self.alphas) for _ in range(size)]
        return _together(samples)

    def validation(self) -> Iterator[Batch]:
        """Samples of the held-out photographs under other alphas, the same at every call."""
        random = np.random.default_rng([self.seed, 2])
        alphas = _alphas(random, _HELD_OUT, self.patch)
        for number in range(_HELD_OUT):
            yield _together([self._sample(random, self.held, alphas[number : number + 1])])

    def _sample(self, random: np.random.Generator, crops: np.ndarray, alphas: np.ndarray) -> Sample:
        front, back = (self._colours(random, crops) for _ in range(2))
        if random.random() < 0.45:
            front = _smooth(random, front)
        if random.random() < 0.15:
            back = _smooth(random, back)
        for _ in range(_TRIES):
            alpha = self._cut(random, alphas[int(random.integers(len(alphas)))])
            if random.random() < 0.15:
                other = self._cut(random, alphas[int(random.integers(len(alphas)))])
                alpha = 255 - ((255 - alpha.astype(np.int32)) * (255 - other.astype(np.int32)) + 127) // 255
            opened = torch.from_numpy(alpha.astype(np.float32) / 255)[None]
            trimap = _drawn_trimap(random, opened, self.widest)
            if _enough(trimap):
                break
        return _composed_sample(random, opened, trimap, front, back, self.noise)

    def _colours(self, random: np.random.Generator, crops: np.ndarray) -> np.ndarray:
        return self._cut(random, crops[int(random.integers(len(crops)))])

    def _cut(self, random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
        """A patch of it, turned and mirrored."""
        top, left = random.integers(0, picture.shape[0] - self.patch + 1, 2)
        cut = np.rot90(picture[top : top + self.patch, left : left + self.patch], int(random.integers(4)))
        return cut[:, ::-1] if random.random() < 0.5 else cut


def _alphas(random: np.random.Generator, count: int, side: int) -> np.ndarray:
    return np.stack([(drawn_alpha(random, side) * 255).round().astype(np.uint8) for _ in range(count)])


def _photographs(path: Path) -> list[str]:
    """Of which photograph each crop of a pack is; ``drawn`` for drawn ones. In the order of ``read_pack``."""
    with zipfile.ZipFile(path) as archive:
        return [name.rsplit("_", 1)[0] for name in archive.namelist() if name.endswith(".webp")]


def _smooth(random: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    """Only the slow changes of a picture's colours, as hair, fur and cloth have them, with a little grain."""
    small = torch.from_numpy(np.ascontiguousarray(colours)).permute(2, 0, 1)[None].float()
    size = int(random.integers(2, 9))
    spread = F.interpolate(F.adaptive_avg_pool2d(small, size), colours.shape[:2], mode="bicubic", align_corners=False)
    grain = random.normal(0, random.uniform(0, 6), colours.shape[:2])[..., None]
    gain = random.uniform(0.3, 1.2)  # hair is darker than most photographs
    return np.clip(spread[0].permute(1, 2, 0).numpy() * gain + grain, 0, 255).astype(np.uint8)


def drawn_sample(
    random: np.random.Generator,
    front: np.ndarray,
    back: np.ndarray,
    *,
    widest: int = 24,
    noise: float = 4.0,
    kind: str = "",
) -> Sample:
    """One sample: ``front`` over ``back`` by a drawn alpha.

    Args:
        random: where chance comes from.
        front, back: uint8 RGB of one square size.
        widest, noise: see ``DrawnMattes``.
        kind: of ``drawn_alpha``.

    Returns:
        Picture ``(3, h, w)`` rounded to 8 bits, trimap ``(1, h, w)``, alpha ``(1, h, w)``, foreground and background
        ``(3, h, w)``; colours in [0, 1].
    """
    for _ in range(_TRIES):
        opened = torch.from_numpy(drawn_alpha(random, front.shape[0], kind))[None]
        trimap = _drawn_trimap(random, opened, widest)
        if _enough(trimap):
            break
    return _composed_sample(random, opened, trimap, front, back, noise)


def _drawn_trimap(random: np.random.Generator, alpha: Tensor, widest: int) -> Tensor:
    """A trimap for alpha ``(1, h, w)``, mostly a narrow one, as people draw them."""
    distances = [1 + int(random.random() ** 2 * widest) for _ in range(2)]
    return loose_trimap(alpha[None], *distances)[0]


def _enough(trimap: Tensor) -> bool:
    """Whether something is known of both sides, and something unknown."""
    return min(float((trimap == each).float().mean()) for each in (BACKGROUND, UNKNOWN, FOREGROUND)) > _LEAST


def _composed_sample(
    random: np.random.Generator, alpha: Tensor, trimap: Tensor, front: np.ndarray, back: np.ndarray, noise: float
) -> Sample:
    colours = [torch.from_numpy(np.ascontiguousarray(c)).permute(2, 0, 1).float() / 255 for c in (front, back)]
    merged = composed(alpha, *colours)
    grain = random.standard_normal(merged.shape, np.float32) * np.float32(random.uniform(0, noise) / 255)
    image = ((merged + torch.from_numpy(grain)).clamp(0, 1) * 255).round() / 255
    return image, trimap, alpha, colours[0], colours[1]


def _together(samples: list[Sample]) -> Batch:
    image, trimap, alpha, foreground, background = (torch.stack(parts) for parts in zip(*samples, strict=True))
    merged = composed(alpha, foreground, background)
    others = {"foreground": foreground, "background": background, "merged": merged}
    return Batch((image, trimap), alpha, unknown_weight(trimap), others)
