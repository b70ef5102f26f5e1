"""Spectral normalisation, step for step as published discriminators were trained (Miyato et al., ICLR 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PARAMETRIZATION_NAMES", "SpectralConv2d"]

PARAMETRIZATION_NAMES = (
    (r"\.parametrizations\.weight\.original$", ".weight_orig"),
    (r"\.parametrizations\.weight\.0\._([uv])$", r".weight_\1"),
    (r"\.parametrizations\.bias\.original$", ".bias"),
)
"""Names that ``torch.nn.utils.parametrizations.spectral_norm`` gives to the same tensors."""


class SpectralConv2d(nn.Module):
    """A convolution whose kernel is divided by an estimate of its largest singular value.

    The kernel is seen as a matrix ``W`` of ``outputs`` rows. Each training call does one power iteration without
    gradient, ``v`` before ``u``, then uses ``weight_orig / (u' W v)``; in evaluation the stored ``u`` and ``v`` stay.
    torch's newer parametrisation updates them in the other order and at every read, and so gives other training steps.

    Args:
        inputs, outputs: channels.
        kernel, stride, padding: as in ``nn.Conv2d``.
        bias: whether there is one.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> None:
        super().__init__()
        plain = nn.Conv2d(inputs, outputs, kernel, bias=bias)
        self.stride = stride
        self.padding = padding
        self.weight_orig = nn.Parameter(plain.weight.detach())
        self.bias: nn.Parameter | None
        self.register_parameter("bias", nn.Parameter(plain.bias.detach()) if bias and plain.bias is not None else None)
        self.weight_u: Tensor
        self.weight_v: Tensor
        self.register_buffer("weight_u", F.normalize(torch.randn(outputs), dim=0, eps=1e-12))
        self.register_buffer("weight_v", F.normalize(torch.randn(inputs * kernel * kernel), dim=0, eps=1e-12))

    def normalised(self) -> Tensor:
        """The kernel that the next call uses, ``(outputs, inputs, kernel, kernel)``; iterates while training."""
        matrix = self.weight_orig.flatten(1)
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
        return F.conv2d(features, self.normalised(), self.bias, self.stride, self.padding)

    def fused(self) -> nn.Conv2d:
        """The plain convolution that this is in evaluation mode."""
        matrix = self.weight_orig.detach().flatten(1)
        kernel = self.weight_orig.detach() / torch.dot(self.weight_u, matrix @ self.weight_v)
        outputs, inputs, side = kernel.shape[:3]
        plain = nn.Conv2d(inputs, outputs, side, stride=self.stride, padding=self.padding, bias=self.bias is not None)
        plain.to(kernel.device, kernel.dtype)
        with torch.no_grad():
            plain.weight.copy_(kernel)
            if plain.bias is not None and self.bias is not None:
                plain.bias.copy_(self.bias)
        return plain
