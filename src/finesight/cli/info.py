"""``finesight info``: everything about one picture or clip."""

from __future__ import annotations

from typing import Annotated

import typer

from finesight.cli.console import one_line, print_json
from finesight.cli.options import Debug, Json

__all__ = ["info"]


def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture or a clip; - reads standard input.")],
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Print everything about a picture or clip: size, depth, colours, streams, metadata, and what made it."""
    from finesight import media
    from finesight.media.clips.kinds import is_clip

    if file != "-" and is_clip(file):
        from finesight.media.clips import inspect_clip
        from finesight.media.clips.describing import clip_as_dict, clip_lines

        clip = inspect_clip(file, gaps="keep")
        content, lines = clip_as_dict(clip), clip_lines(clip)
    else:
        found = media.inspect(file)
        content, lines = found.as_dict(), found.lines()
    if json:
        print_json(content)
        return 0
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        typer.echo(f"{label:<{width}}  {one_line(text)}")
    return 0
