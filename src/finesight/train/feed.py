"""Batches in time: prepared by the training process itself, or ahead of it by others."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from finesight.data.batch import Batch, Source
from finesight.errors import CalculationError, Error

__all__ = ["Feed"]


class _Numbered(Dataset[Any]):
    """The batches of a source by number; an error of ours is handed over, not raised with a worker's traceback."""

    def __init__(self, source: Source, size: int) -> None:
        self.source, self.size = source, size

    def __getitem__(self, number: int) -> Batch | Error:
        try:
            return self.source.batch(number, self.size)
        except Error as error:
            return error


def _as_it_is(item: Any) -> Any:
    return item


def _deaf(worker: int) -> None:  # noqa: ARG001 (the loader numbers its workers)
    """Ctrl-C reaches every process of a terminal; the training process saves first, and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Feed:
    """The parts of each step's batch that this process computes.

    A batch is a function of its number, so steps can be asked for in any order; in their order they come from workers
    that are ahead.

    Args:
        source: where batches come from.
        size: samples of one part.
        mine: which parts of a step are computed here.
        parts: how many parts a step has.
        last: the number of steps of the run.
        workers: processes that prepare; they are spawned, since a forked one may inherit a held lock.
        device: where batches are put.
    """

    def __init__(
        self,
        source: Source,
        *,
        size: int,
        mine: range,
        parts: int,
        last: int,
        workers: int,
        device: torch.device,
    ) -> None:
        self.numbered = _Numbered(source, size)
        self.mine, self.all_parts, self.last, self.workers, self.device = mine, parts, last, workers, device
        self.waited = 0.0
        """Seconds for which the run stood still for want of data."""
        self._ahead: Iterator[Batch | Error] | None = None
        self._next = -1

    def parts(self, step: int, *, shift: int = 0) -> list[Batch]:
        """This process's parts of ``step``; ``shift`` counts the steps whose batches are left out.

        Raises:
            Error: the source could not make them.
        """
        started = time.perf_counter()
        place = step + shift
        numbers = [place * self.all_parts + part for part in self.mine]
        if not self.workers:
            found = [self.numbered[number] for number in numbers]
        else:
            if self._ahead is None or place != self._next:
                self._ahead = self._start(place, shift)
            found = [self._prepared() for _ in numbers]
            self._next = place + 1
        for item in found:
            if isinstance(item, Error):
                raise item
        self.waited += time.perf_counter() - started
        return [item.to(self.device) for item in found if isinstance(item, Batch)]

    def _prepared(self) -> Batch | Error:
        assert self._ahead is not None
        try:
            return next(self._ahead)
        except RuntimeError as error:  # how the loader says that a worker was killed
            self.close()
            why = "A process that prepares batches ended unexpectedly, perhaps for want of memory"
            raise CalculationError(f"{why} ({str(error).splitlines()[0]}). Go on with fewer workers.") from error

    def _start(self, place: int, shift: int) -> Iterator[Batch | Error]:
        self.close()
        numbers = [one * self.all_parts + part for one in range(place, self.last + shift) for part in self.mine]
        loader: DataLoader[Any] = DataLoader(
            self.numbered,
            batch_size=None,
            sampler=numbers,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_deaf,
            multiprocessing_context="spawn",
            pin_memory=self.device.type == "cuda",
        )
        return iter(loader)

    def close(self) -> None:
        """End the workers."""
        shutdown = getattr(self._ahead, "_shutdown_workers", None)
        if shutdown is not None:
            shutdown()
        self._ahead = None
