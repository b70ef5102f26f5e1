"""``finesight space``: the challenge of learning the super-resolution space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Json, Offline
from finesight.cli.places import check_folder, make_folder
from finesight.cli.score import Calm
from finesight.cli.stopping import stoppable
from finesight.cli.tables import Csv, Form, Latex, Markdown, form_of, print_grid, print_scores
from finesight.errors import InputError, SettingError

if TYPE_CHECKING:
    from finesight.evaluate import Table
    from finesight.models.quality.lpips import Lpips
    from finesight.progress import Cancel, Progress
    from finesight.space.challenge import PictureScore
    from finesight.space.submission import Entry

__all__ = ["space"]

space = typer.Typer(help="Many plausible answers to one picture.", no_args_is_help=True)


@space.callback()
def _space() -> None:
    """Many plausible answers to one picture."""


@dataclass(frozen=True)
class _Judged:
    """One method: its table and what keeps it from being handed in."""

    table: Table
    problems: tuple[str, ...]
    failed: tuple[str, ...] = ()


@space.command("score")
def score_space(
    ground_truth: Annotated[Path, typer.Argument(help="Folder of PNG files.", metavar="GROUND_TRUTH")],
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="SAMPLES...", help="Folder of {number}_sample{k}.png; several are ranked."),
    ],
    samples: Annotated[int, typer.Option(min=1, help="Samples of each picture.")] = 10,
    scale: Annotated[int, typer.Option(help="The track: 4 or 8.")] = 4,
    check: Annotated[
        bool, typer.Option("--check", help="Only look at the files; exit code 1 if something is wrong.")
    ] = False,
    opinion: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=RANK", help="People's mean opinion rank of a method, lower is better; repeat."),
    ] = None,
    maps: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write where even the best sample is wrong, as pictures.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where it is computed: auto, cpu, cuda ...")] = "auto",
    offline: Offline = False,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Score samples as the challenges of 2021 and 2022 did: LPIPS, LR-PSNR, diversity, and what must be fulfilled."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    if scale not in (4, 8):
        raise SettingError(f"--scale: the challenge has 4 and 8, got {scale}")
    names = [folder.name for folder in folders]
    names = names if len(set(names)) == len(names) else [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise SettingError("the same folder of samples was named twice: name each method once")
    from finesight.space.submission import find_submission

    for folder in (ground_truth, *folders):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: finesight space score GROUND_TRUTH SAMPLES takes two")
    entries = {
        name: find_submission(ground_truth, folder, count=samples) for name, folder in zip(names, folders, strict=True)
    }
    opinions = _opinions(opinion or [], names)
    console = Console(quiet=quiet, json=json)
    if check:
        return _check(entries, form)
    if maps is not None:
        check_folder(maps)
    from finesight.evaluate import parameters
    from finesight.run.devices import find_device

    network: Any = parameters.lpips_network("alex", "0.1", offline=offline or None).to(find_device(device))
    with stoppable() as stop:
        judged = {
            name: _judge(found, network, 4 if scale == 4 else 8, maps and maps / name, console, stop)
            for name, found in entries.items()
        }
    return _report(judged, form, console, opinions)


def _opinions(given: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """``METHOD=RANK`` as numbers.

    Raises:
        SettingError: a method that is not there, or no number.
    """
    found = {}
    for text in given:
        name, _, value = text.rpartition("=")
        if name not in names:
            raise SettingError(f"--opinion {text}: METHOD=RANK is expected, with a method of {', '.join(names)}")
        try:
            found[name] = float(value)
        except ValueError:
            raise SettingError(f"--opinion {text}: {value!r} is no number") from None
    return found


def _judge(
    entries: Sequence[Entry], network: Lpips, scale: Literal[4, 8], maps: Path | None, console: Console, stop: Cancel
) -> _Judged:
    """Score one method picture by picture; of its maps only one is in memory."""
    from finesight.space.submission import check_submission, score_submission, to_table

    problems = check_submission(entries)
    count = len(entries[0].samples)
    scores: list[PictureScore] = []
    failed = []
    with console.progress("samples") as progress:
        for done, entry in enumerate(entries):
            moved = _moved(progress, done * count, len(entries) * count)
            try:
                for score in score_submission([entry], network, scale=scale, progress=moved, cancel=stop):
                    if maps is not None:
                        _write_map(score, maps)
                    scores.append(replace(score, best_map=score.best_map[:0]))
            except InputError as error:
                failed.append(str(error))
    problems += check_submission((), scores, scale=scale)
    return _Judged(to_table(scores, scale=scale, samples=count), tuple(problems), tuple(failed))


def _moved(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _, note: progress(before + done, total, note)


def _write_map(score: PictureScore, folder: Path) -> None:
    from finesight import media
    from finesight.space.submission import heat

    make_folder(folder)
    pixels = heat(score.best_map).permute(1, 2, 0).contiguous().numpy()
    media.write(folder / f"{score.name}_best.png", media.Picture(pixels=pixels))


def _check(methods: dict[str, list[Entry]], form: Form) -> int:
    """Look at the files alone."""
    from finesight.space.submission import check_submission

    problems = {name: check_submission(entries) for name, entries in methods.items()}
    grid = [["method", "what is wrong"]]
    for name, found in problems.items():
        grid += [[name, problem] for problem in found or ["nothing: every file is there, 8-bit RGB and large enough"]]
    print_grid(grid, form, content={"problems": problems})
    return 1 if any(problems.values()) else 0


def _report(judged: dict[str, _Judged], form: Form, console: Console, opinions: dict[str, float]) -> int:
    """Print one method's pictures, or the ranking of several; the exit code."""
    for one in judged.values():
        for message in one.failed:
            console.error(f"finesight: {message}")
    measured = [{row.name for row in one.table.rows} for one in judged.values()]
    common = set.intersection(*measured)
    if not common:
        return 2
    left = ", ".join(sorted(set.union(*measured) - common))
    for name, one in judged.items():  # methods are compared on the same pictures only
        rows = tuple(row for row in one.table.rows if row.name in common)
        notes = (f"could not be measured for every method and is in no mean: {left}",) if left else ()
        judged[name] = replace(one, table=replace(one.table, rows=rows, notes=notes))
    if len(judged) == 1:
        (one,) = judged.values()
        if form == "json":
            print_grid([], form, content={**one.table.to_dict(), "problems": list(one.problems)})
        else:
            print_scores(one.table, form)
    else:
        _print_ranking(judged, form, opinions)
    for name, one in judged.items():
        for problem in one.problems:
            console.note(
                f"must be fulfilled: {problem}" if len(judged) == 1 else f"must be fulfilled: {name}: {problem}"
            )
    return 1 if any(one.failed for one in judged.values()) else 0


