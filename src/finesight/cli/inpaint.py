"""``finesight inpaint``: fill what is missing in pictures."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from finesight.cli.console import Console, format_duration
from finesight.cli.loading import load_model
from finesight.cli.models import complete_model
from finesight.cli.options import (
    HOW,
    WHERE,
    Debug,
    Json,
    KeepGoing,
    Metadata,
    Offline,
    Overwrite,
    Quality,
    Quiet,
    SkipExisting,
    Verbose,
)
from finesight.cli.stopping import stoppable
from finesight.errors import CancelledError, InputError, SettingError

if TYPE_CHECKING:
    from typing import Any

    from finesight.cli.batch import Batch
    from finesight.cli.filling import Settings, Task

__all__ = ["inpaint", "parse_box", "parse_colour"]

_WHAT = "What is missing"


def inpaint(
    inputs: Annotated[
        list[str], typer.Argument(metavar="PICTURE", help="Pictures, folders, patterns; - is standard input.")
    ],
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="FILE|FOLDER|PATTERN|alpha",
            help="Light = missing. * stands for a picture's name: 'masks/*_mask.png'.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    mask_color: Annotated[
        str | None,
        typer.Option(metavar="COLOR", help="Pixels of this colour, such as ff00ff.", rich_help_panel=_WHAT),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=255, help="Of the colour, levels of 255.", rich_help_panel=_WHAT)
    ] = 0.0,
    mask_box: Annotated[
        list[str] | None,
        typer.Option(metavar="LEFT,TOP,WIDTH,HEIGHT", help="A rectangle; may be repeated.", rich_help_panel=_WHAT),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="Dark = missing.", rich_help_panel=_WHAT)] = False,
    resize_mask: Annotated[
        bool, typer.Option("--resize-mask", help="Bring masks to the pictures' sizes.", rich_help_panel=_WHAT)
    ] = False,
    grow: Annotated[int, typer.Option(min=0, help="Pixels added around every hole.", rich_help_panel=_WHAT)] = 0,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="- is standard output.", rich_help_panel=WHERE),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help="By default finesight-inpaint, which ships.",
            autocompletion=complete_model,
            rich_help_panel=HOW,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps or xpu.", rich_help_panel=HOW)] = "auto",
    native: Annotated[
        bool, typer.Option("--native", help="The whole picture at the published size.", rich_help_panel=HOW)
    ] = False,
    detail: Annotated[
        bool, typer.Option("--detail/--no-detail", help="Texture for wide holes.", rich_help_panel=HOW)
    ] = True,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="png, jpeg, webp, tiff, avif, bmp or ppm.", rich_help_panel=WHERE),
    ] = None,
    quality: Quality = None,
    metadata: Metadata = "keep",
    suffix: Annotated[str, typer.Option(help="Added to names.", rich_help_panel=WHERE)] = "_filled",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    keep_going: KeepGoing = True,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Fill holes and remove things; every pixel outside the mask stays as it is.

    finesight inpaint photo.jpg --mask mask.png        writes photo_filled.jpg beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.batch import Batch

    batch = Batch(console, debug=debug)
    if overwrite and skip_existing:
        raise SettingError("--overwrite and --skip-existing exclude each other: give one of them.")
    colour = parse_colour(mask_color)
    boxes = tuple(parse_box(text) for text in mask_box or ())
    if mask is None and colour is None and not boxes:
        raise SettingError("Nothing says what is missing. Add --mask FILE, --mask alpha, --mask-color or --mask-box.")
    if invert and mask is None:
        raise SettingError("--invert turns a mask round, and there is none. Add --mask.")
    from finesight.media.names import expand_inputs

    items = expand_inputs(inputs)
    for item in items:
        if item.problem:
            batch.fail(item.source, InputError(item.problem))
    items = [item for item in items if not item.problem]
    if not items:
        return batch.finish(json=json)
    from finesight.cli.filling import Settings, plan_tasks
    from finesight.run.inpainting import DEFAULT_MODEL, Inpainter

    network = load_model(DEFAULT_MODEL if model is None else model, console, offline=offline)
    settings = Settings(
        inpainter=Inpainter(network, device=device, native=native, detail=detail),
        colour=colour,
        tolerance=tolerance,
        boxes=boxes,
        invert=invert,
        resize_mask=resize_mask,
        grow=grow,
        quality=quality,
        metadata=metadata,
        overwrite=overwrite,
    )
    tasks = plan_tasks(items, output, mask, suffix=suffix, format=file_format)
    _check_standard_output(tasks, json=json)
    if skip_existing:
        tasks = _without_existing(tasks, batch)
    return _work(tasks, settings, batch, json=json, keep_going=keep_going)


def parse_colour(text: str | None) -> tuple[int, int, int] | None:
    """Red, green and blue of ``#ff00ff``, ``f0f`` or ``255,0,255``.

    >>> parse_colour("#f80"), parse_colour("1, 2, 3")
    ((255, 136, 0), (1, 2, 3))

    Raises:
        SettingError: not a colour.
    """
    if text is None:
        return None
    parts = text.strip().split(",")
    digits = text.strip().removeprefix("#")
    try:
        if len(parts) == 3:
            values = [int(part) for part in parts]
        else:
            wide = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
            values = [int(wide[place : place + 2], 16) for place in (0, 2, 4)] if len(wide) == 6 else []
    except ValueError:
        values = []
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise SettingError(f"--mask-color: expected six hexadecimal digits or three numbers to 255, got '{text}'.")
    return values[0], values[1], values[2]


def parse_box(text: str) -> tuple[int, int, int, int]:
    """Left, top, width and height.

    >>> parse_box("10,20,300,40")
    (10, 20, 300, 40)

    Raises:
        SettingError: not four whole numbers, or a width or height below 1.
    """
    try:
        left, top, width, height = (int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        left = top = width = height = 0
    if width < 1 or height < 1:
        raise SettingError(f"--mask-box: expected LEFT,TOP,WIDTH,HEIGHT in pixels, such as 10,20,300,40; got '{text}'.")
    return left, top, width, height


def _check_standard_output(tasks: Sequence[Task], *, json: bool) -> None:
    if not any(task.job.target == "-" for task in tasks):
        return
    if json:
        raise SettingError("--json and a picture cannot both go to standard output. Give a file with -o.")
    if sys.stdout.isatty():
        raise SettingError("A picture is not written to a terminal. Give a file with -o, or redirect standard output.")


def _without_existing(tasks: Sequence[Task], batch: Batch) -> list[Task]:
    left = []
    for task in tasks:
        if task.job.target != "-" and os.path.lexists(task.job.target):
            batch.skip(task.job.item.source, task.job.target)
        else:
            left.append(task)
    return left


def _work(tasks: Sequence[Task], settings: Settings, batch: Batch, *, json: bool, keep_going: bool) -> int:
    """One picture after the other; the exit code."""
    from finesight.cli.filling import check, fill

    left = len(tasks)
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("windows") as progress:
            for number, task in enumerate(tasks):
                stop.check()
                if batch.failed and not keep_going:
                    break
                name = f"{number + 1}/{len(tasks)} {os.path.basename(task.job.item.source)}"
                progress(0, 1, name)
                try:
                    check(task, settings)
                    batch.started = True
                    _tell(fill(task, settings, lambda done, total, _, n=name: progress(done, total, n), stop), batch)
                except CancelledError:
                    raise
                except Exception as error:
                    batch.fail(task.job.item.source, error)
                left -= 1
        return batch.finish(json=json, stopped=f"{left} pictures were left undone because of --stop." if left else "")
    batch.finish(json=json, stopped=f"Stopped. Done: {len(batch.results)}. Left: {left}.")
    return stop.code


def _tell(result: dict[str, Any], batch: Batch) -> None:
    """What was done with one picture."""
    batch.done(result)
    console = batch.console
    if result["output"] != "-":
        console.result(result["output"])
    console.detail(
        f"{result['input']}: {result['missing']} pixels ({result['share']:.1%}) in {result['holes']} holes filled by "
        f"{result['model'] or 'nothing'} in {format_duration(result['seconds'])}"
    )
    for note in result["notes"]:
        console.note(f"{result['input']}: {note}")
