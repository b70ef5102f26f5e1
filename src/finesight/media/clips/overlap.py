"""Let a producer work ahead in a thread of its own, never further than a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

from finesight.errors import SettingError

__all__ = ["Consumer", "overlapped"]

Item = TypeVar("Item")
_POLL = 0.1  # seconds between looks at whether the consumer has gone


class _End:
    """The producer is done, with or without an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def overlapped(iterator: Iterable[Item], ahead: int = 4) -> Generator[Item, None, None]:
    """The same items in the same order, made in another thread at most `ahead` items early.

    An error of the producer is raised here, after the items before it. When the consumer stops early (closes the
    generator, or an error passes through it), the producer stops at its next item and is closed in its own thread.

    Args:
        iterator: what makes the items; it is iterated in the other thread only.
        ahead: items kept ready; 0 works without a thread.

    Raises:
        SettingError: a negative number.

    >>> list(overlapped(range(5), ahead=2))
    [0, 1, 2, 3, 4]
    """
    if ahead < 0:
        raise SettingError(f"Items made ahead must be 0 or more, not {ahead}.")
    return _overlapped(iterator, ahead) if ahead else (item for item in iterator)


def _overlapped(iterator: Iterable[Item], ahead: int) -> Generator[Item, None, None]:
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: Item | _End) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        source = iter(iterator)
        try:
            for item in source:
                if not put(item):
                    return
            put(_End(None))
        except BaseException as error:  # handed to the consumer, who raises it
            put(_End(error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    worker = threading.Thread(target=produce, name="finesight-ahead", daemon=True)
    worker.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        worker.join()


class Consumer(Generic[Item]):
    """Hands items to a function that runs in another thread; at most `ahead` items wait.

    An error of the function is raised by the next `put`, or by `finish`. After one nothing more is consumed.

    Args:
        function: called with each item in order, always in the same thread.
        ahead: items that may wait; 0 calls the function directly.
    """

    def __init__(self, function: Callable[[Item], None], ahead: int) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._waiting: queue.Queue[Item | None] = queue.Queue(maxsize=max(1, ahead))
        self._thread = threading.Thread(target=self._run, name="finesight-behind", daemon=True) if ahead > 0 else None
        if self._thread is not None:
            self._thread.start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._function(item)
                except BaseException as error:  # raised again in the caller's thread
                    self._error = error

    def put(self, item: Item) -> None:
        """Hand over one item; waits while too many do."""
        if self._thread is None:
            self._function(item)
            return
        self._raise()
        self._waiting.put(item)

    def finish(self) -> None:
        """Wait until all is consumed, and end the thread."""
        self.stop()
        self._raise()

    def stop(self) -> None:
        """As `finish`, without raising."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
