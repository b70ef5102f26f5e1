"""The pictures of ``finesight upscale`` on their way: read, computed and written beside each other."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch

from finesight import media
from finesight.cli.batch import Batch
from finesight.cli.console import format_duration
from finesight.cli.enlarge import Enlarged, Order, Settings, enlarge, enlarge_together, fetch, put
from finesight.cli.stopping import stoppable
from finesight.errors import CancelledError, Error
from finesight.progress import Cancel, Progress
from finesight.run.memory import available
from finesight.run.pipeline import Steps, run_pipeline

__all__ = ["Clock", "grouped", "work"]

Group: TypeAlias = tuple[Order, ...]
Read: TypeAlias = list[media.Picture | Exception | None]
Made: TypeAlias = list[Enlarged | dict[str, Any] | Exception]
Told: TypeAlias = list[dict[str, Any] | Exception]

SMALL = 256 * 256
"""Pixels of an input up to which pictures of one size are read together, so that a network may see them in batches."""

_TOGETHER = 64
_ROOM = 0.125  # share of the free memory that pictures on their way may take
_ROOM_LIMITED = 0.05  # of --memory


class Clock:
    """Seconds by what they were spent on; several threads may add to it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, what: str, seconds: float) -> None:
        with self._lock:
            self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(what, time.perf_counter() - began)


class _Shares:
    """The progress of pictures that are computed at the same time, as one progress in pixels."""

    def __init__(self, progress: Progress, orders: Sequence[Order], batch: Batch) -> None:
        self._progress, self._batch = progress, batch
        self._total, self._count = sum(order.pixels for order in orders), len(orders)
        self._place = {id(order): place for place, order in enumerate(orders)}
        self._done: dict[int, float] = {}
        self._lock = threading.Lock()

    def of(self, group: Group) -> Progress:
        """What computing ``group`` reports to."""
        first = group[0]
        name = f"{self._place[id(first)] + 1}/{self._count} {os.path.basename(first.job.item.source)}"
        pixels = sum(order.pixels for order in group)
        self._set(id(first), 0, name)

        def report(done: int, total: int, note: str) -> None:  # noqa: ARG001 (the note is the picture's name)
            self._batch.started = True
            self._set(id(first), pixels * done / max(total, 1), name if done < total else f"{name}: writing")

        return report

    def _set(self, key: int, pixels: float, name: str) -> None:
        with self._lock:
            self._done[key] = pixels
            self._progress(int(sum(self._done.values())), self._total, name)


def grouped(orders: Sequence[Order], settings: Settings) -> list[Group]:
    """Small pictures of one size and format together, others alone; in the order of their first ones."""
    groups: dict[object, list[Order]] = {}
    number = 0
    for order in orders:
        key: object = (order.width, order.height, order.format, order.bytes)
        alone = order.width * order.height > SMALL or order.picture is not None
        if alone or settings.seam_check or settings.landmarks is not None:
            key = number = number + 1
        while len(groups.get(key, ())) >= _TOGETHER:
            key = (key, "more")
        groups.setdefault(key, []).append(order)
    return [tuple(group) for group in groups.values()]


class _Way:
    """The steps of one command."""

    def __init__(self, settings: Sequence[Settings], shares: _Shares, cancel: Cancel, clock: Clock) -> None:
        self.settings, self.shares, self.cancel, self.clock = settings, shares, cancel, clock

    def read(self, group: Group) -> Read:
        with self.clock("reading"):
            return [_tried(lambda order=order: fetch(order, self.settings[0])) for order in group]

    def compute(self, number: int, group: Group, given: Read) -> Made:
        settings, progress = self.settings[number], self.shares.of(group)
        fine = [(order, picture) for order, picture in zip(group, given, strict=True) if not _failed(picture)]
        with self.clock("computing"):
            if len(fine) > 1 and all(isinstance(picture, media.Picture) for _, picture in fine):
                made = self._together(fine, settings, progress)
                if made is not None:
                    results = iter(made)
                    return [picture if isinstance(picture, Exception) else next(results) for picture in given]
            found: Made = []
            for order, picture in zip(group, given, strict=True):
                if isinstance(picture, Exception):
                    found.append(picture)
                    continue
                alone = _tried(lambda o=order, p=picture: enlarge(o, p, settings, progress, self.cancel))
                found.append(alone)
            return found

    def _together(self, fine: list[Any], settings: Settings, progress: Progress) -> list[Enlarged] | None:
        """All at once; ``None`` where one of them fails, which the others must not pay for."""
        orders, pictures = zip(*fine, strict=True)
        try:
            return enlarge_together(orders, pictures, settings, progress, self.cancel)
        except CancelledError:
            raise
        except Exception:
            return None

    def write(self, group: Group, made: Made) -> Told:
        with self.clock("writing"):
            return [
                result
                if isinstance(result, Exception)
                else _tried(lambda o=order, r=result: put(o, r, self.settings[0]))
                for order, result in zip(group, made, strict=True)
            ]


