"""Whether recorded parameters can be carried out: the first number out of range is named with its place."""

from __future__ import annotations

import math

from finesight.degrade import bsrgan, bsrgan_plus, first_order, glean, one_stage, second_order, sets
from finesight.errors import SettingError

__all__ = ["LARGEST_FACTOR", "check"]

LARGEST_FACTOR = 16.0


def check(parameters: object) -> None:
    """Check recorded parameters of any degradation.

    Raises:
        SettingError: a number is out of range.
    """
    if isinstance(parameters, second_order.Parameters):
        for name, stage in (("first", parameters.first), ("second", parameters.second)):
            _check_stage(stage, f"parameters.{name}")
        _check_kernel(parameters.final_sinc, "parameters.final_sinc")
    elif isinstance(parameters, glean.Blind):
        _check_stage(parameters.stage, "parameters.stage", largest=glean.KERNEL)
    elif isinstance(parameters, one_stage.OneStage):
        _check_stage(parameters.stage, "parameters.stage")
    elif isinstance(parameters, first_order.Parameters):
        _check_first_order(parameters)
    elif isinstance(parameters, bsrgan.Parameters):
        _check_bsrgan(parameters)
    elif isinstance(parameters, bsrgan_plus.Plus):
        _check_plus(parameters)
    elif isinstance(parameters, sets.Parameters):
        _check_set(parameters)


def _within(value: float, low: float, high: float, place: str, *, open_low: bool = False) -> None:
    if not low <= value <= high or (open_low and value == low):
        raise SettingError(f"{place}: expected {'above ' if open_low else ''}{low:g} to {high:g}, found {value:g}")


def _check_kernel(kernel: second_order.Kernel, place: str, *, largest: int = second_order.LARGEST_KERNEL) -> None:
    if kernel.family == "none":
        return
    _within(kernel.size, 1, largest, f"{place}.size")
    if kernel.size % 2 == 0:
        raise SettingError(f"{place}.size: expected an odd number, found {kernel.size}")
    if kernel.family == "sinc":
        _within(kernel.cutoff, 0, math.pi, f"{place}.cutoff", open_low=True)
        return
    _within(kernel.sigma_x, 1e-3, 1e3, f"{place}.sigma_x")
    if kernel.family.endswith("aniso"):
        _within(kernel.sigma_y, 1e-3, 1e3, f"{place}.sigma_y")
    _within(kernel.shape, 0, 100, f"{place}.shape", open_low=True)


def _check_stage(stage: second_order.Stage, place: str, *, largest: int = second_order.LARGEST_KERNEL) -> None:
    _check_kernel(stage.blur, f"{place}.blur", largest=largest)
    _within(stage.resize.factor, 0, LARGEST_FACTOR, f"{place}.resize.factor", open_low=True)
    _within(stage.noise.strength, 0, 255, f"{place}.noise.strength")
    _within(stage.noise.seed, 0, 2**63 - 1, f"{place}.noise.seed")
    _within(stage.quality, 0, 99.999, f"{place}.quality", open_low=True)


def _check_first_order(parameters: first_order.Parameters) -> None:
    for number, sigma in enumerate(parameters.sigma or ()):
        _within(sigma, 1e-3, 100, f"parameters.sigma[{number}]")
    _within(parameters.noise, 0, 255, "parameters.noise")
    _within(parameters.noise_seed, 0, 2**63 - 1, "parameters.noise_seed")
    if parameters.quality is not None:
        _within(parameters.quality, 1, 100, "parameters.quality")


def _check_blur(blur: bsrgan.Blur, place: str) -> None:
    _within(blur.size, 1, 99, f"{place}.size")
    if blur.size % 2 == 0:
        raise SettingError(f"{place}.size: expected an odd number, found {blur.size}")
    _within(blur.first, 0, 1e3, f"{place}.first", open_low=True)
    if blur.kind == "aniso":
        _within(blur.second, 0, 1e3, f"{place}.second", open_low=True)


def _check_bsrgan(parameters: bsrgan.Parameters) -> None:
    _check_blur(parameters.blur, "parameters.blur")
    _check_blur(parameters.second_blur, "parameters.second_blur")
    _within(parameters.shrink.factor, 1, 2 * LARGEST_FACTOR, "parameters.shrink.factor")
    if parameters.shrink.blur is not None:
        _check_blur(parameters.shrink.blur, "parameters.shrink.blur")
    _check_noise(parameters.noise, "parameters.noise")
    for quality, name in ((parameters.quality, "quality"), (parameters.last_quality, "last_quality")):
        if quality is not None:
            _within(quality, 1, 100, f"parameters.{name}")
    order = parameters.order
    if sorted(order) != sorted(bsrgan.STEPS) or order.index("shrink") > order.index("resize"):
        raise SettingError(
            f"parameters.order: expected every step once, shrink before resize, found {', '.join(order)}"
        )


def _check_noise(noise: bsrgan.Noise, place: str) -> None:
    _within(noise.level, 0, 255, f"{place}.level")
    _within(noise.seed, 0, 2**63 - 1, f"{place}.seed")


def _check_plus(parameters: bsrgan_plus.Plus) -> None:
    for name, part in (("first", parameters.first), ("second", parameters.second)):
        place = f"parameters.{name}"
        _check_blur(part.blur, f"{place}.blur")
        _within(part.resize.factor, 0, LARGEST_FACTOR, f"{place}.resize.factor", open_low=True)
        _check_noise(part.gaussian, f"{place}.gaussian")
        if part.speckle is not None:
            _check_noise(part.speckle, f"{place}.speckle")
        if part.poisson is not None:
            _within(part.poisson.counts, 1, 1e6, f"{place}.poisson.counts")
            _within(part.poisson.seed, 0, 2**63 - 1, f"{place}.poisson.seed")
    _within(parameters.quality, 1, 100, "parameters.quality")
    _within(parameters.last_quality, 1, 100, "parameters.last_quality")
    if sorted(parameters.order) != sorted(bsrgan_plus.STEPS):
        raise SettingError(f"parameters.order: expected every step once, found {', '.join(parameters.order)}")


def _check_set(parameters: sets.Parameters) -> None:
    if parameters.blur is not None:
        _within(parameters.blur, 0.1, 10, "parameters.blur")
    _within(parameters.noise, 0, 255, "parameters.noise")
    _within(parameters.noise_seed, 0, 2**63 - 1, "parameters.noise_seed")
    if parameters.quality is not None:
        _within(parameters.quality, 1, 100, "parameters.quality")
