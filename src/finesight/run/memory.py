"""How much memory there is, how much a network takes, and how that becomes a limit for tiles.

The one knob is the peak resident memory of this process (CPU) or what the device still has (GPU). Read without any
package: ``/proc`` and the control groups of Linux, ``sysconf`` on macOS, ``GlobalMemoryStatusEx`` on Windows. On macOS
only the total is known without a package, so half of it counts as available.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from finesight.errors import SettingError

__all__ = ["LiveTensors", "available", "format_bytes", "give_back", "measure_peak", "parse_bytes", "resident"]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def parse_bytes(text: str | int) -> int:
    """Bytes of ``2GB`` (10^9), ``1.5GiB`` (2^30), ``800MB``, ``800m`` or a plain number of bytes.

    >>> parse_bytes("1.5GiB"), parse_bytes("800MB"), parse_bytes(4096)
    (1610612736, 800000000, 4096)

    Raises:
        SettingError: not a size, or not positive.
    """
    found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*([KMGT]?I?)B?\s*", str(text).upper())
    unit = _UNITS.get(found[2]) if found else None
    size = int(float(found[1].replace(",", ".")) * unit) if found and unit is not None else 0
    if size <= 0:
        raise SettingError(f"memory: expected a size such as 2GB, 800MB or 1.5GiB, got '{text}'.")
    return size


def format_bytes(count: float) -> str:
    """A size for people: ``1.5 GB`` (powers of ten).

    >>> format_bytes(1_530_000_000), format_bytes(512)
    ('1.5 GB', '512 B')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


def _status(field: str) -> int | None:
    """A field of ``/proc/self/status`` in bytes."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def resident() -> int:
    """Resident memory of this process in bytes; where only the peak is known (macOS), the peak; else 0."""
    now = _status("VmRSS")
    if now is not None:
        return now
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def give_back() -> None:
    """Ask the C library to return what it keeps of freed memory to the system (glibc only, elsewhere nothing)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _group_free(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> int | None:
    """Bytes left in the tightest control group of this process (v1 and v2), ``None`` without a limit."""
    try:
        lines = groups.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    free = []
    for line in lines:
        _, _, rest = line.partition(":")
        kinds, _, name = rest.partition(":")
        if kinds and "memory" not in kinds.split(","):
            continue
        base, limit, usage = (
            (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            if kinds
            else (root, "memory.max", "memory.current")
        )
        folder = base / name.lstrip("/")
        while True:
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None and most < 2**60:
                free.append(max(0, most - used + _reclaimable(folder)))
            if folder == base or base not in folder.parents:
                break
            folder = folder.parent
    return min(free) if free else None


def _reclaimable(folder: Path) -> int:
    """File cache that a control group counts as used and gives up on demand."""
    try:
        text = (folder / "memory.stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^(?:total_)?inactive_file (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _system_free() -> int:
    """Bytes the system can still give."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    if sys.platform == "win32":

        class Status(ctypes.Structure):
            _fields_ = (
                ("length", ctypes.c_ulong),
                ("load", ctypes.c_ulong),
                ("total", ctypes.c_ulonglong),
                ("free", ctypes.c_ulonglong),
                ("rest", ctypes.c_ulonglong * 5),
            )

        status = Status(length=ctypes.sizeof(Status))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.free)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def available(device: torch.device | None = None) -> int:
    """Bytes that can still be used: of the system and its control groups, or of ``device``."""
    if device is not None and device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + int(unused)
    if device is not None and device.type == "xpu" and hasattr(torch.xpu, "mem_get_info"):
        return int(torch.xpu.mem_get_info(device)[0])
    if device is not None and device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    group = _group_free()
    return _system_free() if group is None else min(_system_free(), group)


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of tensor storage that is alive at the same time; ``peak`` is the largest sum.

    Storage made outside the block is not counted; scratch space inside a kernel is not seen.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled in here; saying so keeps torch from importing its compiler (70 MB, a second)."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._seen: set[int] = set()

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size

    def _count(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        size = storage.nbytes()
        self._seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, Tensor):
                self._count(value)
        return result


def _reset_peak() -> bool:
    """Make the kernel forget this process's peak memory; ``False`` where it can't."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def measure_peak(work: Callable[[], object], device: torch.device, *, opaque: bool = False) -> int:
    """Bytes by which memory rose, at most, while ``work`` ran.

    On CUDA and XPU what the allocator counted. On the CPU and on MPS the live tensor storage: exact and the same every
    time, where the process's own peak hides what it reuses. Work that is ``opaque`` (no torch operations) shows in the
    process's peak only, where the kernel lets us reset it; elsewhere the tensors that go in and out are counted.
    """
    if device.type in ("cuda", "xpu"):
        backend: Any = torch.cuda if device.type == "cuda" else torch.xpu
        backend.synchronize(device)
        backend.reset_peak_memory_stats(device)
        start = int(backend.memory_allocated(device))
        work()
        backend.synchronize(device)
        return int(backend.max_memory_allocated(device)) - start
    can_reset = opaque and _reset_peak()
    before = resident()
    with LiveTensors() as live:
        work()
    after = _status("VmHWM") if can_reset else None
    return max(int(live.peak), 0 if after is None else after - before)
