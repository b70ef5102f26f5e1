"""``finesight judge``: what people say: metrics against their scores, ratings, votes, several references, sets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Json, Offline
from finesight.cli.score import Calm
from finesight.cli.stopping import stoppable
from finesight.cli.tables import Csv, Latex, Markdown, form_of, print_grid, print_scores
from finesight.errors import SettingError

__all__ = ["judge"]

judge = typer.Typer(help="Metrics against people, ratings from comparisons, votes, distances of whole sets.")

Repeats = Annotated[int, typer.Option(min=1, help="Draws for each 95 % interval.")]
Seed = Annotated[int, typer.Option(help="Of those draws.")]


@judge.callback()
def _judge() -> None:
    """Metrics against people, ratings from comparisons, votes, distances of whole sets."""


def _generator(seed: int) -> Any:
    import torch

    return torch.Generator().manual_seed(seed)


def _text(value: float, decimals: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


@judge.command("metrics")
def metrics(
    table: Annotated[
        Path, typer.Argument(metavar="SCORES.csv", help="A name, people's scores and metrics in columns.")
    ],
    people: Annotated[str, typer.Option(metavar="COLUMN", help="People's scores; higher is better.")] = "mos",
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Kind of distortion; by default type, or PIPAL's names.")
    ] = None,
    fit: Annotated[str, typer.Option(help="logistic4, logistic5 or cubic.")] = "logistic4",
    repeats: Repeats = 1000,
    seed: Seed = 0,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """How well metrics agree with people: SRCC, KRCC and PLCC for each kind of distortion, with intervals and fits."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    if fit not in ("logistic4", "logistic5", "cubic"):
        raise SettingError(f"--fit must be logistic4, logistic5 or cubic, got {fit!r}")
    from finesight.evaluate.agreement import benchmark_metrics, read_scores

    scores = read_scores(table, people=people, by=by)
    console = Console(quiet=quiet, json=json)
    with stoppable() as stop, console.progress("correlations") as progress:
        found = benchmark_metrics(
            scores, generator=_generator(seed), curve=cast("Any", fit), repeats=repeats, progress=progress, cancel=stop
        )
    grid = [["metric", "distortion", "pictures", "SRCC", "KRCC", "PLCC", "PLCC fitted", "RMSE fitted"]]
    content = []
    for one in found:
        three = {"srcc": one.srcc, "krcc": one.krcc, "plcc": one.plcc}
        cells = [
            _text(i.value) if math.isnan(i.low) else f"{i.value:.3f} [{i.low:.3f}, {i.high:.3f}]"
            for i in three.values()
        ]
        name = f"{one.metric} (lower is better)" if one.falling else one.metric
        grid.append([name, one.group, str(one.count), *cells, _text(one.fitted_plcc), _text(one.fitted_rmse)])
        intervals = {key: [_plain(v) for v in (i.value, i.low, i.high)] for key, i in three.items()}
        facts = {"metric": one.metric, "distortion": one.group, "pictures": one.count, "lower_is_better": one.falling}
        fits = {"fitted_plcc": _plain(one.fitted_plcc), "fitted_rmse": _plain(one.fitted_rmse)}
        content.append({**facts, **intervals, **fits})
    remark = (
        f"Absolute values, 95 % intervals by {repeats} draws of pictures (seed {seed}); PLCC fitted after {fit}; all "
        "pictures pooled, not reference by reference."
    )
    print_grid(grid, form, content={"fit": fit, "agreement": content}, remarks=[remark], numbers=True)
    return 0


