"""Pictures and holes for training inpainting; each batch is a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.jitter import Jitter, jittered
from finesight.data.masks import Box, Mask, MaskGenerator
from finesight.data.pack import read_pack
from finesight.errors import InputError, SettingError
from finesight.media.names import expand_inputs

__all__ = ["Cut", "HoleSource", "PictureFiles", "Pictures", "pictures_of"]

Pixels = NDArray[np.uint8]
_VALIDATION = 2**31  # steps no run reaches: the chance of held-out samples


class Pictures(Protocol):
    """Pictures by number, uint8 RGB ``(H, W, 3)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pixels: ...


class PictureFiles:
    """Picture files that are read when they are asked for; alpha and depth beyond 8 bits are dropped.

    Args:
        paths: the files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pixels:
        from finesight import media

        pixels = media.read(self.paths[index]).to_depth(8).pixels
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def pictures_of(place: Path) -> Pictures:
    """The pictures of a pack (``.pack``), a list (``.txt``: one path a line, its first word), or a folder.

    Paths of a list are below the folder of the list, or absolute.

    Raises:
        InputError: nothing is there, or no pictures are.
    """
    if place.suffix == ".pack":
        return read_pack(place)
    if place.is_dir():
        items = expand_inputs([str(place)])
        paths = [Path(item.source) for item in items if not item.problem]
    else:
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{place} is no pack, folder or list of pictures: {error}. A list is a text file with a path a line."
            ) from error
        paths = [place.parent / line.split()[0] for line in lines if line.strip()]
    if not paths:
        raise InputError(f"{place} holds no pictures.")
    return PictureFiles(paths)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a training picture is cut out of a larger one.

    Args:
        size: side of the result, pixels.
        crop: side of a square that is cut out at random and resized to ``size``; ``None``: ``size`` itself. Published
            for 256: 384.
        area: instead: a rectangle of a share of the picture's area within these (AOT-GAN: 0.08 to 1), at a ratio of
            the sides of 3/4 to 4/3, resized.
        turns: one of the eight turns and mirrorings, at random.
        flip: mirrored half of the time, with its mask.
        jitter: random brightness, contrast, saturation and hue.
    """

    size: int
    crop: int | None = None
    area: tuple[float, float] | None = None
    turns: bool = False
    flip: bool = False
    jitter: Jitter | None = None

    def __call__(self, pixels: Pixels, generator: torch.Generator) -> Tensor:
        """uint8 ``(H, W, 3)`` to float ``(3, size, size)`` in [0, 1]."""
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)  # copied: pictures may be read-only
        if self.area is not None:
            image = _random_rectangle(image, self.area, generator)
        else:
            image = _random_square(image, self.crop or self.size, generator)
        cut = image.float() / 255
        if cut.shape[-2:] != (self.size, self.size):
            cut = F.interpolate(cut[None], size=(self.size, self.size), mode="bilinear", align_corners=False)[0]
        if self.turns:
            turn = int(torch.randint(8, (), generator=generator))
            cut = cut.rot90(turn % 4, (-2, -1))
            cut = cut.flip(-1) if turn >= 4 else cut
        return cut if self.jitter is None else jittered(cut, self.jitter, generator)


