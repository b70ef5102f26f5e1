"""How steady a clip is: tOF and tLPIPS as TecoGAN defines them (Chu et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.metrics.farneback import farneback_flow, grey_8bit

__all__ = ["centre_window", "tlpips", "tof"]

SKIPPED = 2  # frames at each end of a clip that the published evaluation leaves out


def centre_window(length: int, *, margin: int) -> slice:
    """The largest multiple of 32 that leaves ``margin`` pixels in total, in the middle."""
    size = (length - margin) // 32 * 32
    if size < 32:
        raise InputError(f"temporal metrics need frames of at least {32 + margin} pixels a side, got {length}")
    start = (length - size) // 2
    return slice(start, start + size)


def _checked(restored: Tensor, truth: Tensor) -> None:
    if restored.ndim != 4 or restored.shape != truth.shape or restored.shape[1] != 3:
        raise SettingError(
            f"temporal metrics compare RGB clips (T, 3, H, W) of one size, got {tuple(restored.shape)} and "
            f"{tuple(truth.shape)}"
        )
    if len(restored) < 2:
        raise InputError(f"temporal metrics need at least 2 frames, got {len(restored)}")


def tof(restored: Tensor, truth: Tensor, *, chunk: int = 4) -> Tensor:
    """Difference of the motion of two clips: mean length of the difference of their flows, for each pair of frames.

    Flow is that of whole frames; then the centre is kept (multiples of 32 that leave at least 16 pixels).

    Args:
        restored, truth: (T, 3, H, W) in [0, 1] of 8-bit levels.
        chunk: pairs of frames worked on at a time.

    Returns:
        (T - 1,) float64 in pixels; lower is better. The published evaluation leaves out two frames at each end
        (``SKIPPED``) before it averages.
    """
    _checked(restored, truth)
    window = (..., centre_window(truth.shape[-2], margin=16), centre_window(truth.shape[-1], margin=16))
    grey = [grey_8bit(clip) for clip in (restored, truth)]
    values = []
    for start in range(0, len(restored) - 1, chunk):
        stop = min(start + chunk, len(restored) - 1)
        flows = [farneback_flow(clip[start:stop], clip[start + 1 : stop + 1]) for clip in grey]
        difference = (flows[0] - flows[1])[window]
        values.append(difference.square().sum(1).sqrt().mean(dim=(1, 2)))
    return torch.cat(values)


def tlpips(restored: Tensor, truth: Tensor, network: nn.Module, *, chunk: int = 4) -> Tensor:
    """Difference of how much two clips change: 100 |LPIPS(truth pair) - LPIPS(restored pair)| for each pair of frames.

    Args:
        restored, truth: (T, 3, H, W) in [0, 1].
        network: a loaded LPIPS (AlexNet in the papers).
        chunk: pairs of frames worked on at a time.

    Returns:
        (T - 1,); lower is better.
    """
    _checked(restored, truth)
    window = (..., centre_window(truth.shape[-2], margin=16), centre_window(truth.shape[-1], margin=16))
    values = []
    for start in range(0, len(restored) - 1, chunk):
        stop = min(start + chunk, len(restored) - 1)
        changes = [network(clip[start:stop], clip[start + 1 : stop + 1]) for clip in (restored[window], truth[window])]
        values.append((changes[1] - changes[0]).abs() * 100)
    return torch.cat(values)
