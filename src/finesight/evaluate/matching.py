"""Which restored picture belongs to which reference: by name, the usual suffixes understood."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from finesight.errors import InputError
from finesight.media import expand_inputs

__all__ = ["Pair", "bare_name", "match", "scale_in_name"]

_ENLARGEMENT = re.compile(r"(?:[_-]?x(\d+(?:\.\d+)?)|[_-](\d+(?:\.\d+)?)x)$", re.IGNORECASE)
_WORD = re.compile(
    r"[_-](?:sr|hr|lr|gt|out|output|result|restored|enlarged|fake|pred|bicubic|upscaled)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Pair:
    """One comparison.

    Args:
        name: for the table: the reference's name below its folder without suffix, or the restored picture's.
        restored: the file that is judged.
        reference: what it is compared with, ``None`` where nothing is.
        clip: the folder it is a frame of, "" for a picture.
        mask: hole or trimap that belongs to it.
    """

    name: str
    restored: Path
    reference: Path | None = None
    clip: str = ""
    mask: Path | None = None


def bare_name(stem: str) -> str:
    """A name without what programs append: ``baby_x4_SR`` and ``babyx4`` are ``baby``.

    >>> bare_name("baby_x4_SR"), bare_name("img_001_HR"), bare_name("x4"), bare_name("box2d")
    ('baby', 'img_001', 'x4', 'box2d')
    """
    while True:
        shorter = _WORD.sub("", _ENLARGEMENT.sub("", stem))
        if shorter in ("", stem):
            return stem
        stem = shorter


def scale_in_name(stem: str) -> int | None:
    """The enlargement that a name tells, if it is whole: 4 in ``baby_x4_SR``.

    >>> scale_in_name("baby_x4_SR"), scale_in_name("baby")
    (4, None)
    """
    while stem:
        found = _ENLARGEMENT.search(stem)
        if found:
            value = float(found[1] or found[2])
            return int(value) if value.is_integer() and value > 0 else None
        shorter = _WORD.sub("", stem)
        if shorter == stem:
            return None
        stem = shorter
    return None


def match(restored: str | Path, reference: str | Path | None = None, *, mask: str | Path | None = None) -> list[Pair]:
    """Every comparison of a file or folder with another, in the order of names.

    Folders are searched with all below them. A picture in a subfolder belongs to that of the same subfolder and is a
    frame of a clip. Names are compared whole first, then without suffixes (``bare_name``).

    Args:
        restored: file or folder.
        reference: file or folder, or ``None`` for metrics that need none.
        mask: file or folder of holes or trimaps, matched in the same way.

    Raises:
        InputError: a file or folder lacks, a picture has no partner, or two could be it.
    """
    pictures = _files(restored)
    if reference is None:
        pairs = [Pair(str(key.with_suffix("")), path, clip=_clip(key)) for key, path in pictures]
    else:
        single = Path(restored).is_file() and Path(reference).is_file()
        partners = [_files(reference)[0]] if single else _partners(pictures, _files(reference), reference)
        pairs = [
            Pair(str(key.with_suffix("")), path, other, clip=_clip(key))
            for (_, path), (key, other) in zip(pictures, partners, strict=True)
        ]
    if mask is not None:
        keys = [(PurePath(pair.name + ".png"), pair.restored) for pair in pairs]
        found = _files(mask)
        masks = [found[0]] * len(pairs) if Path(mask).is_file() else _partners(keys, found, mask)
        pairs = [Pair(p.name, p.restored, p.reference, p.clip, m) for p, (_, m) in zip(pairs, masks, strict=True)]
    return sorted(pairs, key=lambda pair: pair.name)


def _files(place: str | Path) -> list[tuple[PurePath, Path]]:
    """Pictures of a file or folder: (place below the folder, path)."""
    items = expand_inputs([place])
    for item in items:
        if item.problem:
            raise InputError(item.problem)
    return [(item.relative, Path(item.source)) for item in items]


def _clip(key: PurePath) -> str:
    return "" if key.parent == PurePath() else str(key.parent)


def _partners(
    wanted: Iterable[tuple[PurePath, Path]], found: list[tuple[PurePath, Path]], place: str | Path
) -> list[tuple[PurePath, Path]]:
    """For each picture the one of ``found`` that has its name, each used once."""
    exact: dict[tuple[PurePath, str], list[tuple[PurePath, Path]]] = {}
    bare: dict[tuple[PurePath, str], list[tuple[PurePath, Path]]] = {}
    for key, path in found:
        exact.setdefault((key.parent, key.stem), []).append((key, path))
        bare.setdefault((key.parent, bare_name(key.stem)), []).append((key, path))
    answer: list[tuple[PurePath, Path]] = []
    missing: list[str] = []
    used: dict[Path, Path] = {}
    for key, path in wanted:
        candidates = exact.get((key.parent, key.stem)) or bare.get((key.parent, bare_name(key.stem))) or []
        if len(candidates) > 1:
            names = ", ".join(str(other) for other, _ in candidates)
            raise InputError(f"{path} could belong to {names} in {place}: give each a name of its own")
        if not candidates:
            missing.append(str(key))
            continue
        other = candidates[0]
        if other[1] in used:
            raise InputError(f"{path} and {used[other[1]]} both belong to {other[1]}: score one at a time")
        used[other[1]] = path
        answer.append(other)
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(f"no partner in {place} for {shown}: names must agree but for suffixes such as _x4 or _SR")
    return answer
