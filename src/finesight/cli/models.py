"""``finesight models``: which networks there are, what is known of them, and where their weights lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finesight.cli.console import Console, one_line, print_json
from finesight.cli.export import export_model
from finesight.cli.options import Debug, Json, Offline, Quiet

if TYPE_CHECKING:
    from finesight.zoo import Card

__all__ = ["complete_model", "models"]

models = typer.Typer(help="Which networks there are, and where their weights lie.", no_args_is_help=True)
models.command("export")(export_model)


def complete_model(incomplete: str) -> list[str]:
    """Names for the shell to offer."""
    from finesight.zoo import catalog

    return [name for name in catalog() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="A name of the list.", autocompletion=complete_model)]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Names of the list.", autocompletion=complete_model)
]
NameOrFile = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE", help="A name of the list, or a file of weights.", autocompletion=complete_model
    ),
]


@models.command("list")
def list_models(
    task: Annotated[str | None, typer.Option(help="Only those for a task, such as super-resolution.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that this version has no network for.")] = False,
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """List the named sets of weights: name, scale, task, where they are, and what they are for."""
    from finesight.errors import SettingError, nearest
    from finesight.zoo import catalog

    cards = catalog().values()
    tasks = sorted({card.task for card in cards})
    if task is not None and task not in tasks:
        hint = nearest(task, tasks) or f"Known are {', '.join(tasks)}."
        raise SettingError(f"--task: '{task}' is not a task. {hint}")
    wanted = [card for card in cards if task in (None, card.task)]
    chosen = [card for card in wanted if everything or card.runnable]
    if json:
        print_json({"models": [card.facts() | {"runnable": card.runnable, "where": _where(card)} for card in chosen]})
        return 0
    widths = [max((len(text) for text in column), default=0) for column in zip(*map(_row, chosen), strict=True)]
    for card in chosen:
        cells = (text.ljust(width) for text, width in zip(_row(card), widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
    if len(chosen) < len(wanted):
        Console().note(f"{len(wanted) - len(chosen)} more are known but have no network in this version (--all).")
    return 0


def _row(card: Card) -> tuple[str, ...]:
    what = card.summary or card.notes or card.setting
    licence = "[not for commercial use] " if card.non_commercial else ""
    return card.name, f"x{card.scale}" if card.scale else "", card.task, _where(card), licence + one_line(what)


def _where(card: Card) -> str:
    """Where the weights of a model are: ``ships``, ``here``, ``fetch``, or ``by hand``."""
    from finesight import zoo

    if card.packaged:
        return "ships"
    if zoo.path(card.name).is_file():
        return "here"
    return "fetch" if card.url else "by hand"


@models.command("info")
def show_model(name: NameOrFile, json: Json = False, debug: Debug = False) -> int:  # noqa: ARG001
    """Print what is known of a set of weights: task, licence, source, scores, training. Nothing is fetched."""
    from finesight.zoo import catalog, load

    found = catalog()[name] if name in catalog() else load(name).card
    if json:
        print_json(found.facts())
        return 0
    for key, value in found.facts().items():
        typer.echo(f"{key.replace('_', ' '):<16}  {_words(value)}")
    return 0


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items() if inner not in ("", None))
    if isinstance(value, list):
        return "; ".join(_words(inner) for inner in value)
    return one_line(str(value))


@models.command("path")
def show_path(
    name: Annotated[
        str | None, typer.Argument(help="A name of the list; without one, the cache folder.", show_default=False)
    ] = None,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Print where the file of a model lies, or will lie once it is fetched; without a name, the cache folder."""
    from finesight import zoo

    typer.echo(zoo.cache_folder() if name is None else zoo.path(name))
    return 0


@models.command("get")
def get_models(
    names: Names,
    again: Annotated[bool, typer.Option("--again", help="Fetch them even if they are here.")] = False,
    offline: Offline = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Fetch weights into the cache and verify them; prints their files."""
    from finesight import zoo

    console = Console(quiet=quiet)
    for name in names:
        zoo.card(name)  # a misspelt name is noticed before anything is fetched
    for name in names:
        with console.progress("MB", per=1e6) as progress:
            file = zoo.get(name, again=again, offline=offline or None, progress=progress, say=console.note)
        console.result(str(file))
    return 0


@models.command("check")
def check_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Default: all that are here.", autocompletion=complete_model),
    ] = None,
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Read the files of models again and compare their hashes; exit 1 if one is not what it should be."""
    from finesight import zoo

    chosen = names or [card.name for card in zoo.catalog().values() if _where(card) in ("ships", "here")]
    found = [zoo.check(name) for name in chosen]
    if json:
        print_json({"models": [{"name": c.name, "path": c.path, "state": c.state, "sha256": c.sha256} for c in found]})
    else:
        for one in found:
            typer.echo(f"{one.state:<8}  {one.name:<24}  {one.sha256[:16]}".rstrip())
    for one in found:
        if one.state == "bad":
            Console().error(one.message)
    return 1 if any(one.state == "bad" or (names and one.state == "absent") for one in found) else 0


@models.command("import")
def import_models(
    files: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Files fetched by hand, or a bundle.")],
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Put files fetched by hand, or a folder made by bundle, into the cache; prints the models they are for."""
    from finesight import zoo

    for file in files:
        for name in zoo.import_file(file):
            typer.echo(name)
    return 0


@models.command("bundle")
def bundle_models(
    names: Names,
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to put the files.")],
    offline: Offline = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Copy the files of models into a folder, to import them on a machine without a network."""
    from finesight import zoo

    console = Console(quiet=quiet)
    with console.progress("MB", per=1e6) as progress:
        written = zoo.bundle(names, folder, offline=offline or None, progress=progress, say=console.note)
    for file in written:
        console.result(str(file))
    return 0


@models.command("convert")
def convert_model(
    source: NameOrFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .safetensors file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Store float16, half as large.")] = False,
    scale: Annotated[int | None, typer.Option(min=1, help="Where the file cannot tell.")] = None,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Write a published checkpoint as safetensors that name their architecture and origin."""
    from finesight import zoo

    typer.echo(zoo.convert(source, output, half=half, scale=scale))
    return 0
