"""Networks as files for other programs: ONNX, OpenVINO, safetensors; each is tried on pictures of random sizes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from finesight.errors import CalculationError, Error, ModelError, OutputError
from finesight.extras import need
from finesight.zoo import load, save
from finesight.zoo.model import Model

__all__ = ["SUFFIXES", "ExportFormat", "Exported", "export"]

ExportFormat = Literal["onnx", "openvino", "safetensors"]

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "safetensors": ".safetensors"}

LARGEST = 1e-3
"""Of the largest value of an answer: more is another network, not another order of summing."""

_TRIES = 4
_MOST = 56  # pixels added at random to the smallest side

Runs = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how far its answers are from the network's.

    Args:
        files: one, or two for OpenVINO (``.xml`` and ``.bin``).
        sizes: pictures that were tried: how many at once, height, width.
        difference: largest difference of any value of the answers, where 1 is white.
    """

    files: tuple[Path, ...]
    sizes: tuple[tuple[int, int, int], ...]
    difference: float


def export(model: Model, target: Path, form: ExportFormat, *, generator: torch.Generator) -> Exported:
    """Write a network of one picture for any number and size of pictures, and compare it with torch on random ones.

    ONNX and OpenVINO files hold the fused network in float32: ``image`` (N, 3, H, W), RGB in [0, 1], gives ``result``
    (N, c, scale H, scale W). Safetensors hold the network as ``finesight.load`` takes it.

    Args:
        target: the file; its suffix is that of the format (``SUFFIXES``).
        generator: draws sizes and pictures of the comparison.

    Raises:
        ModelError: the network takes more than one picture, or the format cannot express it.
        OutputError: the file cannot be written.
        CalculationError: what was written answers something else; no file is left.
        MissingExtraError: a package of the extra ``fast`` is not installed.
    """
    traits, name = model.traits, model.card.name
    if traits.kind != "image" or len(traits.inputs) != 1:
        raise ModelError(f"{name} is no network from one picture to one picture; only such networks are exported.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
            made = Path(folder) / target.name
            try:
                runs = _WRITERS[form](model, made)
                sizes, difference = _compare(model, runs, generator)
            except (Error, OSError):
                raise
            except Exception as error:  # exporters and engines raise kinds without a base class of their own
                said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                raise ModelError(f"{name} cannot be exported as {form}: {said}") from error
            # The file that names the other comes last.
            parts = sorted(Path(folder).iterdir(), key=lambda part: part.suffix == target.suffix)
            for part in parts:
                _store(part, target.parent / part.name)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    return Exported(tuple(target.parent / part.name for part in reversed(parts)), sizes, difference)


def _store(made: Path, target: Path) -> None:
    made.chmod(0o644)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(made, target)


def _compare(model: Model, runs: Runs, generator: torch.Generator) -> tuple[tuple[tuple[int, int, int], ...], float]:
    """Sizes that were tried, and the largest difference of the answers."""
    traits = model.traits
    largest = _MOST if traits.maximum is None else min(_MOST, traits.maximum - traits.minimum)
    sizes, worst = [], 0.0
    for count in range(1, _TRIES + 1):
        height, width = (traits.minimum + int(torch.randint(largest + 1, (1,), generator=generator)) for _ in range(2))
        image = torch.rand(1 + count % 2, 3, height, width, generator=generator)
        with torch.inference_mode():
            expected = model.network(image)
        found = runs(image)
        size = (image.shape[0], height, width)
        if found.shape != expected.shape:
            raise CalculationError(
                f"{model.card.name}: the exported network gives {tuple(found.shape)} for a picture of {size}, not "
                f"{tuple(expected.shape)}: it keeps sizes of its making. Nothing was written."
            )
        difference = float((found - expected).abs().max())
        if not difference <= LARGEST * max(1.0, float(expected.abs().max())):
            raise CalculationError(
                f"{model.card.name}: the exported network differs by {difference:.2g} for a picture of {size}. "
                "Nothing was written."
            )
        sizes.append(size)
        worst = max(worst, difference)
    return tuple(sizes), worst


def _onnx(model: Model, file: Path) -> Runs:
    from finesight.run.engines.onnxruntime import write_onnx

    runtime = need("onnxruntime", extra="fast", why="to check the ONNX file")
    write_onnx(model.network, file)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


def _openvino(model: Model, file: Path) -> Runs:
    from finesight.run.engines.openvino import write_openvino

    openvino = need("openvino", extra="fast", why="to write OpenVINO files")
    write_openvino(model.network, file.parent)
    for suffix in (".xml", ".bin"):
        (file.parent / f"graph{suffix}").rename(file.with_suffix(suffix))
    compiled = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: torch.from_numpy(np.array(compiled(image.numpy())[0], dtype=np.float32))


def _safetensors(model: Model, file: Path) -> Runs:
    card = model.card
    facts = card.facts()
    told = ("name", "summary", "licence", "non_commercial", "paper", "url")
    kept = {key: facts[key] for key in told if key in facts}
    whence = {"converted_from": card.weights_sha256} if card.weights_sha256 else {}
    described = {**card.training, **kept, **whence}
    save(file, model.network, architecture=card.architecture, arguments=card.arguments, card=described)
    network = load(file).network

    def run(image: Tensor) -> Tensor:
        with torch.inference_mode():
            answer: Tensor = network(image)
        return answer

    return run


_WRITERS: dict[str, Callable[[Model, Path], Runs]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "safetensors": _safetensors,
}
