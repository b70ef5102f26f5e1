"""OpenVINO: the fastest engine on most CPUs. Extra ``fast``.

The fused network is traced once with torch, converted by OpenVINO's own reader (the one that reports nothing to
anybody), and kept in the cache as its intermediate representation. With a lower precision the layers that see the
image and those that nothing follows are marked to stay float32, as ``finesight.run.precision`` does for torch.
"""

from __future__ import annotations

import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor, nn

from finesight.extras import need
from finesight.run.cache import engine_folder, fingerprint, remove, store
from finesight.run.fuse import fuse

__all__ = ["OpenVinoNetwork", "version", "write_openvino"]

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_GRAPH = "graph.xml"
_WHY = "for the engine openvino"
_FORM = 2  # of what write_openvino writes; graphs of another form in the cache are not used
_TURN = threading.Lock()  # two threads that hand OpenVINO its first arrays wait for each other forever (seen in 2026.4)
_SHAPES = frozenset({"Const", "Parameter", "Result", "ShapeOf"})


def _openvino() -> Any:
    return need("openvino", extra="fast", why=_WHY)


def version() -> str:
    """The installed version, as a part of file names.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    return str(_openvino().__version__).split("-")[0]


class OpenVinoNetwork:
    """A network compiled by OpenVINO for the CPU; any size of tile.

    Args:
        network: float32, with traits; stays as it is.
        precision: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        RuntimeError: OpenVINO cannot express this network, or torch cannot trace it.
    """

    engine = "openvino"
    opaque = True

    def __init__(self, network: nn.Module, *, precision: str = "float32") -> None:
        self.precision = precision
        self.device = torch.device("cpu")
        self.note = ""
        openvino = _openvino()
        core = openvino.Core()
        kind = "float32" if precision == "float32" else "mixed"
        folder = engine_folder() / f"{fingerprint(network)}-openvino-{version()}-{kind}-{_FORM}"
        graph = self._cached(core, folder)
        with tempfile.TemporaryDirectory() as made:
            if graph is None:
                write_openvino(network, Path(made), mixed=precision != "float32")
                graph = core.read_model(Path(made) / _GRAPH)
                store(Path(made), folder)
            settings = {
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
            }
            self._request = core.compile_model(graph, "CPU", settings).create_infer_request()

    def _cached(self, core: Any, folder: Path) -> Any:
        """The graph in the cache, ``None`` where there is none or it is damaged."""
        if not folder.is_dir():
            return None
        try:
            return core.read_model(folder / _GRAPH)
        except RuntimeError:
            self.note = "a damaged graph in the cache was made again"
            remove(folder)
            return None

    def __call__(self, tiles: Tensor) -> Tensor:
        with _TURN:
            self._request.infer([np.ascontiguousarray(tiles.numpy())], share_inputs=True)
            # The request's own memory is written again by the next call.
            return torch.from_numpy(np.array(self._request.get_output_tensor().data, dtype=np.float32))


def write_openvino(network: nn.Module, folder: Path, *, mixed: bool = False) -> None:
    """Write the fused network as ``graph.xml`` and ``graph.bin`` into ``folder``, for any number and size of pictures.

    With ``mixed`` the ends are marked to stay float32 where a lower precision is asked of OpenVINO.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        RuntimeError: OpenVINO cannot express this network, or torch cannot trace it.
    """
    openvino = _openvino()
    frontend = need("openvino.frontend", extra="fast", why=_WHY)
    tracing = need("openvino.frontend.pytorch.ts_decoder", extra="fast", why=_WHY)
    minimum = max(24, getattr(getattr(network, "traits", None), "minimum", 1))
    fused = fuse(network).float().cpu()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(fused, torch.rand(1, 3, minimum, minimum), check_trace=False)
        decoder = tracing.TorchScriptPythonDecoder(traced)  # must outlive the conversion
        reader = frontend.FrontEndManager().load_by_framework("pytorch")
        reader.add_extension(_pixel_shuffle())
        try:
            graph = reader.convert(reader.load(decoder))
        except Exception as error:  # OpenVINO's own kinds of error share no base class that it publishes
            raise RuntimeError(str(error).strip().splitlines()[-1]) from error
    openvino.save_model(graph, folder / _GRAPH, compress_to_fp16=False)
    if mixed:
        _keep_ends_exact(folder / _GRAPH)


def _pixel_shuffle() -> Any:
    """How the reader writes a pixel shuffle: as one operation, not as reshaping and transposing, which is slow."""
    operations = need("openvino.opset13", extra="fast", why=_WHY)
    extension = need("openvino.frontend.pytorch", extra="fast", why=_WHY).ConversionExtension

    def convert(node: Any) -> list[Any]:
        block = int(node.get_values_from_const_input(1))
        return [operations.depth_to_space(node.get_input(0), "depth_first", block).output(0)]

    return extension("aten::pixel_shuffle", convert)


def _keep_ends_exact(graph: Path) -> None:
    """Mark in the representation what must stay float32.

    That is everything up to and with the first convolutions, seen from the image, and everything back to and with the
    last, seen from the result.
    """
    tree = ElementTree.parse(graph)
    root = tree.getroot()
    layers = {layer.get("id"): layer for layer in root.iterfind("layers/layer")}
    after: dict[str | None, list[str | None]] = {}
    before: dict[str | None, list[str | None]] = {}
    for edge in root.iterfind("edges/edge"):
        start, end = edge.get("from-layer"), edge.get("to-layer")
        after.setdefault(start, []).append(end)
        before.setdefault(end, []).append(start)
    ends = _walk(layers, after, "Parameter") | _walk(layers, before, "Result")
    for name in ends:
        layer = layers[name]
        if layer.get("type") in _SHAPES:
            continue
        info = layer.find("rt_info")
        if info is None:
            info = ElementTree.Element("rt_info")
            layer.insert(0 if layer.find("data") is None else 1, info)
        ElementTree.SubElement(info, "attribute", {"name": "precise", "version": "0"})
        if layer.get("type") == "Pad":
            layer.set("version", "opset1")  # OpenVINO would replace a newer Pad by this one and forget the mark
    tree.write(graph)


def _walk(
    layers: dict[str | None, ElementTree.Element], edges: dict[str | None, list[str | None]], start: str
) -> set[str | None]:
    """Layers reached from every layer of type ``start`` without passing through a convolution."""
    seen: set[str | None] = set()
    waiting = [name for name, layer in layers.items() if layer.get("type") == start]
    while waiting:
        for name in edges.get(waiting.pop(), []):
            if name in seen:
                continue
            seen.add(name)
            if "Convolution" not in (layers[name].get("type") or ""):
                waiting.append(name)
    return seen
