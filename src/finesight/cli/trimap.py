"""``finesight trimap``: trimaps from masks, rough alphas or boxes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Json, Quiet, Verbose
from finesight.cli.stopping import stoppable
from finesight.errors import CancelledError, InputError, OutputError, SettingError

if TYPE_CHECKING:
    from finesight.media.names import Job
    from finesight.run.matting.trimaps import Box

__all__ = ["parse_box", "trimap"]


def trimap(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="MASK", help="Masks, rough alphas or cut-outs; with --box pictures, for their size."),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE|FOLDER", help="By default beside the input.")
    ] = None,
    inside: Annotated[
        float, typer.Option(min=0, metavar="PIXELS", help="Foreground that becomes unknown along the edge.")
    ] = 10.0,
    outside: Annotated[
        float, typer.Option(min=0, metavar="PIXELS", help="Background that becomes unknown along the edge.")
    ] = 10.0,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="LEFT,TOP,WIDTH,HEIGHT", help="A box is the foreground; may be repeated."),
    ] = None,
    unknown_box: Annotated[
        list[str] | None,
        typer.Option(metavar="LEFT,TOP,WIDTH,HEIGHT", help="Unknown in any case; may be repeated."),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="Dark is the foreground.")] = False,
    suffix: Annotated[str, typer.Option(help="Added to names.")] = "_trimap",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Make trimaps (black background, white foreground, grey unknown) for finesight matte.

    finesight trimap mask.png --inside 4 --outside 20        writes mask_trimap.png beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.batch import Batch
    from finesight.media import plan_outputs
    from finesight.media.names import expand_inputs

    batch = Batch(console, debug=debug)
    boxes, open_boxes = (tuple(parse_box(text) for text in texts or ()) for texts in (box, unknown_box))
    if boxes and invert:
        raise SettingError("--invert turns masks round; with --box there is none.")
    items = expand_inputs(inputs)
    for item in items:
        if item.problem:
            batch.fail(item.source, InputError(item.problem))
    named = output is not None and Path(output).suffix != "" and not os.path.isdir(output)
    jobs = plan_outputs(items, output, suffix=suffix, format=None if named else "png")
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        for job in jobs:
            stop.check()
            try:
                result = _make(job, boxes, open_boxes, inside, outside, invert=invert, overwrite=overwrite)
            except Exception as error:
                batch.fail(job.item.source, error)
                continue
            batch.done(result)
            if job.target != "-":
                console.result(job.target)
            console.detail(f"{job.item.source}: {result['unknown']} pixels unknown ({result['share']:.1%})")
            for note in result["notes"]:
                console.note(f"{job.item.source}: {note}")
        batch.started = bool(batch.results)
        return batch.finish(json=json)
    batch.finish(json=json, stopped=f"Stopped. Done: {len(batch.results)}.")
    return stop.code


def parse_box(text: str) -> Box:
    """Left, top, width and height.

    >>> parse_box("10,20,300,40")
    (10, 20, 300, 40)

    Raises:
        SettingError: not four whole numbers, or a width or height below 1.
    """
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        left = top = width = height = 0
    if width < 1 or height < 1:
        raise SettingError(f"--box: expected LEFT,TOP,WIDTH,HEIGHT in pixels, such as 10,20,300,40; got '{text}'.")
    return left, top, width, height


def _make(
    job: Job,
    boxes: tuple[Box, ...],
    open_boxes: tuple[Box, ...],
    inside: float,
    outside: float,
    *,
    invert: bool,
    overwrite: bool,
) -> dict[str, Any]:
    """One trimap; what was done, as plain JSON values."""
    from finesight import media
    from finesight.cli.places import check_folder, make_folder
    from finesight.nn.trimap import BACKGROUND, FOREGROUND, UNKNOWN
    from finesight.run.matting.trimaps import boxes_mask, made_trimap, rough_alpha, trimap_picture
    from finesight.run.pixels import most_of

    if job.target != "-":
        if not overwrite and os.path.lexists(job.target):
            raise OutputError(f"{job.target} exists already. Add --overwrite, or choose another -o.")
        check_folder(Path(job.target).parent)
    if job.format in ("jpeg", "avif", "webp"):
        raise SettingError(f"{job.target}: {job.format} would blur the three levels of a trimap. Choose png or tiff.")
    picture = media.read(job.item.source)
    shown = boxes_mask(picture.height, picture.width, boxes) if boxes else rough_alpha(picture)
    if invert:
        shown = most_of(shown.dtype) - shown
    opened = boxes_mask(picture.height, picture.width, open_boxes) if open_boxes else None
    classes = made_trimap(shown, inside=inside, outside=outside, unknown=opened)
    notes = []
    for word, each in (("background", BACKGROUND), ("foreground", FOREGROUND), ("unknown region", UNKNOWN)):
        if not (classes == each).any():
            notes.append(f"the trimap has no {word}: change --inside or --outside, or look at the mask")
    if job.target != "-":
        make_folder(Path(job.target).parent)
    media.write(job.target, trimap_picture(classes, picture), format=job.format)
    unknown = int((classes == UNKNOWN).sum())
    return {
        "input": job.item.source,
        "output": job.target,
        "width": picture.width,
        "height": picture.height,
        "unknown": unknown,
        "share": unknown / classes.size,
        "inside": inside,
        "outside": outside,
        "notes": notes,
    }
