"""``finesight matte``: cut things out along a trimap."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    from finesight.cli.batch import Batch
    from finesight.cli.cutting import Settings, Task, Wanted
    from finesight.media.picture import Picture
    from finesight.progress import Progress

__all__ = ["matte"]

_WHAT = "What comes out"


def matte(
    inputs: Annotated[
        list[str], typer.Argument(metavar="PICTURE", help="Pictures, folders, patterns; or one clip (a video file).")
    ],
    trimap: Annotated[
        str,
        typer.Option(
            "--trimap",
            "-t",
            metavar="FILE|FOLDER|PATTERN",
            help="Black background, white foreground, grey unknown. * stands for a picture's name.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="- is standard output.", rich_help_panel=WHERE),
    ] = None,
    cutout: Annotated[
        bool, typer.Option("--cutout", help="Colours with alpha, clean at the edge.", rich_help_panel=_WHAT)
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(metavar="COLOUR|FILE", help="The foreground on white, #ff8800, a picture.", rich_help_panel=_WHAT),
    ] = None,
    depth: Annotated[
        Literal["8", "16"] | None,
        typer.Option(help="Bits of alpha; by default those of the picture.", rich_help_panel=_WHAT),
    ] = None,
    resize_trimap: Annotated[
        bool, typer.Option("--resize-trimap", help="Bring trimaps to the pictures' sizes.", rich_help_panel=HOW)
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help="By default finesight-matte, which ships.",
            autocompletion=complete_model,
            rich_help_panel=HOW,
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Limit, such as 2GB; by default what is free.", rich_help_panel=HOW),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps or xpu.", rich_help_panel=HOW)] = "auto",
    exact: Annotated[
        bool, typer.Option("--exact", help="Tiles equal the whole picture, at any cost.", rich_help_panel=HOW)
    ] = False,
    codec: Annotated[
        str | None, typer.Option(help="Of clips: prores (.mov), ffv1 (.mkv).", rich_help_panel=WHERE)
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="png, tiff, webp, avif, jpeg, ...", rich_help_panel=WHERE)
    ] = None,
    quality: Quality = None,
    metadata: Metadata = "keep",
    suffix: Annotated[
        str | None, typer.Option(help="Added to names; _alpha, _cutout or _composite.", rich_help_panel=WHERE)
    ] = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    keep_going: KeepGoing = True,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Cut things out: alpha, cut-outs or composites, from a picture and a trimap.

    finesight matte cat.jpg --trimap cat_trimap.png        writes cat_alpha.png beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.batch import Batch

    batch = Batch(console, debug=debug)
    if overwrite and skip_existing:
        raise SettingError("--overwrite and --skip-existing exclude each other: give one of them.")
    if cutout and background is not None:
        raise SettingError("--cutout and --background exclude each other: give one of them.")
    if background is not None and depth is not None:
        raise SettingError("--depth is of alpha and cut-outs; a composite keeps the picture's depth.")
    wanted: Wanted = "cutout" if cutout else "composite" if background is not None else "alpha"
    behind = _background(background)
    from finesight.media.clips import is_clip

    clips = [entry for entry in inputs if entry != "-" and is_clip(entry)]
    if clips and len(inputs) > 1:
        raise SettingError(f"{clips[0]} is a clip: clips are cut out one at a time.")
    items = [] if clips else _items(inputs, batch)
    if not items and not clips:
        return batch.finish(json=json)
    from finesight.cli.cutting import Settings, plan_tasks
    from finesight.run.matting import DEFAULT_MODEL, Matter

    network = load_model(DEFAULT_MODEL if model is None else model, console, offline=offline)
    settings = Settings(
        matter=Matter(network, memory=memory, device=device, exact=exact),
        wanted=wanted,
        background=behind,
        depth=None if depth is None else 8 if depth == "8" else 16,
        resize_trimap=resize_trimap,
        quality=quality,
        metadata=metadata,
        overwrite=overwrite,
    )
    if clips:
        return _clip(clips[0], output, trimap, codec, settings, batch, json=json)
    if codec is not None:
        raise SettingError("--codec is of clips; pictures have a --format.")
    tasks = plan_tasks(
        items,
        output,
        trimap,
        wanted=wanted,
        suffix=f"_{wanted}" if suffix is None else suffix,
        format=file_format,
    )
    _check_standard_output(tasks, json=json)
    if skip_existing:
        tasks = _without_existing(tasks, batch)
    return _work(tasks, settings, batch, json=json, keep_going=keep_going)


def _background(text: str | None) -> Picture | tuple[int, int, int] | None:
    if text is None:
        return None
    from finesight import media
    from finesight.run.matting.results import parse_colour

    if os.path.exists(text):
        return media.read(text)
    try:
        return parse_colour(text)
    except SettingError as error:
        raise SettingError(f"--background: '{text}' is neither a picture that exists nor a colour: {error}") from error


def _items(inputs: Sequence[str], batch: Batch) -> list[Any]:
    from finesight.media.names import expand_inputs

    items = expand_inputs(inputs)
    for item in items:
        if item.problem:
            batch.fail(item.source, InputError(item.problem))
    return [item for item in items if not item.problem]


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


def _clip(
    source: str, output: str | None, trimap: str, codec: str | None, settings: Settings, batch: Batch, *, json: bool
) -> int:
    """One clip, frame by frame; the exit code."""
    from finesight.cli.cutting_clips import cut_clip

    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("frames") as progress:
            named = _Named(progress, os.path.basename(source), batch)
            try:
                _tell(cut_clip(source, output, trimap, settings, codec=codec, progress=named, cancel=stop), batch)
            except CancelledError:
                raise
            except Exception as error:
                batch.fail(source, error)
        return batch.finish(json=json)
    batch.finish(json=json, stopped="Stopped. Nothing was written.")
    return stop.code


def _work(tasks: Sequence[Task], settings: Settings, batch: Batch, *, json: bool, keep_going: bool) -> int:
    """One picture after the other; the exit code."""
    from finesight.cli.cutting import check, cut

    left = len(tasks)
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("tiles") as progress:
            for number, task in enumerate(tasks):
                stop.check()
                if batch.failed and not keep_going:
                    break
                name = f"{number + 1}/{len(tasks)} {os.path.basename(task.job.item.source)}"
                progress(0, 1, name)
                try:
                    check(task, settings)
                    _tell(cut(task, settings, _Named(progress, name, batch), stop), batch)
                except CancelledError:
                    raise
                except Exception as error:
                    batch.fail(task.job.item.source, error)
                left -= 1
        return batch.finish(json=json, stopped=f"{left} pictures were left undone because of --stop." if left else "")
    batch.finish(json=json, stopped=f"Stopped. Done: {len(batch.results)}. Left: {left}.")
    return stop.code


class _Named:
    """Progress under a name; the first of it says that the work has begun."""

    def __init__(self, progress: Progress, name: str, batch: Batch) -> None:
        self.progress, self.name, self.batch = progress, name, batch

    def __call__(self, done: int, total: int, note: str) -> None:  # noqa: ARG002 (the name says more)
        self.batch.started = True
        self.progress(done, total, self.name)


def _tell(result: dict[str, Any], batch: Batch) -> None:
    """What was done with one picture or clip."""
    batch.done(result)
    console = batch.console
    if result["output"] != "-":
        console.result(result["output"])
    frames = f" in {result['frames']} frames" if "frames" in result else ""
    console.detail(
        f"{result['input']}: {result['result']} from {result['unknown']} unknown pixels ({result['share']:.1%})"
        f"{frames} by {result['model'] or 'nothing'}, {result['computed']} of {result['tiles']} tiles, in "
        f"{format_duration(result['seconds'])}"
    )
    for note in result["notes"]:
        console.note(f"{result['input']}: {note}")
