"""What all inpainting networks share: how a picture with a hole gets in, and how the filled one gets out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.nn.padding import mirror_to_multiple

__all__ = ["ChannelOrder", "Completion", "fixed_size", "from_signed", "to_signed"]

ChannelOrder = Literal["rgb", "bgr"]
"""In which order the published training fed the channels."""


def to_signed(image: Tensor, order: ChannelOrder) -> Tensor:
    """RGB in [0, 1] to ``order`` in [-1, 1]."""
    return (image.flip(1) if order == "bgr" else image) * 2 - 1


def from_signed(image: Tensor, order: ChannelOrder) -> Tensor:
    """``order`` in [-1, 1] to RGB in [0, 1]."""
    return ((image.flip(1) if order == "bgr" else image) + 1) / 2


class Completion(nn.Module):
    """A network that fills holes. A subclass gives ``complete``; the rest follows.

    ``forward`` takes a picture ``(N, 3, H, W)``, RGB in [0, 1], and a mask ``(N, 1, H, W)``, 1 = hole, of any size, and
    gives the filled picture: outside the hole it is the given one, bit for bit. Sides are mirrored up to what the
    network needs, and cropped again. What stands inside the hole is never looked at.

    Args:
        order: channel order of the published training.
        multiple: both sides are padded to multiples of this.
        least: and to at least this.
    """

    def __init__(self, *, order: ChannelOrder, multiple: int, least: int = 1) -> None:
        super().__init__()
        self.order: ChannelOrder = order
        self.multiple = multiple
        self.least = least

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """The published network: its stages' answers, the last one the best.

        Args:
            masked: in the network's channel order and [-1, 1], 0 inside the hole, sides as the network needs them.
            mask: ``(N, 1, H, W)``, 1 = hole.
        """
        raise NotImplementedError

    def predictions(self, image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """What each stage paints, inside and outside the hole, RGB in [0, 1] (not clamped where the network is not):
        what reconstruction losses look at.

        Raises:
            InputError: picture and mask do not fit.
        """
        wanted = (len(image), 1, *image.shape[-2:])
        if image.ndim != 4 or image.shape[1] != 3 or mask.shape != wanted:
            raise InputError(
                f"inpainting takes a picture (N, 3, H, W) and a mask (N, 1, H, W) of one size, got "
                f"{tuple(image.shape)} and {tuple(mask.shape)}."
            )
        masked = to_signed(image, self.order) * (1 - mask)
        stages = self.complete(self._padded(masked), self._padded(mask))
        height, width = image.shape[-2:]
        return tuple(from_signed(stage[..., :height, :width], self.order) for stage in stages)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """The picture with its hole filled, ``(N, 3, H, W)``."""
        return self.predictions(image, mask)[-1] * mask + image * (1 - mask)

    def _padded(self, image: Tensor) -> Tensor:
        height, width = (max(side, self.least) for side in image.shape[-2:])
        below, right = height - image.shape[-2], width - image.shape[-1]
        if below:
            image = _mirrored(image, -2, height)
        if right:
            image = _mirrored(image, -1, width)
        return mirror_to_multiple(image, self.multiple)


def _mirrored(image: Tensor, axis: int, length: int) -> Tensor:
    """Mirror one axis at its end, to and fro, until it has ``length`` pixels; a single pixel is repeated."""
    period = max(2 * image.shape[axis] - 2, 1)
    index = torch.arange(length, device=image.device) % period
    return image.index_select(axis, torch.minimum(index, period - index) if image.shape[axis] > 1 else index)


def fixed_size(image: Tensor, side: int, what: str) -> None:
    """Refuse pictures that a discriminator with linear layers cannot take.

    Raises:
        InputError: another size or number of channels than ``(N, 3, side, side)``.
    """
    if image.ndim != 4 or image.shape[1:] != (3, side, side):
        raise InputError(f"the {what} must be (N, 3, {side}, {side}), got {tuple(image.shape)}; crop it.")
