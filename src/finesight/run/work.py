"""One picture on its way through its networks, and what that would take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from finesight.errors import SettingError
from finesight.progress import Cancel, Progress, silent
from finesight.run.budget import Budget, bytes_per_pixel
from finesight.run.canvas import ResizeSink
from finesight.run.compute import Computer
from finesight.run.engines import Engine, Precision, Prepared
from finesight.run.engines.torch import TorchNetwork
from finesight.run.ensemble import TURNS, SelfEnsemble
from finesight.run.particular import check_whole, particular
from finesight.run.query import Queries, run_queries
from finesight.run.report import Report
from finesight.run.seams import Seam
from finesight.run.select import PROBE_WORTH, choose
from finesight.run.stage import Stage, plan_stage, run_stage
from finesight.zoo.model import Model

__all__ = ["Networks", "Ready", "Settings", "Work", "compute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all pictures; see ``Upscaler``."""

    device: torch.device
    memory: str | int | None = None
    precision: Precision = "auto"
    engine: Engine = "auto"
    exact: bool = False
    wrap: bool = False
    tile: int | None = None
    self_ensemble: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """One network on the device, with its measured memory, and why it is computed in this way."""

    name: str
    computer: Computer
    per_pixel: float
    why: str
    notes: tuple[str, ...]
    measuring: float = 0.0  # seconds of making it ready that a later run does not need


