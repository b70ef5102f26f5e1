"""Inception v3 as ported for FID: poolings and epsilon differ from torchvision's network of that name."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.nn.traits import Port, Traits

__all__ = ["InceptionV3"]


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.bn(self.conv(x)).relu()
        return answer


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class BlockA(nn.Module):
    """Mixed_5b, 5c, 5d."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inputs, 64, 1)
        self.branch5x5_1 = Conv(inputs, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), wide, double, self.branch_pool(_average(x))], dim=1)


class BlockB(nn.Module):
    """Mixed_6a: to half size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], dim=1)


class BlockC(nn.Module):
    """Mixed_6b to 6e: 7x7 as 1x7 and 7x1."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        flat, tall = ((1, 7), (0, 3)), ((7, 1), (3, 0))
        self.branch1x1 = Conv(inputs, 192, 1)
        self.branch7x7_1 = Conv(inputs, width, 1)
        self.branch7x7_2 = Conv(width, width, flat[0], padding=flat[1])
        self.branch7x7_3 = Conv(width, 192, tall[0], padding=tall[1])
        self.branch7x7dbl_1 = Conv(inputs, width, 1)
        self.branch7x7dbl_2 = Conv(width, width, tall[0], padding=tall[1])
        self.branch7x7dbl_3 = Conv(width, width, flat[0], padding=flat[1])
        self.branch7x7dbl_4 = Conv(width, width, tall[0], padding=tall[1])
        self.branch7x7dbl_5 = Conv(width, 192, flat[0], padding=flat[1])
        self.branch_pool = Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), wide, double, self.branch_pool(_average(x))], dim=1)


class BlockD(nn.Module):
    """Mixed_7a: to half size."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(inputs, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(inputs, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), wide, F.max_pool2d(x, 3, stride=2)], dim=1)


class BlockE(nn.Module):
    """Mixed_7b (average pooling) and 7c (max pooling, an oddity of the ported weights)."""

    def __init__(self, inputs: int, pooling: Literal["average", "max"]) -> None:
        super().__init__()
        self.pooling = pooling
        self.branch1x1 = Conv(inputs, 320, 1)
        self.branch3x3_1 = Conv(inputs, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = _average(x) if self.pooling == "average" else F.max_pool2d(x, 3, stride=1, padding=1)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(single),
                self.branch3x3_2b(single),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ],
            dim=1,
        )


class InceptionV3(nn.Module):
    """The 2048 features of FID and KID: ``forward`` takes RGB in [0, 1], (N, 3, H, W), and gives (N, 2048).

    Args:
        resize: bilinearly to 299x299 first (no antialiasing), as all published FIDs do.
        rescale: map [0, 1] to [-1, 1]; off for pictures that are in [-1, 1] already (BasicSR).
    """

    ignored = (r"^fc\.", r"^AuxLogits\.")

    def __init__(self, *, resize: bool = True, rescale: bool = True) -> None:
        super().__init__()
        self.resize, self.rescale = resize, rescale
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, "average")
        self.Mixed_7c = BlockE(2048, "max")
        self.traits = Traits(
            task="features",
            halo=None,
            halo_reason="one feature vector of the whole picture",
            minimum=1 if resize else 75,
            outputs=(Port("pool3", space="vector", ratio=Fraction(1), channels=2048),),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.taps(image)["pool3"]

    def taps(self, image: Tensor) -> dict[str, Tensor]:
        """Features after the first pooling (64 channels), the second (192), Mixed_6e (768), and ``pool3`` (N, 2048)."""
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < self.traits.minimum:
            raise InputError(
                f"Inception takes (N, 3, H, W) with sides of at least {self.traits.minimum}, got {tuple(image.shape)}."
            )
        x = image
        if self.resize:
            x = F.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
        if self.rescale:
            x = 2 * x - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        block0 = F.max_pool2d(x, 3, stride=2)
        block1 = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(block0)), 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(block1)))
        block2 = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(block2)))
        return {"block0": block0, "block1": block1, "block2": block2, "pool3": x.mean(dim=(2, 3))}
