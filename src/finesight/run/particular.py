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
from finesight.run.precision import LARGEST_ERROR, native, root_mean_square
from finesight.run.query import Queries
from finesight.run.reference import Bound
from finesight.run.select import detailed_part
from finesight.zoo.model import Model

__all__ = ["check_whole", "enlarge_alpha", "particular", "sees_colours_only"]

_SAMPLE = 48  # pixels a side in which a lower precision is compared with float32
_SAMPLE_SCALE = 2


def particular(
    model: Model, device: torch.device, pixels: np.ndarray, *, precision: str = "auto", engine: str = "auto"
) -> tuple[Computer, float, str, tuple[str, ...]] | None:
    """The network made ready in torch; ``None`` for ordinary networks.

    Networks of any scale answer queries, by themselves in a lower precision under the same condition as others. Those
    of a fixed size are computed once for each picture, so that finding the fastest way would take longer than
    computing: these are computed in float32. Of those with a reference, graphs would depend on both sizes, and only the
    part that says so may compute in a lower precision.

    Returns:
        What computes, its bytes for each pixel of a tile, why it computes in this way, and what the user should hear.
    """
    query, bound = model.traits.kind == "query", isinstance(model.network, Bound)
    lowered = query or (isinstance(model.network, Bound) and model.network.inner is not None)
    plain = () if lowered else ((precision, "float32"),)
    asked = [name for name, only in (*plain, (engine, "torch")) if name not in ("auto", only)]
    way = "with torch" if lowered else "in float32 with torch"
    notes = (f"{model.card.name} computes {way}, not with {' and '.join(asked)}",) if asked else ()
    if query:
        queries, why = _queries(model, device, pixels, precision)
        return queries, queries.bytes_per_pixel(), why, notes
    if lowered:
        computer, why = _with_reference(model, device, pixels, precision)
        return computer, bytes_per_pixel(computer.prepared), why, notes
    if fixed(model.traits) or bound:
        prepared = TorchNetwork(model.network, device)
        side = {"side": model.traits.minimum} if fixed(model.traits) else {}
        why = "float32 in torch is the only way of this network"
        return Computer(prepared, model.traits), bytes_per_pixel(prepared, **side), why, notes
    return None


def _with_reference(model: Model, device: torch.device, pixels: np.ndarray, precision: str) -> tuple[Computer, str]:
    """A network with its reference, its inner part in a lower precision under the same condition as others."""
    network = model.network
    exact = TorchNetwork(network, device)
    if precision == "float32":
        return Computer(exact, model.traits), _why_exact(pixels)
    if precision != "auto":
        prepared = TorchNetwork(network, device, precision=precision, channels_last=True)
        return Computer(prepared, model.traits, lambda: exact), "asked for"
    lower = native(device)
    if not lower:
        return Computer(exact, model.traits), f"{device.type} computes nothing faster than float32"
    prepared = TorchNetwork(network, device, precision=lower[0], channels_last=True)
    part = detailed_part(network, pixels, device, _SAMPLE)
    off = root_mean_square(prepared(part), exact(part))
    if off > LARGEST_ERROR:
        return Computer(exact, model.traits), _too_far(lower[0], off)
    return Computer(prepared, model.traits, lambda: exact), f"{lower[0]} differs by {off:.2f} grey levels"


def _why_exact(pixels: np.ndarray) -> str:
    return "asked for" if pixels.dtype == np.uint8 else "16 bits and floats need float32"


def _too_far(precision: str, off: float) -> str:
    return f"{precision} would differ by {off:.2f} grey levels here; {LARGEST_ERROR} are allowed"


def _queries(model: Model, device: torch.device, pixels: np.ndarray, precision: str) -> tuple[Queries, str]:
    """A network of any scale; a lower precision of our own choice after a look at a small part of the picture."""
    exact = Queries(model.network, model.traits, device)
    if precision == "float32":
        return exact, _why_exact(pixels)
    if precision != "auto":
        return Queries(model.network, model.traits, device, precision=precision, exact=exact), "asked for"
    lower = native(device)
    if not lower:
        return exact, f"{device.type} computes nothing faster than float32"
    queries = Queries(model.network, model.traits, device, precision=lower[0], exact=exact)
    part = detailed_part(model.network, pixels, device, _SAMPLE)
    off = root_mean_square(queries.enlarged(part, _SAMPLE_SCALE), exact.enlarged(part, _SAMPLE_SCALE))
    if off > LARGEST_ERROR:
        return exact, _too_far(lower[0], off)
    return queries, f"{lower[0]} differs by {off:.2f} grey levels"


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
