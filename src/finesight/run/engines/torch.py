"""The engine that is always there: eager torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.run.fuse import fuse
from finesight.run.precision import DTYPES, lower

__all__ = ["TorchNetwork"]


class TorchNetwork:
    """A fused copy of ``network`` on ``device``; ``network`` stays as it is.

    Args:
        network: float32, with traits.
        device: where it computes.
        precision: ``float32``, or the lower one of its inner layers (see ``finesight.run.precision.lower``).
        channels_last: the layout of features in memory; which one is faster depends on device and network.
    """

    engine = "torch"
    opaque = False

    def __init__(
        self, network: nn.Module, device: torch.device, *, precision: str = "float32", channels_last: bool = False
    ) -> None:
        self.precision = precision
        self.device = device
        self.note = ""
        self.channels_last = channels_last
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        with torch.inference_mode(False):
            prepared = fuse(network).float().to(device)
            if precision != "float32":
                minimum = getattr(getattr(network, "traits", None), "minimum", 1)
                inner = getattr(prepared, "inner", None)  # see ``finesight.run.reference.Bound``
                prepared = lower(prepared, DTYPES[precision], side=max(24, minimum), part=inner)
            self.network: nn.Module = prepared.to(memory_format=self._format)  # type: ignore[call-overload]

    def __call__(self, tiles: Tensor) -> Tensor:
        with torch.inference_mode():
            answer: Tensor = self.network(tiles.contiguous(memory_format=self._format))
        return answer.float()
