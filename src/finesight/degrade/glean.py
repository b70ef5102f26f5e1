"""How GLEAN's blind setting worsens faces: strongly once, back to full size, and only then shrunk.

Chan et al., "GLEAN: Generative Latent Bank for Large-Factor Image Super-Resolution", CVPR 2021, in the published
setting glean_in128out1024: kernels of 41x41, a shrink by up to 32, noise, JPEG, enlargement to the old size, 8 bits,
and the area mean. With OpenCV's resizing and real JPEG files, as mmediting computes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Generator, Tensor

from finesight.degrade.codec import file_jpeg
from finesight.degrade.draws import Draws
from finesight.degrade.opencv import resized
from finesight.degrade.second_order import Mode, Stage, StageSettings, blurred, draw_stage, noise_field

__all__ = ["KERNEL", "PUBLISHED", "Blind", "apply", "sample"]

KERNEL = 41
_MODES: tuple[Mode, ...] = ("bilinear", "area", "bicubic")

PUBLISHED = StageSettings(
    sizes=(KERNEL,),
    families=(0.5, 0.5, 0.0, 0.0, 0.0, 0.0),
    sinc_probability=0.0,
    sigma=(0.2, 10.0),
    up_down_keep=(0.0, 1.0, 0.0),
    resize=(1 / 32, 1.0),
    gaussian_probability=1.0,
    gaussian=(0.0, 50.0),
    gray_probability=0.0,
    jpeg=(5.0, 50.0),
)


@dataclass(frozen=True, slots=True)
class Blind:
    """What happened to one picture; ``back`` is how it was enlarged again."""

    stage: Stage
    back: Mode


def sample(settings: StageSettings, generator: Generator) -> Blind:
    """Draw what happens to one picture; qualities are whole."""
    draw = Draws(generator)
    stage = draw_stage(draw, settings)
    return Blind(replace(stage, quality=float(round(stage.quality))), _MODES[draw.integer(len(_MODES))])


def apply(image: Tensor, parameters: Blind, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample``.
        scale: how much smaller the result is; 8 as published.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1]; means of 8-bit levels, not rounded again.
    """
    height, width = image.shape[-2:]
    stage = parameters.stage
    out = blurred(image, stage.blur)
    out = resized(out, stage.resize.mode, (int(height * stage.resize.factor), int(width * stage.resize.factor)))
    out = file_jpeg(out + noise_field(out, stage.noise), round(stage.quality), swapped=True)
    out = resized(out, parameters.back, (height, width))
    levels = (out * 255).round().clamp(0, 255) / 255
    return resized(levels, "area", (height // scale, width // scale))
