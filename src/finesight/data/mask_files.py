"""Masks from files: sets that others drew, such as the irregular masks of PConv's authors in their area buckets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from finesight.data.masks import Mask
from finesight.errors import InputError
from finesight.media.names import expand_inputs

__all__ = ["MaskFiles", "read_mask_file"]


def read_mask_file(path: Path) -> Mask:
    """The first channel of a picture file, any value above 0 a hole, ``(H, W)``.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Image.open(path) as file:
            grey = file.convert("RGB") if file.mode in ("P", "1") else file
            pixels = np.asarray(grey)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a mask: {error}") from error
    first = pixels if pixels.ndim == 2 else pixels[..., 0]
    return (first > 0).astype(np.uint8)


class MaskFiles:
    """A random one of many mask files, resized by nearest neighbour, turned.

    Args:
        place: folder of picture files, or a list: a text file with one path a line, below its own folder.
        rotation: turned by 0 up to so many degrees; what comes in from outside is known (published for AOT-GAN: 45).

    Raises:
        InputError: there are none.
    """

    def __init__(self, place: Path, *, rotation: float = 0.0) -> None:
        if place.is_dir():
            self.paths = [Path(item.source) for item in expand_inputs([str(place)]) if not item.problem]
        else:
            try:
                lines = place.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{place} is neither a folder of masks nor a list of them: {error}") from error
            self.paths = [place.parent / line.split()[0] for line in lines if line.strip()]
        if not self.paths:
            raise InputError(f"{place} holds no masks.")
        self.rotation = rotation

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask:
        """One of them at that size.

        Raises:
            InputError: the file cannot be read.
        """
        path = self.paths[int(torch.randint(len(self.paths), (), generator=generator))]
        angle = self.rotation * float(torch.rand((), generator=generator))
        picture = Image.fromarray(read_mask_file(path)).resize((width, height), Image.Resampling.NEAREST)
        if angle:
            picture = picture.rotate(angle, Image.Resampling.NEAREST)
        return np.array(picture, np.uint8)
