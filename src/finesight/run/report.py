"""What is said about a finished or a coming piece of work."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from finesight.run.seams import Seam

__all__ = ["Estimate", "Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one picture was computed. Sizes are in pixels of the network's input, memory in bytes.

    Args:
        scale: enlargement of the result, of each axis.
        models: names of the networks in the order they were applied.
        tile: height and width of the tiles, margins included; of the last network where several were applied.
        tiles: how many tiles were computed, colour and alpha together.
        halo: how far an output pixel looks, ``None`` when unbounded.
        overlap: context that every kept pixel has at least.
        exact: whether the tiles equal the whole picture.
        difference: what the overlap costs: RMS difference to twice the overlap on the most detailed tile, in grey
            levels of 255; ``None`` when exact.
        device, precision, engine: what computed; ``why`` says why these were chosen.
        seconds: wall time; ``megapixels_per_second``: pixels of the result over it.
        memory: the limit that the tiles were planned for.
        self_ensemble: whether every tile is the mean of its eight turns.
        seam: the side of a tile that stands out most, where that was asked for.
        preparing, network: of these seconds, those of making networks ready and planning, and those inside networks;
            the rest converts pixels, fades and resamples tiles.
        notes: everything a user should hear of: tiles redone, precision given up, colours replaced ...
    """

    scale: float
    models: tuple[str, ...]
    tile: tuple[int, int]
    tiles: int
    halo: int | None
    overlap: int
    exact: bool
    difference: float | None
    device: str
    precision: str
    engine: str
    why: str
    seconds: float
    megapixels_per_second: float
    memory: int
    notes: tuple[str, ...]
    preparing: float = 0.0
    network: float = 0.0
    self_ensemble: bool = False
    seam: Seam | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a picture would take: ``seconds`` of computing and ``memory`` as peak bytes of the process (CPU) or device.

    The other fields say how it would be computed, as in ``Report``.
    """

    seconds: float
    memory: int
    width: int
    height: int
    models: tuple[str, ...]
    tile: tuple[int, int]
    tiles: int
    exact: bool
    overlap: int
    device: str
    precision: str
    engine: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return dataclasses.asdict(self)
