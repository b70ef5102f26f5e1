"""Partial convolution: only known pixels count, and what is known grows (Liu et al., ECCV 2018, arXiv 1804.07723)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError

__all__ = ["PartialConv2d"]


class PartialConv2d(nn.Conv2d):
    """Convolution of the known pixels, enlarged by how many of the window are missing (eq. 1 and 2).

    ``s`` is the sum of the validity over the window, outside counted as invalid, and ``N`` the window's size. The new
    validity is ``m = clamp(s, 0, 1)`` and the answer ``(conv(x * valid) * N / s + bias) * m``.

    Args:
        inputs, outputs, kernel, stride, padding, dilation, bias: as in ``nn.Conv2d``.
        multi_channel: validity has as many channels as the features (then ``N`` counts them), not one for all.
    """

    ignored = (r"weight_mask_updater$",)  # all ones in every published file

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
        multi_channel: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, bias=bias)
        self.multi_channel = multi_channel

    def forward(  # type: ignore[override]  # takes a mask too
        self, features: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Features ``(N, inputs, H, W)`` and validity (1 = known; ``(N, inputs, H, W)``, or ``(N, 1, H, W)`` if not
        ``multi_channel``) to new features ``(N, outputs, H', W')`` and their validity (``outputs`` channels or one).

        Without a validity this is a plain convolution. No gradient flows through the new validity.

        Raises:
            InputError: the validity does not fit the features.
        """
        if valid is None:
            return self._conv_forward(features, self.weight, self.bias), None
        wanted = (len(features), self.in_channels if self.multi_channel else 1, *features.shape[-2:])
        if valid.shape != wanted:
            raise InputError(f"partial convolution: the validity must be {wanted}, got {tuple(valid.shape)}.")
        with torch.no_grad():
            ones = valid.new_ones(1, 1, *self.kernel_size)
            known = F.conv2d(
                valid.sum(1, keepdim=True),  # every output channel has the same sum: one is computed
                ones,
                None,
                self.stride,
                self.padding,
                self.dilation,
            )
            window = ones.numel() * wanted[1]
            grown = known.clamp(0, 1)
            small = 1e-6 if known.dtype in (torch.float16, torch.bfloat16) else 1e-8
            ratio = window / (known + small) * grown
        answer = self._conv_forward(features * valid, self.weight, None) * ratio
        if self.bias is not None:
            answer = (answer + self.bias[:, None, None]) * grown
        return answer, grown.expand(-1, self.out_channels if self.multi_channel else 1, -1, -1)
