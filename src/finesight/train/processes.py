"""Several processes on one run, as ``torchrun`` starts them: who one is, and what all agree on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Processes", "together"]


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among ``count``; one by itself is 0 of 1, and everything below does nothing then."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and validates."""
        return self.rank == 0

    def parts(self, accumulate: int) -> tuple[range, int]:
        """Which parts of a step's batch are computed here, and how many there are in all.

        Raises:
            SettingError: the parts cannot be shared evenly.
        """
        total = accumulate if accumulate > 1 else self.count
        if total % self.count:
            raise SettingError(
                f"accumulate: {total} parts cannot be shared by {self.count} processes; set a multiple of {self.count}"
            )
        return range(self.rank, total, self.count), total

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their sums over all processes, in one message for each type."""
        if self.count == 1:
            return
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault(tensor.dtype, []).append(tensor)
        for group in kinds.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            dist.all_reduce(flat)
            for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
                tensor.copy_(part.view(tensor.shape))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says yes."""
        if self.count == 1:
            return flag
        said = torch.tensor(float(flag), device=device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said)

    def share(self, value: Any) -> Any:
        """What the first process has, everywhere."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


@contextmanager
def together(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the other processes where ``torchrun`` started this one; each takes the GPU of its place."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or dist.is_initialized():
        own = Processes(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Processes()
        yield own, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield Processes(dist.get_rank(), count), device
    finally:
        dist.destroy_process_group()
