"""``finesight degrade``: pictures made worse on purpose, as cameras, the web and repeated saving make them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from finesight.cli.batch import Batch
from finesight.cli.console import Console
from finesight.cli.options import HOW, WHERE, Debug, Json, Metadata, Overwrite, Quality, Quiet, SkipExisting, Verbose
from finesight.cli.stopping import stoppable
from finesight.degrade.names import Degradation
from finesight.errors import CancelledError, InputError, SettingError

if TYPE_CHECKING:
    from finesight.cli.worsen import Settings, Task
    from finesight.media.names import Item

__all__ = ["degrade"]

MOST_COPIES = 10000


def degrade(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Pictures, folders, patterns; - is standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="- is standard output.", rich_help_panel=WHERE),
    ] = None,
    degradation: Annotated[
        Degradation | None,
        typer.Option(help="What is done; default real-esrgan.", rich_help_panel=HOW),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option("--scale", "-s", min=1, max=16, help="How much smaller; default 4.", rich_help_panel=HOW),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed, the same pictures; default 0.", rich_help_panel=HOW)
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=MOST_COPIES, help="Different results of each picture.", rich_help_panel=HOW)
    ] = 1,
    parameters: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Do again what --save-parameters recorded.", rich_help_panel=HOW),
    ] = None,
    save_parameters: Annotated[
        bool,
        typer.Option("--save-parameters", help="Write what was drawn beside each result.", rich_help_panel=WHERE),
    ] = False,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="Default png, which adds no loss.", rich_help_panel=WHERE),
    ] = None,
    quality: Quality = None,
    metadata: Metadata = "keep",
    suffix: Annotated[str, typer.Option(help="Added to names.", rich_help_panel=WHERE)] = "_low",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Make pictures small and worse, for training and for trying models.

    finesight degrade photo.jpg --seed 3        writes photo_low.png beside it
    """
    batch = Batch(Console(quiet=quiet, verbose=verbose, json=json), debug=debug)
    if overwrite and skip_existing:
        raise SettingError("--overwrite and --skip-existing exclude each other: give one of them.")
    from finesight.cli.worsen import Settings, plan_tasks, read_record
    from finesight.media.names import expand_inputs

    record = None
    if parameters is not None:
        _check_alone(degradation, scale, seed, count)
        record = read_record(parameters)
    settings = Settings(
        degradation=_degradation(degradation),
        scale=4 if scale is None else scale,
        seed=0 if seed is None else seed,
        record=record,
        save_parameters=save_parameters,
        quality=quality,
        metadata=metadata,
        overwrite=overwrite,
    )
    items = _usable(expand_inputs(inputs), batch)
    tasks = plan_tasks(items, inputs, output, suffix=suffix, count=count, format=file_format)
    _check_standard_output(tasks, settings, json=json)
    if skip_existing:
        tasks = _without_existing(tasks, batch)
    return _work(tasks, settings, batch, json=json)


def _check_alone(degradation: str | None, scale: int | None, seed: int | None, count: int) -> None:
    """The file of ``--parameters`` says everything else."""
    given = {"--degradation": degradation, "--scale": scale, "--seed": seed, "--count": count if count > 1 else None}
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise SettingError(f"--parameters holds everything that was drawn; leave out {', '.join(named)}.")


def _degradation(name: Degradation | None) -> Degradation:
    return "real-esrgan" if name is None else name


def _usable(items: Sequence[Item], batch: Batch) -> list[Item]:
    for item in items:
        if item.problem:
            batch.fail(item.source, InputError(item.problem))
    return [item for item in items if not item.problem]


def _check_standard_output(tasks: Sequence[Task], settings: Settings, *, json: bool) -> None:
    if not any(task.job.target == "-" for task in tasks):
        return
    if json:
        raise SettingError("--json and a picture cannot both go to standard output. Give a file with -o.")
    if settings.save_parameters:
        raise SettingError("--save-parameters writes beside the result, which has no place. Give a file with -o.")
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


def _work(tasks: Sequence[Task], settings: Settings, batch: Batch, *, json: bool) -> int:
    """Do one result after the other; the exit code."""
    from finesight.cli.worsen import worsen

    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("pictures") as progress:
            for done, task in enumerate(tasks):
                progress(done, len(tasks), os.path.basename(task.job.item.source))
                stop.check()
                try:
                    result = worsen(task, settings)
                except Exception as error:
                    batch.fail(task.job.item.source, error)
                    continue
                batch.started = True
                batch.done(result)
                if result["output"] != "-":
                    batch.console.result(result["output"])
                for note in result["notes"]:
                    batch.console.note(f"{result['input']}: {note}")
        return batch.finish(json=json)
    left = len(tasks) - len(batch.results) - len(batch.failed)
    batch.finish(json=json, stopped=f"Stopped. Done: {len(batch.results)}. Left: {left}.")
    return stop.code
