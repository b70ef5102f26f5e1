"""RealBasicVSR's degradation of clips: second order, its parameters walking from frame to frame, and a video codec.

Chan et al., "Investigating Tradeoffs in Real-World Video Super-Resolution", CVPR 2022. Each random parameter is drawn
once a clip, then walks by a uniform step from frame to frame within its range. Settings say what may happen, ``sample``
draws recorded ``Parameters`` for every frame, ``apply`` carries them out: the same parameters on the same frames give
the same result, with the same codec.

Two errors of the published code are not repeated: its JPEG takes red for blue, and values outside [0, 1] wrap around in
its video step. ``VideoStage.redraw_shape`` repeats a third, where the shapes of kernels do not walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from finesight.degrade.jpeg import jpeg
from finesight.degrade.second_order import Draws, Family, Kernel, Noise, blurred, noise_field, resized
from finesight.errors import SettingError

__all__ = ["Codec", "Compress", "Parameters", "Stage", "VideoOrder", "VideoStage", "apply", "sample"]

Mode = Literal["bilinear", "area", "bicubic"]
Codec = Literal["libx264", "h264", "mpeg4"]
Compress = Callable[[NDArray[np.uint8], Codec, int], NDArray[np.uint8]]
"""From frames (T, H, W, 3), a codec and bits per second at one frame a second to the frames as they are decoded."""

_MODES: tuple[Mode, ...] = ("bilinear", "area", "bicubic")
_CODECS: tuple[Codec, ...] = ("libx264", "h264", "mpeg4")
_FAMILIES: tuple[Family, ...] = (
    "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso", "sinc")  # fmt: skip
_PROBABILITIES = (0.405, 0.225, 0.108, 0.027, 0.108, 0.027, 0.1)
_SIZES = (7, 9, 11, 13, 15, 17, 19, 21)
_SINC_STEP = 0.0628


@dataclass(frozen=True, slots=True)
class VideoStage:
    """One order: ranges, and by how much a frame may differ from the one before. Noise in 1/255, sigmas in pixels."""

    blur_probability: float = 1.0
    sigma: tuple[float, float] = (0.2, 3.0)
    sigma_step: float = 0.02
    angle_step: float = 0.31416
    generalized_shape: tuple[float, float] = (0.5, 4.0)
    generalized_step: float = 0.05
    plateau_shape: tuple[float, float] = (1.0, 2.0)
    plateau_step: float = 0.1
    redraw_shape: bool = False
    up_down_keep: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize: tuple[float, float] = (0.15, 1.5)
    resize_step: float = 0.015
    gaussian_probability: float = 0.5
    gaussian: tuple[float, float] = (1.0, 30.0)
    gaussian_step: float = 0.1
    poisson: tuple[float, float] = (0.05, 3.0)
    poisson_step: float = 0.005
    gray_probability: float = 0.4
    jpeg: tuple[float, float] = (30.0, 95.0)
    jpeg_step: float = 3.0


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """Both orders and the end, as published."""

    first: VideoStage = VideoStage()
    second: VideoStage = VideoStage(
        blur_probability=0.8,
        sigma=(0.2, 1.5),
        up_down_keep=(0.3, 0.4, 0.3),
        resize=(0.3, 1.2),
        resize_step=0.03,
        gaussian=(1.0, 25.0),
        poisson=(0.05, 2.5),
    )
    codecs: tuple[Codec, ...] = _CODECS
    bit_rate: tuple[int, int] = (10_000, 100_000)
    final_sinc_probability: float = 0.8


@dataclass(frozen=True, slots=True)
class Stage:
    """One order as it happened: one entry a frame."""

    blurs: tuple[Kernel, ...]
    mode: Mode
    factors: tuple[float, ...]
    noises: tuple[Noise, ...]
    qualities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What happened to one clip."""

    first: Stage
    second: Stage
    codec: Codec
    bit_rate: int
    final_mode: Mode
    final_sincs: tuple[Kernel, ...]
    codec_last: bool

    @property
    def frames(self) -> int:
        """Of the clip."""
        return len(self.final_sincs)


