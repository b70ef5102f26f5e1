"""The residual block without normalisation and the initial weights that go with it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ResidualBlock", "kaiming_"]


def kaiming_(module: nn.Module, factor: float = 1.0) -> None:
    """Fill every convolution and linear layer of ``module``: normal, std ``factor * sqrt(2 / fan_in)``, zero bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            layer.weight.data.mul_(factor)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ResidualBlock(nn.Module):
    """``x + scale * conv3(ReLU(conv3(x)))`` (EDSR, Lim et al. 2017, figure 2c).

    Args:
        width: channels in and out.
        scale: weight of the branch.
    """

    def __init__(self, width: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        branch: Tensor = self.conv2(F.relu_(self.conv1(features)))
        if self.scale != 1:
            branch = branch.mul_(self.scale)
        return branch.add_(features)
