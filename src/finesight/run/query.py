"""Networks of any scale (kind ``query``): every pixel of the result is asked of the network, nothing is resampled.

The encoder runs on exact tiles, by its halo. Of each tile the rows of the result that lie in it are asked, in portions
of bounded size, at their positions in the whole picture: tiles and portions leave no trace, and memory holds one tile,
one portion and the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from finesight.errors import CalculationError
from finesight.nn.coordinates import axis_centres, cell_of, pixel_centres
from finesight.nn.traits import Traits
from finesight.progress import Cancel, Progress, silent
from finesight.run.canvas import ArraySink, Sink
from finesight.run.compute import Computer
from finesight.run.fuse import fuse
from finesight.run.memory import measure_peak
from finesight.run.pixels import View, to_tensor
from finesight.run.precision import DTYPES, lower, lower_between
from finesight.run.stage import Stage
from finesight.run.tiles import Tile

__all__ = ["PORTION", "Queries", "covered", "run_queries"]

PORTION = 2**17
"""Queries whose positions and colours are held at once."""

_CHUNKS = {"cpu": 2048}  # queries whose hidden numbers are held at once: few stay in a CPU's cache
_CHUNK = 2**16
_SINGLE = 4096  # pixels a side up to which float32 tells positions apart well enough
_PROBE = 64


class _Network(Protocol):
    """What a network of kind ``query`` offers; see ``finesight.models.image.liif``."""

    encoder: nn.Module

    @property
    def answering(self) -> Sequence[nn.Module]: ...
    def encode(self, image: Tensor) -> Tensor: ...
    def look_up(self, features: Tensor) -> Tensor: ...
    def answer(
        self,
        looked_up: Tensor,
        coordinates: Tensor,
        cell: Tensor,
        *,
        chunk: int,
        corner: tuple[int, int],
        size: tuple[int, int],
    ) -> Tensor: ...


class _Encoder:
    """The part of the network that sees pictures: tiles to what queries look up, ``(N, hidden, h, w)``."""

    engine = "torch"
    note = ""
    opaque = False

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        self.device, self.precision = device, precision
        with torch.inference_mode(False):
            self.network = cast(_Network, fuse(network).float().to(device))
            if precision != "float32":
                lower(self.network.encoder, DTYPES[precision])
                lower_between(self.network.answering, DTYPES[precision])

    def __call__(self, tiles: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.network.look_up(self.network.encode(tiles)).permute(0, 3, 1, 2)


class Queries(Computer):
    """Computes what queries look up, tile by tile, and answers them.

    Args:
        network: of kind ``query``; stays as it is.
        traits: its traits.
        device: where it computes.
        precision: of the layers between the first and the last, of the encoder and of the perceptron; positions and
            what is looked up are always float32.
        exact: the same in float32, for what comes back as NaN or infinity from a lower precision.
        chunk: queries answered at once; bounds the memory, does not change the answer. Default: what suits the device.
    """

    def __init__(
        self,
        network: nn.Module,
        traits: Traits,
        device: torch.device,
        *,
        chunk: int | None = None,
        precision: str = "float32",
        exact: Queries | None = None,
    ) -> None:
        encoder = _Encoder(network, device, precision)
        again = None if exact is None else lambda: exact.prepared
        super().__init__(encoder, replace(traits, kind="image", scale=1), again)
        self.exact = exact
        self.network = encoder.network
        self.chunk = chunk or _CHUNKS.get(device.type, _CHUNK)

    @torch.inference_mode()
    def enlarged(self, image: Tensor, scale: int) -> Tensor:
        """A small picture ``(1, 3, h, w)`` whole, ``scale`` times as large."""
        height, width = image.shape[2] * scale, image.shape[3] * scale
        places = pixel_centres((height, width), device=image.device).reshape(1, -1, 2)
        cell = cell_of((height, width), device=image.device).reshape(1, 1, 2)
        looked_up = self.prepared(image).permute(0, 2, 3, 1).contiguous()
        answer = self.network.answer(
            looked_up, places, cell, chunk=self.chunk, corner=(0, 0), size=(image.shape[2], image.shape[3])
        )
        return answer.mT.reshape(1, -1, height, width)

    def bytes_per_pixel(self, side: int = _PROBE) -> float:
        """Measured peak bytes per input pixel of encoding a tile of ``side`` pixels a side."""
        tile = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.prepared.device)
        self.prepared(tile)  # what is allocated once for all tiles is not the tile's
        return measure_peak(lambda: self.prepared(tile), self.prepared.device) / side**2


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of the result: the positions of its pixels' centres over the framed picture, and their size there."""

    length: int
    source: int
    frame: int
    centres: Tensor
    cell: float

    @classmethod
    def of(cls, length: int, source: int, *, frame: int, framed: int, like: Tensor) -> _Axis:
        """``length`` pixels over ``source`` pixels that begin ``frame`` pixels into ``framed`` ones."""
        centres = axis_centres(length, dtype=like.dtype, device=like.device)
        if framed != source:
            centres = (2 * frame + source + centres * source) / framed - 1
        return cls(length, source, frame, centres, 2 / length * (source / framed))

    def inside(self, first: int, last: int) -> tuple[int, int]:
        """First pixel and the one after the last whose centres lie between input pixels of the framed picture."""
        start, stop = (covered(edge - self.frame, self.source, self.length) for edge in (first, last))
        return start, stop


