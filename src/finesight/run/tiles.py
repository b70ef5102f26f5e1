"""Where the tiles of a picture lie: pure planning, nothing is computed here.

Along each axis all tiles have one length (they can be batched, and engines with fixed shapes see one shape). They
are clamped into the picture, so that a tile at the picture's border ends there and the network's own padding is what
the whole picture would have got. Neighbouring tiles share at least ``2 * margin`` pixels; the line between them lies
in the middle, so every kept pixel has at least ``margin`` pixels of true context on each side that is not the
picture's border. With ``margin >= halo`` the tiles equal the whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from finesight.errors import MemoryLimitError, SettingError
from finesight.nn.traits import Traits

__all__ = ["Plan", "Span", "Tile", "axis_spans", "choose_plan", "plan_tiles"]

MOST_EXTRA_WORK = 0.30
"""Exact tiles are used where they compute at most this share more pixels than the picture has."""

TILE_OVERHEAD = 1024
"""What one more tile costs beside its pixels, in pixels: decides between equal areas, keeps tiles from crumbling."""


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in input pixels.

    ``start:stop`` is what the network sees. ``first:last`` is what this tile answers for: these parts fill the axis
    without gap. The tile also answers, faded, for ``before`` pixels before ``first`` and ``after`` behind ``last``.
    """

    start: int
    stop: int
    first: int
    last: int
    before: int = 0
    after: int = 0

    @property
    def length(self) -> int:
        """Pixels the network sees."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its two spans, and its place in the order of the plan (rows from above, each from the left)."""

    y: Span
    x: Span
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All tiles of one picture of ``height`` x ``width`` input pixels.

    ``margin`` is the context in pixels that every kept pixel has at least, ``blend`` how many of them on each side of
    a border are faded from one tile to the next, ``exact`` whether tiles equal the whole picture.
    """

    height: int
    width: int
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    margin: int
    blend: int
    exact: bool

    def __iter__(self) -> Iterator[Tile]:
        for row, y in enumerate(self.rows):
            for column, x in enumerate(self.columns):
                yield Tile(y, x, row, column)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width that the network sees, the same for every tile."""
        return self.rows[0].length, self.columns[0].length

    @property
    def computed(self) -> int:
        """Pixels that the network computes in all."""
        return len(self) * self.tile[0] * self.tile[1]

    @property
    def extra_work(self) -> float:
        """Share of pixels computed more than once: 0.3 is 30 % more than the picture has."""
        return self.computed / (self.height * self.width) - 1.0


def _tile_length(length: int, count: int, margin: int, multiple: int) -> int:
    """Shortest length of ``count`` tiles that cover ``length``, congruent to it so that the last origin is aligned.

    ``length`` itself where the tiles would not be shorter.
    """
    if count == 1:
        return length
    step = math.ceil((length - 2 * margin) / count / multiple) * multiple
    tile = step + 2 * margin
    return min(length, tile + (length - tile) % multiple)


def _least_step(multiple: int, blend: int) -> int:
    """Smallest new part of a tile: with a fade it leaves room for one on each side, also where tiles lie closer.

    Spreading tiles evenly brings their origins to half a step at the closest, and alignment takes up to 1.5 multiples.
    """
    return 4 * blend + 3 * multiple if blend else multiple


