"""``finesight restore``: clips at their own size."""

from __future__ import annotations

from finesight.cli import clip_options as options
from finesight.cli.console import Console
from finesight.cli.loading import load_model
from finesight.cli.options import Debug, Json, Offline, Quiet, Verbose

__all__ = ["restore"]


def restore(
    source: options.Source,
    output: options.Output = None,
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
    """Clean a clip at its own size; sound, subtitles and times stay.

    finesight restore clip.mp4 --model basicvsr-pp-decompress-1        writes clip_restored.mp4 beside it
    """
    console = Console(quiet=quiet, verbose=verbose, json=json)
    from finesight.cli.clips import ClipOrder, Writing, clip_settings, parse_time, work_on_clip
    from finesight.cli.upscale import errors_as_json
    from finesight.run.clips import ClipRunner, shipped

    with errors_as_json(json):
        name = model or shipped("restoration")
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
        ClipRunner(network, restore=True, settings=settings)  # a wrong network is said before anything is read
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
            suffix="_restored",
            scale=1,
            make=lambda given: ClipRunner(network, restore=True, settings=given),
            settings=settings,
            model=network,
            job={"command": "restore"},
        )
        return work_on_clip(order, console, dry_run=dry_run, preview=preview, json=json, debug=debug)
