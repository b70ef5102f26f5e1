"""Human-guided ground truth: several good answers to one picture, chosen by three people's votes (HGGT, CVPR 2023)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from finesight.errors import InputError
from finesight.evaluate.matching import bare_name
from finesight.evaluate.named import Metric, View
from finesight.evaluate.protocols import protocol
from finesight.evaluate.scoring import as_tensor, measure, prepared
from finesight.evaluate.tables import Column, Row, Table
from finesight.metrics.references import NEGATIVE, POSITIVE, SIMILAR, effective_label
from finesight.progress import Cancel, Progress, silent

__all__ = ["PEOPLE", "VERSIONS", "ImageSet", "find_sets", "read_votes", "score_sets"]

VERSIONS = ("01", "02", "03", "04")
PEOPLE = ("A", "B", "C")
LABELS = {"Positive": POSITIVE, "Similar": SIMILAR, "Negative": NEGATIVE}


@dataclass(frozen=True)
class ImageSet:
    """One picture: the enhanced versions of its truth and the votes on them.

    Args:
        name: stem of the original.
        versions: four files, in the order of ``VERSIONS``.
        votes: (4, 3) of POSITIVE, SIMILAR, NEGATIVE by the three people.
    """

    name: str
    versions: tuple[Path, ...]
    votes: Tensor

    @property
    def positive(self) -> tuple[Path, ...]:
        """The versions that most people found better than the original."""
        labels = effective_label(self.votes)[0].tolist()
        return tuple(path for path, label in zip(self.versions, labels, strict=True) if label == POSITIVE)


def read_votes(file: str | Path) -> Tensor:
    """The four labels of one person's file: (4,).

    Raises:
        InputError: it cannot be read, or lacks a label; says which.
    """
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as votes: {error}") from error
    labels = []
    for number in range(2, 6):
        entry = content.get(f"Picture_{number}") if isinstance(content, dict) else None
        label = entry.get("Label") if isinstance(entry, dict) else None
        if label not in LABELS:
            raise InputError(f"{file}: Picture_{number} has the label {label!r}, expected one of {', '.join(LABELS)}")
        labels.append(LABELS[label])
    return torch.tensor(labels)


def find_sets(images: str | Path, labels: str | Path) -> list[ImageSet]:
    """The sets of the published layout: ``images/{original,01..04}``, ``labels/{A,B,C}/<stem>.json``.

    Raises:
        InputError: a folder or file lacks.
    """
    images, labels = Path(images), Path(labels)
    original = next((images / name for name in ("original", "Original") if (images / name).is_dir()), None)
    if original is None:
        raise InputError(f"{images} has no folder original: folders original, 01, 02, 03, 04 are expected there")
    sets = []
    for path in sorted(original.glob("*.png")):
        versions = tuple(images / version / f"{path.stem}_{version}.png" for version in VERSIONS)
        for version in versions:
            if not version.is_file():
                raise InputError(f"{version} is missing")
        votes = torch.stack([read_votes(labels / person / f"{path.stem}.json") for person in PEOPLE], dim=1)
        sets.append(ImageSet(path.stem, versions, votes))
    if not sets:
        raise InputError(f"{original} holds no PNG files")
    return sets


def score_sets(
    restored: str | Path,
    sets: Sequence[ImageSet],
    metrics: Sequence[Metric],
    *,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Table:
    """The mean of each metric over the positive versions of a picture, then over pictures; border 4, RGB.

    Args:
        restored: folder of ``<stem>.png`` or ``<stem>_<anything>.png``, one for each set.
        sets: see ``find_sets``. Those without a positive version are left out and named in a note.
        metrics: loaded, by name ``psnr``, ``ssim``, ``lpips-alex``, ``dists``.
        device: where learned metrics run.
        progress: pictures done.
        cancel: stops between pictures.

    Raises:
        InputError: a result is missing, of another size, or no set has a positive version.
    """
    chosen = protocol("hggt-multi")
    view = View(chosen, chosen.border_for(None))
    rows, without = [], []
    for done, one in enumerate(sets):
        if cancel is not None:
            cancel.check()
        progress(done, len(sets), one.name)
        if not one.positive:
            without.append(one.name)
            continue
        file = _result(Path(restored), one.name)
        image = as_tensor(file)
        values = []
        for version in one.positive:
            try:
                first, second = prepared(image, as_tensor(version), chosen)
            except InputError as error:
                raise InputError(f"{file} and {version}: {error}") from error
            # published: called with the version first, which matters to no metric but rounding
            values.append(measure(second.to(device), first.to(device), metrics, view))
        means = {name: sum(value[name] for value in values) / len(values) for name in values[0]}
        rows.append(Row(one.name, means))
    if not rows:
        raise InputError("no picture has a version that was judged positive")
    notes = (f"without a positive version and left out: {', '.join(without)}",) if without else ()
    columns = tuple(Column(m.name, m.title, m.better, m.decimals) for m in metrics)
    return Table(chosen.describe(), chosen.name, columns, tuple(rows), notes=notes)


def _result(folder: Path, stem: str) -> Path:
    exact = folder / f"{stem}.png"
    if exact.is_file():
        return exact
    found = [
        path for path in folder.glob("*.png") if path.stem.rpartition("_")[0] == stem or bare_name(path.stem) == stem
    ]
    if len(found) != 1:
        raise InputError(f"{folder} has {len(found)} results of {stem}, expected one: {stem}.png or {stem}_METHOD.png")
    return found[0]
