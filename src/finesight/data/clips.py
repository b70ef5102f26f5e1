"""Batches out of clips: for super-resolution, restoration and interpolation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.clip_files import ClipFiles, ClipPair
from finesight.data.jitter import Jitter, jittered
from finesight.data.picks import integer, picks, split_off
from finesight.degrade import video
from finesight.degrade.blur_down import blur_down
from finesight.degrade.filtering import unsharp_mask
from finesight.degrade.resize import resize, resize_8bit
from finesight.errors import InputError, SettingError

__all__ = ["ClipChanges", "ClipSource", "Lower", "Window"]

Lower = Literal["bi", "bd", "given", "none"] | video.VideoOrder
_REACH = 4  # low pixels beyond a patch at which reducing still looks
_VALIDATION = 7919


@dataclass(frozen=True, slots=True)
class Window:
    """Which frames of a clip a sample takes.

    Args:
        length: frames in a row, from a random place of the clip.
        inputs: which of them go in; None: all.
        target: which of them is wanted; None: all that go in (recurrent networks).
        first: where the stretch begins; None: anywhere.
        mirrored: the stretch forwards and then backwards, twice as long (BasicVSR on Vimeo-90K). Only for all frames.
        interval: from one frame of the stretch to the next.
    """

    length: int
    inputs: tuple[int, ...] | None = None
    target: int | None = None
    first: int | None = None
    mirrored: bool = False
    interval: int = 1

    def __post_init__(self) -> None:
        named = (*(self.inputs or ()), *(() if self.target is None else (self.target,)))
        if self.length < 1 or self.interval < 1 or any(not 0 <= one < self.length for one in named):
            raise SettingError(f"A window of {self.length} frames has no frame {max(named, default=0)}.")
        if self.mirrored and (self.target is not None or self.inputs is not None):
            raise SettingError("Only whole stretches can be mirrored; leave inputs and target away.")

    @property
    def span(self) -> int:
        """Frames of the clip from the first to the last."""
        return (self.length - 1) * self.interval + 1

    def numbers(self, length: int, generator: torch.Generator | None) -> list[int]:
        """Numbers of the stretch's frames in a clip of ``length``; without a generator the middle one."""
        room = length - self.span
        if self.first is not None:
            start = min(self.first, room)
        elif generator is None:
            start = room // 2
        else:
            start = integer(room + 1, generator)
        return [start + step * self.interval for step in range(self.length)]


@dataclass(frozen=True, slots=True)
class ClipChanges:
    """What is done to all frames of a sample alike.

    Args:
        mirror: from left to right and from top to bottom, each half of the time.
        transpose: rows and columns change places, half of the time.
        reverse: probability that time runs backwards.
        jitter: of colours.
    """

    mirror: bool = True
    transpose: bool = True
    reverse: float = 0.0
    jitter: Jitter | None = None


