"""``finesight interpolate``: more frames a second."""

from __future__ import annotations

from typing import Annotated

import typer

from finesight.cli import clip_options as options
from finesight.cli.console import Console
from finesight.cli.loading import load_model
from finesight.cli.options import Debug, Json, Offline, Quiet, Verbose

__all__ = ["interpolate"]


def interpolate(
    source: options.Source,
    output: options.Output = None,
    factor: Annotated[
        int | None, typer.Option(help="2, 4 or 8 times as many frames; 2 by default.", rich_help_panel="How")
    ] = None,
    fps: Annotated[
        str | None, typer.Option(help="Any rate instead, by time stamp, such as 59.94.", rich_help_panel="How")
    ] = None,
    model: options.ModelName = None,
    memory: options.Memory = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
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
    cut: options.Cut = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> int:
    """Put frames between the frames of a clip; at cuts the frame before is shown again.

    finesight interpolate clip.mp4 --factor 2        writes clip_2x.mp4 beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.clips import ClipOrder, Writing, clip_settings, parse_time, work_on_clip
    from finesight.cli.upscale import errors_as_json
    from finesight.errors import SettingError
    from finesight.media.clips.reading import parse_rate
    from finesight.run.clips import Interpolator, shipped

    with errors_as_json(json):
        if factor is not None and fps is not None:
            raise SettingError("--factor and --fps exclude each other: give one of them.")
        wanted = None if fps is None else parse_rate(fps)
        times = None if wanted is not None else factor or 2
        name = model or shipped("interpolation")
        network = None if name is None else load_model(name, console, offline=offline)
        settings = clip_settings(
            device=device,
            memory=memory,
            precision=precision,
            engine="auto",
            segment=segment,
            overlap=None,
            exact=False,
            cut=cut,
        )
        Interpolator(network, factor=times, rate=wanted, settings=settings)  # what is wrong is said before reading
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
            suffix=f"_{times}x" if wanted is None else f"_{float(wanted):.5g}fps",
            scale=1,
            make=lambda given: Interpolator(network, factor=times, rate=wanted, settings=given),
            settings=settings,
            model=network,
            job={"command": "interpolate"},
            factor=times,
            fps=wanted,
        )
        return work_on_clip(order, console, dry_run=dry_run, preview=preview, json=json, debug=debug)
