"""``finesight upscale``: the main job."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finesight import __version__
from finesight.cli.console import Console, format_duration, one_line, print_json
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
from finesight.cli.sizes import parse_size
from finesight.errors import Error, InputError, SettingError

if TYPE_CHECKING:
    from finesight.cli.batch import Batch
    from finesight.cli.enlarge import Order, Settings
    from finesight.cli.working import Clock
    from finesight.media.names import Item, Job
    from finesight.run import Upscaler
    from finesight.zoo import Model

__all__ = ["errors_as_json", "parse_scale", "upscale"]


def upscale(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Pictures, folders, patterns; - is standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="- is standard output.", rich_help_panel=WHERE),
    ] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", "-s", help="2, 3, 4 or any number above 1, up to 16.", rich_help_panel=HOW)
    ] = None,
    target_size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT", help="Instead of a scale: fit into it; with ! exactly it.", rich_help_panel=HOW
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help="By default chosen by scale and file format.",
            autocompletion=complete_model,
            rich_help_panel=HOW,
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Limit, such as 2GB; by default what is free.", rich_help_panel=HOW),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, mps or xpu; several as cuda:0,cuda:1.", rich_help_panel=HOW)
    ] = "auto",
    precision: Annotated[Literal["auto", "float32", "bfloat16", "float16"], typer.Option(rich_help_panel=HOW)] = "auto",
    engine: Annotated[
        Literal["auto", "torch", "compile", "openvino", "onnxruntime"],
        typer.Option(help="What computes; auto measures.", rich_help_panel=HOW),
    ] = "auto",
    exact: Annotated[
        bool, typer.Option("--exact", help="Tiles equal the whole picture, at any cost.", rich_help_panel=HOW)
    ] = False,
    wrap: Annotated[
        bool, typer.Option("--wrap", help="The picture goes on as itself on all sides.", rich_help_panel=HOW)
    ] = False,
    denoise: Annotated[
        float | None, typer.Option(min=0, max=1, help="Strength, of models that offer it.", rich_help_panel=HOW)
    ] = None,
    self_ensemble: Annotated[
        bool, typer.Option("--self-ensemble", help="Average eight turns: 8 times the work.", rich_help_panel=HOW)
    ] = False,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A picture of similar content, for models that ask for one.", rich_help_panel=HOW
        ),
    ] = None,
    landmarks: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write where faces have their landmarks (JSON).", rich_help_panel=WHERE),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="png, jpeg, webp, tiff, avif, bmp or ppm.", rich_help_panel=WHERE),
    ] = None,
    quality: Quality = None,
    metadata: Metadata = "keep",
    suffix: Annotated[
        str | None, typer.Option(help="Added to names; default _x and the scale.", rich_help_panel=WHERE)
    ] = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    keep_going: KeepGoing = True,
    seam_check: Annotated[
        bool, typer.Option("--seam-check", help="Measure the largest jump along tile borders.", rich_help_panel=HOW)
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say at the end where the time went.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, with time and memory, and stop.")] = False,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Make larger, sharper pictures.

    finesight upscale photo.jpg        writes photo_x4.jpg beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.batch import Batch

    batch = Batch(console, debug=debug)
    with errors_as_json(json):
        if overwrite and skip_existing:
            raise SettingError("--overwrite and --skip-existing exclude each other: give one of them.")
        if denoise is not None and model is None:
            raise SettingError("--denoise needs a model that offers it. Add --model realesr-general-x4v3.")
        number, target = parse_scale(scale), parse_size(target_size)
        if number is not None and target is not None:
            raise SettingError("--scale and --target-size exclude each other: give one of them.")
        from finesight.media.names import expand_inputs, plan_outputs

        items = _usable(expand_inputs(inputs), batch)
        if not items:  # nothing that a network would be needed for
            return batch.finish(json=json)
        from finesight.cli.enlarge import Settings
        from finesight.cli.working import Clock, work
        from finesight.run import Upscaler
        from finesight.run.devices import find_devices
        from finesight.run.memory import parse_bytes

        if memory is not None:
            parse_bytes(memory)  # a wrong size is no fault of any picture
        clock = Clock()
        _note_start(clock)
        with clock("loading weights"):
            network = None if model is None else load_model(model, console, offline=offline, denoise=denoise)
        upscalers = [
            Upscaler(
                network,
                memory=memory,
                device=name,
                precision=precision,
                engine=engine,
                exact=exact,
                wrap=wrap,
                self_ensemble=self_ensemble,
                reference=reference,
            )
            for name in find_devices(device)
        ]
        upscaler = upscalers[0]
        settings = Settings(
            upscaler=upscaler,
            scale=_scale(number, upscaler, network),
            target=target,
            quality=quality,
            metadata=metadata,
            overwrite=overwrite,
            seam_check=seam_check,
            reference=reference,
            landmarks=landmarks,
        )
        ending = suffix if suffix is not None else f"_x{settings.scale:g}" if target is None else f"_{target}"
        jobs = plan_outputs(items, output, suffix=ending, format=file_format)
        _check_standard_output(jobs, json=json)
        if landmarks is not None:
            _check_landmarks(landmarks, network, jobs, overwrite=overwrite)
        jobs = _without_existing(jobs, batch) if skip_existing else jobs
        orders = _opened(jobs, settings, batch)
        with clock("loading weights"):
            for number, name in {(order.scale, order.format) for order in orders}:
                upscaler.models(number, name)  # weights that cannot be used are no fault of any picture
    if dry_run:
        return _plan(orders, settings, batch, json=json)
    everywhere = [replace(settings, upscaler=each) for each in upscalers]
    code = work(orders, everywhere, batch, json=json, keep_going=keep_going, clock=clock)
    if profile:
        from finesight.cli.profile import lines

        for line in lines(clock):
            console.error(line)
    return code


def _note_start(clock: Clock) -> None:
    from finesight.cli.profile import since_start

    began = since_start()
    if began is not None:
        clock.add("starting", began)


@contextlib.contextmanager
def errors_as_json(wanted: bool) -> Iterator[None]:
    """What keeps everything from starting goes into the JSON object too."""
    try:
        yield
    except Error as error:
        if wanted:
            print_json({"version": __version__, "results": [], "error": one_line(str(error))})
        raise


def parse_scale(text: str | None) -> float | None:
    """The number that ``--scale`` gives: ``4``, ``2.5``, ``x4`` or ``4x``.

    Raises:
        SettingError: not a number.
    """
    if text is None:
        return None
    try:
        number = float(text.strip().lower().removeprefix("x").removesuffix("x"))
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise SettingError(f"--scale: expected a number such as 2, 3, 4 or 2.5, got '{text}'.")
    return number


def _scale(number: float | None, upscaler: Upscaler, model: Model | None) -> float:
    """The scale of the results: as asked for, or the network's own."""
    from finesight.run.choose import DEFAULT_SCALE, check_scale

    if model is not None:
        upscaler.models(DEFAULT_SCALE)  # says so if it does not enlarge pictures
        number = model.traits.scale if number is None else number
    return check_scale(DEFAULT_SCALE if number is None else number)


