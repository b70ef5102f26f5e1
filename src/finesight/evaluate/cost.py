"""What a network costs: parameters, and multiply-adds for a megapixel of its output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from finesight.nn.traits import Port, Traits

__all__ = ["Cost", "network_cost"]

SIDE = 32  # of the input that is counted, where the network takes it
OUTPUT = 128  # of the output, of a network of any scale


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds for each megapixel of output, of convolutions and matrix products."""

    parameters: int
    multiply_adds: float


def network_cost(network: nn.Module, traits: Traits, *, scale: int = 1) -> Cost:
    """Count on a small input of zeros; products that are not convolutions or matrix products are left out."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    wanted = {"inpainting": 2 * SIDE}.get(traits.task, SIDE // 2 if traits.kind in ("window", "recurrent") else SIDE)
    wanted = max(8, OUTPUT // scale) if traits.kind == "query" else wanted
    side = max(wanted, traits.minimum)
    side = side if traits.maximum is None else min(side, traits.maximum)
    device = next(network.parameters()).device
    inputs = [_zeros(port, traits, side).to(device) for port in traits.inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if traits.kind == "query":
            height = side * scale
            answer = network(inputs[0], size=(height, height))
        else:
            answer = network(*inputs)
    picture = answer[0] if isinstance(answer, tuple) else answer
    frames = picture.shape[1] if picture.ndim == 5 else 1
    pixels = frames * picture.shape[-2] * picture.shape[-1]
    return Cost(parameters, counter.get_total_flops() / 2 / pixels * 1e6)


def _zeros(port: Port, traits: Traits, side: int) -> Tensor:
    if port.space == "vector":
        return torch.zeros(1, port.channels)
    edge = max(1, int(side * port.ratio)) if port.space == "grid" else side
    frames = {"window": (traits.frames,), "recurrent": (3,)}.get(traits.kind, ())
    zeros = torch.zeros(1, *frames, port.channels, edge, edge)
    if port.name in ("mask", "trimap"):
        zeros[..., : edge // 2, : edge // 2] = 1
    return zeros
