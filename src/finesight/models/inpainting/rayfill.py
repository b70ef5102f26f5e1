"""RayFill, a light network of our own: each pixel of a hole chooses along which lines to continue the picture.

Nothing about it is published elsewhere. Sixteen rays leave each unknown pixel; the known pixel at the end of each is a
candidate, and so is the harmonic fill (``finesight.nn.harmonic``). A small U-Net sees how well the two ends of every
line agree, weighs the candidates with a softmax, and adds a correction. Edges that cross a hole are continued from the
first step of training on, which is why minutes on a CPU are enough.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.inpainting.completion import Completion
from finesight.nn.harmonic import harmonic_fill
from finesight.nn.rays import AXES, RAYS, ray_distances, ray_values
from finesight.nn.traits import Port, Traits

__all__ = ["RayFill"]

_EVIDENCE = 5  # of each axis: three colours, disagreement of the ends, length
_CHOICES = len(RAYS) + 1
_SPREAD, _LENGTH, _TRUST = 10.0, 2.0, 4.0  # what an untrained network thinks of a ray: see ``_prior``


def _conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # made with a bias
    return layer


class Residual(nn.Module):
    """``x + mix(relu(conv(x)))``: a dilated 3x3 convolution, then a 1x1 one with small weights."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = _conv(width, width, dilation=dilation)
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.normal_(self.mix.weight, 0, 0.3 / width**0.5)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]  # made with a bias

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` -> the same shape."""
        answer: Tensor = features + self.mix(F.relu(self.conv(features)))
        return answer


class RayFill(Completion):
    """Candidates along rays, weighed and corrected by a U-Net from a half to an eighth of the size.

    See ``Completion`` for what it takes and gives. The defaults are the shipped network (1.1 million parameters).

    Args:
        widths: channels at a half, a quarter and an eighth of the size.
        dilations: of the blocks at an eighth of the size, one after the other.
        sweeps: of the harmonic fill at every size.
        reach: rays see ``2 ** reach - 1`` steps far.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (32, 64, 96),
        dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8),
        sweeps: int = 8,
        reach: int = 7,
    ) -> None:
        super().__init__(order="rgb", multiple=8)
        half, quarter, eighth = widths
        self.sweeps, self.reach = sweeps, reach
        self.enter = nn.Sequential(_conv(16 + _EVIDENCE * len(AXES), half), nn.ReLU(), Residual(half))
        self.down = nn.Sequential(_conv(half, quarter, stride=2), nn.ReLU(), Residual(quarter))
        self.deep = nn.Sequential(
            _conv(quarter, eighth, stride=2), nn.ReLU(), *(Residual(eighth, rate) for rate in dilations)
        )
        self.up = _conv(eighth + quarter, quarter)
        self.up_block = Residual(quarter)
        self.leave = _conv(quarter + half, half)
        self.leave_block = Residual(half)
        self.choose = _conv(half, 4 * _CHOICES)
        self.correct = _conv(half, 12)
        nn.init.normal_(self.choose.weight, 0, 0.01)
        nn.init.zeros_(self.correct.weight)
        self.traits = Traits(
            task="inpainting",
            halo=None,
            halo_reason="the harmonic fill depends on the whole border of a hole",
            multiple=8,
            inputs=(Port("image"), Port("mask", channels=1)),
        )

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor]:
        """``(N, 3, H, W)``, not clamped; sides multiples of 8."""
        with torch.no_grad():
            filled = harmonic_fill(masked, mask, sweeps=self.sweeps)
            distances = ray_distances(mask, reach=self.reach)
            ends = ray_values(filled, distances, filled, reach=self.reach)
            evidence = self._evidence(filled, distances, ends).to(masked.dtype)
            prior = _prior(distances, ends)
        half = self.enter(torch.cat((F.pixel_unshuffle(torch.cat((filled, mask), dim=1), 2), evidence), dim=1))
        quarter = self.down(half)
        wide = self.up_block(F.relu(self.up(torch.cat((_doubled(self.deep(quarter)), quarter), dim=1))))
        wide = self.leave_block(F.relu(self.leave(torch.cat((_doubled(wide), half), dim=1))))
        logits = F.pixel_shuffle(self.choose(wide).float(), 2) + prior
        *weights, harmonic = logits.softmax(1).split(1, dim=1)
        chosen = filled * harmonic
        for weight, end in zip(weights, ends.unbind(1), strict=True):
            chosen = chosen + end * weight
        return ((chosen + F.pixel_shuffle(self.correct(wide), 2)).to(masked.dtype),)

    def _evidence(self, filled: Tensor, distances: Tensor, ends: Tensor) -> Tensor:
        """What is known of each axis, looked at in every other row and column, ``(N, 5 axes, H / 2, W / 2)``."""
        count = len(AXES)
        filled, distances, ends = (tensor[..., ::2, ::2] for tensor in (filled, distances, ends))
        seen = []
        for axis in range(count):
            near, far = distances[:, axis : axis + 1], distances[:, axis + count : axis + count + 1]
            share = (near + 0.5) / (near + far + 1)
            between = ends[:, axis] * (1 - share) + ends[:, axis + count] * share
            apart = (ends[:, axis] - ends[:, axis + count]).abs().mean(1, keepdim=True)
            length = (near + far + 1).log2() / self.reach
            seen += [between - filled, apart, length]
        return torch.cat(seen, dim=1)


def _prior(distances: Tensor, ends: Tensor) -> Tensor:
    """Logits before anything is learned, ``(N, 17, H, W)``: short lines whose ends agree, and the nearer end of them.

    With the logit 0 of the harmonic fill, rays and membrane get about one half each.
    """
    count = len(AXES)
    near, far = distances[:, :count], distances[:, count:]
    steps = distances.new_tensor([(down**2 + right**2) ** 0.5 for down, right in AXES])[:, None, None]
    apart = (ends[:, :count] - ends[:, count:]).abs().mean(2)  # in [0, 2]
    axis = _TRUST - _SPREAD / 2 * apart - _LENGTH * ((near + far) * steps + 1).log() - (near + far + 1).log()
    harmonic = torch.zeros_like(near[:, :1])
    return torch.cat((axis + (far + 0.5).log(), axis + (near + 0.5).log(), harmonic), dim=1)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")
