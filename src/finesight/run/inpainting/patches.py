"""Texture for wide holes, patch by patch from what is known: nearest patches and votes, coarse to fine.

"Space-Time Completion of Video" (Wexler et al., TPAMI 2007) for pictures: every patch of the hole looks for the known
patch that resembles it most, every pixel becomes the mean of what the patches over it found, and again; at a small size
first, where a patch spans the hole. At the smallest size all known patches are compared; from there on what was found
is enlarged, and improved by what neighbours found and by small shifts ("PatchMatch", Barnes et al., SIGGRAPH 2009).
No learning, no chance: the same picture gives the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.nn.harmonic import harmonic_fill
from finesight.run.inpainting.holes import Hole
from finesight.run.inpainting.pyramid import too_deep

__all__ = ["textured", "wide_parts"]

_REACH = 3  # patches are 7 x 7
_SPANNED = 8  # the smallest size is the one at which the hole is as wide as this
_TRUST = 0.35  # weight of pixels of the hole in comparisons; known ones have 1
_MOST_KNOWN = 6000  # patches that are compared with every patch of the hole at the smallest size
_CHUNK = 2**14
_ROUNDS = {True: 6, False: 2}  # of search and vote: at the smallest size, at others
_SPREAD, _SHARP = 2.0, 0.6  # of votes around a patch's centre, pixels: while searching, and at last
_SHIFTS = ((0, 1), (1, 0), (0, -1), (-1, 0))


class _Stage:
    """One size: the picture ``(h w, c)``, and ``(h, w)`` which pixels are made and which must not be copied."""

    def __init__(self, pixels: Tensor, made: Tensor, barred: Tensor) -> None:
        self.pixels, self.made = pixels, made
        height, width = made.shape
        inner = torch.zeros(height, width, dtype=torch.bool)
        inner[_REACH : height - _REACH, _REACH : width - _REACH] = True
        side = 2 * _REACH + 1

        def near(mask: Tensor) -> Tensor:
            return F.max_pool2d(mask[None, None].float(), side, 1, _REACH)[0, 0] > 0

        self.wanted = (near(made) & inner).flatten().nonzero()[:, 0]
        self.copied = (~near(barred) & inner).flatten()
        self.known = self.copied.nonzero()[:, 0]
        reach = range(-_REACH, _REACH + 1)
        self.moves = [(down * width + right, down**2 + right**2) for down in reach for right in reach]
        self.compared = torch.tensor([down * width + right for down in (-3, -1, 1, 3) for right in (-3, -1, 1, 3)])
        self.trust = torch.where(made.flatten(), _TRUST, 1.0)

    def distances(self, wanted: Tensor, found: Tensor) -> Tensor:
        """Weighted squared differences of patches around flat places, ``(n,)``; every other pixel is compared."""
        parts = []
        for one, other in zip(wanted.split(_CHUNK), found.split(_CHUNK), strict=True):
            mine, theirs = one[:, None] + self.compared, other[:, None] + self.compared
            squared = (self.pixels[mine] - self.pixels[theirs]).square().sum(2)
            parts.append((squared * self.trust[mine]).sum(1))
        return torch.cat(parts)

    def vote(self, found: Tensor, spread: float) -> None:
        """Every made pixel becomes the mean of what the patches over it found, near centres weighing more."""
        total = torch.zeros_like(self.pixels)
        count = torch.zeros(len(self.pixels))
        for move, distance in self.moves:
            weight = math.exp(-distance / (2 * spread**2))
            total.index_add_(0, self.wanted + move, self.pixels[found + move], alpha=weight)
            count.index_add_(0, self.wanted + move, torch.full((len(found),), weight))
        made = self.made.flatten() & (count > 0)
        self.pixels = torch.where(made[:, None], total / count.clamp(min=1e-12)[:, None], self.pixels)


def wide_parts(hole: Hole, width: int) -> Hole:
    """Those parts of the hole in which a square of ``width`` pixels fits."""
    deep = torch.from_numpy(too_deep(hole, width))[None, None].float()
    near = F.max_pool2d(deep, 2 * width + 1, 1, width)[0, 0] > 0
    return np.asarray(near.numpy() & hole, np.bool_)


def textured(filled: Tensor, hole: Hole, made: Hole, *, done: Callable[[], None] = lambda: None) -> Tensor:
    """``filled`` ``(c, h, w)`` with the pixels of ``made`` put together from patches that touch no ``hole``.

    Args:
        filled: the whole picture, its hole filled by whatever means: where this begins.
        hole: ``(h, w)``, what was missing.
        made: the part of it that is made anew.
        done: called after every size.

    Returns:
        The same where nothing is known that could be copied.
    """
    stages = [_stage(filled, hole, made)]
    image, barred, work = filled, torch.from_numpy(hole), torch.from_numpy(made)
    while too_deep(work.numpy(), _SPANNED).any() and min(work.shape) > 16 * _REACH:
        image = F.avg_pool2d(image[None], 2, ceil_mode=True)[0]
        barred, work = (F.max_pool2d(m[None, None].float(), 2, ceil_mode=True)[0, 0] > 0 for m in (barred, work))
        stages.append(_stage(image, barred.numpy(), work.numpy()))
    while stages and not len(stages[-1].known):
        stages.pop()
    found: Tensor | None = None
    former: _Stage | None = None
    for stage in reversed(stages):
        if not len(stage.wanted):
            continue
        if found is None or former is None:
            found = _searched(stage)
        else:
            found = _enlarged(stage, former, found)
            stage.vote(found, _SPREAD)
        for _ in range(_ROUNDS[former is None]):
            if former is None:
                found = _searched(stage)
            found = _improved(stage, found)
            stage.vote(found, _SPREAD)
        if stage is stages[0]:
            stage.vote(found, _SHARP)  # a mean of many patches would be blurred
        former = stage
        done()
    if former is None or former is not stages[0]:
        return filled
    return _toned(former.pixels.T.reshape(filled.shape), filled, torch.from_numpy(np.ascontiguousarray(made)))


def _toned(image: Tensor, filled: Tensor, made: Tensor) -> Tensor:
    """``image`` with its tone brought to that of ``filled`` at the border of what was made, and less and less inside.

    The difference, smoothed, is stretched over the middle like a membrane (as in seamless cloning).
    """
    inside = -F.max_pool2d(-made[None, None].float(), 5, 1, 2) > 0
    rim = (made & ~inside[0, 0]).float()[None, None]
    share = F.avg_pool2d(rim, 9, 1, 4)
    difference = F.avg_pool2d((filled - image)[None] * rim, 9, 1, 4) / share.clamp(min=1e-6)
    membrane = harmonic_fill(difference, inside.float(), sweeps=16)[0]
    return torch.where(made, image + membrane, image)


def _stage(image: Tensor, barred: Hole, made: Hole) -> _Stage:
    pixels = image.flatten(1).T.contiguous()
    return _Stage(pixels, torch.from_numpy(np.ascontiguousarray(made)), torch.from_numpy(np.ascontiguousarray(barred)))


def _searched(stage: _Stage) -> Tensor:
    """The nearest of the known patches, evenly chosen where there are many: all with all, as products of matrices."""
    known = stage.known[:: -(-len(stage.known) // _MOST_KNOWN)]
    theirs = stage.pixels[known[:, None] + stage.compared]  # m, 16, c
    flat, squares = theirs.flatten(1), theirs.square().sum(2)  # m, 16 c and m, 16
    best = []
    for part in stage.wanted.split(1024):
        places = part[:, None] + stage.compared
        trust = stage.trust[places]
        weighted = (stage.pixels[places] * trust[:, :, None]).flatten(1)
        best.append((trust @ squares.T - 2 * weighted @ flat.T).argmin(1))
    return known[torch.cat(best)]


def _enlarged(stage: _Stage, former: _Stage, found: Tensor) -> Tensor:
    """What was found at half the size, at this one; a place that must not be copied becomes the next known one."""
    (height, width), small = stage.made.shape, former.made.shape
    field = torch.full((small[0] * small[1],), -1)
    field[former.wanted] = found
    rows, columns = stage.wanted // width, stage.wanted % width
    row, column = (rows // 2).clamp(_REACH, small[0] - 1 - _REACH), (columns // 2).clamp(_REACH, small[1] - 1 - _REACH)
    source = field[row * small[1] + column]
    guess = torch.where(source >= 0, source, found[0])
    top = (2 * (guess // small[1]) + rows % 2).clamp(_REACH, height - 1 - _REACH)
    left = (2 * (guess % small[1]) + columns % 2).clamp(_REACH, width - 1 - _REACH)
    place = top * width + left
    spare = stage.known[(torch.searchsorted(stage.known, place)).clamp(max=len(stage.known) - 1)]
    return torch.where(stage.copied[place], place, spare)


def _improved(stage: _Stage, found: Tensor) -> Tensor:
    """Two passes: what the neighbours found, moved along, and small shifts of what is found; the best is kept."""
    height, width = stage.made.shape
    number = torch.full((height * width,), -1)
    number[stage.wanted] = torch.arange(len(stage.wanted))
    best = stage.distances(stage.wanted, found)
    for _ in range(2):
        for down, right in _SHIFTS:
            move = down * width + right
            neighbour = number[stage.wanted + move]
            theirs = found[neighbour.clamp(min=0)] - move
            theirs = torch.where(neighbour >= 0, theirs, found)
            for candidate in (theirs, found + move):
                candidate = candidate.clamp(0, height * width - 1)
                allowed = stage.copied[candidate] & (candidate != found)
                places = allowed.nonzero()[:, 0]
                if not len(places):
                    continue
                distance = stage.distances(stage.wanted[places], candidate[places])
                better = places[distance < best[places]]
                best[better] = distance[distance < best[places]]
                found = found.clone()
                found[better] = candidate[better]
    return found
