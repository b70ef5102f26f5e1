"""A network for clips made ready: fused, on its device, in the precision that is fast there and does no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.video.basicvsr_plusplus import SecondOrderAlignment
from finesight.models.video.spynet import FlowConvolution
from finesight.nn.deformable import DeformablePack, ModulatedDeformablePack
from finesight.run.engines import Precision
from finesight.run.fuse import fuse
from finesight.run.memory import measure_peak
from finesight.run.overlap import detail
from finesight.run.pixels import Pixels, View, to_tensor
from finesight.run.precision import DTYPES, LARGEST_ERROR, native, root_mean_square
from finesight.run.tiles import plan_tiles
from finesight.zoo.model import Model

__all__ = ["ReadyClip", "bytes_for_pixel", "detailed_clip", "lower_clip", "make_ready"]

_SAMPLE = 48
_DEFORMABLE = (DeformablePack, ModulatedDeformablePack, SecondOrderAlignment)
_KERNELS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, slots=True)
class ReadyClip:
    """A network on a device, its precision, and why it has it."""

    network: Any  # nn.Module with the methods of its kind
    device: torch.device
    precision: str
    why: str


class _Cast:
    """Before a layer: its floating point inputs in its own precision; after it: what it gives in another."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def before(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(v.to(self.dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for v in inputs)

    def after(self, _: nn.Module, __: tuple[Any, ...], output: Tensor) -> Tensor:
        return output.to(self.dtype)


def lower_clip(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Bring the convolutions of a network for clips to ``dtype``, in place; it still takes and gives float32.

    What sees a frame itself, gives one, or begins or ends a level of a flow network stays float32; so do positions
    (flows, offsets of deformable convolutions) and their sampling. A first layer hands its features on in ``dtype``,
    so that the residual blocks behind it are not float32 throughout.
    """
    for module in network.modules():
        if isinstance(module, _DEFORMABLE):  # its samples are joined in the type of its weight
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = nn.Parameter(parameter.detach().to(dtype), requires_grad=False)
        flow = isinstance(module, FlowConvolution)
        for child in module.children():
            if isinstance(child, nn.PReLU):
                child.to(dtype)
                child.register_forward_pre_hook(_Cast(dtype).before)
            if not isinstance(child, _KERNELS):
                continue
            sees = child.in_channels <= 3
            gives = child.out_channels <= 3 or (sees and child.groups > 1)  # colour by colour: a base picture
            if flow:
                sees, gives = child.in_channels == 8, bool(module.last)
            if gives or sees:
                child.register_forward_pre_hook(_Cast(torch.float32).before)
                if sees and not gives:
                    child.register_forward_hook(_Cast(dtype).after)
            else:
                child.to(dtype)
                child.register_forward_pre_hook(_Cast(dtype).before)
    return network


def _formed(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    with torch.inference_mode(False):
        ready = fuse(network).float().to(device)
        if precision != "float32":
            ready = lower_clip(ready, DTYPES[precision])
            for module in ready.modules():
                if isinstance(module, nn.Conv2d):
                    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def make_ready(model: Model, device: torch.device, frames: Sequence[Pixels], precision: Precision) -> ReadyClip:
    """The network of ``model`` for a clip that begins with ``frames``.

    By itself a lower precision is taken where the device computes it faster and the answer for the most detailed part
    of ``frames`` stays within half a grey level (RMS) of float32.

    Raises:
        SettingError: an unknown precision.
    """
    if precision not in ("auto", *DTYPES):
        raise SettingError(f"precision: expected auto, {', '.join(DTYPES)}, got '{precision}'.")
    if precision != "auto":
        return ReadyClip(_formed(model.network, device, precision), device, precision, "asked for")
    plain = _formed(model.network, device, "float32")
    lower = native(device)
    if frames[0].dtype != np.uint8:
        return ReadyClip(plain, device, "float32", "16 bits and floats need float32")
    if not lower:
        return ReadyClip(plain, device, "float32", f"{device.type} computes nothing faster than float32")
    clip = detailed_clip(frames, device, _SAMPLE)
    low = _formed(model.network, device, lower[0])
    with torch.inference_mode():
        off = root_mean_square(low(clip), plain(clip))
    if off <= LARGEST_ERROR:
        return ReadyClip(low, device, lower[0], f"{lower[0]} differs by {off:.2f} grey levels")
    why = f"{lower[0]} would differ by {off:.2f} grey levels here; {LARGEST_ERROR} are allowed"
    return ReadyClip(plain, device, "float32", why)


def detailed_clip(frames: Sequence[Pixels], device: torch.device, side: int) -> Tensor:
    """The most detailed part of the first frame, at most ``side`` pixels a side, in all frames: ``1 T 3 h w``."""
    view = View(frames[0])
    height, width = min(side, view.height), min(side, view.width)
    grid = plan_tiles(view.height, view.width, height * width, 0)
    assert grid is not None
    row, column = detail(view, grid)
    top = max(0, min(row - height // 2, view.height - height))
    left = max(0, min(column - width // 2, view.width - width))
    parts = [to_tensor(frame[top : top + height, left : left + width], device) for frame in frames]
    return torch.stack(parts)[None]


def bytes_for_pixel(ready: ReadyClip, frames: int, *, side: int = 64) -> float:
    """Measured peak bytes for each pixel of a frame, when a clip of ``frames`` frames goes through at once."""
    generator = torch.Generator().manual_seed(0)
    clip = torch.rand(1, frames, 3, side, side, generator=generator).to(ready.device)

    def work() -> None:
        with torch.inference_mode():
            ready.network(clip)

    return measure_peak(work, ready.device) / side**2