def sample(settings: VideoOrder, frames: int, generator: Generator) -> Parameters:
    """Draw what happens to a clip of ``frames`` frames.

    Raises:
        SettingError: no frames.
    """
    if frames < 1:
        raise SettingError(f"A clip to degrade needs at least one frame, not {frames}.")
    draw = Draws(generator)
    first, second = _stage(draw, settings.first, frames), _stage(draw, settings.second, frames)
    size = _SIZES[draw.integer(len(_SIZES))]
    cutoffs = _walk(draw, draw.uniform(math.pi / 3, math.pi), _SINC_STEP, (math.pi / 3, math.pi), frames)
    sincs = tuple(Kernel("sinc", size, cutoff=cutoff) for cutoff in cutoffs)
    if draw.uniform() >= settings.final_sinc_probability:
        sincs = (Kernel(),) * frames
    low, high = settings.bit_rate
    return Parameters(
        first,
        second,
        codec=settings.codecs[draw.integer(len(settings.codecs))],
        bit_rate=low + draw.integer(high - low + 1),
        final_mode=_MODES[draw.integer(3)],
        final_sincs=sincs,
        codec_last=draw.uniform() < 0.5,
    )


def _walk(draw: Draws, start: float, step: float, bounds: tuple[float, float], frames: int) -> list[float]:
    """A value a frame: each the one before plus U(-step, step), kept within bounds."""
    values = [start]
    for _ in range(frames - 1):
        values.append(min(max(values[-1] + draw.uniform(-step, step), bounds[0]), bounds[1]))
    return values


def _stage(draw: Draws, settings: VideoStage, frames: int) -> Stage:
    blurs = _blurs(draw, settings, frames)
    if draw.uniform() >= settings.blur_probability:
        blurs = (Kernel(),) * frames
    kind = draw.index(settings.up_down_keep)
    start = (draw.uniform(1, settings.resize[1]), draw.uniform(settings.resize[0], 1), 1.0)[kind]
    factors = _walk(draw, start, settings.resize_step, settings.resize, frames)
    mode = _MODES[draw.integer(3)]
    gaussian = draw.uniform() < settings.gaussian_probability
    bounds = settings.gaussian if gaussian else settings.poisson
    step = settings.gaussian_step if gaussian else settings.poisson_step
    strengths = _walk(draw, draw.uniform(*bounds), step, bounds, frames)
    gray = draw.uniform() < settings.gray_probability
    noises = tuple(
        Noise("gaussian" if gaussian else "poisson", strength, gray, draw.integer(2**31 - 1)) for strength in strengths
    )
    qualities = _walk(draw, draw.uniform(*settings.jpeg), settings.jpeg_step, settings.jpeg, frames)
    return Stage(blurs, mode, tuple(factors), noises, tuple(qualities))


def _blurs(draw: Draws, settings: VideoStage, frames: int) -> tuple[Kernel, ...]:
    """Kind and size of the kernel stay; its numbers walk."""
    family = _FAMILIES[draw.index(_PROBABILITIES)]
    size = _SIZES[draw.integer(len(_SIZES))]
    if family == "sinc":
        lowest = math.pi / 3 if size < 13 else math.pi / 5
        cutoffs = _walk(draw, draw.uniform(lowest, math.pi), _SINC_STEP, (lowest, math.pi), frames)
        return tuple(Kernel("sinc", size, cutoff=cutoff) for cutoff in cutoffs)
    across, along = (
        _walk(draw, draw.uniform(*settings.sigma), settings.sigma_step, settings.sigma, frames) for _ in range(2)
    )
    bounds = (-math.pi, math.pi)
    angles = _walk(draw, draw.uniform(*bounds), settings.angle_step, bounds, frames)
    shapes = _shapes(draw, settings, frames, plateau=family.startswith("plateau"))
    if family.endswith("_iso") or family == "iso":
        along, angles = across, [0.0] * frames
    return tuple(
        Kernel(family, size, x, y, angle, shape)
        for x, y, angle, shape in zip(across, along, angles, shapes, strict=True)
    )