class ClipSource:
    """Samples out of clips.

    ``inputs`` are clips ``(N, T, 3, h, w)``; ``target`` is one frame ``(N, 3, H, W)`` or all ``(N, T, 3, H, W)``.
    With sharpening ``others["plain"]`` is the target without it.

    Args:
        clips: the data.
        window: which frames.
        scale: high over low resolution; 1 for restoration and interpolation.
        patch: side of a low-resolution patch; None takes whole frames, which must be of one size.
        lower: "bi": MATLAB's bicubic on 8 bits; "bd": Gaussian blur of 1.6 and every fourth pixel; "given": the low
            resolution that the clips bring; "none": inputs are frames as they are; or a video degradation.
        enlarged: inputs are enlarged to the target's size by MATLAB's bicubic (TOFlow).
        changes: flips, reversal, colours.
        sharpen: unsharp masking of the truth before it is degraded, kernel 51 (RealBasicVSR).
        held_out: every so many clips one is kept for validation; 0 keeps none.
        validation: clips to validate with, instead.
        validation_side: of validation clips the middle of at most this side (low resolution) is used.
        seed: decides every batch.

    Raises:
        InputError: too few or too small clips.
        SettingError: settings that do not fit together.
    """

    def __init__(
        self,
        clips: Sequence[ClipPair],
        window: Window,
        *,
        scale: int = 1,
        patch: int | None = 64,
        lower: Lower = "bi",
        enlarged: bool = False,
        changes: ClipChanges = ClipChanges(),
        sharpen: bool = False,
        held_out: int = 40,
        validation: Sequence[ClipPair] | None = None,
        validation_side: int = 64,
        seed: int = 0,
    ) -> None:
        if (scale == 1) != (lower == "none") and lower != "given" and not isinstance(lower, video.VideoOrder):
            raise SettingError(f"Scale {scale} and low resolution '{lower}' do not fit: 'none' is for scale 1 alone.")
        if lower == "bd" and scale != 4:
            raise SettingError(f"BD reduces by 4; the network's scale is {scale}.")
        chosen, kept = split_off(len(clips), 0 if validation is not None else held_out)
        self.clips = [clips[number] for number in chosen]
        self.kept = [clips[number] for number in kept] if validation is None else list(validation)
        self.window, self.scale, self.patch, self.lower, self.enlarged = window, scale, patch, lower, enlarged
        self.changes, self.sharpen, self.seed, self.validation_side = changes, sharpen, seed, validation_side
        if not self.clips:
            raise InputError(f"There are {len(clips)} clips, all held out; training needs one more.")
        for pair in (*self.clips, *self.kept):
            self._check(pair)

    def _check(self, pair: ClipPair) -> None:
        name, length = pair.high.name, len(pair.high)
        if length < self.window.span:
            raise InputError(f"The clip {name} has {length} frames; {self.window.span} are wanted.")
        if self.lower == "given" and pair.low is None:
            raise SettingError("lower 'given' needs the folder of the low resolution; name it.")

    def _check_size(self, pair: ClipPair, side: int) -> None:
        height, width = (length // self.scale for length in pair.high.size)
        if min(height, width) < side:
            raise InputError(
                f"The clip {pair.high.name} is {pair.high.size[1]}x{pair.high.size[0]}; patches of {side} at scale "
                f"{self.scale} need {side * self.scale}."
            )

    def batch(self, step: int, size: int) -> Batch:
        """The samples of one step."""
        generator = chance(self.seed, step)
        numbers = picks(self.seed, step, size, len(self.clips))
        return self._joined([self._sample(self.clips[number], generator) for number in numbers])

    def validation(self) -> Iterator[Batch]:
        """The middle of each held-out clip, the same at every call."""
        for number, pair in enumerate(self.kept):
            generator = chance(self.seed + _VALIDATION, number)
            height, width = (min(length // self.scale, self.validation_side) for length in pair.high.size)
            low_height, low_width = (length // self.scale for length in pair.high.size)
            top, left = (low_height - height) // 2, (low_width - width) // 2
            numbers = self.window.numbers(len(pair.high), None)
            sample = self._cut(pair, numbers, (top, left, height, width), generator)
            yield self._joined([self._picked(*sample)])

    def _joined(self, samples: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Batch:
        low, high, plain = (torch.stack([sample[part] for sample in samples]) for part in range(3))
        return Batch((low,), high, others={"plain": plain} if self.sharpen else {})

    def _sample(self, pair: ClipPair, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        height, width = (length // self.scale for length in pair.high.size)
        patch = (height, width) if self.patch is None else (self.patch, self.patch)
        self._check_size(pair, min(patch))
        top, left = integer(height - patch[0] + 1, generator), integer(width - patch[1] + 1, generator)
        numbers = self.window.numbers(len(pair.high), generator)
        if float(torch.rand((), generator=generator)) < self.changes.reverse:
            numbers = numbers[::-1]
        low, high, plain = self._cut(pair, numbers, (top, left, *patch), generator)
        return self._picked(*self._changed(low, high, plain, generator))

    def _cut(
        self, pair: ClipPair, numbers: Sequence[int], box: tuple[int, int, int, int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Low resolution, target and plain truth of a stretch, ``(T, 3, ...)`` in [0, 1]; ``box`` in low pixels."""
        s, (top, left, height, width) = self.scale, box
        if self.lower in ("bi", "bd"):
            low, high = self._reduced(pair.high, numbers, box)
        else:
            high = _as_levels(pair.high.part(numbers, s * top, s * left, s * height, s * width))
            low = high if pair.low is None else _as_levels(pair.low.part(numbers, top, left, height, width))
        if self.window.mirrored:  # before it is degraded: what is drawn differs on the way back
            low, high = torch.cat([low, low.flip(0)]), torch.cat([high, high.flip(0)])
        plain = high.float() / 255
        target = unsharp_mask(plain) if self.sharpen else plain
        if isinstance(self.lower, video.VideoOrder):
            from finesight.media.clips import compressed  # it loads a codec, which nothing else here needs

            parameters = video.sample(self.lower, len(target), generator)
            inputs = video.apply(target, parameters, size=(height, width), compress=compressed)
        else:
            inputs = low.float() / 255
        if self.enlarged:
            inputs = resize(inputs, size=(s * height, s * width)).clamp(0, 1)
        return inputs, target, plain

    def _reduced(
        self, clip: ClipFiles, numbers: Sequence[int], box: tuple[int, int, int, int]
    ) -> tuple[Tensor, Tensor]:
        """Exactly the patch of the whole frames reduced, from no more of them than needed."""
        s, spans, offsets = self.scale, [], []
        for start, count, length in zip(box[:2], box[2:], clip.size, strict=True):
            spans.append((max(start - _REACH, 0), min(start + count + _REACH, length // s)))
            offsets.append(start - spans[-1][0])
        (top, bottom), (left, right) = spans
        around = _as_levels(clip.part(numbers, s * top, s * left, s * (bottom - top), s * (right - left)))
        if self.lower == "bi":
            small = resize_8bit(around, scale=1 / s)
        else:
            small = blur_down(around.float()).round().clamp(0, 255)
        y, x = offsets
        low = small[..., y : y + box[2], x : x + box[3]]
        high = around[..., s * y : s * (y + box[2]), s * x : s * (x + box[3])]
        return low, high

    def _changed(
        self, low: Tensor, high: Tensor, plain: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Flips and colours, the same for all frames."""
        drawn = torch.rand(3, generator=generator).tolist()
        clips = [low, high, plain]
        if self.changes.mirror:
            axes = [axis for axis, chance_of in zip((-1, -2), drawn[:2], strict=True) if chance_of < 0.5]
            clips = [clip.flip(axes) for clip in clips] if axes else clips
        if self.changes.transpose and drawn[2] < 0.5:
            clips = [clip.transpose(-1, -2) for clip in clips]
        if self.changes.jitter is not None:
            seed = int(torch.randint(2**31, (), generator=generator))
            clips = [_recoloured(clip, self.changes.jitter, seed) for clip in clips]
        return clips[0].contiguous(), clips[1].contiguous(), clips[2].contiguous()

    def _picked(self, low: Tensor, high: Tensor, plain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The frames that go in and those that are wanted."""
        window = self.window
        taken = low if window.inputs is None else low[list(window.inputs)]
        if window.target is not None:
            return taken, high[window.target], plain[window.target]
        if window.inputs is not None:
            high, plain = high[list(window.inputs)], plain[list(window.inputs)]
        return taken, high, plain


def _as_levels(frames: np.ndarray) -> Tensor:
    """uint8 ``(T, H, W, 3)`` as ``(T, 3, H, W)``."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).contiguous()


def _recoloured(clip: Tensor, jitter: Jitter, seed: int) -> Tensor:
    """One change of colours for a whole clip: its frames are jittered as one tall picture."""
    tall = clip.permute(1, 0, 2, 3).flatten(1, 2)  # 3, T * H, W
    changed = jittered(tall, jitter, torch.Generator().manual_seed(seed))
    recoloured: Tensor = changed.unflatten(1, (clip.shape[0], clip.shape[2])).permute(1, 0, 2, 3)
    return recoloured
