"""Which network computes a clip when nobody names one, and whether a named one can."""

from __future__ import annotations

import os

from finesight.errors import ModelError, SettingError
from finesight.zoo.model import Model

__all__ = ["check_enlarges", "check_interpolates", "check_restores", "loaded", "shipped"]

_FOR_CLIPS = ("super-resolution", "restoration")


def loaded(model: Model | str | os.PathLike[str] | None) -> Model | None:
    """A model by name or file, or as it is.

    Raises:
        ModelError: there is none of that name.
    """
    if model is None or isinstance(model, Model):
        return model
    from finesight.zoo import load

    return load(os.fspath(model))


def shipped(task: str, *, clips: bool = True) -> str | None:
    """The name of the weights that ship with finesight for a task, for clips; ``None`` where there are none."""
    from finesight.models.table import NETWORKS
    from finesight.zoo import catalog

    for name, card in catalog().items():
        place = NETWORKS.get(card.architecture, "")
        if card.packaged and card.task == task and (not clips or ".video." in place or ".interpolation." in place):
            return name
    return None


def check_enlarges(model: Model) -> None:
    """Raise `ModelError` unless the network enlarges frames."""
    _check_task(model)
    if model.traits.scale == 1:
        raise ModelError(f"{model.card.name} keeps the size of frames. Use: finesight restore")


def check_restores(model: Model | None) -> None:
    """Raise `ModelError` unless the network restores frames at their own size."""
    if model is None:
        raise SettingError("Restoring needs a model. See: finesight models list --task restoration")
    _check_task(model)
    if model.traits.scale != 1:
        raise ModelError(
            f"{model.card.name} enlarges by {model.traits.scale or 'any scale'}; to keep the size a network of scale 1 "
            "is wanted."
        )


def _check_task(model: Model) -> None:
    traits, name = model.traits, model.card.name
    if traits.task == "interpolation":
        raise ModelError(f"{name} makes frames between frames. Use: finesight interpolate")
    if traits.task not in _FOR_CLIPS:
        raise ModelError(f"{name} is for {traits.task}; a network for super-resolution or restoration is wanted.")
    if len(traits.inputs) > 1:
        wanted = ", ".join(port.name for port in traits.inputs)
        raise ModelError(f"{name} wants {wanted}; a clip has only its frames.")


def check_interpolates(model: Model | None) -> Model:
    """The network, which must make frames between frames.

    Raises:
        ModelError: it does not; or none is named and none ships.
    """
    if model is None:
        raise ModelError(
            "No network for interpolation ships with this version. Name one with --model; see: finesight models list "
            "--task interpolation"
        )
    traits = model.traits
    if traits.task != "interpolation" or traits.kind != "window":
        raise ModelError(
            f"{model.card.name} is for {traits.task}; to make frames between frames see: finesight models list --task "
            "interpolation"
        )
    if traits.outputs[0].name != "image":
        raise ModelError(f"{model.card.name} makes several frames at once; one that makes the middle one is wanted.")
    return model
