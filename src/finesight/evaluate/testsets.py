"""Test sets on disk, in the layouts they are published in: which input belongs to which truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finesight.errors import InputError
from finesight.evaluate.matching import Pair, match

__all__ = ["Example", "find_examples"]

TRUTHS = (
    "gt", "gtmod12", "hr", "truth", "target", "original", "div2k_valid_hr", "train_sharp", "val_sharp", "alpha",
    "alphas", "sequences",
)  # fmt: skip
"""Folders of truth: BasicSR's and mmediting's Set5, DIV2K, REDS, Composition-1k, Vimeo-90K; by any case."""
LOW = (
    "lrbicx{}", "lr_bicubic/x{}", "div2k_valid_lr_bicubic/x{}", "train_sharp_bicubic/x{}", "val_sharp_bicubic/x{}",
    "bix{}", "lr/x{}", "lrx{}", "x{}", "lr", "lq", "input",
)  # fmt: skip
BLURRED = ("bdx{}", "bd/x{}", "lr_bd/x{}")
MASKS = ("mask", "masks", "hole", "holes")
TRIMAPS = ("trimap", "trimaps")
MERGED = ("merged", "image", "images")
REFERENCES = ("ref", "reference", "references")


@dataclass(frozen=True)
class Example:
    """What a model is given, and what it should answer.

    Args:
        name: below the folder of truth, without ending.
        clip: the folder it is a frame of, "" for a picture.
        truth: the file; without one (no-reference sets) the input.
        low: the input of super-resolution, ``None`` where it is made from the truth.
        image: the picture to cut out of (matting).
        mask: hole or trimap.
        reference: for models that take one.
        frames: the given frames of interpolation, in order of time.
    """

    name: str
    clip: str
    truth: Path
    low: Path | None = None
    image: Path | None = None
    mask: Path | None = None
    reference: Path | None = None
    frames: tuple[Path, ...] = ()


def find_examples(
    data: str | Path, task: str, *, scale: int = 1, blurred: bool = False, reference: bool = False, frames: int = 1
) -> list[Example]:
    """The examples of a test set.

    Args:
        data: its folder: with a folder of truth (``TRUTHS``) and those of inputs beside it, or the truth itself.
        task: ``super-resolution``, ``restoration``, ``inpainting``, ``matting``, ``interpolation``.
        scale: of super-resolution.
        blurred: inputs were blurred and subsampled (BD), which a folder must hold.
        reference: the model takes a reference picture of each.
        frames: how many frames around the missing one an interpolation is given.

    Raises:
        InputError: nothing to evaluate on, or a partner is missing; says what is expected where.
    """
    root = Path(data)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: a test set is expected there")
    truth = _folder(root, TRUTHS) or root
    pairs = match(truth)
    if not pairs:
        raise InputError(f"{truth} holds no pictures")
    if task == "interpolation":
        return _between(pairs, frames)
    if task == "matting":
        images, trimaps = (_needed(root, names, what) for names, what in ((MERGED, "pictures"), (TRIMAPS, "trimaps")))
        found, masks = _partners(truth, pairs, images), _partners(truth, pairs, trimaps)
        return [Example(p.name, p.clip, p.restored, image=found[p.name], mask=masks[p.name]) for p in pairs]
    if task == "inpainting":
        masks = _partners(truth, pairs, _needed(root, MASKS, "masks (white = hole)"))
        return [Example(p.name, p.clip, p.restored, mask=masks[p.name]) for p in pairs]
    low = _folder(root, [name.format(scale) for name in (BLURRED if blurred else LOW)])
    if low is None and blurred:
        raise InputError(f"{root} has no folder BDx{scale}: that of blurred and subsampled inputs is needed")
    lows = {} if low is None else _partners(truth, pairs, low)
    if not reference:
        return [Example(p.name, p.clip, p.restored, lows.get(p.name)) for p in pairs]
    if _folder(root, REFERENCES) is None and any(p.restored.stem.endswith("_1") for p in pairs):
        return _cufed(pairs)
    seen = _partners(truth, pairs, _needed(root, REFERENCES, "reference pictures"))
    return [Example(p.name, p.clip, p.restored, lows.get(p.name), reference=seen[p.name]) for p in pairs]


def _folder(root: Path, names: Sequence[str]) -> Path | None:
    """The first of some folders below ``root``, whatever the case of its letters."""
    for name in names:
        places = [root]
        for part in name.split("/"):
            places = [child for place in places for child in sorted(place.iterdir()) if child.name.lower() == part]
            places = [place for place in places if place.is_dir()]
        if places:
            return places[0]
    return None


def _needed(root: Path, names: Sequence[str], what: str) -> Path:
    found = _folder(root, names)
    if found is None:
        raise InputError(f"{root} has no folder of {what}: {' or '.join(names)} is expected beside the truth")
    return found


def _partners(truth: Path, pairs: Sequence[Pair], place: Path) -> dict[str, Path]:
    """Name of each truth -> the file of ``place`` that belongs to it."""
    found = {pair.name: pair.reference for pair in match(truth, place)}
    by_file = {pair.restored: pair.reference for pair in match(truth, place)}
    return {p.name: by_file.get(p.restored) or found[p.name] for p in pairs}  # type: ignore[misc]


def _between(pairs: Sequence[Pair], frames: int) -> list[Example]:
    """The middle frame of each folder, and those around it by ones and threes (Vimeo-90K: 1, 3 or 1, 3, 5, 7)."""
    clips: dict[str, list[Pair]] = {}
    for pair in pairs:
        clips.setdefault(pair.clip, []).append(pair)
    examples = []
    for clip, members in clips.items():
        middle = len(members) // 2
        places = [middle + step for step in range(1 - frames, frames, 2)]
        if places[0] < 0 or places[-1] >= len(members):
            raise InputError(
                f"{members[0].restored.parent} has {len(members)} frames; {2 * frames - 1} are needed to leave out the "
                f"middle one and give {frames} around it"
            )
        given = tuple(members[place].restored for place in places)
        examples.append(Example(members[middle].name, clip, members[middle].restored, frames=given))
    return examples


def _cufed(pairs: Sequence[Pair]) -> list[Example]:
    """CUFED5: ``000_0.png`` is the truth, ``000_1.png`` the reference most like it."""
    by_name = {pair.name: pair for pair in pairs}
    examples = []
    for pair in pairs:
        if not pair.name.endswith("_0"):
            continue
        other = by_name.get(pair.name[:-1] + "1")
        if other is None:
            raise InputError(f"{pair.restored} has no reference {pair.name[:-1]}1 beside it")
        examples.append(Example(pair.name, pair.clip, pair.restored, reference=other.restored))
    if not examples:
        raise InputError("no picture is named ..._0: that is CUFED5's truth, with its reference ..._1 beside it")
    return examples
