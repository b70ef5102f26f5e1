"""Spectral normalisation of a transposed convolution (Miyato et al., ICLR 2018), step for step as published."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SpectralConvTranspose2d"]


class SpectralConvTranspose2d(nn.Module):
    """A transposed convolution whose kernel is divided by an estimate of its largest singular value; no bias.

    Like ``SpectralConv2d``, with the kernel seen as a matrix of ``outputs`` rows.

    Args:
        inputs, outputs: channels.
        kernel, stride, padding: as in ``nn.ConvTranspose2d``.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int, padding: int) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        plain = nn.ConvTranspose2d(inputs, outputs, kernel, bias=False)
        self.weight_orig = nn.Parameter(plain.weight.detach())
        self.weight_u: Tensor
        self.weight_v: Tensor
        self.register_buffer("weight_u", F.normalize(torch.randn(outputs), dim=0, eps=1e-12))
        self.register_buffer("weight_v", F.normalize(torch.randn(inputs * kernel * kernel), dim=0, eps=1e-12))

    def normalised(self) -> Tensor:
        """The kernel that the next call uses, ``(inputs, outputs, kernel, kernel)``; iterates while training."""
        matrix = self.weight_orig.transpose(0, 1).flatten(1)
        left, right = self.weight_u, self.weight_v
        if self.training:
            with torch.no_grad():
                right = F.normalize(matrix.t() @ left, dim=0, eps=1e-12)
                left = F.normalize(matrix @ right, dim=0, eps=1e-12)
                self.weight_v.copy_(right)
                self.weight_u.copy_(left)
        return self.weight_orig / torch.dot(left, matrix @ right)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        return F.conv_transpose2d(features, self.normalised(), None, self.stride, self.padding)

    def fused(self) -> nn.ConvTranspose2d:
        """The plain transposed convolution that this is in evaluation mode."""
        weight = self.weight_orig.detach()
        matrix = weight.transpose(0, 1).flatten(1)
        kernel = weight / torch.dot(self.weight_u, matrix @ self.weight_v)
        inputs, outputs, side = kernel.shape[:3]
        plain = nn.ConvTranspose2d(inputs, outputs, side, stride=self.stride, padding=self.padding, bias=False)
        plain.to(kernel.device, kernel.dtype)
        with torch.no_grad():
            plain.weight.copy_(kernel)
        return plain
