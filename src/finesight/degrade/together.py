"""The second-order degradation of a whole batch, every picture with its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from finesight.degrade.canvas import Canvas, Target, filtered, inside, resampled
from finesight.degrade.filtering import filter_one
from finesight.degrade.jpeg import jpeg
from finesight.degrade.noise import gaussian_field, photon_field
from finesight.degrade.second_order import Mode, Noise, Parameters, Stage, apply
from finesight.errors import SettingError

__all__ = ["apply_batch"]


def apply_batch(
    images: Tensor,
    parameters: Sequence[Parameters],
    *,
    scale: int,
    way: Literal["fitting", "one-by-one", "together"] = "fitting",
    noise_on: Literal["cpu", "device"] = "cpu",
) -> Tensor:
    """Degrade a batch on the device where it is.

    Args:
        images: ``(N, 3, H, W)`` RGB in [0, 1], H and W multiples of ``scale``.
        parameters: one for each picture.
        scale: how much smaller the result is.
        way: ``one-by-one`` gives exactly what ``apply`` gives; ``together`` does all pictures at once, which is
            quicker on a GPU and equal but for rounding (of JPEG too, where a coefficient lies between two levels).
            ``fitting``: one by one on a CPU, whose caches hold one picture, together elsewhere.
        noise_on: the same noise everywhere (``cpu``), or drawn by the device itself, which is quicker and gives other
            numbers on another kind of device.

    Returns:
        ``(N, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.

    Raises:
        SettingError: there are not as many parameters as pictures.
    """
    if len(parameters) != len(images):
        raise SettingError(f"expected parameters for each of {len(images)} pictures, got {len(parameters)}")
    if not len(images):
        return images.new_zeros(0, 3, images.shape[-2] // scale, images.shape[-1] // scale)
    if way == "one-by-one" or (way == "fitting" and images.device.type == "cpu"):
        pairs = zip(images.split(1), parameters, strict=True)
        return torch.cat([apply(one, own, scale=scale) for one, own in pairs])
    height, width = images.shape[-2:]
    canvas = _stage(Canvas.of(images), [one.first for one in parameters], None, noise_on)
    canvas = _stage(canvas, [one.second for one in parameters], (height / scale, width / scale), noise_on)
    return _end(canvas, parameters, (height // scale, width // scale))


def _stage(
    canvas: Canvas, stages: Sequence[Stage], base: tuple[float, float] | None, noise_on: Literal["cpu", "device"]
) -> Canvas:
    """Blur, resize by a factor of the picture's own size or of ``base``, noise; and JPEG after the first stage."""
    canvas = filtered(canvas, [stage.blur.own_values() for stage in stages])
    targets = [_target(stage, size, base) for stage, size in zip(stages, canvas.sizes, strict=True)]
    canvas = resampled(canvas, targets)
    canvas = _with_noise(canvas, [stage.noise for stage in stages], noise_on)
    return canvas if base is not None else _compressed(canvas, [stage.quality for stage in stages])


def _target(stage: Stage, size: tuple[int, int], base: tuple[float, float] | None) -> Target:
    """As ``second_order.resized`` has it: a factor is its own step, a size the ratio of sizes; never below a pixel."""
    factor, mode = stage.resize.factor, stage.resize.mode
    if base is not None:
        return _to_size(size, (max(1, int(base[0] * factor)), max(1, int(base[1] * factor))), mode)
    if min(size) * factor < 1:
        return _to_size(size, (max(1, int(size[0] * factor)), max(1, int(size[1] * factor))), mode)
    new = (int(size[0] * factor), int(size[1] * factor))
    # torch leaves an axis alone whose length does not change, unless the mode is bicubic
    steps = [1.0 if out == old and mode == "bilinear" else 1 / factor for out, old in zip(new, size, strict=True)]
    return Target(new, mode, (steps[0], steps[1]))


def _to_size(old: tuple[int, int], new: tuple[int, int], mode: Mode) -> Target:
    return Target(new, mode, (old[0] / new[0], old[1] / new[1]))


def _with_noise(canvas: Canvas, noises: Sequence[Noise], noise_on: Literal["cpu", "device"]) -> Canvas:
    pixels = canvas.pixels
    where = torch.device("cpu") if noise_on == "cpu" else pixels.device
    drawn = torch.zeros_like(pixels)
    for number, (noise, (height, width)) in enumerate(zip(noises, canvas.sizes, strict=True)):
        draw = torch.randn if noise.kind == "gaussian" else torch.rand
        generator = torch.Generator(where).manual_seed(noise.seed)
        shape = (1 if noise.gray else 3, height, width)
        drawn[number, :, :height, :width] = draw(shape, generator=generator, device=where).to(pixels)
    field, counted = torch.zeros_like(pixels), inside(canvas)
    for gray in (False, True):
        for kind in ("gaussian", "poisson"):
            chosen = [n for n, noise in enumerate(noises) if (noise.kind, noise.gray) == (kind, gray)]
            if not chosen:
                continue
            amount = torch.tensor([noises[n].strength for n in chosen], device=pixels.device)
            standard = drawn[chosen, :1] if gray else drawn[chosen]
            if kind == "gaussian":
                field[chosen] = gaussian_field(standard, amount).expand(-1, 3, -1, -1)
            else:
                own = photon_field(pixels[chosen], standard, amount, gray=gray, counted=counted[chosen])
                field[chosen] = own.expand(-1, 3, -1, -1)
    return canvas.replaced((pixels + field).clamp_(0, 1))


def _compressed(canvas: Canvas, qualities: Sequence[float]) -> Canvas:
    """JPEG fills up blocks with black, and so is what lies outside."""
    black_outside = canvas.pixels * inside(canvas)
    return canvas.replaced(jpeg(black_outside, torch.tensor(qualities, device=black_outside.device)))


def _end(canvas: Canvas, parameters: Sequence[Parameters], size: tuple[int, int]) -> Tensor:
    """The last resize, the sinc filter and the second JPEG in each picture's own order."""
    first = [number for number, one in enumerate(parameters) if not one.jpeg_last]
    last = [number for number, one in enumerate(parameters) if one.jpeg_last]
    pixels = canvas.pixels.clamp(0, 1)
    if first:
        part = Canvas(pixels[first], tuple(canvas.sizes[number] for number in first))
        pixels[first] = _compressed(part, [parameters[number].second.quality for number in first]).pixels
    targets = [_to_size(own, size, one.final_mode) for own, one in zip(canvas.sizes, parameters, strict=True)]
    small = resampled(canvas.replaced(pixels), targets).pixels
    for length in {one.final_sinc.size for one in parameters if one.final_sinc.family != "none"}:
        chosen = [n for n, p in enumerate(parameters) if p.final_sinc.family != "none" and p.final_sinc.size == length]
        kernels = torch.stack([parameters[number].final_sinc.own_values() for number in chosen])
        small[chosen] = filter_one(small[chosen], kernels.to(small))
    if last:
        quality = torch.tensor([parameters[number].second.quality for number in last], device=small.device)
        small[last] = jpeg(small[last].clamp(0, 1), quality)
    return (small * 255).round().clamp(0, 255) / 255
