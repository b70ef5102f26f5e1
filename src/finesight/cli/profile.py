"""``--profile``: where the time of a command went."""

from __future__ import annotations

import os
import sys
import time

from finesight.cli.working import Clock

__all__ = ["lines", "since_start"]

_ORDER = (
    "starting",
    "loading weights",
    "reading",
    "computing",
    "- making networks ready",
    "- inside networks",
    "writing",
)


def since_start() -> float | None:
    """Seconds since this process began; ``None`` where the system does not say (other than Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def lines(clock: Clock) -> list[str]:
    """A table: seconds, share of the whole, and on what.

    Reading, computing and writing run beside each other, so that they may add up to more than the whole.
    """
    seconds = dict(clock.seconds)
    whole = seconds.pop("all of it", 0.0) + seconds.get("starting", 0.0) + seconds.get("loading weights", 0.0)
    rest = seconds.get("computing", 0.0) - sum(seconds.get(name, 0.0) for name in _ORDER[4:6])
    rows = [(name, seconds[name]) for name in _ORDER if name in seconds]
    place = next((i + 1 for i, (name, _) in enumerate(rows) if name == "- inside networks"), None)
    if place is not None:
        rows.insert(place, ("- pixels to tensors and back, fading, resampling", max(0.0, rest)))
    table = [f"{value:9.2f} s {value / max(whole, 1e-9):6.0%}  {name}" for name, value in rows]
    return [*table, f"{whole:9.2f} s {1:6.0%}  in all; reading, computing and writing run beside each other"]