class Networks:
    """Networks made ready, each once; once more when many small pictures turn out to be worth measuring for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._ready: dict[str, Ready] = {}
        self._worked: dict[str, int] = {}

    def ready(self, model: Model, pixels: np.ndarray, work: int) -> Ready:
        """The network of ``model`` for a job of ``work`` pixels that begins with the picture ``pixels``."""
        name = model.card.name or f"{type(model.network).__name__}@{id(model.network):x}"
        given = self.settings
        # Half a grey level is nothing in 8 bits and 128 levels in 16.
        precision = "float32" if given.precision == "auto" and pixels.dtype != np.uint8 else given.precision
        key = f"{name} {precision}"
        before = self._worked.get(key, 0)
        worked = self._worked[key] = before + work
        if key not in self._ready or before < PROBE_WORTH <= worked:
            own = particular(model, given.device, pixels, precision=precision, engine=given.engine)
            if own is not None:
                self._ready[key] = _turning(Ready(name, *own)) if given.self_ensemble else Ready(name, *own)
                return self._ready[key]
            device, network = given.device, model.network
            turns = len(TURNS) if given.self_ensemble else 1
            chosen = choose(network, device, pixels, worked * turns, engine=given.engine, precision=precision)
            plain = chosen.prepared.engine == "torch" and chosen.prepared.precision == "float32"
            again = None if plain else lambda: self._formed(TorchNetwork(network, device), model)
            prepared = self._formed(chosen.prepared, model)
            computer = Computer(prepared, model.traits, again)
            per_pixel = bytes_per_pixel(prepared) if given.self_ensemble else chosen.per_pixel
            self._ready[key] = Ready(name, computer, per_pixel, chosen.why, chosen.notes, chosen.measuring)
        return self._ready[key]

    def _formed(self, prepared: Prepared, model: Model) -> Prepared:
        if not self.settings.self_ensemble:
            return prepared
        return SelfEnsemble(prepared, multiple=model.traits.multiple)


def _turning(ready: Ready) -> Ready:
    """A network of a particular kind with all its turns.

    Raises:
        SettingError: it answers questions about places, which have no turns here.
    """
    computer = ready.computer
    if isinstance(computer, Queries):
        raise SettingError(f"{ready.name} computes any scale, without turns of tiles. Leave out --self-ensemble.")
    turning = SelfEnsemble(computer.prepared, multiple=computer.traits.multiple)
    return replace(ready, computer=Computer(turning, computer.traits))


class Work:
    """One picture: ``models`` one after the other bring its ``planes`` (colour, alpha) to ``size`` (height, width)."""

    def __init__(
        self,
        networks: Networks,
        models: Sequence[Model],
        size: tuple[int, int],
        *,
        planes: int = 1,
        progress: Progress = silent,
        cancel: Cancel | None = None,
    ) -> None:
        self.networks, self.models, self.size, self.planes = networks, models, size, planes
        self.progress, self.cancel = progress, cancel
        self.stages: list[Stage] = []
        self.used: list[Ready] = []
        self.limit = 0
        self.preparing = 0.0
        self.network = 0.0
        self._done = 0

    def work(self, area: int) -> list[int]:
        """Input pixels of each network, for a picture of ``area`` pixels, all planes together."""
        found = []
        for model in self.models:
            found.append(area * self.planes)
            area *= (model.traits.scale or 1) ** 2
        return found

    def prepare(
        self, index: int, pixels: np.ndarray, final: np.dtype
    ) -> tuple[Ready, Stage, tuple[int, int], np.dtype]:
        """The network of that index, its tiles over ``pixels``, and the size and type of what it gives."""
        settings = self.networks.settings
        last = index == len(self.models) - 1
        area = pixels.shape[0] * pixels.shape[1]
        ready = self.networks.ready(self.models[index], pixels, area * self.planes)
        scale = ready.computer.traits.scale or 1
        asked = isinstance(ready.computer, Queries)
        own = self.size if asked else (pixels.shape[0] * scale, pixels.shape[1] * scale)
        size = self.size if last else own
        # Between two networks nothing is rounded to 8 bits.
        dtype = final if last else np.dtype(np.float32 if final.kind == "f" else np.uint16)
        results = size[0] * size[1] * pixels.shape[2] * dtype.itemsize * (self.planes if last else 1)
        budget = Budget.of(settings.memory, settings.device, ready.per_pixel, results)
        self.limit = budget.limit
        ready.computer.limit = None if settings.memory is None else budget.limit
        check_whole(ready.computer.traits, budget, wrap=settings.wrap)
        stage = plan_stage(
            pixels,
            ready.computer,
            budget,
            exact=settings.exact or asked,
            wrap=settings.wrap,
            strip=None if size == own else ResizeSink.kept(dtype),
            tile=settings.tile,
        )
        return ready, stage, size, dtype

    def plane(self, pixels: np.ndarray) -> np.ndarray:
        """Colour or alpha ``(H, W, c)`` through all networks, in its own depth."""
        final = pixels.dtype
        total = sum(self.work(pixels.shape[0] * pixels.shape[1]))
        for index in range(len(self.models)):
            began = time.perf_counter()
            ready, stage, size, dtype = self.prepare(index, pixels, final)
            self.preparing += time.perf_counter() - began
            inside = ready.computer.seconds
            out = np.empty((*size, pixels.shape[2]), dtype)
            area = pixels.shape[0] * pixels.shape[1]
            counted = _counted(self.progress, self._done, area, total)
            compute(stage, ready.computer, out, progress=counted, cancel=self.cancel)
            self.network += ready.computer.seconds - inside
            self._done += area
            self.stages.append(stage)
            self.used.append(ready)
            pixels = out
        return pixels

    def report(self, scale: float, seconds: float, seam: Seam | None) -> Report:
        """What was done."""
        stage, last = self.stages[-1], self.used[-1]
        differences = [s.difference for s in self.stages if s.difference is not None]
        notes = [s.note for s in self.stages if s.note]
        for ready in self.used:
            notes += [*ready.notes, *ready.computer.notes]
        prepared = last.computer.prepared
        return Report(
            scale=scale,
            models=tuple(ready.name for ready in self.used[: len(self.models)]),
            tile=stage.plan.tile,
            tiles=sum(len(s.plan) for s in self.stages),
            halo=last.computer.traits.halo,
            overlap=stage.plan.margin,
            exact=all(s.plan.exact for s in self.stages) and not differences,
            difference=max(differences) if differences else None,
            device=str(prepared.device),
            precision=prepared.precision,
            engine=prepared.engine,
            why=last.why,
            seconds=seconds,
            megapixels_per_second=self.size[0] * self.size[1] / 1e6 / max(seconds, 1e-9),
            memory=self.limit,
            preparing=self.preparing,
            network=self.network,
            self_ensemble=self.networks.settings.self_ensemble,
            notes=tuple(dict.fromkeys(notes)),
            seam=seam,
        )


def compute(
    stage: Stage, computer: Computer, out: np.ndarray, *, progress: Progress = silent, cancel: Cancel | None = None
) -> None:
    """Compute ``stage`` into ``out``, in the way of its network."""
    run = run_queries if isinstance(computer, Queries) else run_stage
    run(stage, computer, out, progress=progress, cancel=cancel)  # type: ignore[arg-type]  # looked at above


def _counted(progress: Progress, before: int, area: int, whole: int) -> Progress:
    """Tiles of one stage as pixels of the whole work."""

    def report(done: int, total: int, note: str) -> None:
        progress(before + area * done // total, whole, note)

    return report
