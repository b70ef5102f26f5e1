"""Geometric self-ensemble: a tile is computed in its eight orientations and the answers are averaged."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.run.engines import Prepared

__all__ = ["TURNS", "SelfEnsemble"]

TURNS = tuple((transposed, up, left) for transposed in (False, True) for up in (False, True) for left in (False, True))
"""Transposed or not, flipped along the height or not, flipped along the width or not."""


class SelfEnsemble:
    """A prepared network whose answer is the mean of its answers for the eight turns of a tile, each turned back.

    It computes eight times as long, with the engine and in the precision of ``prepared``; the mean is taken in float32,
    before any rounding (Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", 2016).

    A network that works on blocks gets sides that are whole numbers of blocks, continued by mirroring below and to the
    right before turning: so the blocks of a turned tile are those of the turned picture.

    Args:
        prepared: of one scale, for tiles of any orientation.
        multiple: sides of blocks, ``Traits.multiple``.
    """

    def __init__(self, prepared: Prepared, *, multiple: int = 1) -> None:
        self.engine, self.precision, self.device = prepared.engine, prepared.precision, prepared.device
        self.note, self.opaque = prepared.note, prepared.opaque
        self._prepared, self._multiple = prepared, multiple

    def __call__(self, tiles: Tensor) -> Tensor:
        """(N, 3, h, w) in [0, 1] -> (N, c, scale h, scale w)."""
        height, width = tiles.shape[2:]
        with torch.inference_mode():
            whole = _continued(tiles, self._multiple)
            total: Tensor | None = None
            for turn in TURNS:
                answer = _back(self._prepared(_turned(whole, turn)), turn)
                total = answer.clone(memory_format=torch.contiguous_format) if total is None else total.add_(answer)
            assert total is not None
            scale = total.shape[2] // whole.shape[2]
            return total[:, :, : height * scale, : width * scale].div_(len(TURNS))


def _turned(tiles: Tensor, turn: tuple[bool, bool, bool]) -> Tensor:
    """Flipped along the width, then along the height, then transposed, where ``turn`` says so."""
    transposed, up, left = turn
    axes = [axis for axis, wanted in ((2, up), (3, left)) if wanted]
    flipped = tiles.flip(axes) if axes else tiles
    return flipped.transpose(2, 3).contiguous() if transposed else flipped


def _back(answer: Tensor, turn: tuple[bool, bool, bool]) -> Tensor:
    """Undo ``_turned``."""
    transposed, up, left = turn
    upright = answer.transpose(2, 3) if transposed else answer
    axes = [axis for axis, wanted in ((2, up), (3, left)) if wanted]
    return upright.flip(axes) if axes else upright


def _continued(tiles: Tensor, multiple: int) -> Tensor:
    """Mirrored below and to the right up to whole blocks; repeated where the tile is too small to be mirrored."""
    below, right = (-side % multiple for side in tiles.shape[2:])
    if not below and not right:
        return tiles
    mode = "reflect" if below < tiles.shape[2] and right < tiles.shape[3] else "replicate"
    return F.pad(tiles, (0, right, 0, below), mode=mode)
