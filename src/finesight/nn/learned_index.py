"""Learned indices: how much each pixel of a 2x2 cell counts when pooling, and when undoing it (IndexNet, ICCV 2019)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError

__all__ = ["IndexBlock", "IndexKind"]

IndexKind = Literal["o2o", "m2o", "holistic"]


def _branch(inputs: int, middle: int, outputs: int, *, context: bool, nonlinear: bool, groups: int) -> nn.Sequential:
    kernel, padding = (4, 1) if context else (2, 0)
    if not nonlinear:
        plain = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=padding, groups=groups, bias=False)
        return nn.Sequential(nn.Sequential(OrderedDict(conv=plain)))
    first = nn.Conv2d(inputs, middle, kernel, stride=2, padding=padding, groups=groups, bias=False)
    last = nn.Conv2d(middle, outputs, 1, groups=groups, bias=False)
    return nn.Sequential(
        nn.Sequential(OrderedDict(conv=first, bn=nn.BatchNorm2d(middle), activate=nn.ReLU6())),
        nn.Sequential(OrderedDict(conv=last)),
    )


class IndexBlock(nn.Module):
    """The indices of one level.

    Args:
        channels: of the features.
        kind: ``m2o``, an index for each channel from all of them; ``o2o``, from that channel alone; ``holistic``, one
            index for all channels.
        context: look at 4x4 pixels, not at the cell's 2x2.
        nonlinear: two convolutions with batch norm and ReLU6 between them, not one.
    """

    def __init__(self, channels: int, *, kind: IndexKind = "m2o", context: bool = True, nonlinear: bool = True) -> None:
        super().__init__()
        if kind not in ("o2o", "m2o", "holistic"):
            raise SettingError(f"indices are o2o, m2o or holistic, got '{kind}'.")
        self.index_block: nn.Module | None = None
        self.index_blocks: nn.ModuleList | None = None
        if kind == "holistic":
            self.index_block = _branch(channels, 2 * channels, 4, context=context, nonlinear=nonlinear, groups=1)
        else:
            groups = channels if kind == "o2o" else 1
            self.index_blocks = nn.ModuleList(
                _branch(channels, channels, channels, context=context, nonlinear=nonlinear, groups=groups)
                for _ in range(4)
            )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, C, H, W)``, sides even, to the encoder's index (each cell's sum is 1) and the decoder's (in [0, 1]),
        both ``(N, C, H, W)``, or ``(N, 1, H, W)`` where holistic."""
        if self.index_block is not None:
            cells = self.index_block(features)[:, None]  # n 1 4 h/2 w/2
        else:
            assert self.index_blocks is not None
            cells = torch.stack([branch(features) for branch in self.index_blocks], dim=2)  # n c 4 h/2 w/2
        gates = cells.sigmoid()
        shares = gates.softmax(dim=2)
        return F.pixel_shuffle(shares.flatten(1, 2), 2), F.pixel_shuffle(gates.flatten(1, 2), 2)
