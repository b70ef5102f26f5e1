"""BSRGAN's degradation mixed with Real-ESRGAN's ("degradation_bsrgan_plus"): eleven steps, sometimes all shuffled.

Blur, resize, Gaussian, Poisson and speckle noise, JPEG, and all but JPEG again; then a resize to the final size and a
last JPEG. With ``shuffle_probability`` the steps come in random order, otherwise only the three kinds of noise change
places among themselves. The published code has a camera's pipeline beside the noises, for which no model exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.degrade.bsrgan import Blur, Bsrgan, Mode, Noise, draw_blur, draw_mode, draw_noise, noise_field
from finesight.degrade.codec import file_jpeg
from finesight.degrade.draws import Draws
from finesight.degrade.filtering import filter_one, unsharp_mask
from finesight.degrade.opencv import resized

__all__ = ["BsrganPlus", "Photons", "Plus", "Resizing", "Step", "apply", "sample"]

Step = Literal[
    "blur",
    "resize",
    "gaussian",
    "poisson",
    "speckle",
    "jpeg",
    "second-blur",
    "second-resize",
    "second-gaussian",
    "second-poisson",
    "second-speckle",
]
STEPS: tuple[Step, ...] = (
    "blur",
    "resize",
    "gaussian",
    "poisson",
    "speckle",
    "jpeg",
    "second-blur",
    "second-resize",
    "second-gaussian",
    "second-poisson",
    "second-speckle",
)
_NOISES = (slice(2, 5), slice(8, 11))


@dataclass(frozen=True, slots=True)
class BsrganPlus:
    """What may happen to one picture. Blurs, Gaussian noise and qualities are those of ``base``.

    Args:
        base: see ``Bsrgan``.
        shuffle_probability: of all steps in random order; 0.5 in the code, 0.1 in the published training files.
        poisson_probability, speckle_probability: of each of the two.
        sharpen: unsharp masking first.
    """

    base: Bsrgan = Bsrgan()  # noqa: RUF009 (frozen)
    shuffle_probability: float = 0.1
    poisson_probability: float = 0.1
    speckle_probability: float = 0.1
    sharpen: bool = False


@dataclass(frozen=True, slots=True)
class Resizing:
    """By a factor of the current size."""

    factor: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Photons:
    """Light counted in ``counts`` steps from black to white; ``gray``: the noise of the luma for all channels."""

    counts: float
    gray: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Round:
    """One of the two rounds; a noise that does not happen is None."""

    blur: Blur
    resize: Resizing
    gaussian: Noise
    poisson: Photons | None
    speckle: Noise | None


@dataclass(frozen=True, slots=True)
class Plus:
    """What happened to one picture; ``order`` holds every step once."""

    sharpen: bool
    first: Round
    second: Round
    quality: int
    last_mode: Mode
    last_quality: int
    order: tuple[Step, Step, Step, Step, Step, Step, Step, Step, Step, Step, Step]


def _round(draw: Draws, settings: BsrganPlus, scale: int) -> Round:
    kind = draw.uniform()
    factor = draw.uniform(1, 2) if kind > 0.8 else draw.uniform(0.5 / scale, 1) if kind < 0.7 else 1.0
    photons = Photons(10 ** draw.uniform(2, 4), draw.uniform() >= 0.5, draw.seed())
    speckle = draw_noise(draw, settings.base)
    return Round(
        blur=draw_blur(draw, settings.base, scale),
        resize=Resizing(factor, draw_mode(draw)),
        gaussian=draw_noise(draw, settings.base),
        poisson=photons if draw.uniform() < settings.poisson_probability else None,
        speckle=speckle if draw.uniform() < settings.speckle_probability else None,
    )


def sample(settings: BsrganPlus, scale: int, generator: torch.Generator) -> Plus:
    """Draw what happens to one picture."""
    draw = Draws(generator)
    order = list(STEPS)
    if draw.uniform() < settings.shuffle_probability:
        order = [STEPS[number] for number in draw.order(len(STEPS))]
    else:
        for part in _NOISES:
            order[part] = [order[part][number] for number in draw.order(3)]
    low, high = settings.base.jpeg
    return Plus(
        sharpen=settings.sharpen,
        first=_round(draw, settings, scale),
        second=_round(draw, settings, scale),
        quality=low + draw.integer(high - low + 1),
        last_mode=draw_mode(draw),
        last_quality=low + draw.integer(high - low + 1),
        order=tuple(order),  # type: ignore[arg-type]  # the literals of the order
    )


def _with_photons(image: Tensor, photons: Photons) -> Tensor:
    levels = (image * 255).round().clamp(0, 255) / 255
    if photons.gray:
        luma = (levels * torch.tensor([0.299, 0.587, 0.114]).to(image).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
        seen = (luma * 255).round().clamp(0, 255) / 255
    else:
        seen = levels
    generator = torch.Generator().manual_seed(photons.seed)
    counted = torch.poisson(seen.cpu().double() * photons.counts, generator=generator) / photons.counts
    return (levels + (counted.to(image) - seen)).clamp(0, 1)


def _done(image: Tensor, step: str, part: Round) -> Tensor:
    height, width = image.shape[-2:]
    if step == "blur":
        return filter_one(image, part.blur.values()).clamp(0, 1)
    if step == "resize":
        factor = part.resize.factor
        return resized(image, part.resize.mode, (int(height * factor), int(width * factor))).clamp(0, 1)
    if step == "gaussian":
        return (image + noise_field(part.gaussian, height, width).to(image)).clamp(0, 1)
    if step == "poisson" and part.poisson is not None:
        return _with_photons(image, part.poisson)
    if step == "speckle" and part.speckle is not None:
        return (image + image * noise_field(part.speckle, height, width).to(image)).clamp(0, 1)
    return image


def apply(image: Tensor, parameters: Plus, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample`` at the same scale.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    size = (image.shape[-2] // scale, image.shape[-1] // scale)
    if parameters.sharpen:
        image = unsharp_mask(image)
    for step in parameters.order:
        if step == "jpeg":
            image = file_jpeg(image, parameters.quality)
        elif step.startswith("second-"):
            image = _done(image, step.removeprefix("second-"), parameters.second)
        else:
            image = _done(image, step, parameters.first)
    image = resized(image, parameters.last_mode, size).clamp(0, 1)
    return file_jpeg(image, parameters.last_quality)
