"""Training batches from Composition-1k or data of its layout; see ``data.matting_comp1k``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.matting_comp1k import (
    Pipeline,
    Sample,
    composed_picture,
    random_sample,
    read_level,
    read_list,
    read_picture,
)
from finesight.errors import InputError
from finesight.losses.matting import unknown_weight

__all__ = ["Compositions"]

_ENDINGS = {".jpg", ".jpeg", ".png"}


class Compositions:
    """Samples of a list of compositions, each made by a published pipeline.

    Args:
        root: folder that the list's paths are relative to.
        training, validation: list files below ``root``; validation may be ``None``.
        pipeline: ``dim``, ``indexnet`` or ``gca``.
        backgrounds: folder of pictures that ``gca`` composes with; ``None``: those of the list.
        patch: side of a sample in pixels; default: as published, 320 and of ``gca`` 512.
        held_out: at most so many samples of the validation list.
        seed: decides every batch.

    Raises:
        InputError: a list or the folder cannot be used.
    """

    def __init__(
        self,
        root: Path,
        *,
        training: str,
        validation: str | None,
        pipeline: Pipeline,
        backgrounds: Path | None = None,
        patch: int | None = None,
        held_out: int = 20,
        seed: int = 0,
    ) -> None:
        self.entries = read_list(root, training)
        self.held = read_list(root, validation)[:held_out] if validation else []
        self.pipeline: Pipeline = pipeline
        self.seed, self.patch = seed, patch
        self.backgrounds: list[Path] = []
        if backgrounds is not None:
            self.backgrounds = sorted(path for path in backgrounds.rglob("*") if path.suffix.lower() in _ENDINGS)
            if not self.backgrounds:
                raise InputError(f"{backgrounds} holds no pictures (.jpg, .png) to compose with.")

    def batch(self, step: int, size: int) -> Batch:
        """The samples of one step: picture and trimap, alpha, the unknown region as weight; ``others`` holds
        ``foreground``, ``background`` and ``merged``."""
        generator = chance(self.seed, step)
        samples = [
            random_sample(self.entries, self.pipeline, self.backgrounds, generator, patch=self.patch)
            for _ in range(size)
        ]
        return _together(samples)

    def validation(self) -> Iterator[Batch]:
        """The first samples of the validation list, whole."""
        for entry in self.held:
            alpha, front = read_level(entry.alpha), read_picture(entry.foreground)
            behind = read_picture(entry.background)
            merged = composed_picture(front, behind, alpha) if entry.merged is None else read_picture(entry.merged)
            if entry.trimap is None:
                raise InputError(f"{entry.alpha}: the validation list names no trimap_path for it.")
            colours = [one.astype(np.float32) for one in (front, merged, merged)]
            yield _together([Sample(alpha, read_level(entry.trimap), *colours)])


def _together(samples: list[Sample]) -> Batch:
    def colours(pick: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(pick)).permute(0, 3, 1, 2).contiguous().float() / 255

    def plane(pick: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(pick).astype(np.float32))[:, None]

    alpha = plane([one.alpha for one in samples]) / 255
    trimap = (plane([one.trimap for one in samples]) / 127.5).round()
    front, back, merged = (
        colours([getattr(one, name) for one in samples]) for name in ("foreground", "background", "merged")
    )
    others = {"foreground": front, "background": back, "merged": merged}
    return Batch((merged, trimap), alpha, unknown_weight(trimap), others)
