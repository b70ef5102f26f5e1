"""``finesight score``: how good restored pictures are, by a named protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finesight.cli.console import Console
from finesight.cli.figure import check_figure, write_figure
from finesight.cli.options import Debug, Json, Offline, Verbose
from finesight.cli.scoring import Work, explain_protocols, print_list, print_matches
from finesight.cli.stopping import stoppable
from finesight.cli.tables import Csv, Form, Latex, Markdown, form_of, print_scores
from finesight.errors import SettingError

if TYPE_CHECKING:
    from finesight.errors import InputError
    from finesight.evaluate import Pair, Protocol, Table
    from finesight.evaluate.clips import ClipPair
    from finesight.evaluate.tables import Row

__all__ = ["Calm", "score"]

_HOW = "How it is measured"

Calm = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes: the table and errors.")]


def complete_protocol(incomplete: str) -> list[str]:
    """Names for the shell to offer."""
    from finesight.evaluate import PROTOCOLS

    return [name for name in PROTOCOLS if name.startswith(incomplete)]


@dataclass
class _Failures:
    """Pictures that could not be measured: those of every method are left out of all."""

    names: dict[str, None] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def __call__(self, pair: Pair | ClipPair, error: InputError) -> None:
        self.names[pair.name] = None
        self.messages.append(str(error))

    def concern(self, row: Row) -> bool:
        """Whether a row is of a picture, or of a clip, that failed for some method."""
        return row.name in self.names or row.clip in self.names


def score(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RESTORED [REFERENCE]",
            help="A file or folder, and the one it is compared with. With --reference: several methods side by side.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", help="Reference of all files or folders that are named.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", "-m", help="Names, comma separated; by default the protocol's own.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="By default sr-y, and plain where nothing is compared.",
            autocompletion=complete_protocol,
        ),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(min=1, help="The enlargement; by default what names say.", rich_help_panel=_HOW)
    ] = None,
    align: Annotated[
        str,
        typer.Option(help="Different sizes: refuse, crop both, or resize the restored picture.", rich_help_panel=_HOW),
    ] = "refuse",
    mask: Annotated[
        str | None, typer.Option(help="File or folder of holes (white) or trimaps.", rich_help_panel=_HOW)
    ] = None,
    device: Annotated[str, typer.Option(help="Where it is computed.", rich_help_panel=_HOW)] = "cpu",
    offline: Offline = False,
    explain: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="PROTOCOL_A PROTOCOL_B", help="Show which setting makes two protocols' numbers differ."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a sheet: crops, difference and SSIM maps.")
    ] = None,
    pictures: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of the sheet, comma separated; by default the three worst.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List metrics and protocols.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be compared with what.")] = False,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Score pictures: PSNR, SSIM, LPIPS, NIQE and more, by a protocol that stands under the table."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    if listing:
        return print_list(form)
    restored, truth = _places(places or [], reference)
    if figure is not None:
        check_figure(figure, truth, explain)
    if explain is not None and (protocol is not None or len(restored) > 1):
        raise SettingError("--explain takes its two protocols and one RESTORED: leave out --protocol and other methods")
    from finesight import evaluate

    chosen = evaluate.protocol(protocol or ("sr-y" if truth is not None else "plain"))
    first, second = (chosen, None) if explain is None else [evaluate.protocol(name) for name in explain]
    _check_protocols(first, second)
    methods = _matched(restored, truth, mask)
    if dry_run:
        return print_matches(methods, form)
    from finesight.evaluate.named import load_metrics
    from finesight.run.devices import find_device

    where = find_device(device)
    names = _listed(metric) or first.metrics
    if of_sets := {"fid", "kid"} & {name.lower() for name in names}:
        raise SettingError(f"{min(of_sets)} compares whole sets, not pictures: use finesight judge sets")
    work = Work(load_metrics(names, device=where, offline=offline or None), scale, align, str(where))
    console = Console(quiet=quiet, verbose=verbose, json=json)
    if second is not None:
        return explain_protocols(work, next(iter(methods.values())), first, second, form)
    unused = _unused(truth, methods)
    if unused and form != "rich":
        console.note(unused)
    code, tables = _measure(work, methods, first, console, form, note=unused)
    if figure is not None and tables:
        write_figure(figure, methods, tables, first, _listed(pictures), align=work.align)
        console.note(f"{figure} written")
    return code


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (names or "").split(",") if part.strip())


def _places(places: Sequence[str], reference: str | None) -> tuple[dict[str, str], str | None]:
    """What is judged, by the name that it has in tables, and what it is compared with."""
    if not places:
        raise SettingError("name what to score: finesight score RESTORED [REFERENCE], or finesight score --list")
    if reference is None:
        if len(places) > 2:
            raise SettingError(f"{len(places)} places were named: give the reference of several methods by --reference")
        places, reference = places[:1], places[1] if len(places) == 2 else None
    short = [Path(place).name or place for place in places]
    names = short if len(set(short)) == len(short) else list(places)
    if len(set(names)) < len(names):
        raise SettingError("the same place was named twice: name each method once")
    return dict(zip(names, places, strict=True)), reference


def _matched(
    restored: Mapping[str, str], truth: str | None, mask: str | None
) -> dict[str, Sequence[Pair] | Sequence[ClipPair]]:
    """What belongs to what: pictures, or clips where one of the places is a clip or holds video files."""
    from finesight import evaluate
    from finesight.evaluate.clips import holds_clips, match_clips

    if not any(holds_clips(place) for place in (*restored.values(), *([truth] if truth else []))):
        return {name: evaluate.match(place, truth, mask=mask) for name, place in restored.items()}
    if mask is not None:
        raise SettingError("--mask is for pictures and folders of frames, not for clips")
    for place in (*restored.values(), *([truth] if truth else [])):
        if "%" not in place and "*" not in place and not Path(place).exists():
            raise SettingError(f"{place} does not exist")
    return {name: match_clips(place, truth) for name, place in restored.items()}


def _check_protocols(*protocols: Protocol | None) -> None:
    for one in protocols:
        if one is not None and one.name == "hggt-multi":
            raise SettingError(
                "hggt-multi compares with several references and people's votes: use finesight judge references"
            )


def _measure(
    work: Work,
    methods: Mapping[str, Sequence[Pair] | Sequence[ClipPair]],
    chosen: Protocol,
    console: Console,
    form: Form,
    *,
    note: str,
) -> tuple[int, dict[str, Table]]:
    """Score every method and print it; the exit code and the tables."""
    from finesight.evaluate import Comparison, score_pairs
    from finesight.evaluate.clips import ClipPair, score_clips

    failures = _Failures()
    tables: dict[str, Table] = {}
    with stoppable() as stop, console.progress("pictures") as progress:
        for name, pairs in methods.items():
            run: Callable[..., Table] = score_clips if isinstance(pairs[0], ClipPair) else score_pairs
            tables[name] = run(
                pairs,
                work.metrics,
                chosen,
                scale=work.scale,
                align=work.align,  # the library says which there are
                device=work.device,
                failed=failures,
                progress=progress,
                cancel=stop,
            )
    for message in failures.messages:
        console.error(f"finesight: {message}")
    notes: tuple[str, ...] = (note,) if note else ()
    if failures.names:
        notes += (f"could not be measured and is in no mean: {', '.join(failures.names)}",)
    for name, table in tables.items():
        rows = tuple(row for row in table.rows if not failures.concern(row))
        tables[name] = replace(table, rows=rows, notes=notes)
    if not next(iter(tables.values())).rows:
        return 2, {}
    _print_methods(tables, Comparison(tables), form, console)
    return 1 if failures.names else 0, tables


def _print_methods(tables: Mapping[str, Table], comparison: Any, form: Form, console: Console) -> None:
    """One method with its pictures, several side by side (with ``-v`` also the pictures of each)."""
    if len(tables) == 1:
        print_scores(next(iter(tables.values())), form, everything=console.verbose)
    else:
        if form == "rich" and console.verbose:
            for name, table in tables.items():
                typer.echo(f"{name}:")
                print_scores(table, form)
                typer.echo()
        print_scores(comparison, form, everything=console.verbose)
    if form in ("csv", "json"):  # the others have it under the table
        for name, table in tables.items():
            for line in table.remarks()[1:] if not table.notes else table.remarks()[1 : -len(table.notes)]:
                console.note(line if len(tables) == 1 else f"{name}: {line}")


def _unused(truth: str | None, methods: Mapping[str, Sequence[Pair] | Sequence[ClipPair]]) -> str:
    """Which references nothing was compared with; empty if there are none."""
    from finesight.evaluate.clips import ClipPair

    if truth is None or any(isinstance(pairs[0], ClipPair) for pairs in methods.values()):
        return ""
    from finesight.media import expand_inputs

    used = {pair.reference for pairs in methods.values() for pair in pairs}
    left = [str(item.relative) for item in expand_inputs([truth]) if Path(item.source) not in used]
    if not left:
        return ""
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return f"nothing was compared with {', '.join(left[:3])}{more} of {truth}"
