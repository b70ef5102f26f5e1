"""Options of the commands that work on clips, spelled and explained once."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, TypeAlias

import typer

from finesight.cli.models import complete_model
from finesight.errors import SettingError

__all__ = [
    "Codec",
    "Crf",
    "Cut",
    "Damaged",
    "Device",
    "DryRun",
    "End",
    "Engine",
    "Exact",
    "Gaps",
    "Memory",
    "Metadata",
    "ModelName",
    "Output",
    "Overlap",
    "Overwrite",
    "PixelFormat",
    "Precision",
    "Preview",
    "Rate",
    "Segment",
    "SelfEnsemble",
    "Source",
    "Start",
    "Streams",
    "parse_time",
]

_WHERE, _HOW, _PART, _IN_THE_WAY = "Where to", "How", "Which part", "When something is in the way"

Source: TypeAlias = Annotated[
    str, typer.Argument(metavar="CLIP", help="A clip, a folder of frames, or a pattern such as shot_%04d.png.")
]
Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER",
        help=".mp4, .mov, .mkv, .webm; a name without ending is a folder of frames.",
        rich_help_panel=_WHERE,
    ),
]
Codec: TypeAlias = Annotated[
    str | None, typer.Option(help="libx264, libx265, libsvtav1, ffv1, prores ...", rich_help_panel=_WHERE)
]
Crf: TypeAlias = Annotated[
    float | None, typer.Option(help="Quality of the codec, low is good; by default 16 to 20.", rich_help_panel=_WHERE)
]
PixelFormat: TypeAlias = Annotated[
    str | None, typer.Option(help="FFmpeg's name; by default nearest to the source.", rich_help_panel=_WHERE)
]
Streams: TypeAlias = Annotated[
    Literal["all", "possible", "none"],
    typer.Option(help="Sound, subtitles, attachments: which are copied.", rich_help_panel=_WHERE),
]
Metadata: TypeAlias = Annotated[
    Literal["keep", "minimal", "strip"],
    typer.Option(help="minimal: only what made the clip; strip: nothing.", rich_help_panel=_WHERE),
]
Start: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TIME", help="Begin there: 12.5 or 1:02:03.", rich_help_panel=_PART)
]
End: TypeAlias = Annotated[str | None, typer.Option(metavar="TIME", help="Stop before that.", rich_help_panel=_PART)]
Rate: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Frames a second of a folder of frames, such as 24 or 29.97.", rich_help_panel=_PART),
]
Gaps: TypeAlias = Annotated[
    Literal["error", "keep"],
    typer.Option(help="Numbered frames that are missing: keep lets the one before last longer.",
                 rich_help_panel=_IN_THE_WAY),
]  # fmt: skip
Damaged: TypeAlias = Annotated[
    Literal["error", "skip"],
    typer.Option(help="What cannot be decoded: skip leaves it out and says so.", rich_help_panel=_IN_THE_WAY),
]
Preview: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Only N places of the clip, before and after, as one PNG.", rich_help_panel=_PART
    ),
]
ModelName: TypeAlias = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="NAME|FILE", autocompletion=complete_model, rich_help_panel=_HOW),
]
Memory: TypeAlias = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Limit, such as 2GB; by default what is free.", rich_help_panel=_HOW)
]
Device: TypeAlias = Annotated[
    str, typer.Option(help="auto, cpu, cuda, mps, xpu; several share a clip: cuda:0,cuda:1.", rich_help_panel=_HOW)
]
Precision: TypeAlias = Annotated[Literal["auto", "float32", "bfloat16", "float16"], typer.Option(rich_help_panel=_HOW)]
Engine: TypeAlias = Annotated[
    Literal["auto", "torch", "compile", "openvino", "onnxruntime"],
    typer.Option(help="Of networks for pictures; those for clips use torch.", rich_help_panel=_HOW),
]
Segment: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Frames computed and committed together.", rich_help_panel=_HOW)
]
Overlap: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Frames that recurrent segments share on each side.", rich_help_panel=_HOW)
]
Exact: TypeAlias = Annotated[
    bool, typer.Option("--exact", help="Recurrent networks see each shot as a whole.", rich_help_panel=_HOW)
]
SelfEnsemble: TypeAlias = Annotated[
    bool, typer.Option("--self-ensemble", help="Average eight turns: 8 times the work.", rich_help_panel=_HOW)
]
Cut: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0, max=100, help="Threshold of the detector of cuts in percent; 100 finds none.",
                 rich_help_panel=_HOW),
]  # fmt: skip
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result that exists.", rich_help_panel=_IN_THE_WAY)
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Print the plan, with time, and stop.")]


def parse_time(text: str | None, option: str) -> Fraction | None:
    """Seconds of ``12.5``, ``1:30`` or ``1:02:03.5``.

    Raises:
        SettingError: no time.
    """
    if text is None:
        return None
    parts = text.strip().split(":")
    try:
        numbers = [Fraction(part) for part in parts]
    except (ValueError, ZeroDivisionError):
        numbers = []
    if not 1 <= len(numbers) <= 3 or any(number < 0 for number in numbers):
        raise SettingError(
            f"{option}: expected seconds or hours:minutes:seconds, such as 12.5 or 1:02:03, got '{text}'."
        )
    seconds = Fraction(0)
    for number in numbers:
        seconds = seconds * 60 + number
    return seconds
