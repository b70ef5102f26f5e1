"""Networks of one subject and one size, faces above all: what they can take, and where they see landmarks."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from finesight.errors import InputError, SettingError
from finesight.models.prior.dic import Dic
from finesight.models.prior.face_parts import landmark_positions
from finesight.nn.traits import Traits
from finesight.run.kinds import AnyPicture, as_picture
from finesight.run.pixels import to_tensor
from finesight.zoo.model import Model

__all__ = ["check_landmarks", "check_scale_of", "check_size", "find_landmarks", "fixed"]


def fixed(traits: Traits) -> bool:
    """Whether a network takes pictures of one size only."""
    return traits.maximum is not None and traits.maximum == traits.minimum


def check_size(model: Model, width: int, height: int) -> None:
    """Whether the network can take a picture of that size. Pictures below a minimum alone are continued, not refused.

    Raises:
        InputError: it cannot; says what it takes.
    """
    least, most = model.traits.minimum, model.traits.maximum
    if most is None or (max(width, height) <= most and (least < most or (width, height) == (most, most))):
        return
    wanted = f"of exactly {most} x {most} pixels" if least == most else f"of at most {most} x {most} pixels"
    raise InputError(
        f"{model.card.name} takes pictures {wanted}, this one has {width} x {height}. Cut out the subject and resize "
        "it to that."
    )


def check_scale_of(model: Model, scale: float) -> None:
    """Whether a network that takes one size only reaches ``scale``: its result cannot go through it again.

    Raises:
        SettingError: it does not.
    """
    if fixed(model.traits) and scale > (model.traits.scale or 1):
        raise SettingError(
            f"{model.card.name} enlarges {model.traits.scale} times and takes pictures of {model.traits.minimum} x "
            f"{model.traits.minimum} pixels only, so scale {scale:g} is out of its reach. Ask for at most "
            f"{model.traits.scale}."
        )


def check_landmarks(model: Model | None) -> None:
    """Whether a model finds landmarks.

    Raises:
        SettingError: it does not, or there is none.
    """
    if model is None or not isinstance(model.network, Dic):
        found = "no model is given" if model is None else f"{model.card.name} finds none"
        raise SettingError(f"Landmarks are found by dic-x8 and dic-gan-x8, {found}. Add --model dic-x8.")


@torch.inference_mode()
def find_landmarks(
    picture: AnyPicture, model: Model | str | os.PathLike[str], *, size: tuple[int, int] | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Where a network of faces sees the landmarks of a face, at its last step.

    Args:
        picture: a face of the size that the network takes, as for ``upscale``.
        model: ``dic-x8``, ``dic-gan-x8``, or a file of such weights.
        size: ``(width, height)`` in whose pixels the positions are told; default: what the network gives.

    Returns:
        ``(landmarks, 2)``, x and y; float32. A landmark on the upper left corner is at 0, 0.

    Raises:
        InputError: a picture of another size.
        SettingError: the model finds no landmarks.
    """
    if not isinstance(model, Model):
        from finesight.zoo import load

        model = load(os.fspath(model))
    check_landmarks(model)
    assert isinstance(model.network, Dic)
    given = as_picture(picture)[0]
    check_size(model, given.width, given.height)
    device = next(model.network.parameters()).device
    face = to_tensor(given.pixels, device).expand(3, -1, -1)[None]
    scale = model.traits.scale or 1
    heatmaps = model.network.steps(face).heatmaps[-1]
    positions = landmark_positions(heatmaps, size=size or (given.width * scale, given.height * scale))
    found: np.ndarray[Any, np.dtype[np.float32]] = positions[0].float().cpu().numpy()
    return found