def _random_square(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A square of ``side``; a picture that is smaller is enlarged to it first."""
    shortest = min(image.shape[-2:])
    if shortest < side:
        size = [max(side, round(length * side / shortest)) for length in image.shape[-2:]]
        image = F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False)[0]
    top, left = (int(torch.randint(length - side + 1, (), generator=generator)) for length in image.shape[-2:])
    return image[:, top : top + side, left : left + side]


def _random_rectangle(image: Tensor, area: tuple[float, float], generator: torch.Generator) -> Tensor:
    """A rectangle of a random area and ratio; after ten that do not fit, the largest square in the middle."""
    height, width = image.shape[-2:]
    for _ in range(10):
        share, ratio = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        wanted = height * width * (area[0] + (area[1] - area[0]) * share)
        sides = (3 / 4) ** (1 - ratio) * (4 / 3) ** ratio  # uniform in the logarithm
        wide, tall = round((wanted * sides) ** 0.5), round((wanted / sides) ** 0.5)
        if 0 < wide <= width and 0 < tall <= height:
            top = int(torch.randint(height - tall + 1, (), generator=generator))
            left = int(torch.randint(width - wide + 1, (), generator=generator))
            return image[:, top : top + tall, left : left + wide]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[:, top : top + side, left : left + side]


class HoleSource:
    """Pictures with holes: ``inputs`` are picture and mask, ``target`` the picture, ``weight`` the mask (1 = hole).

    ``others["mask"]`` is the mask again, for discriminators. Where every mask is a ``Box``, ``others["boxes"]`` holds
    top, left, height and width, ``(N, 4)``.

    Args:
        pictures: by number, uint8 RGB; those of a pack, or ``PictureFiles``.
        masks: generators; each sample takes one of them, all equally likely.
        cut: how a sample is cut out of a picture.
        held_out: every so many pictures one is kept for validation.
        seed: decides every batch.
        validations: at most so many pictures are held out.

    Raises:
        InputError: too few pictures.
        SettingError: no masks.
    """

    def __init__(
        self,
        pictures: Pictures,
        masks: Sequence[MaskGenerator],
        cut: Cut,
        *,
        held_out: int = 40,
        seed: int = 0,
        validations: int = 64,
    ) -> None:
        kept = list(range(held_out - 1, len(pictures), held_out))[:validations]
        barred = set(kept)
        self.shown = [index for index in range(len(pictures)) if index not in barred]
        self.kept = kept
        if not self.shown:
            raise InputError(f"There are only {len(pictures)} pictures; training needs at least 2.")
        if not masks:
            raise SettingError("Inpainting learns from holes: give at least one kind of masks.")
        self.pictures, self.masks, self.cut, self.seed = pictures, tuple(masks), cut, seed

    def batch(self, step: int, size: int) -> Batch:
        """Pictures ``(size, 3, S, S)`` and masks ``(size, 1, S, S)`` of one step."""
        generator = chance(self.seed, step)
        chosen = torch.randint(len(self.shown), (size,), generator=generator).tolist()
        return self._batch([self.shown[index] for index in chosen], generator)

    def validation(self) -> Iterator[Batch]:
        """The held-out pictures, each with a cut and a hole of its own, the same at every call."""
        for index in self.kept:
            yield self._batch([index], chance(self.seed, _VALIDATION + index))

    def _batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        images, masks, boxes = [], [], []
        for index in indices:
            image = self.cut(self.pictures[index], generator)
            kind = self.masks[int(torch.randint(len(self.masks), (), generator=generator))]
            mask, box = _hole(kind, self.cut.size, generator)
            if self.cut.flip and float(torch.rand((), generator=generator)) < 0.5:
                image, mask = image.flip(-1), mask[:, ::-1].copy()
                box = (box[0], self.cut.size - box[1] - box[3], *box[2:]) if box else None
            images.append(image)
            masks.append(torch.from_numpy(mask)[None].float())
            boxes.append(box)
        target, hole = torch.stack(images), torch.stack(masks)
        found = [box for box in boxes if box is not None]
        others = {"boxes": torch.tensor(found)} if len(found) == len(boxes) else {}
        return Batch((target, hole), target, hole, {"mask": hole, **others})


def _hole(kind: MaskGenerator, side: int, generator: torch.Generator) -> tuple[Mask, tuple[int, int, int, int] | None]:
    """A mask of ``side``, and its box where it has one."""
    if not isinstance(kind, Box):
        return kind.draw(side, side, generator), None
    top, left, height, width = kind.box(side, side, generator)
    mask = np.zeros((side, side), np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask, (top, left, height, width)
