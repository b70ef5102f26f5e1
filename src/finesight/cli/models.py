"""``finesight models``: which networks there are, what is known of them, and where their weights lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from finesight.cli.console import one_line, print_json
from finesight.cli.options import Debug, Json

if TYPE_CHECKING:
    from finesight.zoo import Card

__all__ = ["complete_model", "models"]

models = typer.Typer(help="Which networks there are, and where their weights lie.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name of the list, or a file of weights.")]


def complete_model(incomplete: str) -> list[str]:
    """Names for the shell to offer."""
    from finesight.zoo import catalog

    return [name for name in catalog() if name.startswith(incomplete)]


@models.command("list")
def list_models(
    task: Annotated[str | None, typer.Option(help="Only those for a task, such as super-resolution.")] = None,
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """List every named set of weights."""
    from finesight.errors import SettingError, nearest
    from finesight.zoo import catalog

    cards = catalog()
    tasks = {card.task for card in cards.values()}
    if task is not None and task not in tasks:
        raise SettingError(
            f"--task: '{task}' is not a task. {nearest(task, tasks) or 'Known are ' + ', '.join(sorted(tasks)) + '.'}"
        )
    chosen = [card for card in cards.values() if task in (None, card.task)]
    if json:
        print_json({"models": [card.facts() for card in chosen]})
        return 0
    width = max(len(card.name) for card in chosen)
    for card in chosen:
        typer.echo(f"{card.name:<{width}}  {_scale(card):<3} {card.task:<16}  {card.summary}".rstrip())
    return 0


@models.command("info")
def show_model(name: Name, json: Json = False, debug: Debug = False) -> int:  # noqa: ARG001
    """Print what is known of one set of weights: task, licence, source, scores, training."""
    card = _card(name)
    if json:
        print_json(card.facts())
        return 0
    for key, value in card.facts().items():
        typer.echo(f"{key.replace('_', ' '):<16} {_plain(value)}")
    return 0


@models.command("path")
def show_path(
    name: Annotated[str | None, typer.Argument(help="A name of the list; without one, the folder.")] = None,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Print the file that holds a set of weights, or the folder of those that ship with finesight."""
    from finesight.errors import ModelError
    from finesight.zoo import card
    from finesight.zoo.cards import WEIGHTS

    if name is None:
        typer.echo(WEIGHTS)
        return 0
    found = card(name)
    file = WEIGHTS / found.packaged if found.packaged else None
    if file is None or not file.is_file():
        raise ModelError(f"The weights of {name} are not on this machine.")
    typer.echo(file)
    return 0


def _card(name: str) -> Card:
    """The card of the catalog, or the one that a file carries."""
    from finesight.zoo import catalog, load

    return catalog()[name] if name in catalog() else load(name).card


def _scale(card: Card) -> str:
    return f"x{card.scale}" if card.scale else ""


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "; ".join(_plain(inner) for inner in value)
    return one_line(str(value))