def _failed(value: object) -> bool:
    return isinstance(value, Exception)


def _tried(action: Any) -> Any:
    """What ``action`` gives, or its error, so that the other pictures of a group go on."""
    try:
        return action()
    except CancelledError:
        raise
    except Exception as error:
        return error


def work(
    orders: Sequence[Order],
    settings: Sequence[Settings],
    batch: Batch,
    *,
    json: bool,
    keep_going: bool,
    clock: Clock | None = None,
) -> int:
    """Do all pictures; the exit code.

    Args:
        settings: one for each device that computes.
        keep_going: after a picture that fails.
        clock: is told what the time went into.
    """
    clock = clock or Clock()
    first = settings[0]
    groups = grouped(orders, first) if keep_going else [(order,) for order in orders if not batch.failed]
    left = len(orders)
    began = time.perf_counter()
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("MP", per=1e6) as progress:
            way = _Way(settings, _Shares(progress, orders, batch), stop, clock)
            steps = Steps(way.read, way.compute, way.write, lambda group: sum(order.bytes for order in group))
            room = _room(first) if keep_going else -1
            workers = min(len(settings), len(groups)) if keep_going else 1
            for outcome in run_pipeline(groups, steps, room=room, workers=max(1, workers), cancel=stop):
                told = outcome.done if outcome.done is not None else [outcome.error] * len(outcome.item)
                for order, result in zip(outcome.item, told, strict=True):
                    left -= 1
                    if isinstance(result, dict):
                        _tell(result, batch, seam_check=first.seam_check)
                        clock.add("- making networks ready", result["preparing"])
                        clock.add("- inside networks", result["network"])
                    else:
                        assert result is not None  # an outcome is one of the two
                        batch.fail(order.job.item.source, result)
                if batch.failed and not keep_going:
                    break
        clock.add("all of it", time.perf_counter() - began)
        _keep_landmarks(first, batch)
        return batch.finish(json=json, stopped=f"{left} pictures were left undone because of --stop." if left else "")
    _keep_landmarks(first, batch)
    batch.finish(json=json, stopped=f"Stopped. Done: {len(batch.results)}. Left: {left}.")
    return stop.code


def _room(settings: Settings) -> int:
    """Bytes that pictures on their way may take."""
    memory = settings.upscaler.settings.memory
    if isinstance(memory, int):
        return int(_ROOM_LIMITED * memory)
    return int(_ROOM * available(torch.device("cpu")))


def _keep_landmarks(settings: Settings, batch: Batch) -> None:
    """Write what ``--landmarks`` asks for, of the pictures that are done."""
    if settings.landmarks is None:
        return
    from finesight.cli.landmarks import write_landmarks

    try:
        write_landmarks(settings.landmarks, batch.results)
    except Error as error:
        batch.fail(settings.landmarks, error)


def _tell(result: dict[str, Any], batch: Batch, *, seam_check: bool) -> None:
    """What was done with one picture."""
    console = batch.console
    batch.done(result)
    if result["output"] != "-":
        console.result(result["output"])
    rate = f"{result['megapixels_per_second']:.3g} MP/s"
    console.detail(
        f"{result['input']}: {result['width']} x {result['height']} pixels by {result['model']} in "
        f"{format_duration(result['seconds'])} ({rate})"
    )
    if console.verbose:
        console.detail(
            f"{result['tiles']} tiles of {result['tile'][0]} x {result['tile'][1]}, overlap {result['overlap']}"
            f"{', exact' if result['exact'] else ''}; {result['precision']}, {result['engine']} on {result['device']}"
            f"{'; ' + result['why'] if result['why'] else ''}"
        )
    if seam_check:
        console.note(f"{result['input']}: {_seam(result)}")
    for note in result["notes"]:
        console.note(f"{result['input']}: {note}")


def _seam(result: dict[str, Any]) -> str:
    """What ``--seam-check`` found."""
    seam = result["seam"]
    if seam is None:
        return "there was one tile only, so there are no borders of tiles"
    line = f"column {seam['column']}" if seam["vertical"] else f"row {seam['row']}"
    exact = "; tiles are exact, so it is the picture's own" if result["exact"] else ""
    return (
        f"the border of tiles that stands out most is {line}: a jump of {seam['jump']:.2f} grey levels, where the "
        f"picture beside it jumps by up to {seam['beside']:.2f}{exact}"
    )