def _shapes(draw: Draws, settings: VideoStage, frames: int, *, plateau: bool) -> list[float]:
    bounds = settings.plateau_shape if plateau else settings.generalized_shape
    step = settings.plateau_step if plateau else settings.generalized_step
    start = draw.uniform(bounds[0], 1.0) if draw.uniform() < 0.5 else draw.uniform(1.0, bounds[1])
    shapes = _walk(draw, start, step, bounds, frames)
    if settings.redraw_shape:  # the published code draws between the value and 1 again
        shapes = [draw.uniform(min(shape, 1.0), max(shape, 1.0)) for shape in shapes]
    return shapes


def apply(clip: Tensor, parameters: Parameters, *, size: tuple[int, int], compress: Compress) -> Tensor:
    """Degrade one clip.

    Args:
        clip: ``(T, 3, H, W)`` RGB in [0, 1]; unchanged.
        parameters: from ``sample`` for T frames.
        size: (height, width) of the result, both even.
        compress: encodes and decodes frames; ``finesight.media.clips.compressed`` does it with PyAV.

    Returns:
        ``(T, 3, *size)`` in [0, 1], on the 8-bit grid.

    Raises:
        SettingError: another number of frames, or an odd size.
    """
    if len(clip) != parameters.frames:
        raise SettingError(f"The parameters are for {parameters.frames} frames; the clip has {len(clip)}.")
    if size[0] % 2 or size[1] % 2:
        raise SettingError(f"Codecs want even sides; {size[1]}x{size[0]} is not. Choose another patch or scale.")
    frames = [frame[None] for frame in clip.float()]
    for stage in (parameters.first, parameters.second):
        frames = [_one(frame, stage, index) for index, frame in enumerate(frames)]
    if parameters.codec_last:
        frames = _finished(frames, parameters, size)
        frames = _compressed(frames, parameters, compress)
    else:
        frames = _compressed(frames, parameters, compress)
        frames = _finished(frames, parameters, size)
    result: Tensor = torch.cat(frames).clamp(0, 1).mul(255).round().div(255)
    return result


def _one(frame: Tensor, stage: Stage, index: int) -> Tensor:
    """Blur, resize, noise and JPEG of one frame ``(1, 3, h, w)``."""
    frame = blurred(frame, stage.blurs[index])
    factor = stage.factors[index]
    height, width = (max(2, 2 * (int(side * factor) // 2)) for side in frame.shape[-2:])
    frame = resized(frame, stage.mode, size=(height, width))
    frame = frame + noise_field(frame, stage.noises[index])
    return jpeg(frame.clamp(0, 1), stage.qualities[index], standard_tables=True)


def _finished(frames: list[Tensor], parameters: Parameters, size: tuple[int, int]) -> list[Tensor]:
    small = [resized(frame, parameters.final_mode, size=size) for frame in frames]
    return [blurred(frame, sinc) for frame, sinc in zip(small, parameters.final_sincs, strict=True)]


def _compressed(frames: list[Tensor], parameters: Parameters, compress: Compress) -> list[Tensor]:
    """All frames brought to the first one's size, as an encoder does, and through the codec."""
    height, width = frames[0].shape[-2:]
    same = [
        frame if frame.shape == frames[0].shape else resized(frame, "bicubic", size=(height, width)) for frame in frames
    ]
    levels = torch.cat(same).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    decoded = compress(np.ascontiguousarray(levels), parameters.codec, parameters.bit_rate)
    back = torch.from_numpy(decoded.copy()).permute(0, 3, 1, 2).to(frames[0]) / 255
    return list(back.split(1))