def covered(edge: int, source: int, length: int) -> int:
    """How many of ``length`` pixels over ``source`` have their centre before input pixel ``edge``; whole numbers only.

    >>> covered(2, 3, 9), covered(1, 2, 3), covered(-4, 2, 3), covered(2, 2, 3)
    (6, 1, 0, 3)
    """
    first = -((source - 2 * length * edge) // (2 * source))  # the first i with (2 i + 1) source >= 2 length edge
    return min(length, max(0, first))


@torch.inference_mode()
def run_queries(
    stage: Stage,
    computer: Queries,
    out: np.ndarray,
    *,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> None:
    """Compute ``stage`` into ``out`` ``(H', W', c)`` of any size; its tiles are exact. ``progress`` counts its pixels.

    Raises:
        CancelledError: ``cancel`` was set; nothing of the result may be used.
        MemoryLimitError, CalculationError: see ``Computer``.
    """
    view, device = stage.view, computer.prepared.device
    like = torch.empty(0, dtype=torch.float64 if max(out.shape[:2]) > _SINGLE else torch.float32, device=device)
    height, width = view.pixels.shape[:2]
    rows = _Axis.of(out.shape[0], height, frame=view.top, framed=view.height, like=like)
    columns = _Axis.of(out.shape[1], width, frame=view.left, framed=view.width, like=like)
    sink: Sink = ArraySink(out)
    cell = like.new_tensor([[[rows.cell, columns.cell]]])
    done, total = 0, rows.length * columns.length
    for tile in stage.plan:
        if cancel is not None:
            cancel.check()
        looked_up = _encoded(view, tile, computer, stage.plan.margin)
        left, right = columns.inside(tile.x.first, tile.x.last)
        for top, bottom in _portions(*rows.inside(tile.y.first, tile.y.last), right - left):
            if cancel is not None:
                cancel.check()
            grid = torch.meshgrid(rows.centres[top:bottom], columns.centres[left:right], indexing="ij")
            places = torch.stack(grid, dim=-1).reshape(1, -1, 2)
            answer = _ask(computer, looked_up, places, cell, tile, view)
            if not torch.isfinite(answer).all() and computer.exact is not None:
                again = _encoded(view, tile, computer.exact, stage.plan.margin)
                answer = _ask(computer.exact, again, places, cell, tile, view)
                note = f"answers of {computer.prepared.precision} that were no numbers were redone in float32"
                computer.notes = [*(n for n in computer.notes if n != note), note]
            if not torch.isfinite(answer).all():
                raise CalculationError(
                    f"The network answered with NaN or infinity at row {top}, column {left} of the result. Its weights "
                    "or this picture's values are damaged; try another model."
                )
            sink.put(top, left, answer[0].T.reshape(-1, bottom - top, right - left).float())
            done += (bottom - top) * (right - left)
            progress(done, total, "tiles")
        computer.relieve()


def _ask(computer: Queries, looked_up: Tensor, places: Tensor, cell: Tensor, tile: Tile, view: View) -> Tensor:
    """The colours at ``places`` ``(1, Q, 2)`` of the framed picture, which lie in ``tile``: ``(1, Q, c)``."""
    return computer.network.answer(
        looked_up,
        places,
        cell,
        chunk=computer.chunk,
        corner=(tile.y.start, tile.x.start),
        size=(view.height, view.width),
    )


def _encoded(view: View, tile: Tile, computer: Queries, margin: int) -> Tensor:
    """What queries inside ``tile`` look up, ``(1, h, w, hidden)``."""
    crop = to_tensor(view.crop(tile.y.start, tile.y.stop, tile.x.start, tile.x.stop), computer.prepared.device)
    crop = crop.expand(3, -1, -1).contiguous() if crop.shape[0] == 1 else crop
    found = computer(crop[None], margin, f"the tile at row {tile.y.first}, column {tile.x.first}")
    return found.permute(0, 2, 3, 1).contiguous()


def _portions(first: int, last: int, width: int) -> Iterator[tuple[int, int]]:
    """Rows of the result from ``first`` on, as many at once as have ``PORTION`` pixels, at least one."""
    step = max(1, PORTION // max(1, width))
    for top in range(first, last if width else first, step):
        yield top, min(last, top + step)
