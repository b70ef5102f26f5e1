"""Bicubic beside a model on one crop: ``python -m benchmarks.side_by_side INPUT OUTPUT --box LEFT TOP WIDTH HEIGHT``.

The left half is Pillow's bicubic, the right half the model's answer, both of the same crop of the input.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

import finesight

__all__ = ["side_by_side"]


def side_by_side(picture: Image.Image, model: str | None, scale: int) -> Image.Image:
    """Two enlargements of ``picture`` with a white line between them."""
    restored = finesight.upscale(picture, model=model, scale=scale)
    plain = picture.resize(restored.size, Image.Resampling.BICUBIC)
    sheet = Image.new("RGB", (2 * restored.width + 4, restored.height), "white")
    sheet.paste(plain, (0, 0))
    sheet.paste(restored, (restored.width + 4, 0))
    return sheet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--box", type=int, nargs=4, metavar=("LEFT", "TOP", "WIDTH", "HEIGHT"))
    parser.add_argument("--model")
    parser.add_argument("--scale", type=int, default=4)
    arguments = parser.parse_args()
    picture = Image.open(arguments.input).convert("RGB")
    if arguments.box:
        left, top, width, height = arguments.box
        picture = picture.crop((left, top, left + width, top + height))
    side_by_side(picture, arguments.model, arguments.scale).save(arguments.output, quality=88)
    return 0


if __name__ == "__main__":
    sys.exit(main())
