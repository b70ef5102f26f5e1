"""How far an output pixel looks: followed backwards through the layers of a network, in whole pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

__all__ = ["Reach", "halo"]


@dataclass(frozen=True, slots=True)
class Reach:
    """The interval of pixels ``low..high`` (both included, one axis) that some output pixels depend on.

    Every method answers what the *input* of a layer contributes, given what its output must contribute, so a network
    is written down from its last layer to its first.
    """

    low: int
    high: int

    def conv(self, kernel: int = 3, *, times: int = 1) -> Reach:
        """``times`` centred convolutions of stride 1."""
        radius = times * (kernel // 2)
        return Reach(self.low - radius, self.high + radius)

    def strided(self, kernel: int, *, stride: int, padding: int) -> Reach:
        """A convolution or pooling with a stride."""
        return Reach(self.low * stride - padding, self.high * stride - padding + kernel - 1)

    def shuffle(self, factor: int) -> Reach:
        """Pixel shuffle or nearest-neighbour enlargement by ``factor``."""
        return Reach(floor(Fraction(self.low, factor)), floor(Fraction(self.high, factor)))

    def unshuffle(self, factor: int) -> Reach:
        """Pixel unshuffle by ``factor``: each pixel stands for ``factor`` of them."""
        return Reach(self.low * factor, self.high * factor + factor - 1)

    def bilinear(self, factor: int) -> Reach:
        """Bilinear enlargement by ``factor``, pixel centres aligned (``align_corners`` false)."""
        return Reach(floor(_source(self.low, factor)), ceil(_source(self.high, factor)))

    def bicubic(self, factor: int) -> Reach:
        """Bicubic enlargement (four taps, not antialiased) by ``factor``."""
        taps = [tap for pixel in range(self.low, self.high + 1) for tap in _cubic_taps(_source(pixel, factor))]
        return Reach(min(taps), max(taps))

    def __or__(self, other: Reach) -> Reach:
        return Reach(min(self.low, other.low), max(self.high, other.high))


def _source(pixel: int, factor: int) -> Fraction:
    """Where an output pixel's centre lies, in input pixels."""
    return (Fraction(pixel) + Fraction(1, 2)) / factor - Fraction(1, 2)


def _cubic_taps(position: Fraction) -> tuple[int, ...]:
    if position.denominator == 1:  # on a pixel: the other three taps weigh nothing
        return (int(position),)
    return (floor(position) - 1, floor(position) + 2)


def halo(backwards: Callable[[Reach], Reach], *, scale: int | Fraction = 1, multiple: int = 1) -> int:
    """The largest distance between an input pixel and a pixel that one of its output pixels depends on.

    Args:
        backwards: the layers, last first.
        scale: output pixels per input pixel; below 1, ``multiple`` input pixels must make a whole output pixel.
        multiple: the period of the network in input pixels (2 where the input is unshuffled by 2).

    >>> halo(lambda reach: reach.conv(3).shuffle(4).conv(3, times=2), scale=4)
    3
    """
    farthest = 0
    for pixel in range(multiple):
        reach = backwards(Reach(floor(pixel * scale), ceil((pixel + 1) * scale) - 1))
        farthest = max(farthest, pixel - reach.low, reach.high - pixel)
    return farthest