def axis_spans(length: int, tile: int, margin: int, *, multiple: int = 1, blend: int = 0) -> tuple[Span, ...]:
    """Tiles of ``tile`` pixels along an axis of ``length`` pixels.

    Origins are multiples of ``multiple``; ``tile`` is lowered to the next length congruent to ``length``.

    Raises:
        SettingError: ``tile`` leaves no pixel to keep beside its margins.
    """
    if tile >= length:
        return (Span(0, length, 0, length),)
    tile -= (tile - length) % multiple
    step = (tile - 2 * margin) // multiple * multiple
    if step < _least_step(multiple, blend):
        raise SettingError(
            f"tiles of {tile} pixels with a margin of {margin} (multiple of {multiple}) leave nothing to keep; "
            "use larger tiles."
        )
    count = math.ceil((length - 2 * margin) / step)
    starts = [i * (length - tile) // ((count - 1) * multiple) * multiple for i in range(count)]
    # Between neighbours: the middle of what both see.
    borders = [(after + before + tile) // 2 for before, after in itertools.pairwise(starts)]
    edges = [0, *borders, length]
    return tuple(
        Span(
            start,
            start + tile,
            edges[i],
            edges[i + 1],
            before=blend if i > 0 else 0,
            after=blend if i < count - 1 else 0,
        )
        for i, start in enumerate(starts)
    )


def _counts(length: int, margin: int, multiple: int, blend: int) -> Iterator[tuple[int, int]]:
    """(tile length, number of tiles) along one axis, from one tile to the most that leave something to keep."""
    last = length
    yield length, 1
    least = _least_step(multiple, blend)
    for count in range(2, max(2, (length - 2 * margin) // least) + 1):
        tile = _tile_length(length, count, margin, multiple)
        step = (tile - 2 * margin) // multiple * multiple
        if step < least:
            return
        if tile < last:
            last = tile
            yield tile, math.ceil((length - 2 * margin) / step)


def plan_tiles(
    height: int, width: int, pixels: int, margin: int, *, multiple: int = 1, blend: int = 0, exact: bool = True
) -> Plan | None:
    """The plan of least work whose tiles have at most ``pixels`` pixels; ``None`` where no tile is small enough.

    Args:
        height, width: size of the picture.
        pixels: most pixels of one tile, margins included.
        margin: context around every kept pixel.
        multiple: tile origins are multiples of it.
        blend: half width of the fade between tiles, at most ``margin``.
        exact: recorded in the plan.
    """
    best: tuple[float, int, int] | None = None
    across = list(_counts(width, margin, multiple, blend))
    for tall, rows in _counts(height, margin, multiple, blend):
        # The widest tile that fits: fewer, wider tiles compute less.
        fitting = next(((wide, columns) for wide, columns in across if tall * wide <= pixels), None)
        if fitting is None:
            continue
        wide, columns = fitting
        cost = rows * columns * (tall * wide + TILE_OVERHEAD)
        if best is None or cost < best[0]:
            best = (cost, tall, wide)
    if best is None:
        return None
    rows_of = axis_spans(height, best[1], margin, multiple=multiple, blend=blend)
    columns_of = axis_spans(width, best[2], margin, multiple=multiple, blend=blend)
    return Plan(height, width, rows_of, columns_of, margin=margin, blend=blend, exact=exact)


def choose_plan(
    height: int, width: int, traits: Traits, *, most_pixels: int, good_pixels: int, exact: bool = False
) -> Plan | None:
    """Exact tiles by the rule of the house, or ``None`` where an overlap has to be measured.

    One tile where the picture has at most ``good_pixels``; else the smallest tiles from ``good_pixels`` to
    ``most_pixels`` whose halo costs at most 30 % more work, or any exact tiles with ``exact``.

    Args:
        most_pixels: what the memory allows for one tile.
        good_pixels: a tile size that runs well on the device; larger ones only where they save work.

    Raises:
        SettingError: ``exact`` is asked of a network whose halo is unbounded.
        MemoryLimitError: ``exact`` is asked and not even the smallest exact tile fits.
    """
    good = min(good_pixels, most_pixels)
    if height * width <= good or (traits.halo is None and height * width <= most_pixels):
        return plan_tiles(height, width, height * width, 0, multiple=traits.multiple)
    if traits.halo is None:
        if exact:
            raise SettingError(
                f"exact tiles are impossible here: {traits.halo_reason}, and the picture of {width}x{height} pixels "
                f"does not fit into memory as a whole (at most {most_pixels} pixels do). Leave out exact, or allow "
                "more memory."
            )
        return None
    pixels = good
    plan = None
    while True:
        plan = plan_tiles(height, width, pixels, traits.halo, multiple=traits.multiple)
        if plan is not None and plan.extra_work <= MOST_EXTRA_WORK:
            return plan
        if pixels >= most_pixels:
            break
        pixels = min(most_pixels, pixels * 2)
    if not exact:
        return None
    if plan is None:
        raise MemoryLimitError(
            f"Exact tiles need {2 * traits.halo + traits.multiple} pixels a side (halo {traits.halo}); memory allows "
            f"{most_pixels} pixels in all. Leave out exact, or allow more memory."
        )
    return plan
