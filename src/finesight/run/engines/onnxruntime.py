"""ONNX Runtime on the CPU, float32. Extra ``fast``."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.extras import need
from finesight.run.cache import engine_folder, fingerprint, remove, store
from finesight.run.fuse import fuse

__all__ = ["OnnxNetwork", "version", "write_onnx"]

_GRAPH = "graph.onnx"
_WHY = "for the engine onnxruntime"


def version() -> str:
    """The installed version, as a part of file names.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    return str(need("onnxruntime", extra="fast", why=_WHY).__version__)


def write_onnx(network: nn.Module, path: Path) -> None:
    """Write the fused network as ONNX, for any number and size of pictures ``(N, 3, H, W)``, input ``image``.

    Raises:
        MissingExtraError: a package for exporting is not installed.
        RuntimeError: torch cannot export this network.
    """
    need("onnxscript", extra="fast", why="to write ONNX")
    need("onnx", extra="fast", why="to write ONNX")
    side = max(24, getattr(getattr(network, "traits", None), "minimum", 1))
    sample = torch.rand(2, 3, side, side + 2)
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    quiet = io.StringIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                fuse(network).float().cpu(),
                (sample,),
                dynamo=True,
                input_names=["image"],
                output_names=["result"],
                dynamic_shapes=(sizes,),
                verbose=False,
            )
        except Exception as error:  # the exporter's errors share no base class that torch publishes
            raise RuntimeError(f"torch cannot export it: {str(error).strip().splitlines()[0][:200]}") from error
    assert program is not None
    program.save(str(path))


class OnnxNetwork:
    """A network run by ONNX Runtime on the CPU; any size of tile.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        SettingError: another precision than float32 is asked for; its CPU kernels have none that is faster.
        RuntimeError: torch cannot export this network.
    """

    engine = "onnxruntime"
    opaque = True

    def __init__(self, network: nn.Module, *, precision: str = "float32") -> None:
        if precision != "float32":
            raise SettingError(f"engine onnxruntime computes float32 only, not {precision}. Use --precision float32.")
        self.precision = precision
        self.device = torch.device("cpu")
        self.note = ""
        runtime = need("onnxruntime", extra="fast", why=_WHY)
        folder = engine_folder() / f"{fingerprint(network)}-onnxruntime-{version()}"
        session = self._cached(runtime, folder)
        if session is None:
            with tempfile.TemporaryDirectory() as made:
                write_onnx(network, Path(made) / _GRAPH)
                session = _session(runtime, Path(made) / _GRAPH)
                store(Path(made), folder)
        self._session = session
        self._input = session.get_inputs()[0].name

    def _cached(self, runtime: Any, folder: Path) -> Any:
        if not folder.is_dir():
            return None
        try:
            return _session(runtime, folder / _GRAPH)
        except Exception:  # ONNX Runtime's errors share no base class but this one
            self.note = "a damaged graph in the cache was made again"
            remove(folder)
            return None

    def __call__(self, tiles: Tensor) -> Tensor:
        (answer,) = self._session.run(None, {self._input: np.ascontiguousarray(tiles.numpy())})
        return torch.from_numpy(answer)


def _session(runtime: Any, path: Path) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # the arena keeps the largest tile's memory for ever
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
