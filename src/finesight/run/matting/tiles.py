"""A matting network over a whole picture: only the tiles that hold unknown pixels are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finesight.errors import MemoryLimitError
from finesight.nn.traits import Traits
from finesight.nn.trimap import FOREGROUND, UNKNOWN, impose
from finesight.progress import Cancel, Progress, silent
from finesight.run.budget import Budget
from finesight.run.compute import Computer
from finesight.run.engines.torch import TorchNetwork
from finesight.run.matting.trimaps import Classes
from finesight.run.memory import measure_peak
from finesight.run.overlap import find_overlap, plan_overlapping
from finesight.run.pixels import Pixels, View, most_of, to_tensor
from finesight.run.tiles import Plan, Tile, plan_tiles

__all__ = ["MattingNetwork", "Tiled", "bytes_per_pixel", "compute_alpha"]

_GOOD_PIXELS = 512 * 512
"""Pixels of a tile where the halo is finite: small tiles leave more of the known picture out."""

_ATTENDED_PIXELS = 1280 * 1280
"""Most pixels of a tile where attention compares all places: its time grows with their square."""

_PROBE = 192


class MattingNetwork(TorchNetwork):
    """A network of picture and trimap that is called like one of pictures: with tiles ``(N, 4, h, w)``.

    The first channel is the trimap, 0, 1/2 and 1; the others are the colours.
    """

    def __init__(self, network: nn.Module, device: torch.device, *, channels_last: bool = False) -> None:
        super().__init__(network, device, channels_last=channels_last)
        traits: Traits = network.traits  # type: ignore[assignment]  # every network has traits
        self.place = [port.name for port in traits.outputs].index("alpha")

    def __call__(self, tiles: Tensor) -> Tensor:
        """Alpha ``(N, 1, h, w)``, known pixels imposed."""
        trimap, image = (tiles[:, :1] * 2).round(), tiles[:, 1:]
        with torch.inference_mode():
            answer = self.network(image.contiguous(memory_format=self._format), trimap)
            alpha = answer[self.place] if isinstance(answer, tuple) else answer
            return impose(alpha.float(), trimap)


def bytes_per_pixel(network: MattingNetwork, traits: Traits) -> float:
    """Measured peak bytes per pixel of one tile."""
    side = max(_PROBE, traits.minimum)
    tile = torch.rand(1, 4, side, side, generator=torch.Generator().manual_seed(0)).to(network.device)
    network(tile)  # what is allocated once for all tiles is not the tile's
    return measure_peak(lambda: network(tile), network.device) / side**2


@dataclass(frozen=True, slots=True)
class Tiled:
    """Alpha float32 ``(H, W)`` and how its tiles were computed; see ``Report`` of upscaling for the words."""

    alpha: NDArray[np.float32]
    tile: tuple[int, int]
    tiles: int
    computed: int
    overlap: int
    exact: bool
    difference: float | None
    notes: tuple[str, ...]


def compute_alpha(
    pixels: Pixels,
    trimap: Classes,
    network: nn.Module,
    device: torch.device,
    *,
    memory: str | int | None = None,
    exact: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Tiled:
    """Alpha of a picture ``(H, W, 1 or 3)`` whose trimap knows something and not everything.

    Networks of finite halo: tiles of 512x512 whose overlap is doubled until doubling changes the busiest tile of the
    trimap by at most 0.25 grey level (RMS). With attention over the whole picture: pictures up to 1280x1280 as a whole,
    larger ones in tiles of that size, which attend within themselves; ``exact`` computes the whole picture anyway.

    Raises:
        MemoryLimitError, CalculationError, CancelledError
    """
    prepared = MattingNetwork(network, device, channels_last=device.type == "cpu")
    traits: Traits = network.traits  # type: ignore[assignment]  # every network has traits
    computer = Computer(prepared, traits)
    results = trimap.size * (8 + 4 * pixels.itemsize)  # alpha, weights, and the picture with its trimap
    budget = Budget.of(memory, device, bytes_per_pixel(prepared, traits), results)
    computer.limit = None if memory is None else budget.limit
    view = View(_stacked(pixels, trimap))
    attends = traits.halo is None and not getattr(network, "local", False)
    plan, difference, notes = _plan(view, computer, budget, exact=exact, attends=attends)
    alpha = np.where(trimap == FOREGROUND, np.float32(1), np.float32(0))
    wanted = [tile for tile in plan if (trimap[_kept(tile)] == UNKNOWN).any()]
    weights = np.zeros(trimap.shape, np.float32) if plan.blend else None
    for done, tile in enumerate(wanted):
        if cancel is not None:
            cancel.check()
        progress(done, len(wanted), "tiles")
        _put(alpha, weights, tile, _answer(view, tile, computer, plan), trimap)
        computer.relieve()
    progress(len(wanted), len(wanted), "tiles")
    if weights is not None:
        mixed = weights > 0
        alpha[mixed] /= weights[mixed]
    return Tiled(
        alpha=alpha,
        tile=plan.tile,
        tiles=len(plan),
        computed=len(wanted),
        overlap=plan.margin,
        exact=plan.exact,
        difference=difference,
        notes=(*notes, *computer.notes),
    )


def _stacked(pixels: Pixels, trimap: Classes) -> Pixels:
    """Trimap and colours in one array ``(H, W, 4)`` of the picture's type."""
    most = most_of(pixels.dtype)
    levels = np.array([0, most / 2, most]).astype(pixels.dtype)
    stacked = np.empty((*trimap.shape, 4), pixels.dtype)
    stacked[:, :, 0] = levels[trimap]
    stacked[:, :, 1:] = np.clip(pixels, 0, 1) if pixels.dtype.kind == "f" else pixels
    return stacked


