"""A light U-Net of our own that corrects an alpha which colours alone suggest.

Beside the picture and the trimap it sees the colours of the nearest known foreground and background, spread by pulling
and pushing over halved sizes ("The Lumigraph", Gortler et al., 1996), and a first alpha: that of closed-form matting
(``nn.colour_lines``), or where the pixel's colour lies between the two. So it has to learn only where that goes wrong,
which a small network trained for minutes can. Correcting closed-form matting by a network is the idea of "Natural Image
Matting Using Deep Convolutional Neural Networks" (Cho, Tai and Kweon, ECCV 2016); this network is none of theirs.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from finesight.errors import SettingError
from finesight.models.matting.boundary import INPUTS, OUTPUTS, fit
from finesight.nn.colour_lines import spread_alpha
from finesight.nn.reach import Reach, halo
from finesight.nn.traits import Traits
from finesight.nn.trimap import one_hot

__all__ = ["TrimapUnet", "spread_colours"]

_SEEN = 14  # channels: colours, classes, both spread colours, alpha between them, distance from the line between them


def spread_colours(image: Tensor, known: Tensor, *, levels: int = 6) -> Tensor:
    """The colours of known pixels, spread over their surroundings.

    Each halved size holds the mean of the known pixels below; on the way back every size keeps what it knows and takes
    the rest from the one above it.

    Args:
        image: ``(N, C, H, W)``, sides multiples of ``2 ** levels``.
        known: ``(N, 1, H, W)``, 1 where the colour counts, 0 elsewhere.
        levels: halvings; a pixel with nothing known within about ``2 ** levels`` pixels gets the middle grey.

    Returns:
        ``(N, C, H, W)``; known pixels as they were.
    """
    weights, sums = [known], [image * known]
    for _ in range(levels):
        weights.append(F.avg_pool2d(weights[-1], 2))
        sums.append(F.avg_pool2d(sums[-1], 2))
    found, certainty = torch.zeros_like(sums[-1]), torch.zeros_like(weights[-1])
    for level in range(levels, -1, -1):
        if level < levels:
            found, certainty = (F.interpolate(one, scale_factor=2.0, mode="bilinear") for one in (found, certainty))
        own = (weights[level] * 4).clamp(max=1)  # a quarter of a cell known is enough
        found = torch.lerp(found, sums[level] / weights[level].clamp(min=1e-6), own)
        certainty = torch.lerp(certainty, torch.ones_like(certainty), own)
    return torch.where(certainty > 1e-4, found / certainty.clamp(min=1e-4), 0.5)


class ConvNorm(nn.Module):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        return F.relu(self.norm(self.conv(features)))

    def fused(self) -> nn.Sequential:
        """The same in evaluation mode, with the norm inside the convolution."""
        return nn.Sequential(fuse_conv_bn_eval(self.conv, self.norm), nn.ReLU())


class Residual(nn.Module):
    """``x + mix(conv(x))``: a 3x3 convolution with norm and ReLU, then a 1x1 one that begins at zero."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = ConvNorm(width, width, dilation=dilation)
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]  # made with a bias

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same shape."""
        found: Tensor = features + self.mix(self.conv(features))
        return found


def _level(inputs: int, outputs: int, dilations: tuple[int, ...], *, stride: int = 1) -> nn.Sequential:
    blocks = [Residual(outputs, dilation) for dilation in dilations]
    return nn.Sequential(ConvNorm(inputs, outputs, stride=stride), *blocks)


class TrimapUnet(nn.Module):
    """Alpha from a picture and a trimap, light enough for any CPU (752,721 parameters).

    ``forward(image, trimap)``: RGB in [0, 1] ``(N, 3, H, W)`` and classes ``(N, 1, H, W)`` (0 background, 1 unknown,
    2 foreground) of any size to alpha in [0, 1], ``(N, 1, H, W)``; known pixels are not imposed (``nn.trimap.impose``).
    The defaults are the shipped network.

    Args:
        widths: channels at a half, a quarter, an eighth and a sixteenth of the size.
        detail: channels at full size.
        dilations: of the blocks at a sixteenth of the size.
        levels: halvings over which known colours are spread; at least 4.
        first: the alpha that is corrected: that of ``closed-form`` matting, or the one ``between`` the spread colours,
            which is quicker and of finite reach.
    """

    local = True  # what lies beyond some hundred pixels hardly matters, also where the reach is unbounded

    def __init__(
        self,
        *,
        widths: tuple[int, int, int, int] = (24, 40, 64, 96),
        detail: int = 8,
        dilations: tuple[int, ...] = (1, 2, 1),
        levels: int = 6,
        first: Literal["closed-form", "between"] = "closed-form",
    ) -> None:
        super().__init__()
        if len(widths) != 4 or levels < 4:
            raise SettingError(f"it has four widths and at least 4 levels, got {tuple(widths)} and {levels}.")
        half, quarter, eighth, sixteenth = widths
        if first not in ("closed-form", "between"):
            raise SettingError(f"first: expected closed-form or between, got '{first}'.")
        self.levels, self.first = levels, first
        self.enter = _level(4 * _SEEN, half, (1,))
        self.down_quarter = _level(half, quarter, (1, 1), stride=2)
        self.down_eighth = _level(quarter, eighth, (1, 1, 1), stride=2)
        self.down_sixteenth = _level(eighth, sixteenth, tuple(dilations), stride=2)
        self.up_eighth = _level(sixteenth + eighth, eighth, (1,))
        self.up_quarter = _level(eighth + quarter, quarter, (1,))
        self.up_half = _level(quarter + half, half, (1,))
        self.leave = nn.Conv2d(half, 4 * detail, 3, padding=1)
        self.refine = ConvNorm(detail + _SEEN, detail)
        self.correct = nn.Conv2d(detail, 2, 3, padding=1)
        with torch.no_grad():
            self.correct.weight.mul_(0.1)
            self.correct.bias.copy_(torch.tensor([0.5, 0.0]))  # type: ignore[union-attr]  # made with a bias
        multiple = 2**levels
        self.traits = Traits(
            task="matting",
            halo=None
            if first == "closed-form"
            else halo(lambda reach: _backwards(reach, tuple(dilations), levels), multiple=multiple),
            halo_reason="lines of colours are followed through the picture" if first == "closed-form" else "",
            multiple=multiple,
            inputs=INPUTS,
            outputs=OUTPUTS,
        )

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """See the class."""
        height, width = image.shape[-2:]
        raw = self.raw(*fit(image, trimap, 2**self.levels))[..., :height, :width]
        # Clamped, but with the gradient of the unclamped value, so that training brings back what went beyond.
        return raw + (raw.clamp(0, 1) - raw).detach()

    def raw(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Alpha that may leave [0, 1], of colours in [0, 1] and classes; sides multiples of ``2 ** levels``."""
        seen = self.seen(image.float(), trimap.float()).to(
            image.dtype
        )  # ratios of small numbers: never in half precision
        half = self.enter(F.pixel_unshuffle(seen, 2))
        quarter = self.down_quarter(half)
        eighth = self.down_eighth(quarter)
        features = self.up_eighth(torch.cat((_doubled(self.down_sixteenth(eighth)), eighth), dim=1))
        features = self.up_quarter(torch.cat((_doubled(features), quarter), dim=1))
        features = self.up_half(torch.cat((_doubled(features), half), dim=1))
        features = F.relu(F.pixel_shuffle(self.leave(features), 2))
        features = self.refine(torch.cat((features, seen), dim=1))
        own, trust = self.correct(features).chunk(2, dim=1)
        return torch.lerp(own.to(seen.dtype), seen[:, 12:13], trust.sigmoid().to(seen.dtype))  # autocast mixes them

    def seen(self, image: Tensor, trimap: Tensor) -> Tensor:
        """What the first layer is given, ``(N, 14, H, W)``: colours, classes, spread foreground and background, the
        first alpha, and how far the colour is from the line between them."""
        shares = one_hot(trimap)
        background, unknown, foreground = shares.chunk(3, dim=1)
        front = spread_colours(image, foreground, levels=self.levels)
        back = spread_colours(image, background, levels=self.levels)
        apart = front - back
        square = apart.square().sum(1, keepdim=True)
        between = ((image - back) * apart).sum(1, keepdim=True) / (square + 1e-3)
        between = (between + 0.5e-3 / (square + 1e-3)).clamp(0, 1)  # a half where the two colours are one
        if self.first == "closed-form":
            with torch.no_grad():
                spread = spread_alpha(image, foreground.round(), unknown.round())
            between = torch.where(spread.isfinite(), spread, between)
        alpha = foreground + unknown * between
        beside = ((image - torch.lerp(back, front, alpha)).square().sum(1, keepdim=True) + 1e-6).sqrt()
        return torch.cat((image, shares, front, back, alpha, beside), dim=1)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def _backwards(reach: Reach, dilations: tuple[int, ...], levels: int) -> Reach:
    """From alpha to the picture; a block of dilation ``d`` looks ``d`` pixels far."""
    reach = reach.conv(times=2)
    seen = reach
    skips = []
    reach = reach.shuffle(2).conv()
    for _ in range(3):  # a half, a quarter, an eighth: a block and the convolution that joins
        reach = reach.conv(times=2)
        skips.append(reach)
        reach = reach.shuffle(2)
    reach = reach.conv(times=sum(dilations))
    for blocks, skip in zip((3, 2, 1), reversed(skips), strict=True):
        reach = reach.strided(3, stride=2, padding=1) | skip
        reach = reach.conv(times=blocks)
    reach = reach.conv().unshuffle(2) | seen
    spread = reach
    for level in range(levels):  # every size looks at the cells beside its own of the next
        reach = reach.bilinear(2)
        cell = 2 ** (level + 1)
        spread = spread | Reach(reach.low * cell, reach.high * cell + cell - 1)
    return spread
