"""Engines: what turns a network into something that computes tiles.

A prepared network is a callable on a batch of tiles, plus what it says about itself (``Prepared``).
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Engine", "Precision", "Prepared"]

Engine = Literal["auto", "torch", "compile", "openvino", "onnxruntime"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class Prepared(Protocol):
    """A network made ready for one engine, device and precision.

    Called with float32 tiles ``(N, 3, h, w)`` in [0, 1] on ``device``; gives float32 ``(N, c, scale h, scale w)``.
    ``opaque``: it computes without torch operations, so that its memory cannot be counted by them.
    ``note`` tells anything the user should hear (a graph that was rebuilt, a fallback).
    """

    engine: str
    precision: str
    device: torch.device
    note: str
    opaque: bool

    def __call__(self, tiles: Tensor) -> Tensor: ...
