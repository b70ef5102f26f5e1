"""Collapsible super-resolution network: trained with linear branches, run as a plain stack of 3x3 convolutions.

Our own small network for CPUs, after "Collapsible Linear Blocks for Super-Efficient Super Resolution" (Bhardwaj et al.,
MLSys 2022): every 3x3 convolution is trained as the sum of a 3x3 kernel, a wide 3x3 followed by a 1x1, and the
identity, which are merged *in weight space* before the convolution, so that training costs hardly more than the plain
stack. Instead of a nearest-neighbour skip the picture is enlarged by a learned linear filter that starts as bicubic:
an untrained network is bicubic interpolation, and the rest of the network only learns what bicubic misses.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.traits import Traits

__all__ = ["Collapsible", "CollapsibleConv"]


class CollapsibleConv(nn.Module):
    """A 3x3 convolution whose kernel is the sum of linear branches.

    Args:
        inputs, outputs: channels.
        expansion: channels of the wide 3x3 kernel that a 1x1 kernel brings back to ``outputs``; 0: no such branch.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int) -> None:
        super().__init__()
        plain = nn.Conv2d(inputs, outputs, 3)
        assert plain.bias is not None
        self.weight = nn.Parameter(plain.weight.detach() * (0.5 if expansion else 1.0))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.identity = inputs == outputs
        if expansion:
            self.expand = nn.Parameter(nn.Conv2d(inputs, expansion, 3).weight.detach())
            self.project = nn.Parameter(nn.Conv2d(expansion, outputs, 1).weight.detach())
        else:
            self.register_parameter("expand", None)
            self.register_parameter("project", None)

    def kernel(self) -> Tensor:
        """The merged kernel, ``(outputs, inputs, 3, 3)``."""
        kernel: Tensor = self.weight
        if self.expand is not None:
            kernel = kernel + torch.einsum("om,mihw->oihw", self.project[:, :, 0, 0], self.expand)
        if self.identity:
            one = torch.eye(kernel.shape[0], dtype=kernel.dtype, device=kernel.device)
            kernel = kernel + F.pad(one[:, :, None, None], (1, 1, 1, 1))
        return kernel

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``, zero padding."""
        return F.conv2d(features, self.kernel(), self.bias, padding=1)

    def collapsed(self) -> CollapsibleConv:
        """The same convolution without its wide branch: smaller, and still trainable."""
        kernel = self.kernel().detach()
        plain = CollapsibleConv(kernel.shape[1], kernel.shape[0], expansion=0)
        with torch.no_grad():
            plain.bias.copy_(self.bias)
            plain.weight.zero_()
            plain.weight.copy_(kernel - plain.kernel())
        return plain

    def fused(self) -> nn.Conv2d:
        """The same convolution as one plain layer."""
        kernel = self.kernel().detach()
        plain = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
        with torch.no_grad():
            plain.weight.copy_(kernel)
            plain.bias.copy_(self.bias)  # type: ignore[union-attr]  # made with a bias two lines above
        return plain.to(kernel.device, kernel.dtype)


def bicubic_phases(scale: int) -> Tensor:
    """Bicubic (a = -0.5) enlargement as one kernel per output phase, ``(scale * scale, 1, 5, 5)``; each sums to 1."""
    rows = torch.zeros(scale, 5, dtype=torch.float64)
    for phase in range(scale):
        centre = (phase + 0.5) / scale - 0.5  # of the output pixel, in input pixels from the tap in the middle
        distance = (torch.arange(-2, 3, dtype=torch.float64) - centre).abs()
        inner = 1.5 * distance**3 - 2.5 * distance**2 + 1
        outer = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        rows[phase] = torch.where(distance <= 1, inner, torch.where(distance < 2, outer, torch.zeros_like(distance)))
    kernels = rows[:, None, :, None] * rows[None, :, None, :]  # row phase, column phase, row tap, column tap
    return kernels.reshape(scale * scale, 1, 5, 5).float()


class Collapsible(nn.Module):
    """Plain 3x3 convolutions and PReLU at input resolution, pixel shuffle, plus a learned linear enlargement.

    Args:
        width: channels of every hidden layer.
        depth: hidden layers after the first.
        expansion: width of the linear branches while training (no cost once fused).
        scale: enlargement.

    ``forward`` takes float32 RGB in [0, 1], ``(N, 3, H, W)`` of any size; ``(N, 3, scale H, scale W)``, not clamped.
    """

    def __init__(self, *, width: int = 64, depth: int = 10, expansion: int = 128, scale: Literal[2, 3, 4] = 4) -> None:
        super().__init__()
        self.scale: Literal[2, 3, 4] = scale
        self.head = CollapsibleConv(3, width, expansion=0)
        self.body = nn.ModuleList(CollapsibleConv(width, width, expansion=expansion) for _ in range(depth))
        self.activations = nn.ModuleList(nn.PReLU(width, init=0.2) for _ in range(depth + 1))
        self.tail = CollapsibleConv(width, 3 * scale * scale, expansion=0)
        nn.init.zeros_(self.tail.weight)
        self.enlarge = nn.Conv2d(3, 3 * scale * scale, 5, groups=3, bias=False)
        with torch.no_grad():
            self.enlarge.weight.copy_(bicubic_phases(scale).repeat(3, 1, 1, 1))
        self.traits = Traits(task="super-resolution", scale=scale, halo=depth + 2)

    def collapsed(self) -> Collapsible:
        """The same network without its wide branches (``expansion=0``): a third of the tensors, and still trainable."""
        width, depth = self.head.bias.numel(), len(self.body)
        plain = Collapsible(width=width, depth=depth, expansion=0, scale=self.scale)
        plain.load_state_dict(self.state_dict(), strict=False)
        plain.body = nn.ModuleList(block.collapsed() for block in self.body)  # type: ignore[operator]
        return plain.train(self.training)

    def forward(self, image: Tensor) -> Tensor:
        features = self.activations[0](self.head(image))
        for convolution, activation in zip(self.body, self.activations[1:], strict=True):
            features = activation(convolution(features))
        linear = self.enlarge(F.pad(image, (2, 2, 2, 2), mode="replicate"))
        return F.pixel_shuffle(self.tail(features) + linear, self.scale)
