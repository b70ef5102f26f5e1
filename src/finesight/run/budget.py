"""From the one knob, memory, to the largest tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from finesight.errors import MemoryLimitError
from finesight.run.engines import Prepared
from finesight.run.memory import available, format_bytes, measure_peak, parse_bytes, resident
from finesight.run.pixels import quantise

__all__ = ["ALLOCATED", "PROBE", "SMALLEST_TILE", "Budget", "bytes_per_pixel"]

SMALLEST_TILE = 32 * 32
"""Pixels of the smallest tile that is computed: the floor of ``memory``."""

_DEFAULT_SHARE = 0.75
"""Of the memory that is free; the rest is for writing the result and for other programs."""

ALLOCATED = 0.5
"""Of what remains; the rest is what the C library's allocator keeps beyond the live tensors (seen: as much again)."""

_ONCE = 24_000_000
"""Bytes that the first tile takes for good: threads, compiled kernels (seen: 12 MB)."""

PROBE = 64
"""Side of the tile whose memory is measured."""

_DEEP = np.dtype(np.uint16)


def bytes_per_pixel(prepared: Prepared, side: int = PROBE) -> float:
    """Measured peak bytes per input pixel of computing a tile of ``side`` pixels a side and bringing it to 16 bit."""
    tile = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(prepared.device)

    def work() -> None:
        with torch.inference_mode():
            quantise(prepared(tile)[0], _DEEP)

    work()  # what is allocated once for all tiles is not the tile's
    return measure_peak(work, prepared.device, opaque=prepared.opaque) / side**2


@dataclass(frozen=True, slots=True)
class Budget:
    """``limit``: the peak in bytes for the process (CPU) or the device; ``tiles``: what tiles may take of it."""

    limit: int
    tiles: int
    per_pixel: float

    @classmethod
    def of(cls, memory: str | int | None, device: torch.device, per_pixel: float, results: int) -> Budget:
        """Take from ``memory`` (default: three quarters of what is free) what is in use and what ``results`` will take.

        Raises:
            MemoryLimitError: not even the smallest tile fits; says how much would do.
        """
        on_host = device.type == "cpu"
        used = resident() if on_host else 0
        if memory is None:
            limit = used + int(_DEFAULT_SHARE * available(device))
        else:
            limit = parse_bytes(memory)
        free = limit - used - (results + _ONCE if on_host else 0)
        tiles = int(ALLOCATED * free)
        floor = int(SMALLEST_TILE * per_pixel / ALLOCATED) + limit - free
        if tiles < SMALLEST_TILE * per_pixel:
            raise MemoryLimitError(
                f"memory: {format_bytes(limit)} is too little for this picture: {format_bytes(used)} are in use and "
                f"the result takes {format_bytes(results)}. Allow at least {format_bytes(floor * 1.02)}."
            )
        return cls(limit, tiles, per_pixel)

    @property
    def most_pixels(self) -> int:
        """Pixels of the largest tile."""
        return max(SMALLEST_TILE, int(self.tiles / self.per_pixel))
