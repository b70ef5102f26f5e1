"""``finesight evaluate``: models run on a test set and measured, published numbers beside."""

from __future__ import annotations

import json as json_
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Json, Offline
from finesight.cli.score import Calm, complete_protocol
from finesight.cli.stopping import stoppable
from finesight.cli.tables import Csv, Form, Latex, Markdown, form_of, print_grid
from finesight.errors import InputError, SettingError

if TYPE_CHECKING:
    from finesight.evaluate.evaluating import Evaluation

__all__ = ["evaluate"]


def evaluate(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL...", help="Names of the catalog, or files.", show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", "-d", help="Folder of the test set.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", "-p", help="By default that of the published result.", autocompletion=complete_protocol
        ),
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="SET", help="The test set's name in the catalog; by default the folder's.")
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="Names, comma separated.")] = None,
    scale: Annotated[int | None, typer.Option(min=1, help="For a network of any scale.")] = None,
    drawn: Annotated[
        bool, typer.Option("--drawn-weights", help="Try whether it runs, with drawn weights: nothing is measured.")
    ] = False,
    keep: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep what the models made.")] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file in which what was measured is collected.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List every published result, and what was measured.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where it is computed.")] = "cpu",
    offline: Offline = False,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Run models on a test set and score them; the published number stands beside the measured one."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    known = _recorded(record)
    if listing:
        return _print_rows(models or [], known, form)
    if not models or data is None:
        raise SettingError("name models and a test set: finesight evaluate MODEL... --data FOLDER (or --list)")
    if len(set(models)) < len(models):
        raise SettingError("the same model was named twice: name each once")
    from finesight.cli.loading import load_model
    from finesight.evaluate.evaluating import drawn_model
    from finesight.evaluate.evaluating import evaluate as run

    console = Console(quiet=quiet, json=json)
    names = tuple(part.strip() for part in metric.split(",") if part.strip()) if metric else ()
    found: list[Evaluation] = []
    with stoppable() as stop:
        for name in models:
            model = drawn_model(name) if drawn else load_model(name, console, offline=offline)
            with console.progress("pictures") as progress:
                found.append(
                    run(
                        model,
                        data,
                        protocol_name=protocol,
                        on=on,
                        metrics=names,
                        scale=scale,
                        keep=None if keep is None else keep / Path(name).stem,
                        drawn=drawn,
                        device=device,
                        offline=offline or None,
                        progress=progress,
                        cancel=stop,
                    )
                )
    if record is not None:
        _write_record(record, known, found)
    _print_found(found, form)
    return 0


def _print_found(found: Sequence[Evaluation], form: Form) -> None:
    """One row a model: measured and published in turns, then what it costs."""
    from finesight.evaluate.published import NOT_MEASURED

    columns = {column.name: column for one in found for column in one.table.columns}
    titles = [title for column in columns.values() for title in (column.title, "published")]
    grid = [["model", "on", *titles, "parameters", "G multiply-adds/MP", "s/MP"]]
    for one in found:
        means = {name: mean.value for name, mean in one.table.means().items()}
        cells = []
        for name, column in columns.items():
            published = {} if one.published is None else one.published.values
            measured = NOT_MEASURED if one.drawn else column.text(means[name]) if name in means else "-"
            cells += [measured, column.text(published[name]) if name in published else "-"]
        cost = [f"{one.cost.parameters:,}", f"{one.cost.multiply_adds / 1e9:.2f}", f"{one.seconds_per_megapixel:.3g}"]
        grid.append([one.model, f"{one.on} x{one.scale}" if one.scale > 1 else one.on, *cells, *cost])
    remarks = list(dict.fromkeys(line for one in found for line in one.table.remarks()))
    if any(one.drawn for one in found):
        remarks = [line for line in remarks if "not in the mean" not in line]
        remarks.append("Weights were drawn: the rows run, and no number of them is worth printing.")
    print_grid(grid, form, content={"models": [one.to_dict() for one in found]}, remarks=remarks, numbers=True)


def _print_rows(models: Sequence[str], known: dict[str, Any], form: Form) -> int:
    from finesight.evaluate.published import NOT_MEASURED, published_rows

    rows = published_rows(models)
    grid = [["model", "on", "scale", "protocol", "published", "measured"]]
    content = []
    for row in rows:
        measured = known.get(row.key)
        published = ", ".join(f"{name} {value:g}" for name, value in row.values.items())
        text = NOT_MEASURED if measured is None else ", ".join(f"{n} {v:.4f}" for n, v in measured.items())
        text = text if row.runnable else "no network yet"
        grid.append([row.model, row.on, f"x{row.scale}" if row.scale > 1 else "", row.protocol, published, text])
        facts = {"model": row.model, "on": row.on, "scale": row.scale, "protocol": row.protocol}
        content.append({**facts, "published": dict(row.values), "measured": measured or text})
    remark = f"{len(rows)} published results; {sum(row.key in known for row in rows)} measured here with real weights."
    print_grid(grid, form, content={"rows": content}, remarks=[remark])
    return 0


def _recorded(file: Path | None) -> dict[str, Any]:
    if file is None or not file.exists():
        return {}
    try:
        content = json_.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a record of measurements: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is no record of measurements: an object is expected")
    return content


def _write_record(file: Path, known: dict[str, Any], found: Sequence[Evaluation]) -> None:
    """Keep what was measured with real weights."""
    from finesight.media.atomic import atomically

    real = {one.published.key: one.to_dict()["measured"] for one in found if one.published and not one.drawn}
    with atomically(file) as temporary:
        temporary.write_text(json_.dumps(known | real, indent=2), encoding="utf-8")
