"""Recorded degradations as JSON: what was done to a picture, so that it can be done again.

A record names the degradation, the scale and every number that was drawn. Reading is strict: keys that are not known or
missing, values of another kind and numbers out of range are named, with their place in the file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from torch import Generator, Tensor

from finesight.degrade import first_order, second_order
from finesight.degrade.resize import resize
from finesight.errors import InputError, SettingError, nearest

__all__ = ["DEGRADATIONS", "Degradation", "Record", "apply", "dumps", "from_dict", "loads", "sample", "to_dict"]

Degradation = Literal["real-esrgan", "first-order", "bicubic"]
DEGRADATIONS: tuple[Degradation, ...] = ("real-esrgan", "first-order", "bicubic")
LARGEST_FACTOR = 16.0
_KEYS = ("degradation", "scale", "parameters")


@dataclass(frozen=True, slots=True)
class Record:
    """What happened to one picture; ``parameters`` is None for ``bicubic``, which draws nothing."""

    degradation: Degradation
    scale: int
    parameters: first_order.Parameters | second_order.Parameters | None


def sample(degradation: Degradation, scale: int, generator: Generator) -> Record:
    """Draw what happens to one picture, by the published settings of the degradation."""
    if degradation == "real-esrgan":
        return Record(degradation, scale, second_order.sample(second_order.SecondOrder(), generator))
    if degradation == "first-order":
        return Record(degradation, scale, first_order.sample(first_order.FirstOrder(), generator))
    return Record(degradation, scale, None)


def apply(image: Tensor, record: Record) -> Tensor:
    """Degrade one picture as recorded.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of the record's scale.
        record: from ``sample``, ``from_dict`` or ``loads``.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1]; on the 8-bit grid, except for ``bicubic``.
    """
    if isinstance(record.parameters, second_order.Parameters):
        return second_order.apply(image, record.parameters, scale=record.scale)
    if isinstance(record.parameters, first_order.Parameters):
        return first_order.apply(image, record.parameters, scale=record.scale)
    return resize(image, scale=1 / record.scale).clamp(0, 1)


def to_dict(record: Record) -> dict[str, Any]:
    """Plain JSON values; floats keep all their digits."""
    parameters = None if record.parameters is None else dataclasses.asdict(record.parameters)
    return {"degradation": record.degradation, "scale": record.scale, "parameters": parameters}


def from_dict(content: object) -> Record:
    """The record that ``to_dict`` made plain.

    Raises:
        SettingError: a key that is unknown or missing, or a value of another kind or out of range; its place is named.
    """
    keys = _object(content, "the record", _KEYS)
    degradation = _value(keys["degradation"], Degradation, "degradation")
    scale = _value(keys["scale"], int, "scale")
    if not 1 <= scale <= LARGEST_FACTOR:
        raise SettingError(f"scale: expected 1 to {LARGEST_FACTOR:g}, found {scale}")
    kinds = {"real-esrgan": second_order.Parameters, "first-order": first_order.Parameters, "bicubic": type(None)}
    parameters = _value(keys["parameters"], kinds[degradation], "parameters")
    if isinstance(parameters, second_order.Parameters):
        _check_second_order(parameters)
    elif isinstance(parameters, first_order.Parameters):
        _check_first_order(parameters)
    return Record(degradation, scale, parameters)


def dumps(record: Record) -> str:
    """A record as the text of a file."""
    return json.dumps(to_dict(record), indent=2, allow_nan=False) + "\n"


def loads(text: str, *, name: str) -> Record:
    """The record in the text of a file.

    Args:
        text: what ``dumps`` gave.
        name: of the file, for errors.

    Raises:
        InputError: it is no JSON.
        SettingError: it does not hold a record.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{name} is not JSON ({error}). Give a file that --save-parameters wrote.") from error
    try:
        return from_dict(content)
    except SettingError as error:
        raise SettingError(f"{name}: {error}") from error


