"""ELAN: "Efficient Long-Range Attention Network for Image Super-resolution" (Zhang et al., ECCV 2022, 2203.06697)."""

from __future__ import annotations

import copy
from fractions import Fraction
from math import lcm

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from finesight.errors import SettingError
from finesight.models.image.edsr import DIV2K_MEAN
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port, Traits

__all__ = ["Elan"]


class Shift(nn.Module):
    """Shift four fifths of the channels by a pixel to the four sides (zeros come in), then a 1x1 convolution.

    The fixed kernels that shift are part of published files and so of the state.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        fifth = inputs // 5
        kernels = torch.zeros(inputs, 1, 3, 3)
        taps = ((1, 2), (1, 0), (2, 1), (0, 1))  # takes the right, left, lower, upper neighbour
        for group, (row, column) in enumerate(taps):
            kernels[group * fifth : (group + 1) * fifth, 0, row, column] = 1
        kernels[4 * fifth :, 0, 1, 1] = 1
        self.weight: Tensor
        self.register_buffer("weight", kernels)
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        shifted = F.conv2d(features, self.weight, padding=1, groups=features.shape[1])
        answer: Tensor = self.conv1x1(shifted)
        return answer


class ShiftConv(nn.Module):
    """A ``Shift`` under the name that published files give it.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shift_conv = Shift(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        answer: Tensor = self.shift_conv(features)
        return answer


class LocalFeatures(nn.Module):
    """LFE: shift-convolution to ``expansion * width`` channels, ReLU, shift-convolution back.

    Args:
        width: channels in and out.
        expansion: of the hidden channels.
    """

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.conv0 = ShiftConv(width, width * expansion)
        self.conv1 = ShiftConv(width * expansion, width)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        answer: Tensor = self.conv1(F.relu_(self.conv0(features)))
        return answer


class GroupAttention(nn.Module):
    """GMSA: self-attention inside windows, a share of the channels for each window size, no scaling of the products.

    Args:
        width: channels in and out.
        windows: sides of the windows.
        shifted: roll the picture by half a window first; what leaves on one side enters on the other.
        computes: whether the module computes attention (queries and values) or applies maps given to it (values only).
        chunk: numbers of attention maps that ``forward`` keeps at a time; bounds memory, does not change the answer.
    """

    def __init__(
        self, width: int, windows: tuple[int, ...], *, shifted: bool, computes: bool, chunk: int = 2**21
    ) -> None:
        super().__init__()
        self.chunk = chunk
        self.windows = windows
        self.shifted = shifted
        self.computes = computes
        inner = width * 2 if computes else width
        self.project_inp = nn.Sequential(nn.Conv2d(width, inner, 1), nn.BatchNorm2d(inner))
        self.project_out = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)``, sides multiples of every window, to the same, without keeping the attention maps."""
        mixed = []
        for window, part in zip(self.windows, self._parts(features), strict=True):
            query, value = self._tokens(part, window).chunk(2, dim=-1)
            together = max(1, self.chunk // window**4)  # windows whose maps exist at the same time
            attended = [
                torch.softmax(some @ some.mT, dim=-1) @ values
                for some, values in zip(query.split(together, dim=1), value.split(together, dim=1), strict=True)
            ]
            mixed.append(self._picture(torch.cat(attended, dim=1), window, part))
        answer: Tensor = self.project_out(torch.cat(mixed, dim=1))
        return answer

    def attention(self, features: Tensor) -> list[Tensor]:
        """The attention map of each window size, ``(N, windows, tokens, tokens)``; windows and tokens row by row."""
        maps = []
        for window, part in zip(self.windows, self._parts(features), strict=True):
            query, _ = self._tokens(part, window).chunk(2, dim=-1)
            maps.append(torch.softmax(query @ query.mT, dim=-1))
        return maps

    def mix(self, features: Tensor, maps: list[Tensor]) -> Tensor:
        """``forward`` with attention maps from ``attention``, of this module or of an earlier one."""
        mixed = []
        for window, part, weights in zip(self.windows, self._parts(features), maps, strict=True):
            tokens = self._tokens(part, window)
            value = tokens.chunk(2, dim=-1)[1] if self.computes else tokens
            mixed.append(self._picture(weights @ value, window, part))
        answer: Tensor = self.project_out(torch.cat(mixed, dim=1))
        return answer

    def fused(self) -> GroupAttention:
        """The same in evaluation mode, the normalisation folded into the convolution before it."""
        plain = copy.deepcopy(self).eval()
        projection, normalisation = plain.project_inp
        assert isinstance(projection, nn.Conv2d)
        assert isinstance(normalisation, nn.BatchNorm2d)
        plain.project_inp = nn.Sequential(fuse_conv_bn_eval(projection, normalisation))
        return plain

    def _parts(self, features: Tensor) -> tuple[Tensor, ...]:
        projected: Tensor = self.project_inp(features)
        parts: tuple[Tensor, ...] = projected.chunk(len(self.windows), dim=1)
        return parts

    def _tokens(self, part: Tensor, window: int) -> Tensor:
        """``(N, C, H, W)`` to ``(N, windows, tokens, C)``."""
        if self.shifted:
            part = part.roll((-window // 2, -window // 2), dims=(2, 3))
        tiles = part.unflatten(3, (-1, window)).unflatten(2, (-1, window))  # n c rows y columns x
        tokens: Tensor = tiles.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
        return tokens

    def _picture(self, tokens: Tensor, window: int, like: Tensor) -> Tensor:
        """``(N, windows, tokens, C)`` to ``(N, C, H, W)`` with the sides of ``like``."""
        rows = like.shape[2] // window
        tiles = tokens.unflatten(2, (window, window)).unflatten(1, (rows, -1))  # n rows columns y x c
        part: Tensor = tiles.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        return part.roll((-(-window // 2), -(-window // 2)), dims=(2, 3)) if self.shifted else part


class AttentionBlock(nn.Module):
    """ELAB: local features and attention, each plus its input; further pairs reuse the attention of the first.

    Args:
        width: channels.
        windows: sides of the attention windows.
        expansion: of the local features' hidden channels.
        shared: further pairs that reuse the first's attention maps.
        shifted: whether the windows are shifted.
    """

    def __init__(self, width: int, windows: tuple[int, ...], *, expansion: int, shared: int, shifted: bool) -> None:
        super().__init__()
        self.modules_lfe = nn.ModuleDict({f"lfe_{k}": LocalFeatures(width, expansion) for k in range(shared + 1)})
        self.modules_gmsa = nn.ModuleDict(
            {f"gmsa_{k}": GroupAttention(width, windows, shifted=shifted, computes=k == 0) for k in range(shared + 1)}
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        maps: list[Tensor] | None = None
        for local, attention in zip(self.modules_lfe.values(), self.modules_gmsa.values(), strict=True):
            features = local(features).add_(features)
            assert isinstance(attention, GroupAttention)
            if len(self.modules_gmsa) == 1:
                return torch.add(features, attention(features))
            if maps is None:
                maps = attention.attention(features)
            features = features + attention.mix(features, maps)
        return features


class Elan(nn.Module):
    """ELAN. The defaults are HGGT's enhancement networks 03 and 04.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C, scale H, scale W)``, not clamped.

    Args:
        scale: enlargement; 1 has no pixel shuffle.
        width, blocks: channels and attention blocks; every second block shifts its windows.
        windows: sides of the attention windows; the picture is mirrored up to a multiple of all of them.
        expansion: of the local features' hidden channels.
        shared: pairs in each block that reuse the attention maps of the first.
        channels: of the picture.
        peak: the values in [0, 1] are multiplied by this inside.
        mean: per channel, in [0, 1]; taken off the input and put back on the output.

    Raises:
        SettingError: ``width`` cannot be shared out among the windows.
    """

    def __init__(
        self,
        *,
        scale: int = 1,
        width: int = 180,
        blocks: int = 36,
        windows: tuple[int, ...] = (4, 8, 16),
        expansion: int = 2,
        shared: int = 0,
        channels: int = 3,
        peak: float = 255.0,
        mean: tuple[float, ...] = DIV2K_MEAN,
    ) -> None:
        super().__init__()
        if width % len(windows):
            raise SettingError(
                f"ELAN shares its channels among {len(windows)} window sizes; {width} is no multiple of that."
            )
        self.peak = peak
        self.multiple = lcm(*windows)
        self.head = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1))
        self.body = nn.Sequential(
            *(
                AttentionBlock(width, windows, expansion=expansion, shared=shared, shifted=block % 2 == 1)
                for block in range(blocks)
            )
        )
        tail = nn.Conv2d(width, channels * scale * scale, 3, padding=1)
        self.tail = nn.Sequential(tail, nn.PixelShuffle(scale)) if scale > 1 else nn.Sequential(tail)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.traits = Traits(
            task="super-resolution" if scale > 1 else "restoration",
            scale=scale,
            halo=None,
            halo_reason="shifted attention windows reach around the picture's border to its opposite side",
            multiple=self.multiple,
            inputs=(Port("image", channels=channels),),
            outputs=(Port("image", ratio=Fraction(scale), channels=channels),),
        )

    def forward(self, image: Tensor) -> Tensor:
        first = self.head(self.normalised(image))
        answer: Tensor = self.tail(self.body(first) + first) / self.peak + self.mean
        scale = self.traits.scale or 1
        return answer[..., : image.shape[-2] * scale, : image.shape[-1] * scale]

    def normalised(self, image: Tensor) -> Tensor:
        """The picture as the first layer sees it: mirrored up to whole windows, mean taken off, times ``peak``."""
        return (mirror_to_multiple(image, self.multiple) - self.mean) * self.peak
