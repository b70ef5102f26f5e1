"""Small pictures with detail, made by a seeded generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from finesight.data.drawn import drawn_picture
from finesight.data.pack import pack_folder

__all__ = ["small_pack", "write_photos"]


def write_photos(folder: Path) -> None:
    for seed in range(2):
        pixels = drawn_picture(np.random.default_rng(seed), 180)
        Image.fromarray(pixels).save(folder / f"photo {seed}.png")


def small_pack(folder: Path) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    write_photos(photos)
    pack_folder(photos, folder / "small.pack", side=48, limit=150_000, drawn=0.3)
    return folder / "small.pack"
