"""Every kind of picture that Python callers have, as a ``Picture`` and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from finesight import media
from finesight.errors import InputError
from finesight.media.picture import Picture, from_array, to_array

__all__ = ["AnyPicture", "as_picture"]

AnyPicture: TypeAlias = "str | os.PathLike[str] | Picture | np.ndarray | Tensor | Any"
"""A path, a ``Picture``, a PIL image, a NumPy array (H, W[, 1-4]) or a tensor ([N,] 1-4, H, W)."""


def as_picture(given: AnyPicture) -> tuple[Picture, Callable[[Picture], Any]]:
    """The picture, and how to bring a result back to the kind that was given (a path becomes a ``Picture``).

    Raises:
        InputError: not a picture; says what was found.
    """
    if isinstance(given, Picture):
        return given, lambda result: result
    if isinstance(given, (str, os.PathLike)):
        return media.read(given), lambda result: result
    if isinstance(given, np.ndarray):
        return _from_array(given)
    if isinstance(given, Tensor):
        return _from_tensor(given)
    from PIL import Image

    if isinstance(given, Image.Image):
        return media.from_pil(given), media.to_pil
    raise InputError(
        f"A picture is a path, a PIL image, a NumPy array, a tensor or a finesight.Picture; this is a "
        f"{type(given).__name__}."
    )


def _from_array(given: np.ndarray) -> tuple[Picture, Callable[[Picture], Any]]:
    def back(result: Picture) -> np.ndarray:
        array = to_array(result)
        if given.dtype == np.bool_:
            array = array >= 128
        if given.ndim == 3 and array.ndim == 2:
            array = array[:, :, None]
        return array.astype(given.dtype, copy=False)

    return from_array(given), back


def _from_tensor(given: Tensor) -> tuple[Picture, Callable[[Picture], Any]]:
    if given.dim() != 3 or given.shape[0] > 4:
        raise InputError(f"A tensor of shape {tuple(given.shape)} is not a picture: ([N,] 1 to 4, H, W) is wanted.")
    array = given.detach().to("cpu")
    if array.is_floating_point():
        array = array.to(torch.float32)
    picture, restore = _from_array(array.permute(1, 2, 0).numpy())

    def back(result: Picture) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(restore(result).transpose(2, 0, 1)))
        return pixels.to(device=given.device, dtype=given.dtype)

    return picture, back