def _plan(
    view: View, computer: Computer, budget: Budget, *, exact: bool, attends: bool
) -> tuple[Plan, float | None, list[str]]:
    """The tiles, what their overlap costs in grey levels, and what to tell."""
    traits, height, width = computer.traits, view.height, view.width
    most, area = budget.most_pixels, height * width
    good = min(most, _ATTENDED_PIXELS if attends else _GOOD_PIXELS)
    if area <= good or (exact and area <= most):
        whole = plan_tiles(height, width, area, 0, multiple=traits.multiple)
        assert whole is not None
        return whole, None, []
    if exact:
        plan = None if traits.halo is None else plan_tiles(height, width, most, traits.halo, multiple=traits.multiple)
        if plan is None:
            raise MemoryLimitError(
                f"exact: the picture of {width}x{height} pixels must be computed in too large a part for the memory, "
                f"which allows {most} pixels at once. Leave out exact, or allow more memory."
            )
        return plan, None, []
    found = find_overlap(view, computer, most)
    plan, pixels = plan_overlapping(height, width, traits, found.pixels, good), good
    while plan is None and pixels < most:
        pixels = min(most, 2 * pixels)
        plan = plan_overlapping(height, width, traits, found.pixels, pixels)
    if plan is None:
        raise MemoryLimitError(
            f"Tiles with an overlap of {found.pixels} pixels need more than the {most} pixels that memory allows. Give "
            "more memory, or use a smaller network."
        )
    notes = []
    if attends:
        notes.append(f"{traits.halo_reason}: here within tiles of {plan.tile[1]}x{plan.tile[0]} pixels")
    if not found.enough:
        notes.append(
            f"the overlap of {found.pixels} pixels is the largest that memory allows and changes the busiest tile by "
            f"{found.difference:.2f} grey levels; 0.25 are wanted"
        )
    return plan, found.difference, notes


def _kept(tile: Tile) -> tuple[slice, slice]:
    """What a tile answers for, its fades included."""
    y, x = tile.y, tile.x
    return slice(y.first - y.before, y.last + y.after), slice(x.first - x.before, x.last + x.after)


def _answer(view: View, tile: Tile, computer: Computer, plan: Plan) -> NDArray[np.float32]:
    y, x = tile.y, tile.x
    crop = to_tensor(view.crop(y.start, y.stop, x.start, x.stop), computer.prepared.device)
    alpha = computer(crop[None], plan.margin, f"the tile at row {y.first}, column {x.first}")[0, 0]
    rows, columns = _kept(tile)
    part = alpha[rows.start - y.start : rows.stop - y.start, columns.start - x.start : columns.stop - x.start]
    found: NDArray[np.float32] = part.cpu().numpy()
    return found


def _put(
    alpha: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
    tile: Tile,
    answer: NDArray[np.float32],
    trimap: Classes,
) -> None:
    """Write the unknown pixels; in fades add them up with weights, which are divided by at the end."""
    place = _kept(tile)
    unknown = trimap[place] == UNKNOWN
    if weights is None:
        alpha[place][unknown] = answer[unknown]
        return
    weight = np.minimum.outer(_ramp(tile.y.before, tile.y.after, answer.shape[0]), np.ones(answer.shape[1], np.float32))
    weight = weight * _ramp(tile.x.before, tile.x.after, answer.shape[1])
    alpha[place] += np.where(unknown, answer * weight, 0)
    weights[place] += np.where(unknown, weight, 0)


def _ramp(before: int, after: int, length: int) -> NDArray[np.float32]:
    """Rises over ``2 * before`` pixels and falls over ``2 * after``; never 0."""
    ramp = np.ones(length, np.float32)
    if before:
        ramp[: 2 * before] = (np.arange(2 * before) + 0.5) / (2 * before)
    if after:
        ramp[-2 * after :] *= 1 - (np.arange(2 * after) + 0.5) / (2 * after)
    return ramp
