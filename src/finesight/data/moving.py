"""Clips made of still photographs: a camera that drifts, turns and zooms, and things that move before it.

Every batch is a function of the seed and the step alone, so that a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.pack import read_pack
from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError

__all__ = ["MovingCrops", "filmed", "moving_clip", "still_removed"]

Wanted = Literal["middle", "enlarged"]

_ALIVE = 6.0  # grey levels by which a place must change from frame to frame to be worth learning from
_CELL = 16  # side of such a place, pixels
_MOST = 40  # frames of a filmed stretch kept together


class MovingCrops:
    """Clips that move, from the crops of a pack and, for some of the samples, from a film.

    Args:
        crops: a pack made by ``finesight data pack``, or the crops themselves, uint8 RGB ``(side, side, 3)``.
        wanted: ``middle``: the frame between two; ``enlarged``: every frame in high resolution, from frames reduced by
            MATLAB-style bicubic on 8 bits.
        frames: of a clip; 3 for ``middle``.
        patch: side of the target in pixels.
        scale: high over low resolution (``enlarged``).
        speed: fastest motion, pixels a frame of the target.
        zoom: pixels of a crop for one of the target, least and most: small ones make clips soft.
        film: stretches of film in which something moves, uint8 ``(T, 3, H, W)``; see ``still_removed``.
        film_share: how many of the samples are from the film.
        held_out: every so many crops one is kept for validation; of the film, the last stretch.
        seed: decides every batch.

    Raises:
        InputError: too few crops.
        SettingError: crops or film are too small, or the frames do not fit what is wanted.
    """

    def __init__(
        self,
        crops: Path | Sequence[np.ndarray],
        *,
        wanted: Wanted,
        frames: int,
        patch: int,
        scale: int = 1,
        speed: float = 8.0,
        zoom: tuple[float, float] = (0.3, 1.25),
        film: Sequence[Tensor] = (),
        film_share: float = 0.25,
        held_out: int = 40,
        seed: int = 0,
    ) -> None:
        name = str(crops) if isinstance(crops, Path) else "The data"
        crops = read_pack(crops) if isinstance(crops, Path) else crops
        if len(crops) < 2 or held_out > len(crops):
            raise InputError(f"{name} holds {len(crops)} crops; held_out {held_out} needs as many, and at least 2.")
        if patch > crops[0].shape[0] or patch % scale:
            raise SettingError(f"patch {patch}: expected a multiple of {scale}, at most {crops[0].shape[0]} ({name}).")
        if wanted == "middle" and (frames != 3 or scale != 1):
            raise SettingError(f"The middle of two frames needs frames 3 and scale 1, got {frames} and {scale}.")
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()
        chosen = torch.arange(len(crops)) % held_out == held_out - 1
        self.crops, self.held_crops = stacked[~chosen], stacked[chosen]
        self.wanted, self.frames, self.patch, self.scale, self.speed = wanted, frames, patch, scale, speed
        self.seed, self.zoom = seed, zoom
        usable = [stretch for stretch in film if len(stretch) >= frames and min(stretch.shape[-2:]) >= 2 * patch]
        alive = [(stretch, places) for stretch in usable if len(places := places_that_move(stretch, frames))]
        if film and len(alive) < 2:
            raise SettingError(
                f"The film needs two stretches in which something moves for {frames} frames, {2 * patch} pixels wide; "
                f"it has {len(alive)}."
            )
        self.film, self.held_film = alive[:-1], alive[-1:]
        self.film_share = film_share if alive else 0.0

    def batch(self, step: int, size: int) -> Batch:
        """The samples of one step: clips and what is wanted of them, in [0, 1]."""
        generator = chance(self.seed, step)
        return self._batch([self._clip(generator) for _ in range(size)])

    def validation(self) -> Iterator[Batch]:
        """Sixteen clips of held-out crops and eight places of the held-out film, the same at every call."""
        generator = chance(self.seed + 1, 0)
        for _ in range(16):
            yield self._batch([self._made(self.held_crops, generator)])
        for stretch, places in self.held_film:
            for _ in range(8):
                yield self._batch([self._filmed(stretch, places, generator)])

    def _clip(self, generator: torch.Generator) -> Tensor:
        if _uniform(0, 1, generator) < self.film_share:
            return self._filmed(*self.film[_draw(len(self.film), generator)], generator)
        return self._made(self.crops, generator)

    def _batch(self, clips: Sequence[Tensor]) -> Batch:
        """8-bit clips ``(T, 3, patch, patch)`` -> inputs and target."""
        high = torch.stack(list(clips))
        target = high.float() / 255
        if self.wanted == "middle":
            return Batch((target[:, ::2].contiguous(),), target[:, 1].contiguous())
        low = resize_8bit(high.flatten(0, 1), scale=1 / self.scale).unflatten(0, high.shape[:2])
        return Batch((low.float() / 255,), target)

    def _made(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        layers = crops[[_draw(len(crops), generator) for _ in range(1 + _draw(3, generator))]]
        clip = moving_clip(
            layers.float() / 255, self.frames, self.patch, speed=self.speed, zoom=self.zoom, generator=generator
        )
        return _turned((clip * 255).round().to(torch.uint8), generator)

    def _filmed(self, stretch: Tensor, places: Tensor, generator: torch.Generator) -> Tensor:
        start, row, column = (int(v) for v in places[_draw(len(places), generator)])
        clip = stretch[start : start + self.frames]
        shrink = 1 + _draw(2, generator)  # 2: averaged down, without the artefacts of the film's compression
        side = self.patch * shrink
        top = max(0, min(row - _draw(side, generator), clip.shape[-2] - side))
        left = max(0, min(column - _draw(side, generator), clip.shape[-1] - side))
        clip = clip[..., top : top + side, left : left + side]
        if shrink == 2:
            clip = F.avg_pool2d(clip.float(), 2).round().to(torch.uint8)
        return _turned(clip, generator)


def _draw(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _turned(clip: Tensor, generator: torch.Generator) -> Tensor:
    """One of the eight turns and mirrorings of a square, forwards or backwards in time."""
    turn = _draw(16, generator)
    clip = clip.rot90(turn % 4, (-2, -1))
    clip = clip.flip(-1) if turn & 4 else clip
    return (clip.flip(0) if turn & 8 else clip).contiguous()


def places_that_move(stretch: Tensor, frames: int) -> Tensor:
    """First frame, row and column of every place of a stretch (T, 3, H, W) that changes within ``frames`` frames."""
    grey = stretch[:, 1].float()
    change = F.avg_pool2d((grey[1:] - grey[:-1]).abs()[:, None], _CELL)[:, 0]  # t-1 rows columns
    found = torch.nonzero(change.unfold(0, frames - 1, 1).mean(-1) > _ALIVE)
    return torch.cat((found[:, :1], found[:, 1:] * _CELL + _CELL // 2), dim=1)


def filmed(path: Path) -> list[Tensor]:
    """The stretches of a clip in which something moves, uint8 ``(T, 3, H, W)``.

    Raises:
        InputError: it cannot be read, or has more than 8 bits.
    """
    from finesight.media.clips import read_clip  # it loads a decoder, which crops alone do not need

    with read_clip(path) as reader:
        if reader.info.depth > 8:
            raise InputError(f"{path} has {reader.info.depth} bits a channel; training reads clips of 8 bits.")
        return still_removed(torch.from_numpy(frame.pixels.copy()).permute(2, 0, 1) for frame in reader)


def still_removed(frames: Iterator[Tensor], *, share: float = 0.005) -> list[Tensor]:
    """The stretches of a film in which something moves.

    Args:
        frames: uint8 ``(3, H, W)``.
        share: of the places that must change from one frame to the next.

    Returns:
        uint8 ``(T, 3, H, W)``, at most 40 frames each.
    """
    stretches: list[list[Tensor]] = [[]]
    before: Tensor | None = None
    for frame in frames:
        small = F.avg_pool2d(frame[1:2].float(), _CELL)
        if before is not None:
            moves = float(((small - before).abs() > _ALIVE / 2).float().mean()) > share
            if not moves or len(stretches[-1]) == _MOST:
                stretches.append([])
            if moves:
                stretches[-1].append(frame)
        before = small
    return [torch.stack(stretch) for stretch in stretches if stretch]


def moving_clip(
    layers: Tensor,
    frames: int,
    side: int,
    *,
    speed: float,
    generator: torch.Generator,
    zoom: tuple[float, float] = (0.3, 1.25),
) -> Tensor:
    """A clip of pictures that move one before the other.

    The first layer fills the frame; each further one is seen inside a drawn outline. Each drifts (at most ``speed``
    pixels a frame, mostly slowly), turns, zooms and bends at rates of its own, which hardly change within the clip.

    Args:
        layers: ``(L, 3, S, S)`` in [0, 1].
        frames: of the clip.
        side: of a frame.
        speed: pixels a frame.
        generator: where chance comes from.
        zoom: pixels of a layer for one of the clip, least and most; films are often softer than photographs.

    Returns:
        ``(frames, 3, side, side)`` in [0, 1].
    """
    times = torch.arange(frames) - (frames - 1) / 2
    camera = _speed(speed, generator)
    clip: Tensor | None = None
    for number, layer in enumerate(layers):
        shape = torch.ones_like(layer[:1]) if number == 0 else _outline(layer.shape[-1], generator)
        source = torch.cat((layer, shape))
        velocity = camera if number == 0 else camera + _speed(speed, generator)
        grid = _path(times, side, layer.shape[-1], velocity, zoom, generator)
        seen = F.grid_sample(
            source.expand(frames, -1, -1, -1),
            grid,
            mode="bicubic",
            padding_mode="reflection" if number == 0 else "zeros",
            align_corners=False,
        ).clamp_(0, 1)
        colours, cover = seen[:, :3], seen[:, 3:]
        clip = colours if clip is None else clip + cover * (colours - clip)
    assert clip is not None
    if _uniform(0, 1, generator) < 0.3:  # light that grows or fades
        clip = (clip * (1 + _uniform(-0.03, 0.03, generator) * times.view(-1, 1, 1, 1))).clamp(0, 1)
    return clip


def _speed(most: float, generator: torch.Generator) -> Tensor:
    """A velocity (x, y): any direction, mostly slow."""
    angle, length = _uniform(0, 2 * math.pi, generator), most * _uniform(0, 1, generator) ** 2
    return torch.tensor([length * math.cos(angle), length * math.sin(angle)])


def _path(
    times: Tensor, side: int, source: int, velocity: Tensor, zooms: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Where each pixel of each frame looks in a layer: ``(frames, side, side, 2)`` as ``grid_sample`` wants it."""
    zoom = math.exp(_uniform(math.log(zooms[0]), math.log(zooms[1]), generator))
    angle = _uniform(-math.pi, math.pi, generator)
    zoom_rate, turn_rate = _uniform(-0.015, 0.015, generator), _uniform(-0.02, 0.02, generator)
    slower = _uniform(-0.08, 0.08, generator)
    room = max(0.0, (source - zoom * side) / 2)
    centre = torch.tensor([_uniform(-room, room, generator) for _ in range(2)])
    place = torch.arange(side) - (side - 1) / 2
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    still = torch.stack((columns, rows), dim=-1)  # side side (x, y)
    moved = times + slower * times.square()
    bend = F.interpolate(
        torch.randn(1, 2, 4, 4, generator=generator), (side, side), mode="bicubic", align_corners=False
    )[0].permute(1, 2, 0)
    bend = bend * float(velocity.norm()) * _uniform(0, 0.3, generator)
    points = still - (velocity + bend) * moved.view(-1, 1, 1, 1)
    turns = angle + turn_rate * moved
    scales = zoom * torch.exp(zoom_rate * moved)
    cosine, sine = scales * turns.cos(), scales * turns.sin()
    x = cosine.view(-1, 1, 1) * points[..., 0] - sine.view(-1, 1, 1) * points[..., 1] + centre[0]
    y = sine.view(-1, 1, 1) * points[..., 0] + cosine.view(-1, 1, 1) * points[..., 1] + centre[1]
    return torch.stack((x, y), dim=-1) * (2 / source)


def _outline(side: int, generator: torch.Generator) -> Tensor:
    """A blob of any shape in the middle, 1 inside, 0 outside: ``(1, side, side)``."""
    place = torch.linspace(-1, 1, side)
    distance = (place.square()[:, None] * _uniform(0.6, 1.6, generator) + place.square()[None]).sqrt()
    waves = F.interpolate(torch.randn(1, 1, 6, 6, generator=generator), (side, side), mode="bicubic")[0]
    size = _uniform(0.25, 0.6, generator)
    return ((size + 0.2 * waves - distance) * side / _uniform(2, 6, generator)).sigmoid()
