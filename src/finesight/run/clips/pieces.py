"""What is asked of a clip's computation, what is said of it, and the pieces it comes in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from finesight.run.clips.cuts import CUT_THRESHOLD
from finesight.run.clips.frames import AnyFrame
from finesight.run.clips.prepare import ReadyClip
from finesight.run.clips.space import Space
from finesight.run.engines import Engine, Precision

__all__ = ["OVERLAP", "SEGMENT", "ClipReport", "ClipSettings", "Piece"]

OVERLAP = 8
"""Frames on both sides of a segment over which a recurrent network's state forgets that it began there.

With the test's deterministic weights a quarter of it stays within half a grey level (RMS) of the whole clip
(``tests/run/clips/test_recurrent.py``); trained networks remember longer, so it is four times that. What every
join costs is measured and reported, and a note says so where it is more than half a grey level."""

SEGMENT = 48
"""Frames of a segment: its overlaps cost a third more propagation; flows, first features and decoding cost no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """What holds for a whole clip.

    Args:
        devices: names (``cpu``, ``cuda:0``); several share the clip by segments.
        memory: peak resident memory of the process (CPU) or of each device; default: three quarters of what is free.
        precision, engine: as for pictures; networks for clips are computed by torch.
        segment, overlap: frames; only recurrent networks look at the overlap.
        exact: a recurrent network walks over each shot as a whole; its features wait on disk where memory ends.
        cut: threshold of the detector of cuts, ``None`` for a clip of one shot.
        tile: most pixels on a side of a tile, for experiments.
        self_ensemble: the mean of eight turns of every frame, for eight times the work.
    """

    devices: tuple[str, ...] = ("auto",)
    memory: str | int | None = None
    precision: Precision = "auto"
    engine: Engine = "auto"
    segment: int = SEGMENT
    overlap: int = OVERLAP
    exact: bool = False
    cut: float | None = CUT_THRESHOLD
    tile: int | None = None
    self_ensemble: bool = False


@dataclass(slots=True)
class ClipReport:
    """How a clip was computed; filled while it is.

    ``joins`` are differences where segments meet, in grey levels (RMS). ``made`` counts frames made between others,
    ``repeats`` source frames that only repeat the one before. Other fields as in ``finesight.run.Report``.
    """

    models: tuple[str, ...] = ()
    weights: str = ""
    device: str = ""
    precision: str = ""
    engine: str = "torch"
    why: str = ""
    frames: int = 0
    shots: int = 0
    segments: int = 0
    joins: list[float] = field(default_factory=list)
    made: int = 0
    repeats: int = 0
    tile: tuple[int, int] = (0, 0)
    tiles: int = 1
    overlap: int = 0
    difference: float | None = None
    notes: list[str] = field(default_factory=list)

    def describe(self, ready: ReadyClip, space: Space, device: str) -> None:
        """Write down how a network for clips computes."""
        self.device, self.precision, self.why = device, ready.precision, ready.why
        self.tile, self.tiles = space.plan.tile, len(space.plan)
        self.overlap, self.difference = space.plan.margin, space.difference
        if space.note:
            self.note(space.note)

    def note(self, text: str) -> None:
        """Something a user should hear of, once."""
        if text not in self.notes:
            self.notes.append(text)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames that belong together: taken whole they can be committed, and ``resume`` then tells how to go on.

    ``resume()`` gives plain JSON values for another run, of which ``read`` is the number of the first source frame that
    it must be given; ``None`` after the last piece.
    """

    frames: Iterator[AnyFrame]
    resume: Callable[[], dict[str, Any] | None]
