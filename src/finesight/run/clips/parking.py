"""Features of frames that wait for their turn: in memory up to a limit, on disk above it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from torch import Tensor

from finesight.errors import OutputError

__all__ = ["Parking"]


@dataclass(frozen=True, slots=True)
class _Slot:
    place: int
    size: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class Parking:
    """Tensors by key; what does not fit into ``limit`` bytes lies in a temporary file and comes back bit by bit equal.

    The file has no name, so that nothing stays behind however the process ends. Room in it is used again.

    Args:
        limit: bytes held in memory; 0 parks everything on disk, ``None`` nothing.
        folder: of the temporary file; by default the system's.
    """

    def __init__(self, limit: int | None = None, *, folder: str | os.PathLike[str] | None = None) -> None:
        self.limit = limit
        self.held = 0
        self.parked = 0
        self._folder = folder
        self._memory: dict[Hashable, Tensor] = {}
        self._disk: dict[Hashable, _Slot] = {}
        self._free: dict[int, list[int]] = {}
        self._file: BinaryIO | None = None
        self._end = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._memory or key in self._disk

    def put(self, key: Hashable, tensor: Tensor) -> None:
        """Keep ``tensor`` (not a copy of it while it is in memory).

        Raises:
            OutputError: it has to go to disk and the disk is full.
        """
        self.drop(key)
        size = tensor.numel() * tensor.element_size()
        if self.limit is None or self.held + size <= self.limit:
            self._memory[key] = tensor
            self.held += size
            return
        self._disk[key] = self._write(tensor, size)
        self.parked += size

    def get(self, key: Hashable) -> Tensor:
        """The tensor of that key, on the device where it was."""
        if key in self._memory:
            return self._memory[key]
        slot = self._disk[key]
        assert self._file is not None
        buffer = bytearray(slot.size)
        self._file.seek(slot.place)
        if self._file.readinto(buffer) != slot.size:  # type: ignore[attr-defined]  # open while features are parked
            raise OutputError("The temporary file of features was cut short. Is the disk of the temporary folder full?")
        return torch.frombuffer(buffer, dtype=slot.dtype).view(slot.shape).to(slot.device)

    def drop(self, key: Hashable) -> None:
        """Forget a key, if it is there."""
        tensor = self._memory.pop(key, None)
        if tensor is not None:
            self.held -= tensor.numel() * tensor.element_size()
        slot = self._disk.pop(key, None)
        if slot is not None:
            self._free.setdefault(slot.size, []).append(slot.place)
            self.parked -= slot.size

    def drop_all(self, unwanted: Callable[[Any], bool]) -> None:
        """Forget every key for which ``unwanted`` says so."""
        for key in [key for key in (*self._memory, *self._disk) if unwanted(key)]:
            self.drop(key)

    def close(self) -> None:
        """Forget everything."""
        self._memory.clear()
        self._disk.clear()
        self._free.clear()
        self.held = self.parked = self._end = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, tensor: Tensor, size: int) -> _Slot:
        places = self._free.get(size)
        place = places.pop() if places else self._end
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115  (lives longer)
            self._file.seek(place)
            values: Any = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
            data = memoryview(values)
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise OutputError(
                f"Features of frames could not be parked in {self._folder or tempfile.gettempdir()}: "
                f"{error.strerror}. Free some space, set TMPDIR, or allow more memory."
            ) from error
        self._end = max(self._end, place + size)
        return _Slot(place, size, tuple(tensor.shape), tensor.dtype, tensor.device)
