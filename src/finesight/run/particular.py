"""How networks are made ready that are not simply computed on tiles, and what becomes of alpha with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from finesight.run.budget import bytes_per_pixel
from finesight.run.canvas import ResizeSink
from finesight.run.compute import Computer
from finesight.run.engines.torch import TorchNetwork
from finesight.run.faces import fixed
from finesight.run.pixels import to_tensor
from finesight.run.query import Queries
from finesight.run.reference import Bound
from finesight.zoo.model import Model

__all__ = ["enlarge_alpha", "particular", "sees_colours_only"]


def particular(model: Model, device: torch.device) -> tuple[Computer, float] | None:
    """The network made ready in plain float32 torch, and its bytes for each pixel; ``None`` for ordinary networks.

    Networks of any scale answer queries; those of a fixed size are computed once for each picture, so that finding the
    fastest way would take longer than computing; graphs of those with a reference would depend on both sizes.
    """
    if model.traits.kind == "query":
        queries = Queries(model.network, model.traits, device)
        return queries, queries.bytes_per_pixel()
    if fixed(model.traits) or isinstance(model.network, Bound):
        prepared = TorchNetwork(model.network, device)
        side = {"side": model.traits.minimum} if fixed(model.traits) else {}
        return Computer(prepared, model.traits), bytes_per_pixel(prepared, **side)
    return None


def sees_colours_only(models: Sequence[Model]) -> bool:
    """Whether alpha must not go through these networks: they know faces, or paste from the colours of a reference."""
    return any(fixed(model.traits) or isinstance(model.network, Bound) for model in models)


def enlarge_alpha(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Alpha (H, W) resampled to ``size`` (height, width) by a bicubic, in its own depth, within its own values."""
    out = np.empty((*size, 1), alpha.dtype)
    sink = ResizeSink(out, (alpha.shape[0], alpha.shape[1]))
    sink.put(0, 0, to_tensor(alpha[:, :, None], torch.device("cpu")))
    return np.clip(out[:, :, 0], alpha.min(), alpha.max())
