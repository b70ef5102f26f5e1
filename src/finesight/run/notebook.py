"""What was measured of a network on this machine, remembered between runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from finesight.run.budget import PROBE, bytes_per_pixel
from finesight.run.cache import engine_folder, fingerprint, machine, read_json, write_json
from finesight.run.engines import Prepared

__all__ = ["Notebook", "Speed"]

_PACKAGES = ("torch", "openvino", "onnxruntime", "finesight")


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds to prepare, seconds for one pixel, and RMS difference to float32 in grey levels."""

    prepare: float
    pixel: float
    error: float

    def seconds(self, pixels: int) -> float:
        return self.prepare + self.pixel * pixels


class Notebook:
    """Measured speeds of one network on one machine with the installed versions, on disk."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.speeds: dict[str, Speed] = {}
        self._bytes: dict[str, float] = {}
        self.spent = 0.0
        """Seconds that measuring took, which a later run of the same network will not take again."""
        here = hashlib.sha256(machine(device).encode()).hexdigest()[:8]
        self._file: Path = engine_folder() / f"{fingerprint(network)}-speeds-{here}.json"
        self._setting = {"machine": machine(device), "versions": _versions()}
        found = read_json(self._file)
        if found is None or any(found.get(key) != value for key, value in self._setting.items()):
            return
        try:
            self.speeds = {way: Speed(**values) for way, values in found["speeds"].items()}
            self._bytes = {way: float(count) for way, count in found["bytes"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            self.speeds, self._bytes = {}, {}  # damaged: measured again

    def bytes_per_pixel(self, prepared: Prepared) -> float:
        """Peak bytes for each pixel of a tile; measured once for each engine, precision and layout."""
        layout = " channels-last" if getattr(prepared, "channels_last", False) else ""
        way = f"{prepared.engine} {prepared.precision}{layout}"
        found = self._bytes.get(way, 0.0)
        if found <= 0:
            began = time.perf_counter()
            prepared(torch.zeros(1, 3, PROBE, PROBE, device=prepared.device))
            warm = time.perf_counter()
            found = self._bytes[way] = bytes_per_pixel(prepared)
            self.save()
            measured = time.perf_counter() - warm
            # What only the first call of a process takes, a later run will pay with its first tile.
            self.spent += min(warm - began, measured / 2) + measured
        return found

    def note(self, way: object, speed: Speed, *, save: bool = True) -> None:
        """Write down a speed; to disk only where it tells something new."""
        old = self.speeds.get(str(way))
        self.speeds[str(way)] = speed
        if save and (old is None or not 0.7 < old.prepare / max(speed.prepare, 1e-6) < 1.4):
            self.save()

    def save(self) -> None:
        """Write everything."""
        speeds = {way: {"prepare": s.prepare, "pixel": s.pixel, "error": s.error} for way, s in self.speeds.items()}
        write_json(self._file, {**self._setting, "speeds": speeds, "bytes": self._bytes})


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found