@judge.command("elo")
def elo_ratings(
    file: Annotated[Path, typer.Argument(metavar="JUDGEMENTS.csv", help="first,second,preferred[,reference]")],
    initial: Annotated[float, typer.Option(help="The rating that all begin with.")] = 1400.0,
    step: Annotated[float, typer.Option(help="The most that one comparison moves (K).")] = 16.0,
    lead: Annotated[float, typer.Option(help="The lead that means 10 to 1 (M).")] = 400.0,
    last: Annotated[
        int | None, typer.Option(min=1, help="Average over the last comparisons; by default a tenth of them.")
    ] = None,
    repeats: Repeats = 200,
    seed: Seed = 0,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Elo ratings from pairwise judgements as in PIPAL, and the batch estimate of Bradley and Terry with intervals."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    if step <= 0 or lead <= 0:
        raise SettingError("--step and --lead must be positive")
    from finesight.evaluate.judgements import rate, read_judgements

    judgements = read_judgements(file)
    found = rate(
        judgements, generator=_generator(seed), initial=initial, step=step, scale=lead, last=last, repeats=repeats
    )
    several = any(one.reference for one in found)
    grid = [
        [*(["reference"] if several else []), "item", "comparisons", "wins", "Elo", "Bradley-Terry", "95 % interval"]
    ]
    content = []
    for one in found:
        interval = "-" if math.isnan(one.low) else f"{one.low:.0f} to {one.high:.0f}"
        head = [one.reference, one.item] if several else [one.item]
        grid.append([*head, str(one.comparisons), f"{one.wins:g}", _text(one.elo, 1), _text(one.batch, 1), interval])
        values = {"elo": one.elo, "bradley_terry": _plain(one.batch), "interval": [_plain(one.low), _plain(one.high)]}
        own = {"reference": one.reference} if several else {}
        content.append({**own, "item": one.item, "comparisons": one.comparisons, "wins": one.wins, **values})
    remarks = [f"{len(judgements)} judgements; all begin at {initial:g}, K {step:g}, M {lead:g}; each reference alone."]
    if any(math.isnan(one.batch) for one in found):
        remarks.append("No Bradley-Terry estimate where somebody never won or never lost, or groups never met.")
    print_grid(grid, form, content={"ratings": content}, remarks=remarks, numbers=True)
    return 0


@judge.command("votes")
def votes(
    images: Annotated[Path, typer.Argument(help="Folder with original, 01, 02, 03, 04.")],
    labels: Annotated[Path, typer.Argument(help="Folder with A, B, C: one JSON file a picture.")],
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """What three people's votes on enhanced versions amount to (HGGT's label files)."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    from finesight.evaluate.hggt import LABELS, VERSIONS, find_sets
    from finesight.metrics.references import effective_label

    names = {number: label for label, number in LABELS.items()}
    grid = [["picture", *VERSIONS]]
    content: list[dict[str, Any]] = []
    for one in find_sets(images, labels):
        found, agreed = (part.tolist() for part in effective_label(one.votes))
        grid.append([one.name, *(f"{names[label]} ({count})" for label, count in zip(found, agreed, strict=True))])
        versions = {v: {"label": names[n], "agreed": c} for v, n, c in zip(VERSIONS, found, agreed, strict=True)}
        content.append({"name": one.name, "versions": versions})
    remark = "The label that at least two of three gave, and how many did; Similar (1) where all three differ."
    print_grid(grid, form, content={"pictures": content}, remarks=[remark])
    return 0


@judge.command("references")
def references(
    restored: Annotated[Path, typer.Argument(help="Folder of results.")],
    images: Annotated[Path, typer.Argument(help="Folder with original, 01, 02, 03, 04.")],
    labels: Annotated[Path, typer.Argument(help="Folder with A, B, C: one JSON file a picture.")],
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="By default psnr,ssim,lpips-alex,dists.")] = None,
    device: Annotated[str, typer.Option(help="Where it is computed.")] = "cpu",
    offline: Offline = False,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Score results against every version that people found better than the original (protocol hggt-multi)."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    from finesight.evaluate.hggt import find_sets, score_sets
    from finesight.evaluate.named import load_metrics
    from finesight.evaluate.protocols import protocol
    from finesight.run.devices import find_device

    sets = find_sets(images, labels)
    names = tuple(part.strip() for part in (metric or "").split(",") if part.strip()) or protocol("hggt-multi").metrics
    where = find_device(device)
    loaded = load_metrics(names, device=where, offline=offline or None)
    with stoppable() as stop, Console(quiet=quiet, json=json).progress("pictures") as progress:
        found = score_sets(restored, sets, loaded, device=where, progress=progress, cancel=stop)
    print_scores(found, form)
    return 0


@judge.command("sets")
def sets(
    restored: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    reference: Annotated[Path, typer.Argument(help="Folder of pictures; any number, any sizes.")],
    subset: Annotated[int, typer.Option(min=2, help="Pictures in each of KID's random subsets.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the subsets.")] = 0,
    device: Annotated[str, typer.Option(help="Where it is computed.")] = "cpu",
    offline: Offline = False,
    csv: Csv = False,
    json: Json = False,
    markdown: Markdown = False,
    latex: Latex = False,
    quiet: Calm = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """FID and KID: how far two sets of pictures are apart."""
    form = form_of(csv=csv, json=json, markdown=markdown, latex=latex)
    from finesight.evaluate import parameters
    from finesight.evaluate.matching import match
    from finesight.evaluate.sets import set_distance
    from finesight.run.devices import find_device

    made, real = ([pair.restored for pair in match(place)] for place in (restored, reference))
    network = parameters.inception_network(offline=offline or None).to(find_device(device))
    with stoppable() as stop, Console(quiet=quiet, json=json).progress("pictures") as progress:
        found = set_distance(
            made, real, network, generator=_generator(seed), subset=subset, progress=progress, cancel=stop
        )
    grid = [["FID", "KID", "KID deviation", "pictures"]]
    counts = " and ".join(map(str, found.counts))
    grid.append([f"{found.fid:.4f}", f"{found.kid.mean:.6f}", f"{found.kid.deviation:.6f}", counts])
    content = {"fid": found.fid, "kid": found.kid.mean, "kid_deviation": found.kid.deviation, "pictures": found.counts}
    remarks = [f"KID over 100 subsets of {min(subset, *found.counts)} (seed {seed}), population deviation."]
    if min(found.counts) <= 2048:
        remarks.append("FID of fewer pictures than its 2048 features says little.")
    print_grid(grid, form, content=content, remarks=remarks, numbers=True)
    return 0
