"""HGGT's degradation in one stage: blur, resize, noise, JPEG, and back to size with the same interpolation.

Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution", CVPR 2023. Mild, because the
truth is sharper than life already. Here too are the weakened second order of its baselines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Generator, Tensor

from finesight.degrade.draws import Draws
from finesight.degrade.jpeg import jpeg
from finesight.degrade.noise import with_noise
from finesight.degrade.second_order import SecondOrder, Stage, StageSettings, blurred, draw_stage, noise_field, resized

__all__ = ["ENHANCE_BLUR", "ENHANCE_NOISE", "TRAINING", "WEAK_SECOND_ORDER", "OneStage", "apply", "sample"]

_MILD = StageSettings(
    sizes=(3, 5, 7), families=(0.7, 0.3, 0.0, 0.0, 0.0, 0.0), up_down_keep=(0.1, 0.85, 0.05), resize=(0.9, 1.1)
)

ENHANCE_NOISE = replace(
    _MILD, sigma=(0.1, 0.5), gaussian=(6.5, 13.0), poisson=(0.45, 0.9), gray_probability=0.1, jpeg=(80.0, 95.0)
)
"""Of the enhancement networks 01 and 03, at scale 1."""

ENHANCE_BLUR = replace(ENHANCE_NOISE, sigma=(0.5, 1.0), gaussian=(0.5, 6.5), poisson=(0.05, 0.45))
"""Of the enhancement networks 02 and 04, at scale 1."""

TRAINING = replace(
    _MILD,
    sizes=(3, 5, 7, 9),
    sinc_probability=0.01,
    sigma=(0.1, 1.0),
    resize=(0.8, 1.2),
    gaussian=(1.0, 12.0),
    poisson=(0.05, 0.8),
    gray_probability=0.2,
    jpeg=(75.0, 95.0),
)
"""Of the super-resolution networks, at x4."""

_WEAK = replace(
    _MILD,
    sinc_probability=0.01,
    sigma=(0.1, 0.6),
    gaussian=(1.0, 8.0),
    poisson=(0.05, 0.5),
    gray_probability=0.2,
    jpeg=(85.0, 95.0),
)
WEAK_SECOND_ORDER = SecondOrder(
    first=_WEAK,
    second=replace(
        _WEAK,
        sizes=(3, 5),
        blur_probability=0.8,
        sigma=(0.1, 0.4),
        gaussian=(0.0, 4.0),
        poisson=(0.0, 0.3),
        jpeg=(87.0, 95.0),
    ),
    final_sinc_probability=0.1,
)
"""Of the baseline Real-ESRGAN."""


@dataclass(frozen=True, slots=True)
class OneStage:
    """What happened to one picture."""

    stage: Stage


def sample(settings: StageSettings, generator: Generator) -> OneStage:
    """Draw what happens to one picture."""
    return OneStage(draw_stage(Draws(generator), settings))


def apply(image: Tensor, parameters: OneStage, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample``.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    stage, mode = parameters.stage, parameters.stage.resize.mode
    out = resized(blurred(image, stage.blur), mode, factor=stage.resize.factor)
    out = jpeg(with_noise(out, noise_field(out, stage.noise)), stage.quality)
    out = resized(out, mode, size=(image.shape[-2] // scale, image.shape[-1] // scale))
    return (out * 255).round().clamp(0, 255) / 255
