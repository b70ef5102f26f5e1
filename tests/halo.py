"""The halo of a network, measured: how far an output pixel really looks."""

from __future__ import annotations

import torch
from torch import nn

from finesight.nn.traits import Traits

__all__ = ["measured_halo", "reach"]


def reach(network: nn.Module, size: int, row: int, column: int, *, seed: int = 0) -> tuple[int, int, int, int]:
    """How many input pixels above, below, left and right of its own input pixel one output pixel looks at.

    By gradient: of a random weighting of the output pixel's channels by a random picture of ``size`` pixels a side, in
    float64, so that small weights do not vanish. (row, column) are output coordinates.
    """
    traits: Traits = network.traits  # type: ignore[assignment]
    scale = traits.scale or 1
    generator = torch.Generator().manual_seed(seed)
    doubled = network.double()
    image = torch.rand(1, traits.inputs[0].channels, size, size, generator=generator, dtype=torch.float64)
    image.requires_grad_()
    output = doubled(image)
    weight = torch.randn(output.shape[1], generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((output[0, :, row, column] * weight).sum(), image)
    network.float()
    seen = gradient[0].abs().sum(0) != 0
    rows, columns = seen.any(1).nonzero()[:, 0].tolist(), seen.any(0).nonzero()[:, 0].tolist()
    if not rows:
        return 0, 0, 0, 0
    y, x = row // scale, column // scale
    return y - rows[0], rows[-1] - y, x - columns[0], columns[-1] - x


def measured_halo(network: nn.Module, *, size: int | None = None) -> int:
    """The largest reach over every phase of the network's ``multiple`` and ``scale``, in input pixels.

    The picture is large enough that a halo one too small in the traits would show: ``2 * (halo + multiple) + 4`` pixels
    a side around the pixels asked.
    """
    traits: Traits = network.traits  # type: ignore[assignment]
    assert traits.halo is not None, "an unbounded halo cannot be measured"
    scale, multiple = traits.scale or 1, traits.multiple
    size = size or 2 * (traits.halo + multiple) + 4
    size = -(-size // multiple) * multiple
    first = size // 2 // multiple * multiple
    found = 0
    for phase in range(multiple * scale):
        # Rows and columns in opposite order: every phase of each axis is seen, without all pairs.
        row, column = first * scale + phase, first * scale + multiple * scale - 1 - phase
        found = max(found, *reach(network, size, row, column))
    return found
