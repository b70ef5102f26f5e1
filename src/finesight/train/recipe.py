"""A training run in one typed file.

    name: finesight-x4
    network: {architecture: collapsible, arguments: {scale: 4}}
    data: {pack: photos.pack, patch: 32, batch: 16}
    optimizer: {learning_rate: 1.0e-3}
    loss: l1
    steps: 20000

Unknown keys stop the run and name the nearest; there is no inheritance between files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from finesight.errors import InputError, MissingExtraError, SettingError
from finesight.train.settings.adversarial import DiscriminatorSettings
from finesight.train.settings.data import DataSettings
from finesight.train.settings.explain import problem
from finesight.train.settings.losses import L1, Loss
from finesight.train.settings.optimizer import OptimizerSettings
from finesight.train.settings.strict import Strict

__all__ = ["NetworkSettings", "Recipe", "ValidationSettings", "read_recipe", "with_settings"]


class NetworkSettings(Strict):
    """Which network, and where its tensors start from."""

    architecture: str | None = Field(
        None, description="name in the table of architectures; default: that of the weights to start from"
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="constructor arguments that differ from the defaults"
    )
    start_from: str | dict[str, str] | None = Field(
        None,
        description="name in the catalog, or weights file, whose tensors of equal name and shape are taken over; or "
        "several, each under the beginning of the names of the part that it fills",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> NetworkSettings:
        if self.architecture is None and not isinstance(self.start_from, str):
            raise ValueError("name an architecture, or weights to start_from")
        return self


class ValidationSettings(Strict):
    """What is measured on the held-out samples."""

    metric: str = Field("psnr", description="name in finesight.train.validation.METRICS")
    border: int | None = Field(None, ge=0, description="pixels left out at each side; default: the scale, 0 at scale 1")
    pictures: int = Field(4, ge=0, description="so many results are written as pictures")
    limit: PositiveInt | None = Field(None, description="at most so many samples are looked at; default: all")


class KeepSettings(Strict):
    """Which states and weights stay on the disk."""

    last: PositiveInt = Field(1, description="newest states of the run")
    best: int = Field(1, ge=0, description="weights of the best validations")


class Recipe(Strict):
    """Everything that decides a run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", description="name of the weights, lower case")
    network: NetworkSettings
    data: DataSettings
    optimizer: OptimizerSettings = OptimizerSettings()
    discriminator: DiscriminatorSettings | None = Field(None, description="the other network of adversarial training")
    loss: tuple[Loss, ...] = Field((L1(),), min_length=1, description="a name, one loss, or a list; they are added")
    steps: PositiveInt = Field(20000, description="optimizer steps")
    accumulate: PositiveInt = Field(1, description="parts in which a step's batch is computed; processes share them")
    workers: int = Field(0, ge=0, description="processes that prepare batches; 0: the training process itself")
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    float32_steps: int = Field(0, ge=0, description="the last steps are in float32 whatever `precision` says")
    channels_last: bool = Field(True, description="memory format of convolutions; a matter of speed")
    compile: bool = Field(False, description="whether torch.compile makes the network faster first")
    average: float = Field(
        0.999, ge=0, lt=1, description="decay of the moving average of the weights, which is what is kept"
    )
    average_warmup: bool = Field(
        True, description="a shorter average in the first steps, so that the start is forgotten"
    )
    stored: Literal["float32", "float16"] = Field("float32", description="type of the numbers in the weights file")
    seed: int = Field(0, ge=0)
    validation: ValidationSettings = ValidationSettings()
    validate_every: PositiveInt = 1000
    log_every: PositiveInt = 100
    save_every: PositiveInt = 1000
    keep: KeepSettings = KeepSettings()

    @field_validator("loss", mode="before")
    @classmethod
    def _several_losses(cls, value: Any) -> Any:
        """``l1``, ``{kind: l1}`` and ``[l1, {kind: mse}]`` all give a list."""
        values = value if isinstance(value, list | tuple) else [value]
        return tuple({"kind": one} if isinstance(one, str) else one for one in values)

    @model_validator(mode="after")
    def _from_the_start(self) -> Recipe:
        if all(one.from_step for one in self.loss):
            raise ValueError("one of the losses must count from step 0 on")
        return self

    @model_validator(mode="after")
    def _parts(self) -> Recipe:
        if self.data.batch % self.accumulate:
            raise ValueError(f"data.batch {self.data.batch} cannot be computed in {self.accumulate} equal parts")
        return self


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
        _put(merged, key.strip(), _value(value.strip()))
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise problem(Recipe, error, source) from error


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c``; a number is a place in a list, ``loss.0.weight``."""
    place: Any = content
    *parents, last = key.split(".")
    for parent in parents:
        if isinstance(place, list) and parent.isdecimal() and int(parent) < len(place):
            place = place[int(parent)]
        else:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict | list):
            raise SettingError(f"{key}: {parent} has no settings inside")
    if isinstance(place, list):
        if not (last.isdecimal() and int(last) < len(place)):
            raise SettingError(f"{key}: {last} is no place in a list of {len(place)}")
        place[int(last)] = value
    else:
        place[last] = value


def _value(text: str) -> Any:
    """JSON where it is JSON (numbers, lists, true), otherwise the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return float(text)
        except ValueError:
            return text
