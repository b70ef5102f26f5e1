"""Computes the tiles of a plan: batches, memory that runs out, answers that are no numbers, cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from finesight.errors import CalculationError, MemoryLimitError
from finesight.nn.traits import Traits
from finesight.progress import Cancel, Progress, silent
from finesight.run.canvas import Canvas
from finesight.run.engines import Prepared
from finesight.run.memory import give_back, resident
from finesight.run.pixels import View, to_tensor
from finesight.run.tiles import Plan, Tile, plan_tiles

__all__ = ["Computer", "compute_plan", "is_out_of_memory"]


_NEAR = 0.8  # share of the limit from which memory is given back


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine failed because memory ran out (CUDA, XPU, MPS, or the CPU allocator)."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)


class Computer:
    """Computes tiles with one prepared network, whatever goes wrong with a single one of them.

    Args:
        prepared: the network.
        traits: its traits.
        float32: makes the plain float32 form for tiles whose answer holds NaN or infinity; ``None`` where ``prepared``
            is that form.

    ``notes`` collects what the user should hear; ``computed`` counts tiles that went through the network, which took
    ``seconds``. With a ``limit`` (bytes,
    CPU) the allocator gives back what it keeps when the process comes near to it.
    """

    def __init__(self, prepared: Prepared, traits: Traits, float32: Callable[[], Prepared] | None = None) -> None:
        self.prepared, self.traits = prepared, traits
        self.notes: list[str] = []
        self.computed = 0
        self.seconds = 0.0
        self.limit: int | None = None
        self._make_float32 = float32
        self._float32: Prepared | None = None
        self._most_pixels: int | None = None
        self._redone = 0

    def __call__(self, tiles: Tensor, margin: int, where: str) -> Tensor:
        """Answers for a batch ``(N, 3, h, w)``.

        When memory runs out the batch, then the tile, is halved (``margin`` pixels of context stay), down to tiles
        that keep nothing.

        Args:
            where: names the tiles in errors.

        Raises:
            MemoryLimitError: not even the smallest tile fits.
            CalculationError: NaN or infinity, also in float32.
        """
        count, _, height, width = tiles.shape
        if self._most_pixels is not None and count * height * width > self._most_pixels:
            return self._halves(tiles, margin, where)
        began = time.perf_counter()
        try:
            answer = self.prepared(tiles)
            finite = _finite(answer)  # which also waits for a GPU
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._most_pixels = count * height * width // 2
        else:
            self.computed += count
            self.seconds += time.perf_counter() - began
            return answer if finite else self._again(tiles, where)
        if tiles.device.type == "cuda":
            torch.cuda.empty_cache()
        smaller = f"tiles of at most {self._most_pixels} pixels from there on"
        self.notes.append(
            f"memory ran out at {where} ({count} x {height}x{width} pixels); redone and continued with {smaller}"
        )
        return self._halves(tiles, margin, where)

    def relieve(self) -> None:
        """Between tiles: keep the process below ``limit``."""
        if self.limit is not None and self.prepared.device.type == "cpu" and resident() > _NEAR * self.limit:
            give_back()

    def _halves(self, tiles: Tensor, margin: int, where: str) -> Tensor:
        """The same answer from smaller batches or smaller tiles."""
        count, _, height, width = tiles.shape
        assert self._most_pixels is not None
        if count > 1:
            return torch.cat([self(part, margin, where) for part in tiles.split((count + 1) // 2)])
        plan = plan_tiles(height, width, self._most_pixels, margin, multiple=self.traits.multiple)
        if plan is None or min(plan.tile) < min(self.traits.minimum, height, width):
            raise MemoryLimitError(
                f"Memory ran out at {where} and a tile cannot be smaller than {height}x{width} pixels with its margin "
                f"of {margin}. Close other programs, or use another device or precision."
            )
        scale = self.traits.scale or 1
        whole: Tensor | None = None
        for tile in plan:
            y, x = tile.y, tile.x
            part = self(tiles[:, :, y.start : y.stop, x.start : x.stop], margin, where)
            if whole is None:
                whole = part.new_empty(1, part.shape[1], height * scale, width * scale)
            whole[:, :, y.first * scale : y.last * scale, x.first * scale : x.last * scale] = part[
                :,
                :,
                (y.first - y.start) * scale : (y.last - y.start) * scale,
                (x.first - x.start) * scale : (x.last - x.start) * scale,
            ]
        assert whole is not None
        return whole

    def _again(self, tiles: Tensor, where: str) -> Tensor:
        """Redo in plain float32 what came back as NaN or infinity."""
        if self._make_float32 is not None:
            if self._float32 is None:
                self._float32 = self._make_float32()
            answer = self._float32(tiles)
            if _finite(answer):
                self._redone += len(tiles)
                note = f"tiles whose {self.prepared.precision} answer was no number, redone in float32: "
                self.notes = [*(n for n in self.notes if not n.startswith(note)), f"{note}{self._redone}"]
                return answer
        raise CalculationError(
            f"The network answered with NaN or infinity at {where}, also in float32. Its weights or this picture's "
            "values are damaged; try another model."
        )


def _finite(answer: Tensor) -> bool:
    # The sum is one pass and hides no NaN or infinity; an overflow of the sum itself is told apart by the second look.
    return bool(torch.isfinite(answer.sum())) or bool(torch.isfinite(answer).all())


def _batches(plan: Plan, size: int) -> Iterator[Sequence[Tile]]:
    tiles = iter(plan)
    while batch := list(islice(tiles, size)):
        yield batch


@torch.inference_mode()
def compute_plan(
    view: View,
    plan: Plan,
    computer: Computer,
    canvas: Canvas,
    *,
    batch: int = 1,
    progress: Progress = silent,
    cancel: Cancel | None = None,
    done: int = 0,
    total: int | None = None,
) -> None:
    """Compute every tile of ``plan`` and put it on ``canvas``.

    Args:
        view: the picture, of the plan's height and width, with 1 or 3 channels (grey is shown as three equal ones).
        batch: tiles computed in one call.
        done, total: tiles finished and in all, where this plan is a part of longer work.

    Raises:
        CancelledError: ``cancel`` was set; nothing of the result may be used.
        MemoryLimitError, CalculationError: see ``Computer``.
    """
    total = len(plan) if total is None else total
    for tiles in _batches(plan, batch):
        if cancel is not None:
            cancel.check()
        crops = [view.crop(t.y.start, t.y.stop, t.x.start, t.x.stop) for t in tiles]
        stack = torch.stack([to_tensor(crop, computer.prepared.device) for crop in crops])
        if stack.shape[1] == 1:
            stack = stack.expand(-1, 3, -1, -1).contiguous()
        first = tiles[0]
        answers = computer(stack, plan.margin, f"the tile at row {first.y.first}, column {first.x.first}")
        for tile, answer in zip(tiles, answers, strict=True):
            canvas.put(tile, answer)
        computer.relieve()
        done += len(tiles)
        progress(done, total, "tiles")
