"""What a run will cost, said before and as soon as it is measured."""

from __future__ import annotations

import sys
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from finesight.data.batch import Batch
from finesight.train.answers import answer

__all__ = ["Stopwatch", "describe", "duration", "multiply_adds"]

_WARM = 1  # the first step also compiles, allocates and reads: it is not typical
_MEASURED = 3


def multiply_adds(network: nn.Module, batch: Batch) -> int:
    """Multiply-adds of matrix products and convolutions for one sample, counted while it is computed."""
    one = Batch(
        tuple(part[:1] for part in batch.inputs),
        batch.target[:1],
        None if batch.weight is None else batch.weight[:1],
        {name: part[:1] for name, part in batch.others.items()},
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answer(network, one)
    return int(counter.get_total_flops()) // 2


def describe(networks: dict[str, nn.Module], products: int) -> str:
    """One line: parameters of each network, multiply-adds of the first."""
    parts = []
    for name, network in networks.items():
        every = sum(one.numel() for one in network.parameters())
        learning = sum(one.numel() for one in network.parameters() if one.requires_grad)
        some = "" if learning == every else f" ({_large(learning)} of them learn)"
        parts.append(f"{name} {_large(every)} parameters{some}")
    return f"{', '.join(parts)}; {_large(products)} multiply-adds a sample forwards"


def _large(number: int) -> str:
    """A number for people.

    >>> _large(999), _large(1_370_000), _large(45_600_000_000)
    ('999', '1.37 M', '45.6 G')
    """
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(0.5), duration(90), duration(4000)
    ('0.5 s', '2 min', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Stopwatch:
    """Measures the first steps of a run, and says once how long all will take."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.steps = 0
        self._started = 0.0
        self._waited = 0.0

    def passed(self, left: int, waited: float) -> str | None:
        """Called after every step: a line after some of them, otherwise nothing.

        Args:
            left: steps that are still to come.
            waited: seconds for which data was waited for so far.
        """
        self.steps += 1
        if self.steps == _WARM:
            self._started, self._waited = time.perf_counter(), waited
        if self.steps != _WARM + _MEASURED:
            return None
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        each = (time.perf_counter() - self._started) / _MEASURED
        data = (waited - self._waited) / _MEASURED
        return (
            f"{duration(each)} a step ({data / max(each, 1e-9):.0%} of it waiting for data), at most "
            f"{_memory(self.device) / 2**20:.0f} MB of memory; the remaining {left} steps take about "
            f"{duration(each * left)}"
        )


def _memory(device: torch.device) -> int:
    """Bytes at the peak so far: of the GPU where there is one, otherwise of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
