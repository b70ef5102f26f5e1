"""Which engine, precision and memory layout compute a network fastest here: measured, then remembered."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.run.engines import Engine, Precision, Prepared
from finesight.run.engines.torch import TorchNetwork
from finesight.run.notebook import Notebook, Speed
from finesight.run.overlap import detail
from finesight.run.pixels import View, to_tensor
from finesight.run.precision import LARGEST_ERROR, native, root_mean_square
from finesight.run.tiles import plan_tiles

__all__ = ["PROBE_WORTH", "Choice", "Chosen", "candidates", "choose", "detailed_part", "prepare"]

PROBE_WORTH = 600_000
"""Pixels of a job from which measuring costs less than it can win; smaller ones take what is safe and usually good."""

_SAMPLE = 128
_SMALL_SAMPLE = 64
_ROUNDS = 2
_HOPELESS = 1.5  # times the fastest: not timed a second time


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to compute."""

    engine: str
    precision: str
    channels_last: bool = False

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}{' channels-last' if self.channels_last else ''}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A prepared network, why it was chosen, and what went wrong on the way.

    ``per_pixel`` is its peak bytes for a pixel of a tile; ``measuring`` the seconds that a later run will not need.
    """

    prepared: Prepared
    why: str
    notes: tuple[str, ...] = ()
    per_pixel: float = 0.0
    measuring: float = 0.0


def prepare(choice: Choice, network: nn.Module, device: torch.device) -> Prepared:
    """Make a network ready in the way of ``choice``.

    Raises:
        MissingExtraError: the engine is not installed.
        RuntimeError, ValueError, TypeError: the engine cannot express this network.
    """
    match choice.engine:
        case "torch":
            return TorchNetwork(network, device, precision=choice.precision, channels_last=choice.channels_last)
        case "openvino":
            from finesight.run.engines.openvino import OpenVinoNetwork

            return OpenVinoNetwork(network, precision=choice.precision)
        case "onnxruntime":
            from finesight.run.engines.onnxruntime import OnnxNetwork

            return OnnxNetwork(network, precision=choice.precision)
        case "compile":
            from finesight.run.engines.compile import CompiledNetwork

            return CompiledNetwork(network, device, precision=choice.precision)
    raise AssertionError(f"an unknown engine got past the settings: {choice.engine}")


def candidates(network: nn.Module, device: torch.device, engine: Engine, precision: Precision) -> list[Choice]:
    """The ways worth trying, the plain one first.

    Raises:
        SettingError: an engine that cannot use ``device``, or a precision that nobody knows.
    """
    if engine in ("openvino", "onnxruntime") and device.type != "cpu":
        raise SettingError(f"engine {engine} computes on the CPU only. Use --device cpu, or --engine torch.")
    lower = () if engine == "onnxruntime" else native(device)
    precisions: Sequence[str] = ("float32", *lower) if precision == "auto" else (precision,)
    engines: list[str] = [engine]
    if engine == "auto":
        engines = ["torch"]
        # One of them: they win over the same thing, and OpenVINO by more wherever both were measured.
        fast = [name for name in ("openvino", "onnxruntime") if importlib.util.find_spec(name) is not None]
        if device.type == "cpu" and fast and not (fast[0] == "onnxruntime" and precision not in ("auto", "float32")):
            engines.append(fast[0])
    convolves = any(isinstance(module, nn.Conv2d) for module in network.modules())
    layouts = (False, True) if convolves and device.type in ("cpu", "cuda") else (False,)
    found = []
    for name in engines:
        for kind in precisions:
            if name != "torch":
                if name != "onnxruntime" or kind == "float32" or engine != "auto":
                    found.append(Choice(name, kind))
            elif kind == "float32":
                found += [Choice(name, kind, layout) for layout in layouts]
            else:
                found.append(Choice(name, kind, layouts[-1]))
    return found


def choose(
    network: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    work: int,
    *,
    engine: Engine = "auto",
    precision: Precision = "auto",
) -> Chosen:
    """The fastest way for a job of ``work`` pixels that begins with the picture ``pixels`` (H, W, c).

    A lower precision is taken by itself only where its answer for the picture's most detailed part stays within half a
    grey level (RMS) of float32.

    Raises:
        MissingExtraError: the engine asked for is not installed.
        SettingError: it cannot use this device.
    """
    notebook = Notebook(network, device)
    chosen = _chosen(network, device, pixels, work, notebook, engine=engine, precision=precision)
    per_pixel = notebook.bytes_per_pixel(chosen.prepared)
    return replace(chosen, per_pixel=per_pixel, measuring=notebook.spent)


def _chosen(
    network: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    work: int,
    notebook: Notebook,
    *,
    engine: Engine,
    precision: Precision,
) -> Chosen:
    ways = candidates(network, device, engine, precision)
    if len(ways) == 1:
        return _given(ways[0], network, device)
    known = {way: notebook.speeds[str(way)] for way in ways if str(way) in notebook.speeds}
    if len(known) == len(ways):
        return _remembered(network, device, pixels, work, known, notebook, precision)
    if work < PROBE_WORTH:
        safe = [way for way in ways if way.engine == ways[0].engine]
        return _checked(safe[-1], safe, network, device, pixels, "too small a job to measure", precision)
    return _measured(network, device, pixels, work, ways, notebook, precision)


def _given(way: Choice, network: nn.Module, device: torch.device) -> Chosen:
    try:
        prepared = prepare(way, network, device)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        if way.engine == "torch":
            raise
        prepared = prepare(Choice("torch", way.precision, channels_last=True), network, device)
        return Chosen(prepared, "asked for", (_failed(way, error),))
    return Chosen(prepared, "asked for", (prepared.note,) if prepared.note else ())


def _failed(way: Choice, error: Exception) -> str:
    return f"{way.engine} cannot run this network ({str(error).strip().splitlines()[0][:120]}); torch does"


def _remembered(
    network: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    work: int,
    known: dict[Choice, Speed],
    notebook: Notebook,
    precision: Precision,
) -> Chosen:
    allowed = [way for way, speed in known.items() if precision != "auto" or speed.error <= LARGEST_ERROR]
    best = min(allowed, key=lambda way: known[way].seconds(work))
    plain = known[next(iter(known))]
    why = f"measured earlier: {plain.pixel / known[best].pixel:.1f} times plain torch for each pixel"
    began = time.perf_counter()
    chosen = _checked(best, allowed, network, device, pixels, why, precision)
    if chosen.prepared.engine == best.engine:
        notebook.note(best, Speed(time.perf_counter() - began, known[best].pixel, known[best].error))
    return chosen


def _checked(
    best: Choice,
    ways: Sequence[Choice],
    network: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    why: str,
    precision: Precision,
) -> Chosen:
    """``best`` prepared; a lower precision of our own choice after a look at a small part of the picture."""
    notes: list[str] = []
    try:
        prepared = prepare(best, network, device)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        notes.append(_failed(best, error))
        best = ways[0]
        prepared = prepare(best, network, device)
    if prepared.note:
        notes.append(prepared.note)
    if precision != "auto" or best.precision == "float32":
        return Chosen(prepared, why, tuple(notes))
    sample = detailed_part(network, pixels, device, _SMALL_SAMPLE)
    reference = TorchNetwork(network, device)(sample)
    off = root_mean_square(prepared(sample), reference)
    if off <= LARGEST_ERROR:
        return Chosen(prepared, f"{why}; {best.precision} differs by {off:.2f} grey levels", tuple(notes))
    exact = [way for way in ways if way.precision == "float32" and way.engine == best.engine] or [ways[0]]
    why = f"{best.precision} would differ by {off:.2f} grey levels here; {LARGEST_ERROR} are allowed"
    return Chosen(prepare(exact[-1], network, device), why, tuple(notes))


def _measured(
    network: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    work: int,
    ways: Sequence[Choice],
    notebook: Notebook,
    precision: Precision,
) -> Chosen:
    """Time every way on the picture's most detailed part, in turns."""
    started = time.perf_counter()
    sample = detailed_part(network, pixels, device, _SAMPLE)
    ready: dict[Choice, Prepared] = {}
    took: dict[Choice, float] = {}
    notes: list[str] = []
    for way in ways:
        began = time.perf_counter()
        try:
            ready[way] = prepare(way, network, device)
            ready[way](sample)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            if way == ways[0]:
                raise
            ready.pop(way, None)
            notes.append(_failed(way, error))
        took[way] = time.perf_counter() - began
    reference = ready[ways[0]](sample)
    best: dict[Choice, float] = dict.fromkeys(ready, math.inf)
    errors: dict[Choice, float] = {}
    for turn in range(_ROUNDS):
        for way, prepared in ready.items():
            if turn and best[way] > _HOPELESS * min(best.values()):
                continue
            began = time.perf_counter()
            answer = prepared(sample)
            answer[0, 0, 0, 0].item()  # reading a value waits for a GPU
            best[way] = min(best[way], time.perf_counter() - began)
            errors[way] = root_mean_square(answer, reference)
    area = sample.shape[2] * sample.shape[3]
    speeds = {way: Speed(took[way], best[way] / area, _or_infinite(errors[way])) for way in ready}
    for way, speed in speeds.items():
        notebook.note(way, speed, save=False)
    notebook.save()
    allowed = [way for way in ready if precision != "auto" or speeds[way].error <= LARGEST_ERROR]
    fastest = min(allowed or [ways[0]], key=lambda way: speeds[way].pixel * work)
    notebook.spent += time.perf_counter() - started - took[fastest]
    why = (
        f"measured: {speeds[ways[0]].pixel / speeds[fastest].pixel:.1f} times plain torch for each pixel, differs by "
        f"{speeds[fastest].error:.2f} grey levels"
    )
    notes += [ready[fastest].note] if ready[fastest].note else []
    return Chosen(ready[fastest], why, tuple(dict.fromkeys(notes)))


def _or_infinite(error: float) -> float:
    """What is no number is as wrong as can be."""
    return error if math.isfinite(error) else math.inf


def detailed_part(network: nn.Module, pixels: np.ndarray, device: torch.device, side: int) -> Tensor:
    """The most detailed part of a picture, at most ``side`` pixels a side, as a batch of one."""
    view = View.at_least(pixels, getattr(getattr(network, "traits", None), "minimum", 1))
    height, width = min(side, view.height), min(side, view.width)
    grid = plan_tiles(view.height, view.width, height * width, 0)
    assert grid is not None
    row, column = detail(view, grid)
    top, left = (
        max(0, min(row - height // 2, view.height - height)),
        max(0, min(column - width // 2, view.width - width)),
    )
    tile = to_tensor(view.crop(top, top + height, left, left + width), device)[None]
    return tile.expand(-1, 3, -1, -1).contiguous()
