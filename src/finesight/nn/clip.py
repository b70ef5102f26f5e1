"""How networks for clips are called: windows of frames, and recurrence over them.

**window**: ``encode(frame) -> tuple of tensors``, ``fuse(features of traits.frames frames) -> picture``. Features
belong to one frame, so that neighbouring windows share them.

**recurrent**: ``encode(clip) -> Features``, ``propagate(direction, features, state) -> (tensors, state)`` for each of
``directions`` in order, ``decode(features) -> clip``. ``forward`` is ``over_clip``. A state is passed, never kept: a
clip cut in two and walked with the state handed on equals the whole clip. Entries that need a neighbour (flows)
are ``None`` where the encoded clip has none: to have them, encode a segment with one frame more on each side and cut
these off with ``part``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = [
    "Features",
    "RecurrentNetwork",
    "WindowNetwork",
    "at",
    "check_clip",
    "frame_order",
    "over_clip",
    "part",
    "split_frames",
]

Features = dict[str, list[Tensor | None]]
"""Every feature of a clip: by name, one entry a frame, ``N C H W`` or nothing."""


class WindowNetwork(Protocol):
    """A network that makes one picture of ``traits.frames`` frames."""

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]: ...

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor: ...


class RecurrentNetwork(Protocol):
    """A network that walks over a clip in each of ``directions`` (names beginning with ``forward`` or ``backward``)."""

    @property
    def directions(self) -> tuple[str, ...]: ...

    def encode(self, clip: Tensor) -> Features: ...

    def propagate(self, direction: str, features: Features, state: Any = None) -> tuple[list[Tensor | None], Any]: ...

    def decode(self, features: Features) -> Tensor: ...


def check_clip(clip: Tensor, *, frames: int | None = None, channels: int = 3) -> None:
    """Refuse anything but ``N T C H W`` with ``channels`` colours and, where given, exactly ``frames`` frames.

    Raises:
        SettingError: another shape.
    """
    wanted = f"(batch, {frames or 'time'}, {channels}, height, width)"
    if clip.ndim != 5 or clip.shape[2] != channels or clip.shape[1] < 1 or (frames and clip.shape[1] != frames):
        raise SettingError(f"Expected a clip of shape {wanted}, got {tuple(clip.shape)}.")


def at(features: Features, name: str, index: int) -> Tensor:
    """The tensor ``name`` of frame ``index``.

    Raises:
        SettingError: it is not there.
    """
    values = features.get(name)
    tensor = None if values is None else values[index]
    if tensor is None:
        raise SettingError(f"The features hold no '{name}' for frame {index}; propagate in the order of `directions`.")
    return tensor


def part(features: Features, start: int, stop: int) -> Features:
    """The features of frames ``start`` to ``stop`` - 1."""
    return {name: values[start:stop] for name, values in features.items()}


def frame_order(direction: str, frames: int) -> range:
    """The order in which a direction visits its frames."""
    return range(frames - 1, -1, -1) if direction.startswith("backward") else range(frames)


def over_clip(network: RecurrentNetwork, clip: Tensor) -> Tensor:
    """The whole clip at once: encode, propagate in every direction from its end, decode."""
    features = network.encode(clip)
    for direction in network.directions:
        features[direction], _ = network.propagate(direction, features)
    return network.decode(features)


def split_frames(clip: Tensor) -> list[Tensor | None]:
    """``N T ...`` as a list of T tensors ``N ...``."""
    return list(torch.unbind(clip, dim=1))
