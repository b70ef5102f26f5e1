"""Second-order degradation of Real-ESRGAN: blur, resize, noise, JPEG twice, with ringing at the end.

Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021. Settings
say what may happen, ``sample`` draws a recorded ``Parameters`` for each picture, ``apply`` carries them out: the same
parameters on the same picture give the same result. Unlike the published code every picture of a batch has its own
parameters, so that no pool of training pairs is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade import kernels
from finesight.degrade.draws import Draws
from finesight.degrade.filtering import filter_each, filter_one
from finesight.degrade.jpeg import jpeg
from finesight.degrade.noise import gaussian_field, poisson_field, with_noise

__all__ = [
    "Draws",
    "Kernel",
    "Noise",
    "Parameters",
    "Resize",
    "SecondOrder",
    "Stage",
    "StageSettings",
    "apply",
    "blurred",
    "draw_stage",
    "noise_field",
    "resized",
    "sample",
]

Mode = Literal["area", "bilinear", "bicubic"]
Family = Literal["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso", "sinc", "none"]
_MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic")
_FAMILIES: tuple[Family, ...] = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
LARGEST_KERNEL = 21


@dataclass(frozen=True, slots=True)
class StageSettings:
    """One order: ranges are uniform, sigmas of blur in pixels, of noise in 1/255.

    ``sizes`` are those of kernels, odd and at most 21; ``families`` the probabilities of iso, aniso, generalized_iso,
    generalized_aniso, plateau_iso, plateau_aniso. ``shape_rule``: half of the shapes below 1 and half above; ``narrow``
    first draws the range's other end, as mmediting does, which leaves more of them near 1.
    """

    sizes: tuple[int, ...] = (7, 9, 11, 13, 15, 17, 19, 21)
    families: tuple[float, float, float, float, float, float] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    shape_rule: Literal["published", "narrow"] = "published"
    sinc_probability: float = 0.1
    sigma: tuple[float, float] = (0.2, 3.0)
    generalized_shape: tuple[float, float] = (0.5, 4.0)
    plateau_shape: tuple[float, float] = (1.0, 2.0)
    blur_probability: float = 1.0
    up_down_keep: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize: tuple[float, float] = (0.15, 1.5)
    gaussian_probability: float = 0.5
    gaussian: tuple[float, float] = (1.0, 30.0)
    poisson: tuple[float, float] = (0.05, 3.0)
    gray_probability: float = 0.4
    jpeg: tuple[float, float] = (30.0, 95.0)


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """Both orders and the end, as published for Real-ESRGAN."""

    first: StageSettings = StageSettings()
    second: StageSettings = StageSettings(
        sigma=(0.2, 1.5),
        blur_probability=0.8,
        up_down_keep=(0.3, 0.4, 0.3),
        resize=(0.3, 1.2),
        gaussian=(1.0, 25.0),
        poisson=(0.05, 2.5),
    )
    final_sinc_probability: float = 0.8


@dataclass(frozen=True, slots=True)
class Kernel:
    """A blur kernel by its numbers; ``family`` is one of the mixed ones, ``sinc`` or ``none`` (a pulse)."""

    family: Family = "none"
    size: int = LARGEST_KERNEL
    sigma_x: float = 0.0
    sigma_y: float = 0.0
    angle: float = 0.0
    shape: float = 1.0
    cutoff: float = 0.0

    def values(self) -> Tensor:
        """``(21, 21)`` float64, sum 1: kernels of all sizes as one batch."""
        return kernels.padded(self.own_values(), LARGEST_KERNEL)

    def own_values(self) -> Tensor:
        """``(size, size)`` float64, sum 1; ``(1, 1)`` of a pulse. Filters as ``values`` does, at less cost."""
        if self.family == "none":
            return torch.ones(1, 1, dtype=torch.float64)
        if self.family == "sinc":
            return kernels.sinc(self.size, self.cutoff)
        kind, _, form = self.family.rpartition("_")
        return kernels.gaussian(
            self.size,
            self.sigma_x,
            self.sigma_y if form == "aniso" else None,
            angle=self.angle,
            family="generalized" if kind == "generalized" else "plateau" if kind == "plateau" else "gaussian",
            shape=self.shape,
        )


@dataclass(frozen=True, slots=True)
class Resize:
    """A factor and the way of interpolating."""

    factor: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise by its kind, strength and the seed of its field."""

    kind: Literal["gaussian", "poisson"]
    strength: float
    gray: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One order as it happened."""

    blur: Kernel
    resize: Resize
    noise: Noise
    quality: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """What happened to one picture."""

    first: Stage
    second: Stage
    final_mode: Mode
    final_sinc: Kernel
    jpeg_last: bool


def _shape(draw: Draws, low: float, high: float, rule: Literal["published", "narrow"]) -> float:
    """Half of the shapes below 1, half above."""
    if rule == "narrow":
        low = high = draw.uniform(low, high)
    return draw.uniform(low, 1.0) if draw.uniform() < 0.5 else draw.uniform(1.0, high)


def _sinc(draw: Draws, sizes: tuple[int, ...], *, small: bool) -> Kernel:
    size = sizes[draw.integer(len(sizes))]
    lowest = math.pi / 3 if small or size < 13 else math.pi / 5
    return Kernel("sinc", size, cutoff=draw.uniform(lowest, math.pi))


def _blur(draw: Draws, settings: StageSettings) -> Kernel:
    if draw.uniform() < settings.sinc_probability:
        return _sinc(draw, settings.sizes, small=False)
    size = settings.sizes[draw.integer(len(settings.sizes))]
    family = _FAMILIES[draw.index(settings.families)]
    sigma_x, sigma_y = draw.uniform(*settings.sigma), draw.uniform(*settings.sigma)
    angle = draw.uniform(-math.pi, math.pi)
    shapes = settings.plateau_shape if "plateau" in family else settings.generalized_shape
    shape = _shape(draw, *shapes, settings.shape_rule)
    if family.endswith("_iso") or family == "iso":
        sigma_y, angle = sigma_x, 0.0
    return Kernel(family, size, sigma_x, sigma_y, angle, shape)


def draw_stage(draw: Draws, settings: StageSettings) -> Stage:
    """One order."""
    blur = _blur(draw, settings)
    if draw.uniform() >= settings.blur_probability:
        blur = Kernel()
    kind = draw.index(settings.up_down_keep)
    factor = (draw.uniform(1, settings.resize[1]), draw.uniform(settings.resize[0], 1), 1.0)[kind]
    mode = _MODES[draw.integer(3)]
    gaussian = draw.uniform() < settings.gaussian_probability
    strength = draw.uniform(*(settings.gaussian if gaussian else settings.poisson))
    gray = draw.uniform() < settings.gray_probability
    noise = Noise("gaussian" if gaussian else "poisson", strength, gray, draw.seed())
    return Stage(blur, Resize(factor, mode), noise, draw.uniform(*settings.jpeg))


def sample(settings: SecondOrder, generator: torch.Generator) -> Parameters:
    """Draw what happens to one picture."""
    draw = Draws(generator)
    first, second = draw_stage(draw, settings.first), draw_stage(draw, settings.second)
    sinc = _sinc(draw, settings.first.sizes, small=True)
    if draw.uniform() >= settings.final_sinc_probability:
        sinc = Kernel()
    return Parameters(first, second, _MODES[draw.integer(3)], sinc, jpeg_last=draw.uniform() < 0.5)


def resized(image: Tensor, mode: Mode, *, factor: float | None = None, size: tuple[int, int] | None = None) -> Tensor:
    """``F.interpolate`` without antialiasing; a factor maps coordinates by itself, a size by the ratio of sizes.

    A side never becomes less than one pixel.
    """
    if factor is not None and min(image.shape[-2:]) * factor < 1:
        size, factor = (max(1, int(image.shape[-2] * factor)), max(1, int(image.shape[-1] * factor))), None
    return F.interpolate(image, size=size, scale_factor=factor, mode=mode)


def noise_field(image: Tensor, noise: Noise) -> Tensor:
    """The field of one recorded noise for one picture ``(1, 3, h, w)``; equal on every device."""
    generator = torch.Generator().manual_seed(noise.seed)
    if noise.kind == "poisson":
        field = poisson_field(image.float().cpu(), noise.strength, gray=noise.gray, generator=generator)
    else:
        shape = (1, 1 if noise.gray else 3, *image.shape[-2:])
        field = gaussian_field(torch.randn(shape, generator=generator), noise.strength)
    return field.to(image)


def blurred(image: Tensor, kernel: Kernel) -> Tensor:
    """Pictures filtered with one kernel; left alone by a pulse."""
    return image if kernel.family == "none" else filter_one(image, kernel.own_values())


def finish(
    image: Tensor, mode: Mode, sinc: Tensor, quality: Tensor | float, size: tuple[int, int], *, last: bool
) -> Tensor:
    """The end in one of its two orders: resize and sinc, then JPEG (``last``), or JPEG, then resize and sinc."""
    if not last:
        image = jpeg(image.clamp(0, 1), quality)
    image = resized(image, mode, size=size)
    if sinc.shape[-1] > 1:
        image = filter_one(image, sinc[0]) if len(sinc) == 1 else filter_each(image, sinc, small="repeat")
    return jpeg(image.clamp(0, 1), quality) if last else image


def apply(image: Tensor, parameters: Parameters, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1] of any size, H and W multiples of ``scale``. Where a shrunken side is at
            most half a kernel its border is repeated instead of reflected, and no side becomes less than a pixel.
        parameters: from ``sample``.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    height, width = image.shape[-2:]
    first, second = parameters.first, parameters.second
    out = blurred(image, first.blur)
    out = resized(out, first.resize.mode, factor=first.resize.factor)
    out = jpeg(with_noise(out, noise_field(out, first.noise)), first.quality)
    out = blurred(out, second.blur)
    factor = second.resize.factor / scale
    out = resized(out, second.resize.mode, size=(max(1, int(height * factor)), max(1, int(width * factor))))
    out = with_noise(out, noise_field(out, second.noise))
    sinc = parameters.final_sinc.own_values()[None]
    size = (height // scale, width // scale)
    out = finish(out, parameters.final_mode, sinc, second.quality, size, last=parameters.jpeg_last)
    return (out * 255).round().clamp(0, 255) / 255
