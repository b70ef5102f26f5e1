"""Batches out of two folders: pictures of low quality and their truth, matched by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.data.augment import draw_turn, turned
from finesight.data.batch import Batch, chance
from finesight.data.folder import Changes, changed
from finesight.data.lowering import as_tensor
from finesight.data.picks import attempt, integer, picks, split_off
from finesight.data.pictures import Pictures, UndecodableError
from finesight.errors import InputError, SettingError

__all__ = ["PairedSource", "matched", "matched_names"]

_ENDS = ("_lr", "_lq", "_low", "_hr", "_hq", "_gt", "_high")


def _stem(name: str, scale: int) -> str:
    """A name without its ending and without what pairs of files usually differ in."""
    folder, _, file = name.rpartition("/")
    stem = file.rpartition(".")[0].lower()
    for _ in range(2):  # butterfly_LR_x4, butterflyx4_lr
        for end in (*_ENDS, f"_x{scale}", f"x{scale}", f"_srf_{scale}"):
            if stem.endswith(end) and len(stem) > len(end):
                stem = stem.removesuffix(end)
                break
    return f"{folder}/{stem}" if folder else stem


def _partners(first: Pictures, second: Pictures, stem_of: Callable[[str], str]) -> list[tuple[int, int]]:
    """Numbers of the pictures of equal stem; those whose partner was left out are left out too."""
    sides = []
    for pictures in (first, second):
        named: dict[str, int] = {}
        for number, entry in enumerate(pictures.entries):
            stem = stem_of(entry.name)
            if stem in named:
                other = pictures.entries[named[stem]].name
                raise InputError(f"{pictures.files.place}: {other} and {entry.name} would both belong to '{stem}'")
            named[stem] = number
        sides.append(named)
    lost = {stem_of(name) for pictures in (first, second) for name in pictures.lost}
    parts = []
    for pictures, own, other_side in ((first, sides[0], sides[1]), (second, sides[1], sides[0])):
        alone = [pictures.entries[own[stem]].name for stem in own if stem not in other_side and stem not in lost]
        if alone:
            shown = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
            parts.append(f"{len(alone)} of {pictures.files.place} ({shown})")
    if parts:
        raise InputError(f"Pictures without a partner of the same name: {' and '.join(parts)}.")
    return [(sides[0][stem], sides[1][stem]) for stem in sides[0] if stem in sides[1]]


def matched_names(first: Pictures, second: Pictures) -> list[tuple[int, int]]:
    """Numbers of pictures whose names below their folders are equal but for the ending of the file.

    Raises:
        InputError: as of ``matched``.
    """
    return _partners(first, second, lambda name: name.rpartition(".")[0])


def matched(low: Pictures, high: Pictures, scale: int) -> list[tuple[int, int]]:
    """Numbers of the pictures that belong together.

    Names are compared below their folders, without the ending of the file, upper or lower case, and without an
    ending such as ``x4``, ``_x4``, ``_LR``, ``_HR``, ``_low``, ``_gt``.

    Raises:
        InputError: a picture has no partner, two have the same name, or the sizes of a pair do not fit the scale.
    """
    pairs = _partners(low, high, lambda name: _stem(name, scale))
    for small, large in pairs:
        a, b = low.entries[small], high.entries[large]
        if max(abs(a.height * scale - b.height), abs(a.width * scale - b.width)) >= scale:
            raise InputError(
                f"{low.files.place}/{a.name} is {a.width}x{a.height}, {high.files.place}/{b.name} is "
                f"{b.width}x{b.height}: not x{scale} of it."
            )
    return pairs


@dataclass(frozen=True, slots=True)
class _Pair:
    low: int
    high: int
    height: int
    width: int


class PairedSource:
    """Random patches of pairs of pictures.

    Args:
        low, high: pictures of low quality and their truth.
        scale: high over low resolution.
        patch: side of the low patch; ``None`` takes whole pictures, which must all have one size.
        changes, reuse, seed: see ``finesight.data.folder.FolderSource``.
        held_out: every so many pairs one is kept for validation; 0 keeps none.

    Raises:
        InputError: the names or sizes do not match.
    """

    def __init__(
        self,
        low: Pictures,
        high: Pictures,
        *,
        scale: int,
        patch: int | None,
        changes: Changes = Changes(),  # noqa: B008 (frozen)
        reuse: int = 1,
        held_out: int = 40,
        seed: int = 0,
    ) -> None:
        if changes.cutblur and scale > 1:
            raise SettingError("cutblur needs pairs of one size (scale 1); leave it out for enlarging")
        self.low, self.high, self.scale, self.patch = low, high, scale, patch
        self.changes, self.reuse, self.seed = changes, reuse, seed
        pairs = []
        for small, large in matched(low, high, scale):
            one, other = low.entries[small], high.entries[large]
            height, width = min(one.height, other.height // scale), min(one.width, other.width // scale)
            if patch is not None and min(height, width) < patch:
                raise InputError(
                    f"{low.files.place}/{one.name} is {one.width}x{one.height}, less than the patch of {patch}."
                )
            pairs.append(_Pair(small, large, height, width))
        sizes = {(pair.height, pair.width) for pair in pairs}
        if patch is None and len(sizes) > 1:
            raise SettingError(f"whole pictures make a batch only if all have one size; found {len(sizes)}. Set patch.")
        chosen, kept = split_off(len(pairs), held_out)
        self.pairs, self.kept = [pairs[number] for number in chosen], [pairs[number] for number in kept]
        if not self.pairs:
            raise InputError(f"{low.files.place} has only pictures to hold out; training needs at least 2")

    def batch(self, step: int, size: int) -> Batch:
        """See ``finesight.data.batch.Source``."""
        generator = chance(self.seed, step)
        numbers = picks(self.seed, step, size, len(self.pairs), reuse=self.reuse)
        found = [attempt(len(self.pairs), n, lambda number: self._cut(self.pairs[number], generator)) for n in numbers]
        low, high = (torch.stack([pair[part] for pair in found]) for part in (0, 1))
        low, high = changed(low, high, self.changes, generator)
        return Batch((low,), high)

    def _cut(self, pair: _Pair, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        turn, s = draw_turn(self.changes.turns, generator), self.scale
        height, width = (pair.height, pair.width) if self.patch is None else (self.patch, self.patch)
        top, left = integer(pair.height - height + 1, generator), integer(pair.width - width + 1, generator)
        low = self.low.part(pair.low, top, left, height, width)
        high = self.high.part(pair.high, s * top, s * left, s * height, s * width)
        return turned(as_tensor(low), turn), turned(as_tensor(high), turn)

    def validation(self) -> Iterator[Batch]:
        """Held-out pairs whole."""
        for pair in self.kept:
            try:
                low = as_tensor(self.low.whole(pair.low)[: pair.height, : pair.width])
                high = as_tensor(self.high.whole(pair.high)[: pair.height * self.scale, : pair.width * self.scale])
            except UndecodableError:
                continue
            yield Batch((low[None],), high[None])
