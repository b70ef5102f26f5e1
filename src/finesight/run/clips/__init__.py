"""Runs a network on a clip of any length in bounded memory: frames in, frames out."""

from finesight.run.clips.cuts import CUT_THRESHOLD, CutDetector, is_repeat
from finesight.run.clips.runner import ClipReport, ClipRunner, ClipSettings, enlarge_frames, restore_frames

__all__ = [
    "CUT_THRESHOLD",
    "ClipReport",
    "ClipRunner",
    "ClipSettings",
    "CutDetector",
    "enlarge_frames",
    "is_repeat",
    "restore_frames",
]
