"""``finesight upscale`` on a clip."""

from __future__ import annotations

from typing import Annotated

import typer

from finesight.cli import clip_options as options
from finesight.cli.console import Console
from finesight.cli.loading import load_model
from finesight.cli.options import Debug, Json, Offline, Quiet, Verbose

__all__ = ["upscale_clip"]


def upscale_clip(
    source: options.Source,
    output: options.Output = None,
    scale: Annotated[str | None, typer.Option("--scale", "-s", help="2, 3, 4 ...", rich_help_panel="How")] = None,
    model: options.ModelName = None,
    memory: options.Memory = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    engine: options.Engine = "auto",
    start: options.Start = None,
    end: options.End = None,
    rate: options.Rate = None,
    gaps: options.Gaps = "error",
    damaged: options.Damaged = "error",
    preview: options.Preview = None,
    codec: options.Codec = None,
    crf: options.Crf = None,
    pixel_format: options.PixelFormat = None,
    streams: options.Streams = "all",
    metadata: options.Metadata = "keep",
    segment: options.Segment = None,
    overlap: options.Overlap = None,
    exact: options.Exact = False,
    cut: options.Cut = None,
    self_ensemble: options.SelfEnsemble = False,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Make larger, sharper clips; sound, subtitles and times stay.

    finesight upscale clip.mp4        writes clip_x4.mp4 beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.clips import ClipOrder, Writing, clip_settings, parse_time, work_on_clip
    from finesight.cli.upscale import errors_as_json, parse_scale
    from finesight.run.choose import check_scale
    from finesight.run.clips import ClipRunner, shipped

    with errors_as_json(json):
        number = parse_scale(scale)
        if number is not None:
            check_scale(number)
        name = model
        if name is None and number in (None, 4):
            name = shipped("super-resolution")  # a network for clips, where one ships
        network = None if name is None else load_model(name, console, offline=offline)
        settings = clip_settings(
            device=device,
            memory=memory,
            precision=precision,
            engine=engine,
            segment=segment,
            overlap=overlap,
            exact=exact,
            cut=cut,
            self_ensemble=self_ensemble,
        )
        runner = ClipRunner(network, scale=number, settings=settings)
        order = ClipOrder(
            source=source,
            start=parse_time(start, "--start"),
            end=parse_time(end, "--end"),
            rate=rate,
            gaps=gaps,
            damaged=damaged,
            writing=Writing(
                output=output,
                codec=codec,
                crf=crf,
                pixel_format=pixel_format,
                streams=streams,
                metadata=metadata,
                overwrite=overwrite,
            ),
            suffix=f"_x{runner.scale:g}",
            scale=runner.scale,
            make=lambda given: ClipRunner(network, scale=number, settings=given),
            settings=settings,
            model=network,
            job={"command": "upscale"},
        )
        return work_on_clip(order, console, dry_run=dry_run, preview=preview, json=json, debug=debug)
