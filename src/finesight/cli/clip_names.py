"""Whether ``upscale`` is asked for a clip; light, because it is looked at before the command is known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["with_clips"]

_VALUES = {
    "-o", "--output", "-s", "--scale", "-m", "--model", "--memory", "--device", "--precision", "--engine",
    "--reference", "--landmarks", "--format", "--quality", "--metadata", "--suffix", "--target-size", "--denoise",
    "--codec", "--crf", "--pixel-format", "--streams", "--start", "--end", "--rate", "--preview", "--segment",
    "--overlap", "--cut",
}  # fmt: skip
"""Options that take a value, which is no input."""


def with_clips(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command line; ``upscale`` of a clip becomes ``upscale-clip``.

    An input is a clip by its content; a folder of frames, where the output is a video file or a rate is given.
    """
    given = list(arguments)
    if not given or given[0] != "upscale":
        return given
    inputs, output, before = [], "", ""
    for argument in given[1:]:
        name, _, value = argument.partition("=")
        if before in ("-o", "--output"):
            output = argument
        elif name == "--output":
            output = value
        elif not argument.startswith("-") and before not in _VALUES:
            inputs.append(argument)
        before = argument
    if not inputs:
        return given
    from finesight.media.clips.kinds import CLIP_SUFFIXES, is_clip

    frames = Path(output).suffix.lower() in CLIP_SUFFIXES or any(one.partition("=")[0] == "--rate" for one in given)
    clip = any(is_clip(one, folders=frames) for one in inputs if os.path.exists(one) or "%" in one or _named(one))
    return ["upscale-clip", *given[1:]] if clip else given


def _named(name: str) -> bool:
    """A missing file that is called like a clip: the command for clips says that it is missing."""
    from finesight.media.clips.kinds import CLIP_SUFFIXES

    return Path(name).suffix.lower() in CLIP_SUFFIXES