def _object(content: object, place: str, wanted: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise SettingError(f"{place}: expected an object with {', '.join(wanted)}, found {_shown(content)}")
    for key in content:
        if key not in wanted:
            raise SettingError(f"{place}: unknown key '{key}'. {nearest(str(key), wanted)}".rstrip())
    missing = [key for key in wanted if key not in content]
    if missing:
        raise SettingError(f"{place}: missing {', '.join(missing)}")
    return content


def _value(content: Any, kind: Any, place: str) -> Any:
    """``content`` as the annotated ``kind``: numbers, words, pairs, dataclasses, or None."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        keys = _object(content, place, tuple(field.name for field in dataclasses.fields(kind)))
        return typing.cast(Any, kind)(**{name: _value(keys[name], hints[name], f"{place}.{name}") for name in keys})
    if origin in (Union, types.UnionType):
        (other,) = (option for option in typing.get_args(kind) if option is not type(None))
        return None if content is None else _value(content, other, place)
    if origin is tuple:
        parts = typing.get_args(kind)
        if not isinstance(content, list | tuple) or len(content) != len(parts):
            raise SettingError(f"{place}: expected {len(parts)} numbers, found {_shown(content)}")
        return tuple(
            _value(one, part, f"{place}[{i}]") for i, (one, part) in enumerate(zip(content, parts, strict=True))
        )
    if origin is Literal:
        choices = typing.get_args(kind)
        if content not in choices:
            hint = nearest(content, choices) if isinstance(content, str) else ""
            raise SettingError(f"{place}: expected {', '.join(choices)}, found {_shown(content)}. {hint}".rstrip())
        return content
    return _plain(content, kind, place)


def _plain(content: Any, kind: Any, place: str) -> Any:
    names = {float: "a number", int: "a whole number", bool: "true or false", type(None): "null"}
    accepted = (int, float) if kind is float else kind
    if not isinstance(content, accepted) or (isinstance(content, bool) and kind is not bool):
        raise SettingError(f"{place}: expected {names[kind]}, found {_shown(content)}")
    if kind is float:
        content = float(content) if abs(content) < 1e300 else math.inf
        if not math.isfinite(content):
            raise SettingError(f"{place}: expected a finite number")
    return content


def _shown(content: object) -> str:
    text = json.dumps(content, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _within(value: float, low: float, high: float, place: str, *, open_low: bool = False) -> None:
    if not low <= value <= high or (open_low and value == low):
        raise SettingError(f"{place}: expected {'above ' if open_low else ''}{low:g} to {high:g}, found {value:g}")


def _check_kernel(kernel: second_order.Kernel, place: str) -> None:
    if kernel.family == "none":
        return
    _within(kernel.size, 1, second_order.LARGEST_KERNEL, f"{place}.size")
    if kernel.size % 2 == 0:
        raise SettingError(f"{place}.size: expected an odd number, found {kernel.size}")
    if kernel.family == "sinc":
        _within(kernel.cutoff, 0, math.pi, f"{place}.cutoff", open_low=True)
        return
    _within(kernel.sigma_x, 1e-3, 1e3, f"{place}.sigma_x")
    if kernel.family.endswith("aniso"):
        _within(kernel.sigma_y, 1e-3, 1e3, f"{place}.sigma_y")
    _within(kernel.shape, 0, 100, f"{place}.shape", open_low=True)


def _check_second_order(parameters: second_order.Parameters) -> None:
    for name, stage in (("first", parameters.first), ("second", parameters.second)):
        place = f"parameters.{name}"
        _check_kernel(stage.blur, f"{place}.blur")
        _within(stage.resize.factor, 0, LARGEST_FACTOR, f"{place}.resize.factor", open_low=True)
        _within(stage.noise.strength, 0, 255, f"{place}.noise.strength")
        _within(stage.noise.seed, 0, 2**63 - 1, f"{place}.noise.seed")
        _within(stage.quality, 0, 99.999, f"{place}.quality", open_low=True)
    _check_kernel(parameters.final_sinc, "parameters.final_sinc")


def _check_first_order(parameters: first_order.Parameters) -> None:
    for number, sigma in enumerate(parameters.sigma or ()):
        _within(sigma, 1e-3, 100, f"parameters.sigma[{number}]")
    _within(parameters.noise, 0, 255, "parameters.noise")
    _within(parameters.noise_seed, 0, 2**63 - 1, "parameters.noise_seed")
    if parameters.quality is not None:
        _within(parameters.quality, 1, 100, "parameters.quality")
