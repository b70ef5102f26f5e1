"""Convolutions with a chosen border and activation, plain and gated (Yu et al., ICCV 2019, arXiv 1806.03589)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ActivatedConv2d", "Activation", "Border", "GatedConv2d"]

Activation = Callable[[Tensor], Tensor]
Border = Literal["zeros", "reflect", "replicate", "circular"]


class ActivatedConv2d(nn.Module):
    """Convolution (name ``conv``), then an activation where one is given.

    Args:
        inputs, outputs: channels.
        kernel, stride, dilation: as in ``nn.Conv2d``.
        padding: on each side; ``None`` keeps the size at stride 1.
        border: what the padding is filled with.
        bias: whether there is one.
        activation: a function such as ``F.elu``, or ``None``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: int | None = None,
        border: Border = "reflect",
        bias: bool = True,
        activation: Activation | None = F.elu,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            dilation * (kernel - 1) // 2 if padding is None else padding,
            dilation,
            bias=bias,
            padding_mode=border,
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        answer: Tensor = self.conv(features)
        return answer if self.activation is None else self.activation(answer)


class GatedConv2d(nn.Module):
    """``activation(a) * gate(b)``, with ``a`` and ``b`` the two halves of one convolution (name ``conv.conv``; eq. 3).

    Args:
        inputs, outputs: channels; the convolution itself has twice as many outputs.
        kernel, stride, dilation, padding, border, bias: as in ``ActivatedConv2d``.
        activation: of the first half; ``None`` leaves it linear.
        gate: of the second half.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: int | None = None,
        border: Border = "reflect",
        bias: bool = True,
        activation: Activation | None = F.elu,
        gate: Activation = torch.sigmoid,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.gate = gate
        self.conv = ActivatedConv2d(
            inputs,
            2 * outputs,
            kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
            border=border,
            bias=bias,
            activation=None,
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        kept, opening = self.conv(features).chunk(2, dim=1)
        if self.activation is not None:
            kept = self.activation(kept)
        answer: Tensor = kept * self.gate(opening)
        return answer
