"""The engine that is always there: eager torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.run.fuse import fuse

__all__ = ["TorchNetwork"]


class TorchNetwork:
    """A fused copy of ``network`` on ``device`` in float32; ``network`` stays as it is."""

    engine = "torch"
    opaque = False

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.precision = "float32"
        self.device = device
        self.note = ""
        self.network = fuse(network).float().to(device)

    def __call__(self, tiles: Tensor) -> Tensor:
        with torch.inference_mode():
            answer: Tensor = self.network(tiles)
        return answer
