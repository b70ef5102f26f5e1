"""What a network says about itself, so that ``finesight.run`` can feed it pictures of any size.

A network is a plain ``nn.Module`` whose *instance* carries ``traits``: they depend on its constructor arguments
(scale, depth), so they are made in ``__init__``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Kind", "Network", "Port", "Space", "Task", "Traits"]

Task = Literal[
    "super-resolution",
    "restoration",
    "inpainting",
    "matting",
    "interpolation",
    "generation",
    "flow",
    "features",
    "discrimination",
    "quality",
]
Kind = Literal["image", "query", "window", "recurrent", "sampler", "score"]
Space = Literal["grid", "whole", "vector"]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a network.

    Args:
        name: what it is: ``image``, ``mask``, ``trimap``, ``reference``, ``kernel`` ...
        space: ``grid`` is cropped together with a tile, at ``ratio``; ``whole`` (a reference picture) and ``vector``
            (a kernel code, a style) are passed to every tile unchanged.
        ratio: size of this port over the size of the first input (an output of x4 super-resolution has 4).
        channels: channel count of a picture, length of a vector.
    """

    name: str
    space: Space = "grid"
    ratio: Fraction = Fraction(1)
    channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", Fraction(self.ratio))
        if self.ratio <= 0 or self.channels < 1:
            raise ValueError(
                f"port {self.name}: expected a positive ratio and channels, got {self.ratio}, {self.channels}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What ``run`` needs to know of one network instance. All sizes are pixels of the first input.

    Args:
        task: what the network is for.
        kind: how it is called (see DESIGN, "What a network is to the rest"): ``image`` is ``forward(*inputs)``.
        scale: output size over input size; ``None`` for a network of any scale (kind ``query``).
        halo: how far an output pixel looks, exact; ``None`` when unbounded, with the reason in ``halo_reason``.
        halo_reason: why the halo is unbounded (attention over the picture, a global pooling ...).
        multiple: tiles begin at multiples of this (phase of strides and of pixel-unshuffling). The network itself
            pads any picture to what it needs.
        minimum: smallest side that the network accepts.
        maximum: largest side that it accepts, ``None`` for any; equal to ``minimum`` in a network of one fixed size.
        frames: how many frames one call takes (kind ``window``), otherwise 1.
        inputs, outputs: the ports, in the order of ``forward``'s arguments and results.
    """

    task: Task
    kind: Kind = "image"
    scale: int | None = 1
    halo: int | None
    halo_reason: str = ""
    multiple: int = 1
    minimum: int = 1
    maximum: int | None = None
    frames: int = 1
    inputs: tuple[Port, ...] = (Port("image"),)
    outputs: tuple[Port, ...] = ()

    def __post_init__(self) -> None:
        if self.halo is None and not self.halo_reason:
            raise ValueError("a network of unbounded halo must say why in halo_reason")
        if not self.outputs:
            object.__setattr__(self, "outputs", (Port("image", ratio=Fraction(self.scale or 1)),))


@runtime_checkable
class Network(Protocol):
    """An ``nn.Module`` that carries traits. Its pictures are float32 RGB in [0, 1], ``N C H W``."""

    traits: Traits

    def __call__(self, *inputs: Tensor) -> Tensor: ...
