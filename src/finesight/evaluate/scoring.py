"""Scores of files and folders by a protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from finesight.degrade.resize import resize
from finesight.errors import InputError, SettingError
from finesight.evaluate.matching import Pair, match, scale_in_name
from finesight.evaluate.named import Metric, View, load_metrics
from finesight.evaluate.protocols import Protocol, protocol
from finesight.evaluate.tables import Column, Row, Table
from finesight.media import read
from finesight.progress import Cancel, Progress, silent

__all__ = ["Align", "Walk", "as_tensor", "measure", "prepared", "score", "score_pairs", "table_of"]

Align = Literal["refuse", "crop", "resize"]


def score(
    restored: str | Path,
    reference: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    protocol_name: str = "sr-y",
    mask: str | Path | None = None,
    scale: int | None = None,
    align: Align = "refuse",
    device: str | torch.device = "cpu",
    offline: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Table:
    """Score a file or folder against another.

    Args:
        restored: what is judged.
        reference: what it should be; may lack for metrics that need none.
        metrics: names of ``METRICS``; by default those of the protocol.
        protocol_name: of ``PROTOCOLS``.
        mask: holes (white = hole), for metrics that need one.
        scale: enlargement, for protocols whose border depends on it; by default what the names say (``_x4``).
        align: what to do about different sizes: refuse, cut both to what they share (top left), or resize the
            restored picture (MATLAB bicubic) to the reference's size.
        device: where learned metrics run.
        offline: never fetch parameters.
        progress: pictures done.
        cancel: stops between pictures.

    Raises:
        SettingError: unknown metric or protocol, or the scale is needed and not known.
        InputError: a picture is missing, unreadable, without partner, of another size or mode, or holds NaN.
        ModelError: parameters of a metric are missing; says what to get.
    """
    chosen = protocol(protocol_name)
    pairs = match(restored, reference, mask=mask)
    loaded = load_metrics(tuple(metrics) or chosen.metrics, device=device, offline=offline)
    return score_pairs(pairs, loaded, chosen, scale=scale, align=align, device=device, progress=progress, cancel=cancel)


def score_pairs(
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    chosen: Protocol,
    *,
    scale: int | None = None,
    align: Align = "refuse",
    device: str | torch.device = "cpu",
    failed: Callable[[Pair, InputError], None] | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Table:
    """The same for pairs already matched and metrics already loaded; one pair is in memory at a time.

    Where ``failed`` is given, it is told of pairs that cannot be measured, and the table goes on without them.
    """
    _check_needs(pairs, metrics)
    pairs = _frames_that_count(pairs, chosen)
    border = chosen.border_for(scale if scale is not None else _scale_of_names(pairs))
    rows = []
    walk = Walk(metrics, chosen, border, align, device)
    for done, pair in enumerate(pairs):
        if cancel is not None:
            cancel.check()
        progress(done, len(pairs), pair.name)
        try:
            rows.append(Row(pair.name, _score_pair(pair, walk), pair.clip))
        except InputError as error:
            if failed is None:
                raise
            failed(pair, error)
    progress(len(pairs), len(pairs), "")
    return table_of(metrics, chosen, border, rows)


def table_of(metrics: Sequence[Metric], chosen: Protocol, border: int, rows: Sequence[Row]) -> Table:
    """Rows under their protocol's line; the scale that decided its border is named."""
    columns = tuple(Column(m.name, m.title, m.better, m.decimals) for m in metrics)
    described = chosen.describe()
    if chosen.border == "scale":
        described += f" Scale {border}."
    return Table(described, chosen.name, columns, tuple(rows), chosen.averaging)


def _check_needs(pairs: Sequence[Pair], metrics: Sequence[Metric]) -> None:
    if not metrics:
        raise SettingError("no metric was asked for: name some, such as psnr,ssim")
    clips = [pair.clip for pair in pairs]
    for metric in metrics:
        if "clip" in metric.needs and len(set(clips)) == len(clips):
            raise SettingError(f"{metric.name} compares motion: name clips or folders of frames")
        for pair in pairs:
            if "reference" in metric.needs and pair.reference is None:
                raise SettingError(f"{metric.name} compares with a reference: name its file or folder too")
            if "mask" in metric.needs and pair.mask is None:
                raise SettingError(f"{metric.name} needs masks: name their file or folder (--mask)")


