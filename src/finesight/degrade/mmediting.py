"""Real-ESRGAN's second order as mmediting trains it: picture by picture, with OpenCV's resizing and real JPEG files.

The ranges are those of ``second_order``, but for the last JPEG of quality 5 to 50 and shapes nearer to 1. Noise is not
clipped before the JPEG file does it, the second resize is relative to the current size, and red and blue change places
for JPEG. See specs of mmediting 0.16.1.
"""

from __future__ import annotations

import dataclasses

from torch import Generator, Tensor

from finesight.degrade import second_order
from finesight.degrade.codec import file_jpeg
from finesight.degrade.opencv import resized
from finesight.degrade.second_order import Parameters, SecondOrder, Stage, blurred, noise_field

__all__ = ["PUBLISHED", "apply", "sample"]

PUBLISHED = SecondOrder(
    first=dataclasses.replace(SecondOrder().first, shape_rule="narrow"),
    second=dataclasses.replace(SecondOrder().second, shape_rule="narrow", jpeg=(5.0, 50.0)),
)


def sample(settings: SecondOrder, generator: Generator) -> Parameters:
    """Draw what happens to one picture; qualities are whole."""
    drawn = second_order.sample(settings, generator)
    first, second = (
        dataclasses.replace(stage, quality=float(round(stage.quality))) for stage in (drawn.first, drawn.second)
    )
    return dataclasses.replace(drawn, first=first, second=second)


def _stage(image: Tensor, stage: Stage) -> Tensor:
    out = blurred(image, stage.blur)
    factor = stage.resize.factor
    out = resized(out, stage.resize.mode, (int(out.shape[-2] * factor), int(out.shape[-1] * factor)))
    return out + noise_field(out, stage.noise)


def apply(image: Tensor, parameters: Parameters, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample``.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    size = (image.shape[-2] // scale, image.shape[-1] // scale)
    quality = round(parameters.second.quality)
    out = file_jpeg(_stage(image, parameters.first), round(parameters.first.quality), swapped=True)
    out = _stage(out, parameters.second)
    if not parameters.jpeg_last:
        out = file_jpeg(out, quality, swapped=True)
    out = blurred(resized(out, parameters.final_mode, size), parameters.final_sinc)
    if parameters.jpeg_last:
        out = file_jpeg(out, quality, swapped=True)
    return (out * 255).round().clamp(0, 255) / 255
