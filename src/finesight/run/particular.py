"""How networks are made ready that are not simply computed on tiles, and what becomes of alpha with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from finesight.errors import MemoryLimitError, SettingError
from finesight.nn.traits import Traits
from finesight.run.budget import Budget, bytes_per_pixel
from finesight.run.canvas import ResizeSink
from finesight.run.compute import Computer
from finesight.run.engines.torch import TorchNetwork
from finesight.run.faces import fixed
from finesight.run.memory import format_bytes
from finesight.run.pixels import to_tensor
from finesight.run.query import Queries
from finesight.run.reference import Bound
from finesight.zoo.model import Model

__all__ = ["check_whole", "enlarge_alpha", "particular", "sees_colours_only"]


def particular(
    model: Model, device: torch.device, *, precision: str = "auto", engine: str = "auto"
) -> tuple[Computer, float, str, tuple[str, ...]] | None:
    """The network made ready in plain float32 torch; ``None`` for ordinary networks.

    Networks of any scale answer queries; those of a fixed size are computed once for each picture, so that finding the
    fastest way would take longer than computing; graphs of those with a reference would depend on both sizes.

    Returns:
        What computes, its bytes for each pixel of a tile, why it computes in this way, and what the user should hear.
    """
    why = "float32 in torch is the only way of this network"
    asked = [name for name, plain in ((precision, "float32"), (engine, "torch")) if name not in ("auto", plain)]
    notes = (f"{model.card.name} computes in float32 with torch, not with {' and '.join(asked)}",) if asked else ()
    if model.traits.kind == "query":
        queries = Queries(model.network, model.traits, device)
        return queries, queries.bytes_per_pixel(), why, notes
    if fixed(model.traits) or isinstance(model.network, Bound):
        prepared = TorchNetwork(model.network, device)
        side = {"side": model.traits.minimum} if fixed(model.traits) else {}
        return Computer(prepared, model.traits), bytes_per_pixel(prepared, **side), why, notes
    return None


def check_whole(traits: Traits, budget: Budget, *, wrap: bool) -> None:
    """Whether a network of one size gets its picture whole.

    Raises:
        SettingError: a frame around it is asked for.
        MemoryLimitError: it would have to be cut into tiles.
    """
    if not fixed(traits):
        return
    if wrap:
        raise SettingError(
            f"wrap: this network takes pictures of exactly {traits.minimum} pixels a side, without frame."
        )
    area = traits.minimum**2
    if area > budget.most_pixels:
        wanted = budget.limit + 2 * (int(area * budget.per_pixel) - budget.tiles)  # tiles get half of what is free
        raise MemoryLimitError(
            f"memory: {format_bytes(budget.limit)} is too little for this network, which takes pictures as a whole. "
            f"Allow at least {format_bytes(wanted * 1.02)}."
        )


def sees_colours_only(models: Sequence[Model]) -> bool:
    """Whether alpha must not go through these networks: they know faces, or paste from the colours of a reference."""
    return any(fixed(model.traits) or isinstance(model.network, Bound) for model in models)


def enlarge_alpha(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Alpha (H, W) resampled to ``size`` (height, width) by a bicubic, in its own depth, within its own values."""
    out = np.empty((*size, 1), alpha.dtype)
    sink = ResizeSink(out, (alpha.shape[0], alpha.shape[1]))
    sink.put(0, 0, to_tensor(alpha[:, :, None], torch.device("cpu")))
    return np.clip(out[:, :, 0], alpha.min(), alpha.max())
