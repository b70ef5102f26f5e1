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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

import torch
from torch import Generator, Tensor

from finesight.degrade import (
    bsrgan,
    bsrgan_plus,
    first_order,
    glean,
    mmediting,
    one_stage,
    second_order,
    sets,
    together,
)
from finesight.degrade.names import DEGRADATIONS, Degradation
from finesight.degrade.ranges import LARGEST_FACTOR, check
from finesight.degrade.resize import resize
from finesight.errors import InputError, SettingError, nearest

__all__ = [
    "DEGRADATIONS",
    "Degradation",
    "Record",
    "apply",
    "apply_batch",
    "dumps",
    "from_dict",
    "kind_of",
    "loads",
    "sample",
    "to_dict",
]

_KEYS = ("degradation", "scale", "parameters")


Parameters = (
    first_order.Parameters
    | second_order.Parameters
    | one_stage.OneStage
    | bsrgan.Parameters
    | bsrgan_plus.Plus
    | glean.Blind
    | sets.Parameters
)
_SECOND_ORDER = {
    "real-esrgan": second_order.SecondOrder(),
    "real-esrgan-mmediting": mmediting.PUBLISHED,
    "real-esrgan-weak": one_stage.WEAK_SECOND_ORDER,
}
_ONE_STAGE = {
    "hggt": one_stage.TRAINING,
    "hggt-enhance-noise": one_stage.ENHANCE_NOISE,
    "hggt-enhance-blur": one_stage.ENHANCE_BLUR,
}
_BSRGAN = {"bsrgan": bsrgan.Bsrgan(), "bsrgan-weak": bsrgan.WEAK}
_TEST = "test-"


@dataclass(frozen=True, slots=True)
class Record:
    """What happened to one picture; ``parameters`` is None for ``bicubic``, which draws nothing."""

    degradation: Degradation
    scale: int
    parameters: Parameters | None


def kind_of(degradation: Degradation) -> type:
    """The class of a degradation's parameters."""
    if degradation in _SECOND_ORDER:
        return second_order.Parameters
    if degradation in _ONE_STAGE:
        return one_stage.OneStage
    if degradation in _BSRGAN:
        return bsrgan.Parameters
    if degradation == "bsrgan-plus":
        return bsrgan_plus.Plus
    if degradation == "glean-blind":
        return glean.Blind
    if degradation.startswith(_TEST):
        return sets.Parameters
    return first_order.Parameters if degradation == "first-order" else type(None)


def sample(degradation: Degradation, scale: int, generator: Generator) -> Record:
    """Draw what happens to one picture, by the published settings of the degradation."""
    drawn: Parameters | None = None
    if degradation == "real-esrgan-mmediting":
        drawn = mmediting.sample(mmediting.PUBLISHED, generator)
    elif degradation in _SECOND_ORDER:
        drawn = second_order.sample(_SECOND_ORDER[degradation], generator)
    elif degradation in _ONE_STAGE:
        drawn = one_stage.sample(_ONE_STAGE[degradation], generator)
    elif degradation in _BSRGAN:
        drawn = bsrgan.sample(_BSRGAN[degradation], scale, generator)
    elif degradation == "glean-blind":
        drawn = glean.sample(glean.PUBLISHED, generator)
    elif degradation == "bsrgan-plus":
        drawn = bsrgan_plus.sample(bsrgan_plus.BsrganPlus(), scale, generator)
    elif degradation.startswith(_TEST):
        drawn = sets.sample(degradation.removeprefix(_TEST), generator)
    elif degradation == "first-order":
        drawn = first_order.sample(first_order.FirstOrder(), generator)
    return Record(degradation, scale, drawn)


def apply(image: Tensor, record: Record) -> Tensor:
    """Degrade one picture as recorded.

    Args:
        image: ``(1, 3, H, W)`` RGB in [0, 1], H and W multiples of the record's scale.
        record: from ``sample``, ``from_dict`` or ``loads``.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1]; on the 8-bit grid, except for ``bicubic`` and ``glean-blind``.
    """
    given, scale = record.parameters, record.scale
    if isinstance(given, second_order.Parameters):
        mm = record.degradation == "real-esrgan-mmediting"
        return mmediting.apply(image, given, scale=scale) if mm else second_order.apply(image, given, scale=scale)
    if isinstance(given, one_stage.OneStage):
        return one_stage.apply(image, given, scale=scale)
    if isinstance(given, bsrgan.Parameters):
        return bsrgan.apply(image, given, scale=scale)
    if isinstance(given, glean.Blind):
        return glean.apply(image, given, scale=scale)
    if isinstance(given, bsrgan_plus.Plus):
        return bsrgan_plus.apply(image, given, scale=scale)
    if isinstance(given, sets.Parameters):
        levels = image[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().cpu().numpy()
        small = sets.apply(levels, given, scale=scale)
        return torch.from_numpy(small.copy()).permute(2, 0, 1)[None].to(image) / 255
    if isinstance(given, first_order.Parameters):
        return first_order.apply(image, given, scale=scale)
    return resize(image, scale=1 / scale).clamp(0, 1)


def apply_batch(images: Tensor, records: Sequence[Record]) -> Tensor:
    """Degrade a batch, each picture as its own record says; all records have one scale.

    Where all are of the second order and the batch is not on a CPU they are done at once; see
    ``finesight.degrade.together.apply_batch``, which has the choices.

    Raises:
        SettingError: there are not as many records as pictures, or of several scales.
    """
    if len(records) != len(images) or len({record.scale for record in records}) != 1:
        raise SettingError(f"expected records of one scale for each of {len(images)} pictures, got {len(records)}")
    drawn = [record.parameters for record in records if record.degradation in ("real-esrgan", "real-esrgan-weak")]
    if len(drawn) == len(images):
        second = [given for given in drawn if isinstance(given, second_order.Parameters)]
        return together.apply_batch(images, second, scale=records[0].scale)
    return torch.cat([apply(one, own) for one, own in zip(images.split(1), records, strict=True)])


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
    degradation = _value(keys["degradation"], Literal[*DEGRADATIONS], "degradation")
    scale = _value(keys["scale"], int, "scale")
    if not 1 <= scale <= LARGEST_FACTOR:
        raise SettingError(f"scale: expected 1 to {LARGEST_FACTOR:g}, found {scale}")
    parameters = _value(keys["parameters"], kind_of(degradation), "parameters")
    check(parameters)
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