def _frames_that_count(pairs: Sequence[Pair], chosen: Protocol) -> list[Pair]:
    """All pairs, or the middle frame of each clip; a clip of one frame is that frame."""
    if chosen.frames == "all":
        return list(pairs)
    clips: dict[str, list[Pair]] = {}
    for pair in pairs:
        clips.setdefault(pair.clip or pair.name, []).append(pair)
    return [frames[len(frames) // 2] for frames in clips.values()]


def _scale_of_names(pairs: Sequence[Pair]) -> int | None:
    """The enlargement that all restored names (or their folders) tell alike."""
    found = {scale_in_name(pair.restored.stem) or scale_in_name(pair.restored.parent.name) for pair in pairs}
    return found.pop() if len(found) == 1 else None


class Walk:
    """Measures one pair of pictures after the other; metrics of motion see the pair before it in the same clip.

    Args:
        metrics: loaded.
        chosen: the protocol.
        border: pixels left out.
        align: as in ``score``.
        device: where it is computed.
    """

    def __init__(
        self, metrics: Sequence[Metric], chosen: Protocol, border: int, align: Align, device: str | torch.device
    ) -> None:
        self.metrics, self.chosen, self.border = metrics, chosen, border
        self.align, self.device = align, device
        self._moving = any("clip" in metric.needs for metric in metrics)
        self._before: tuple[str, Tensor, Tensor] | None = None

    def values(self, first: Tensor, second: Tensor, hole: Tensor | None = None, *, clip: str = "") -> dict[str, float]:
        """Every metric of one pair (1, C, H, W); NaN where one has no value, as motion in the first frame of a clip.

        Raises:
            InputError: the pictures do not fit.
        """
        first, second = prepared(first, second, self.chosen, align=self.align)
        if hole is not None and hole.shape[-2:] != second.shape[-2:]:
            raise InputError(f"the mask is {_size(hole)}, the picture {_size(second)}")
        first, second = first.to(self.device), second.to(self.device)
        view = View(self.chosen, self.border, hole)
        found = measure(first, second, [metric for metric in self.metrics if "clip" not in metric.needs], view)
        if self._moving:
            found |= self._motion(first, second, view, clip)
            found = {metric.name: found[metric.name] for metric in self.metrics}
        return found

    def _motion(self, first: Tensor, second: Tensor, view: View, clip: str) -> dict[str, float]:
        before, self._before = self._before, (clip, first, second)
        moving = [metric for metric in self.metrics if "clip" in metric.needs]
        if before is None or before[0] != clip:
            return {metric.name: math.nan for metric in moving}
        if before[1].shape != first.shape:
            raise InputError(f"frames of one clip have one size, got {_size(before[1])} and {_size(first)}")
        return measure(torch.cat([before[1], first]), torch.cat([before[2], second]), moving, view)


def _score_pair(pair: Pair, walk: Walk) -> dict[str, float]:
    first = as_tensor(pair.restored)
    second = first if pair.reference is None else as_tensor(pair.reference)
    hole = None if pair.mask is None else as_tensor(pair.mask)[:, :1]
    try:
        return walk.values(first, second, hole, clip=pair.clip)
    except InputError as error:
        other = "" if pair.reference is None else f" and {pair.reference}"
        raise InputError(f"{pair.restored}{other}: {error}") from error


def as_tensor(path: str | Path) -> Tensor:
    """A picture file as (1, C, H, W) float32 in [0, 1], its alpha left out.

    Raises:
        InputError: it cannot be read, or holds NaN or infinity.
    """
    picture = read(path)
    most = {8: 255.0, 16: 65535.0, 32: 1.0}[picture.depth]
    pixels = torch.from_numpy(picture.pixels.astype("float32"))
    if not bool(torch.isfinite(pixels).all()):
        raise InputError(f"{path} holds NaN or infinity: there is nothing to measure")
    return (pixels / most).permute(2, 0, 1)[None].contiguous()


def prepared(first: Tensor, second: Tensor, chosen: Protocol, *, align: Align = "refuse") -> tuple[Tensor, Tensor]:
    """Both pictures brought to one size (if that was asked for), cut and rounded as the protocol says.

    Raises:
        InputError: sizes or modes differ.
    """
    if align not in ("refuse", "crop", "resize"):
        raise SettingError(f"align must be refuse, crop or resize, got {align!r}")
    if first.shape[1] != second.shape[1]:
        modes = {1: "grey", 3: "RGB"}
        raise InputError(f"one is {modes[first.shape[1]]}, the other {modes[second.shape[1]]}: convert one of them")
    if first.shape[-2:] != second.shape[-2:]:
        first, second = _aligned(first, second, align, chosen.multiple)
    if chosen.multiple > 1:
        height, width = (side // chosen.multiple * chosen.multiple for side in second.shape[-2:])
        if not (height and width):
            raise InputError(f"{_size(second)} is smaller than {chosen.multiple}x{chosen.multiple}")
        first, second = first[..., :height, :width], second[..., :height, :width]
    if chosen.rounding == "8-bit":
        first, second = (image.clamp(0, 1).mul(255).round().div(255) for image in (first, second))
    return first, second


def _aligned(first: Tensor, second: Tensor, align: Align, multiple: int) -> tuple[Tensor, Tensor]:
    if align == "resize":
        return resize(first, size=(second.shape[-2], second.shape[-1])), second
    height, width = (min(a, b) for a, b in zip(first.shape[-2:], second.shape[-2:], strict=True))
    enough = all(
        shared >= side // multiple * multiple for shared, side in zip((height, width), second.shape[-2:], strict=True)
    )
    if align == "crop" or (multiple > 1 and enough):  # a protocol that cuts anyway takes what it would have cut
        return first[..., :height, :width], second[..., :height, :width]
    raise InputError(
        f"sizes differ, {_size(first)} and {_size(second)}: score with --align crop or --align resize if that is meant"
    )


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"


def measure(restored: Tensor, reference: Tensor, metrics: Sequence[Metric], view: View) -> dict[str, float]:
    """Every metric of one pair (1, C, H, W), already prepared; NaN where a metric has no value."""
    with torch.no_grad():
        values = {metric.name: metric.measure(restored, reference, view) for metric in metrics}
    return {name: float(value[0]) if len(value) else math.nan for name, value in values.items()}
