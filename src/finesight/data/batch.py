"""What training takes from data: a batch, and a source that gives the batch of any step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Batch", "Source", "chance"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one step; every tensor begins with the axis of samples.

    Args:
        inputs: the network's inputs in the order of ``traits.inputs``: pictures ``(N, C, h, w)`` in [0, 1], clips
            ``(N, T, C, h, w)``, masks, coordinates ...
        target: what the network should answer.
        weight: of the target's elements in pixel losses, ``(N, 1, H, W)`` or the target's shape; ``None``: all equal.
        others: what single losses need besides, by name: ``plain`` (the truth before sharpening), ``heatmaps`` ...
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weight: Tensor | None = None
    others: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        return Batch(
            tuple(one.to(device, non_blocking=True) for one in self.inputs),
            self.target.to(device, non_blocking=True),
            None if self.weight is None else self.weight.to(device, non_blocking=True),
            {name: one.to(device, non_blocking=True) for name, one in self.others.items()},
        )

    def pin_memory(self) -> Batch:
        """The same batch in memory from which a GPU copies by itself."""
        return Batch(
            tuple(one.pin_memory() for one in self.inputs),
            self.target.pin_memory(),
            None if self.weight is None else self.weight.pin_memory(),
            {name: one.pin_memory() for name, one in self.others.items()},
        )


class Source(Protocol):
    """Where a run's batches come from. It is sent to worker processes: it must pickle, without open files."""

    def batch(self, step: int, size: int) -> Batch:
        """The ``size`` samples of ``step``: a function of the source's seed, ``step`` and ``size`` alone."""
        ...

    def validation(self) -> Iterable[Batch]:
        """The held-out samples, the same at every call, each a batch of its own; none where nothing is held out."""
        ...


def chance(seed: int, step: int) -> torch.Generator:
    """The generator that decides everything about one step of one run.

    >>> int(torch.randint(100, (), generator=chance(1, 2))) == int(torch.randint(100, (), generator=chance(1, 2)))
    True
    """
    return torch.Generator().manual_seed(seed * 1_000_003 + step)