def _usable(items: Sequence[Item], batch: Batch) -> list[Item]:
    for item in items:
        if item.problem:
            batch.fail(item.source, InputError(item.problem))
    return [item for item in items if not item.problem]


def _check_standard_output(jobs: Sequence[Job], *, json: bool) -> None:
    if not any(job.target == "-" for job in jobs):
        return
    if json:
        raise SettingError("--json and a picture cannot both go to standard output. Give a file with -o.")
    if sys.stdout.isatty():
        raise SettingError("A picture is not written to a terminal. Give a file with -o, or redirect standard output.")


def _check_landmarks(path: str, model: Model | None, jobs: Sequence[Job], *, overwrite: bool) -> None:
    from finesight.cli.landmarks import check_file
    from finesight.run.faces import check_landmarks

    check_landmarks(model)
    check_file(path, (name for job in jobs for name in (job.item.source, job.target)), overwrite=overwrite)


def _without_existing(jobs: Sequence[Job], batch: Batch) -> list[Job]:
    left = []
    for job in jobs:
        if job.target != "-" and os.path.lexists(job.target):
            batch.skip(job.item.source, job.target)
        else:
            left.append(job)
    return left


def _opened(jobs: Sequence[Job], settings: Settings, batch: Batch) -> list[Order]:
    """The pictures whose headers promise that they can be done."""
    from finesight.cli.enlarge import open_order

    orders = []
    for job in jobs:
        try:
            orders.append(open_order(job, settings))
        except Exception as error:
            batch.fail(job.item.source, error)
    return orders


def _plan(orders: Sequence[Order], settings: Settings, batch: Batch, *, json: bool) -> int:
    """Say what would be done, and what it would take; the exit code."""
    from finesight.cli.enlarge import foresee
    from finesight.run.memory import format_bytes

    seconds, memory = 0.0, 0
    for order in orders:
        try:
            plan = foresee(order, settings)
        except Exception as error:
            batch.fail(order.job.item.source, error)
            continue
        batch.done(plan)
        seconds, memory = seconds + plan["seconds"], max(memory, plan["memory"])
        batch.console.result(
            f"{plan['output']}  {plan['width']} x {plan['height']} pixels by {plan['model']}, "
            f"about {format_duration(plan['seconds'])}, {format_bytes(plan['memory'])}"
        )
    count = len(batch.results)
    if count > 1:
        total = f"{count} pictures, about {format_duration(seconds)}, at most {format_bytes(memory)}"
        batch.console.result(total)
    batch.started = count > 0
    return batch.finish(json=json)