def _print_ranking(judged: dict[str, _Judged], form: Form, opinions: dict[str, float]) -> None:
    """By diversity; LR-PSNR above 45 dB ties; with opinions by the mean of the places by diversity and by them."""
    from finesight.space.challenge import GOAL, rank

    columns = next(iter(judged.values())).table.columns
    means = {name: {key: mean.value for key, mean in one.table.means().items()} for name, one in judged.items()}
    places = rank({name: (mean["score"], mean["LRPSNR_worst"]) for name, mean in means.items()}, opinions)
    more = ["place (opinion)", "final"] if opinions else []
    grid = [["method", *(column.title for column in columns), "place (diversity)", "place (LR-PSNR)", *more]]
    for place in places:
        texts = [column.text(means[place.name][column.name]) for column in columns]
        last = [str(place.opinion or "-"), "-" if place.final is None else f"{place.final:g}"] if opinions else []
        grid.append([place.name, *texts, str(place.diversity), str(place.consistency), *last])
    first = next(iter(judged.values())).table
    left = [f"{name}: {line}" for name, one in judged.items() for line in one.table.remarks()[1:]]
    remarks = [first.protocol, *left, f"All whose worst LR-PSNR is above {GOAL:.0f} dB share its first place."]
    content = {
        "methods": {name: {**one.table.to_dict(), "problems": list(one.problems)} for name, one in judged.items()},
        "ranking": [
            {"method": place.name, "diversity": place.diversity, "consistency": place.consistency}
            | ({"opinion": place.opinion, "final": place.final} if opinions else {})
            for place in places
        ],
    }
    print_grid(grid, form, content=content, remarks=remarks, numbers=True)
