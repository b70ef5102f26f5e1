"""BSRGAN's degradation: two blurs, two resizes, noise and JPEG in random order, and a last JPEG.

Zhang et al., "Designing a Practical Degradation Model for Deep Blind Image Super-Resolution", ICCV 2021. Settings say
what may happen, ``sample`` draws a recorded ``Parameters``, ``apply`` carries it out. The published code can also
send pictures through a camera's pipeline for which no model was published; that step is not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.degrade import kernels
from finesight.degrade.codec import file_jpeg
from finesight.degrade.draws import Draws
from finesight.degrade.filtering import filter_one
from finesight.degrade.opencv import resized
from finesight.degrade.resize import resize

__all__ = [
    "WEAK",
    "Blur",
    "Bsrgan",
    "Noise",
    "Parameters",
    "Shrink",
    "Step",
    "apply",
    "draw_blur",
    "draw_mode",
    "draw_noise",
    "noise_field",
    "sample",
]

Mode = Literal["bilinear", "bicubic", "area"]
Step = Literal["blur", "second-blur", "shrink", "resize", "noise", "jpeg"]
STEPS: tuple[Step, ...] = ("blur", "second-blur", "shrink", "resize", "noise", "jpeg")
_MODES: tuple[Mode, ...] = ("bilinear", "bicubic", "area")


@dataclass(frozen=True, slots=True)
class Bsrgan:
    """What may happen to one picture, as published. With s the scale, limits given as (a, b) are a + b s.

    Args:
        anisotropic_probability: otherwise a blur is isotropic.
        variance: highest variance of anisotropic blurs.
        sigma: highest standard deviation of isotropic blurs, pixels.
        sizes: of blur kernels.
        resize_probability: of shrinking by resizing, otherwise by a blur and every s-th pixel.
        shrink: highest factor of shrinking by resizing.
        strided_sigma: highest standard deviation of the blur before every s-th pixel, over s; the lowest is 0.1.
        strided_sizes: of its kernels.
        noise: lowest and highest level, whole numbers.
        jpeg_probability: of the JPEG in random order; the last one is always there.
        jpeg: lowest and highest quality, whole numbers.
        halving_probability: at x4, of halving the picture first.
    """

    anisotropic_probability: float = 0.5
    variance: tuple[float, float] = (4.0, 1.0)
    sigma: tuple[float, float] = (2.0, 0.2)
    sizes: tuple[int, ...] = (7, 9, 11, 13, 15, 17, 19, 21, 23, 25)
    resize_probability: float = 0.75
    shrink: tuple[float, float] = (0.0, 2.0)
    strided_sigma: float = 0.6
    strided_sizes: tuple[int, ...] = (25,)
    noise: tuple[int, int] = (2, 25)
    jpeg_probability: float = 0.9
    jpeg: tuple[int, int] = (30, 95)
    halving_probability: float = 0.25


WEAK = Bsrgan(
    anisotropic_probability=0.3,
    variance=(0.2, 0.2),
    sigma=(0.2, 0.2),
    sizes=(3, 5, 7, 9),
    shrink=(1 / 0.85, 0.0),
    strided_sigma=0.25,
    strided_sizes=(3, 5, 7, 9),
    noise=(1, 12),
    jpeg=(75, 95),
)
"""As a baseline of HGGT."""


@dataclass(frozen=True, slots=True)
class Blur:
    """``first`` and ``second`` are variances along and across ``angle``; of ``iso``, ``first`` is the deviation."""

    kind: Literal["iso", "aniso"]
    size: int
    first: float
    second: float = 0.0
    angle: float = 0.0

    def values(self) -> Tensor:
        """``(size, size)`` float64, sum 1."""
        if self.kind == "iso":
            return kernels.bsrgan_isotropic(self.size, self.first)
        return kernels.bsrgan_anisotropic(self.size, self.angle, self.first, self.second)


@dataclass(frozen=True, slots=True)
class Shrink:
    """By ``factor`` with ``mode``; where ``blur`` is there, blurred and every ``factor``-th pixel taken instead."""

    factor: float
    mode: Mode
    blur: Blur | None


@dataclass(frozen=True, slots=True)
class Noise:
    """Gaussian noise of ``level`` / 255; ``correlated``: over the channels, by a covariance that the seed gives."""

    kind: Literal["colour", "gray", "correlated"]
    level: float
    seed: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """What happened to one picture; ``order`` holds every step once, ``shrink`` before ``resize``."""

    halving: Literal["bilinear", "bicubic", "area", "matlab"] | None
    blur: Blur
    second_blur: Blur
    shrink: Shrink
    resize: Mode
    noise: Noise
    quality: int | None
    last_quality: int
    order: tuple[Step, Step, Step, Step, Step, Step]


def draw_mode(draw: Draws) -> Mode:
    """One of the three interpolations."""
    return _MODES[draw.integer(3)]


def draw_blur(draw: Draws, settings: Bsrgan, scale: int) -> Blur:
    """A blur."""
    size = settings.sizes[draw.integer(len(settings.sizes))]
    if draw.uniform() < settings.anisotropic_probability:
        most = settings.variance[0] + settings.variance[1] * scale
        return Blur("aniso", size, _some(draw, most), _some(draw, most), draw.uniform(0, math.pi))
    return Blur("iso", size, _some(draw, settings.sigma[0] + settings.sigma[1] * scale))


def _some(draw: Draws, most: float) -> float:
    """Up to ``most``; a blur of exactly nothing has no kernel."""
    return max(draw.uniform(0, most), 1e-6)


def _draw_shrink(draw: Draws, settings: Bsrgan, scale: int) -> Shrink:
    mode = draw_mode(draw)
    factor = draw.uniform(1, settings.shrink[0] + settings.shrink[1] * scale)
    size = settings.strided_sizes[draw.integer(len(settings.strided_sizes))]
    sigma = draw.uniform(0.1, settings.strided_sigma * scale)
    if draw.uniform() < settings.resize_probability:
        return Shrink(factor, mode, None)
    return Shrink(float(scale), mode, Blur("iso", size, max(sigma, 0.1)))


def draw_noise(draw: Draws, settings: Bsrgan) -> Noise:
    """Gaussian noise of one of the three kinds."""
    low, high = settings.noise
    level, kind, seed = float(low + draw.integer(high - low + 1)), draw.uniform(), draw.seed()
    if kind > 0.6:
        return Noise("colour", level, seed)
    return Noise("gray", level, seed) if kind < 0.4 else Noise("correlated", float(high), seed)


def sample(settings: Bsrgan, scale: int, generator: torch.Generator) -> Parameters:
    """Draw what happens to one picture."""
    draw = Draws(generator)
    halving: Literal["bilinear", "bicubic", "area", "matlab"] | None = None
    if scale == 4 and draw.uniform() < settings.halving_probability:
        halving = draw_mode(draw) if draw.uniform() < 0.5 else "matlab"
        scale = 2
    order = [STEPS[number] for number in draw.order(6)]
    first, last = sorted((order.index("shrink"), order.index("resize")))
    order[first], order[last] = "shrink", "resize"
    low, high = settings.jpeg
    qualities = [low + draw.integer(high - low + 1) for _ in range(2)]
    return Parameters(
        halving=halving,
        blur=draw_blur(draw, settings, scale),
        second_blur=draw_blur(draw, settings, scale),
        shrink=_draw_shrink(draw, settings, scale),
        resize=draw_mode(draw),
        noise=draw_noise(draw, settings),
        quality=qualities[0] if draw.uniform() < settings.jpeg_probability else None,
        last_quality=qualities[1],
        order=(order[0], order[1], order[2], order[3], order[4], order[5]),
    )


def noise_field(noise: Noise, height: int, width: int) -> Tensor:
    """The recorded noise, ``(1, 3, height, width)``."""
    generator = torch.Generator().manual_seed(noise.seed)
    level = noise.level / 255
    if noise.kind == "gray":
        return (level * torch.randn(1, 1, height, width, generator=generator)).expand(1, 3, height, width)
    if noise.kind == "colour":
        return level * torch.randn(1, 3, height, width, generator=generator)
    spread = torch.rand(3, generator=generator, dtype=torch.float64) ** 3
    turned = torch.linalg.svd(torch.rand(3, 3, generator=generator, dtype=torch.float64))[0]
    covariance = (level**2 * turned.T @ torch.diag(spread) @ turned).abs()
    values, vectors = torch.linalg.eigh(covariance)  # entrywise absolute values may leave a slightly negative one
    root = vectors @ torch.diag(values.clamp(min=0).sqrt())
    drawn = torch.randn(3, height * width, generator=generator, dtype=torch.float64)
    field: Tensor = (root @ drawn).reshape(1, 3, height, width).float()
    return field


def _shrunk(image: Tensor, shrink: Shrink) -> Tensor:
    if shrink.blur is None:
        size = (int(image.shape[-2] / shrink.factor), int(image.shape[-1] / shrink.factor))
        return resized(image, shrink.mode, size)
    stride = round(shrink.factor)
    kernel = kernels.shifted(shrink.blur.values(), stride)
    return filter_one(image, kernel.flip(0, 1))[..., ::stride, ::stride]  # flipped: theirs is a true convolution


def apply(image: Tensor, parameters: Parameters, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample`` at the same scale.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    size = (image.shape[-2] // scale, image.shape[-1] // scale)
    if parameters.halving == "matlab":
        image = resize(image, size=(image.shape[-2] // 2, image.shape[-1] // 2)).clamp(0, 1)
    elif parameters.halving is not None:
        image = resized(image, parameters.halving, (image.shape[-2] // 2, image.shape[-1] // 2)).clamp(0, 1)
    for step in parameters.order:
        if step == "blur":
            image = filter_one(image, parameters.blur.values())
        elif step == "second-blur":
            image = filter_one(image, parameters.second_blur.values())
        elif step == "shrink":
            image = _shrunk(image, parameters.shrink).clamp(0, 1)
        elif step == "resize":  # what came between does not change the final size
            image = resized(image, parameters.resize, size).clamp(0, 1)
        elif step == "noise":
            image = (image + noise_field(parameters.noise, *image.shape[-2:]).to(image)).clamp(0, 1)
        elif parameters.quality is not None:
            image = file_jpeg(image, parameters.quality)
    return file_jpeg(image, parameters.last_quality)
