"""``finesight report``: one HTML file to compare methods in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Offline
from finesight.cli.places import check_folder
from finesight.cli.score import Calm, complete_protocol
from finesight.cli.stopping import stoppable
from finesight.errors import OutputError, SettingError

__all__ = ["report"]

MOST = 20  # pictures in the file, unless they are named


def report(
    methods: Annotated[list[str], typer.Argument(metavar="METHOD...", help="Folders (or files) of each method.")],
    reference: Annotated[str, typer.Option("--reference", "-r", help="What they are compared with.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.html")] = Path("report.html"),
    metric: Annotated[str, typer.Option("--metric", "-m", help="Names, comma separated.")] = "psnr,ssim",
    protocol: Annotated[str, typer.Option("--protocol", "-p", autocompletion=complete_protocol)] = "sr-y",
    scale: Annotated[int | None, typer.Option(min=1, help="The enlargement; by default what names say.")] = None,
    align: Annotated[str, typer.Option(help="Different sizes: refuse, crop or resize.")] = "refuse",
    pictures: Annotated[
        str | None, typer.Option(metavar="NAMES", help=f"Shown ones, comma separated; by default the first {MOST}.")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Comparison",
    device: Annotated[str, typer.Option(help="Where it is computed.")] = "cpu",
    offline: Offline = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Write one HTML file that needs no server: a slider between methods, zoom of all at once, maps and scores."""
    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"{output} is no name for a page: end it with .html")
    names = [Path(place).name or place for place in methods]
    names = names if len(set(names)) == len(names) else list(methods)
    if len(set(names)) < len(names):
        raise SettingError("the same method was named twice: name each once")
    check_folder(output.parent)
    from finesight import evaluate
    from finesight.evaluate.figure import load_shown
    from finesight.evaluate.named import load_metrics
    from finesight.evaluate.reporting import make_report
    from finesight.run.devices import find_device

    chosen = evaluate.protocol(protocol)
    pairs = {name: evaluate.match(place, reference) for name, place in zip(names, methods, strict=True)}
    where = find_device(device)
    wanted = tuple(part.strip() for part in metric.split(",") if part.strip())
    loaded = load_metrics(wanted, device=where, offline=offline or None)
    console = Console(quiet=quiet)
    tables = {}
    with stoppable() as stop, console.progress("pictures") as progress:
        for name, found in pairs.items():
            tables[name] = evaluate.score_pairs(
                found,
                loaded,
                chosen,
                scale=scale,
                align=align,  # type: ignore[arg-type]  # the library says which there are
                device=where,
                progress=progress,
                cancel=stop,
            )
    evaluate.Comparison(tables)  # the same pictures, or it says so
    measured = [row.name for row in next(iter(tables.values())).rows]
    asked = [part.strip() for part in (pictures or "").split(",") if part.strip()]
    if unknown := [name for name in asked if name not in measured]:
        raise SettingError(f"{unknown[0]} was not measured: --pictures takes names of the table")
    by_name = {name: {pair.name: pair for pair in found} for name, found in pairs.items()}
    shown = [
        load_shown({name: found[picture] for name, found in by_name.items()}, chosen, {}, align=align)  # type: ignore[arg-type]
        for picture in asked or measured[:MOST]
    ]
    page = make_report(tables, shown, title=title)
    _write(output, page)
    left = "" if len(shown) == len(measured) else f", {len(shown)} of {len(measured)} pictures can be looked at"
    console.result(f"{output}  {len(page) / 1e6:.1f} MB, {len(methods)} methods{left}")
    return 0


def _write(output: Path, page: str) -> None:
    from finesight.media.atomic import atomically

    try:
        with atomically(output) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
