"""Reading, computing and writing beside each other, in bounded memory, for many items of work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from finesight.errors import CancelledError
from finesight.progress import Cancel

__all__ = ["Outcome", "Steps", "run_pipeline"]

Item = TypeVar("Item")
Given = TypeVar("Given")
Result = TypeVar("Result")
Done = TypeVar("Done")

_LISTEN = 0.2  # seconds between two looks at the cancel flag while nothing happens


@dataclass(frozen=True, slots=True)
class Steps(Generic[Item, Given, Result, Done]):
    """What happens to every item. Each step may fail; the item's outcome is then the error.

    Args:
        read: fetches what is computed.
        compute: is given the worker that computes, from 0.
        write: puts the result where it belongs.
        size: bytes that an item holds from its reading to its writing.
    """

    read: Callable[[Item], Given]
    compute: Callable[[int, Item, Given], Result]
    write: Callable[[Item, Result], Done]
    size: Callable[[Item], int]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Done]):
    """What became of an item: what ``write`` gave, or what went wrong."""

    item: Item
    done: Done | None
    error: Exception | None = None


class _Room:
    """Bytes that items may hold together; one item is always let in."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._change = most, 0, threading.Condition()

    def enter(self, size: int, stopping: threading.Event) -> bool:
        """Wait for room; ``False`` when everything stops."""
        with self._change:
            while self._held and self._held + size > self._most:
                if stopping.is_set():
                    return False
                self._change.wait(_LISTEN)
            self._held += size
        return not stopping.is_set()

    def leave(self, size: int) -> None:
        with self._change:
            self._held -= size
            self._change.notify_all()


def run_pipeline(
    items: Sequence[Item],
    steps: Steps[Item, Given, Result, Done],
    *,
    room: int,
    workers: int = 1,
    cancel: Cancel | None = None,
) -> Iterator[Outcome[Item, Done]]:
    """Take every item through its steps; outcomes come as they are finished.

    One thread reads, one writes, and one for each of ``workers`` computes; a single worker computes in the calling
    thread, and a single item goes through its steps without any thread. Reading waits while the items on their way
    hold more than ``room`` bytes, so that at least one is on its way and memory stays bounded.

    Args:
        cancel: looked at between items: those that are computed are still written, then it is raised. ``compute`` may
            look at it too.

    Raises:
        CancelledError: ``cancel`` was set, or ``compute`` raised it.
    """
    if len(items) == 1 or (workers == 1 and all(steps.size(item) > room for item in items)):
        for item in items:
            if cancel is not None:
                cancel.check()
            yield _straight(item, steps)
        return
    flow = _Flow(steps, room, workers)
    try:
        yield from flow.run(items, cancel)
    finally:
        flow.stopping.set()
    if flow.cancelled is not None:
        raise flow.cancelled
    if cancel is not None:
        cancel.check()


def _straight(item: Item, steps: Steps[Item, Given, Result, Done]) -> Outcome[Item, Done]:
    try:
        return Outcome(item, steps.write(item, steps.compute(0, item, steps.read(item))))
    except CancelledError:
        raise
    except Exception as error:
        return Outcome(item, None, error)


_END = None


class _Flow(Generic[Item, Given, Result, Done]):
    """The threads and queues of one pipeline."""

    def __init__(self, steps: Steps[Item, Given, Result, Done], room: int, workers: int) -> None:
        self.steps, self.workers = steps, workers
        self.room, self.stopping = _Room(room), threading.Event()
        self.cancelled: CancelledError | None = None
        self.given: queue.Queue[tuple[Item, Given] | None] = queue.Queue()
        self.computed: queue.Queue[tuple[Item, Result] | None] = queue.Queue()
        self.outcomes: queue.Queue[Outcome[Item, Done] | BaseException | None] = queue.Queue()

    def run(self, items: Sequence[Item], cancel: Cancel | None) -> Iterator[Outcome[Item, Done]]:
        self._start(self._read_all, items)
        self._start(self._write_all)
        if self.workers == 1:
            yield from self._compute_here(cancel)
        else:
            left = threading.Semaphore(0)
            for number in range(self.workers):
                self._start(self._compute_all, number, left, cancel)
            self._start(self._close, left)
        while True:
            outcome = self.outcomes.get()
            if outcome is None:
                return
            yield self._looked_at(outcome)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=self._guarded, args=(work, *arguments), daemon=True).start()

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # not of an item: the whole pipeline fails with it
            self.stopping.set()
            self.outcomes.put(error)

    def _looked_at(self, outcome: Outcome[Item, Done] | BaseException) -> Outcome[Item, Done]:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _fail(self, item: Item, error: Exception) -> None:
        self.room.leave(self.steps.size(item))
        self.outcomes.put(Outcome(item, None, error))

    def _read_all(self, items: Sequence[Item]) -> None:
        for item in items:
            if not self.room.enter(self.steps.size(item), self.stopping):
                break
            try:
                self.given.put((item, self.steps.read(item)))
            except Exception as error:
                self._fail(item, error)
        for _ in range(self.workers):
            self.given.put(_END)

    def _compute_one(self, number: int, item: Item, given: Given) -> None:
        try:
            self.computed.put((item, self.steps.compute(number, item, given)))
        except CancelledError as error:
            self.cancelled = error
            self.stopping.set()
            self.room.leave(self.steps.size(item))
        except Exception as error:
            self._fail(item, error)

    def _compute_here(self, cancel: Cancel | None) -> Iterator[Outcome[Item, Done]]:
        """Compute in the calling thread, and hand on what is finished meanwhile."""
        while (taken := self._take(cancel)) is not None:
            self._compute_one(0, *taken)
            while not self.outcomes.empty():
                outcome = self.outcomes.get()
                assert outcome is not None  # comes after the end of ``computed``
                yield self._looked_at(outcome)
        self.computed.put(_END)

    def _compute_all(self, number: int, left: threading.Semaphore, cancel: Cancel | None) -> None:
        try:
            while (taken := self._take(cancel)) is not None:
                self._compute_one(number, *taken)
        finally:
            left.release()

    def _close(self, left: threading.Semaphore) -> None:
        """The end of ``computed``, when every worker has ended."""
        for _ in range(self.workers):
            left.acquire()
        self.computed.put(_END)

    def _take(self, cancel: Cancel | None) -> tuple[Item, Given] | None:
        """The next item to compute; ``None`` at the end or when asked to stop."""
        while not self.stopping.is_set():
            if cancel is not None and cancel.asked:
                self.stopping.set()
                return None
            try:
                return self.given.get(timeout=_LISTEN)
            except queue.Empty:
                continue
        return None

    def _write_all(self) -> None:
        while (taken := self.computed.get()) is not None:
            item, result = taken
            try:
                done = self.steps.write(item, result)
            except Exception as error:
                self._fail(item, error)
                continue
            del result, taken
            self.room.leave(self.steps.size(item))
            self.outcomes.put(Outcome(item, done))
        self.outcomes.put(None)
