"""Runs a network on a clip of any length in bounded memory: frames in, frames out."""

from finesight.run.clips.cuts import CUT_THRESHOLD, CutDetector, is_repeat
from finesight.run.clips.interpolate import Interpolator, interpolate_frames
from finesight.run.clips.models import shipped
from finesight.run.clips.pieces import OVERLAP, SEGMENT, ClipReport, ClipSettings, Piece
from finesight.run.clips.runner import ClipRunner, enlarge_frames, restore_frames

__all__ = [
    "CUT_THRESHOLD",
    "OVERLAP",
    "SEGMENT",
    "ClipReport",
    "ClipRunner",
    "ClipSettings",
    "CutDetector",
    "Interpolator",
    "Piece",
    "enlarge_frames",
    "interpolate_frames",
    "is_repeat",
    "restore_frames",
    "shipped",
]
