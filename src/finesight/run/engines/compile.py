"""``torch.compile``: kernels written for this network, on GPUs and on CPUs with a C++ compiler.

Compiling takes from seconds to minutes once; torch keeps the kernels in ``$TORCHINDUCTOR_CACHE_DIR``.
"""

from __future__ import annotations

import shutil

import torch
from torch import Tensor, nn

from finesight.run.engines.torch import TorchNetwork

__all__ = ["CompiledNetwork"]


class CompiledNetwork(TorchNetwork):
    """As ``TorchNetwork``, compiled for any size of tile at its first call.

    Raises:
        RuntimeError: there is no C++ compiler, which kernels for the CPU need.
    """

    engine = "compile"
    opaque = True

    def __init__(self, network: nn.Module, device: torch.device, *, precision: str = "float32") -> None:
        if device.type == "cpu" and not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
            raise RuntimeError("torch.compile needs a C++ compiler for the CPU, and none is installed")
        super().__init__(network, device, precision=precision, channels_last=True)
        self._compiled = torch.compile(self.network, dynamic=True)

    def __call__(self, tiles: Tensor) -> Tensor:
        with torch.inference_mode():
            answer: Tensor = self._compiled(tiles.contiguous(memory_format=self._format))
        return answer.float()
