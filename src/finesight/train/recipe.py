"""A training run in one typed file.

    name: finesight-x4
    network: {architecture: collapsible, arguments: {scale: 4}}
    data: {pack: photos.pack, patch: 32, batch: 16}
    optimizer: {learning_rate: 1.0e-3}
    steps: 20000

Unknown keys stop the run and name the nearest; there is no inheritance between files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from finesight.errors import InputError, MissingExtraError, SettingError, nearest

__all__ = ["Recipe", "read_recipe", "with_settings"]

Fraction01 = Field(ge=0, le=1)


class Strict(BaseModel):
    """Settings that cannot change and do not accept keys they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSettings(Strict):
    """Which network, and where its tensors start from."""

    architecture: str = Field(description="name in the table of architectures")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="constructor arguments that differ from the defaults"
    )
    start_from: str | None = Field(None, description="weights whose tensors of equal name and shape are taken over")


class FirstOrderSettings(Strict):
    """Blur, shrink, noise, JPEG: see ``finesight.degrade.first_order.FirstOrder``."""

    kind: Literal["first-order"] = "first-order"
    blur: tuple[float, float] = (0.3, 2.4)
    blur_probability: float = Field(0.7, ge=0, le=1)
    noise: tuple[float, float] = (0.5, 8.0)
    noise_probability: float = Field(0.6, ge=0, le=1)
    gray_noise_probability: float = Field(0.4, ge=0, le=1)
    jpeg: tuple[int, int] = (40, 95)
    jpeg_probability: float = Field(0.85, ge=0, le=1)


class DataSettings(Strict):
    """What the network learns from."""

    pack: str = Field(description="file made by `finesight data pack`; a relative path is looked up from where you are")
    patch: PositiveInt = Field(32, description="side of a low-resolution patch, pixels")
    batch: PositiveInt = Field(16, description="patches a step")
    degradation: Literal["bicubic"] | FirstOrderSettings = "bicubic"
    held_out: int = Field(40, ge=2, description="every so many crops one is kept for validation")


class OptimizerSettings(Strict):
    """Adam."""

    learning_rate: float = Field(1e-3, gt=0, le=1)
    final_learning_rate: float = Field(1e-6, ge=0, le=1, description="reached along a cosine at the last step")
    warmup: int = Field(200, ge=0, description="steps over which the learning rate rises from 0")
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient of all parameters")


class Recipe(Strict):
    """Everything that decides a run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", description="name of the weights, lower case")
    network: NetworkSettings
    data: DataSettings
    optimizer: OptimizerSettings = OptimizerSettings()
    loss: Literal["l1", "charbonnier"] = "l1"
    steps: PositiveInt = Field(20000, description="optimizer steps")
    precision: Literal["float32", "bfloat16"] = "float32"
    float32_steps: int = Field(0, ge=0, description="the last steps are in float32 whatever `precision` says")
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the moving average of the weights, which is what is kept"
    )
    seed: int = Field(0, ge=0)
    validate_every: PositiveInt = 1000
    save_every: PositiveInt = 1000


def _problem(error: ValidationError, source: str) -> SettingError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    where = ".".join(location)
    if first["type"] == "extra_forbidden":
        hint = nearest(location[-1], _known(location[:-1]))
        return SettingError(f"{source}: {where} is not a setting. {hint}".rstrip())
    return SettingError(f"{source}: {where}: {first['msg']} (found {first.get('input')!r})")


def _known(path: Sequence[str]) -> list[str]:
    """The settings at a place of the recipe."""
    model: Any = Recipe
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        model = field.annotation
    fields = getattr(model, "model_fields", FirstOrderSettings.model_fields)
    return list(fields)


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe (YAML, or JSON where the name ends so), with ``key=value`` settings on top.

    Raises:
        InputError: the file cannot be read.
        SettingError: a key or a value is wrong; the nearest key is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} cannot be read: {error}") from error
    try:
        if path.suffix == ".json":
            content = json.loads(text)
        else:
            content = _yaml().safe_load(text)
    except Exception as error:  # each parser has its own errors; all say where
        if isinstance(error, ImportError):
            raise
        raise SettingError(f"{path} is not a valid recipe: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingError(f"{path} is not a recipe: expected settings, found {type(content).__name__}")
    return with_settings(content, settings, source=str(path))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:  # machines for training have no more than training needs
        raise MissingExtraError(
            "PyYAML, which reads YAML recipes, is not installed. Run: pip install pyyaml, or give the recipe as .json"
        ) from error
    return yaml


def with_settings(content: Mapping[str, Any], settings: Sequence[str] = (), *, source: str = "recipe") -> Recipe:
    """A checked recipe from its content and ``optimizer.learning_rate=1e-4`` style settings."""
    merged: dict[str, Any] = json.loads(json.dumps(content))
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise SettingError(f"'{setting}' is not of the form key=value, such as optimizer.learning_rate=1e-4")
        place = merged
        *parents, last = key.strip().split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise SettingError(f"{key}: {parent} has no settings inside")
        place[last] = _value(value.strip())
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise _problem(error, source) from error


def _value(text: str) -> Any:
    """JSON where it is JSON (numbers, lists, true), otherwise the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return float(text)
        except ValueError:
            return text
