"""``finesight train``: train a network from a recipe, stop and go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Quiet, Verbose
from finesight.cli.places import check_folder, make_folder
from finesight.cli.stopping import stoppable
from finesight.errors import CancelledError, InputError, SettingError, nearest

__all__ = ["find_recipe", "shipped_recipes", "train"]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A recipe file (YAML or JSON), or the name of a shipped one.", show_default=False),
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(help="Where the run is kept; by default runs/NAME.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as optimizer.learning_rate=1e-4."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="WEIGHTS", help="Fine-tune these weights: a name of the catalog, or a file that loads."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps or xpu.")] = "auto",
    show: Annotated[bool, typer.Option("--print", help="Print the checked recipe as JSON and stop.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of recipes and stop.")] = False,
    stop_after: Annotated[
        int | None, typer.Option(min=1, metavar="STEPS", help="End after so many steps, to go on later.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Train a network, or go on with a run that was stopped.

    Ctrl-C saves the state and stops; the same command goes on where it was. Under torchrun all processes share the
    work.
    """
    from finesight.train.recipe import Recipe, read_recipe

    if schema:
        import json

        typer.echo(json.dumps(Recipe.model_json_schema(), indent=2))
        return 0
    if recipe is None:
        raise SettingError(f"Give a recipe: a file, or one of {', '.join(shipped_recipes())}.")
    checked = read_recipe(find_recipe(recipe), settings or ())
    if start is not None:
        from finesight.train.begin import fine_tuning

        checked = fine_tuning(checked, start)
    if show:
        typer.echo(checked.model_dump_json(indent=2))
        return 0
    from finesight.run.devices import find_device
    from finesight.train.loops import loop_for

    computing = str(find_device(device))
    where = folder or Path("runs") / checked.name
    check_folder(where)
    make_folder(where)
    console = Console(quiet=quiet, verbose=verbose)
    with console.progress("steps") as bar, stoppable() as stop:

        def progress(done: int, total: int, note: str) -> None:
            console.detail(f"{done}/{total}  {note}")
            bar(done, total, checked.name)

        console.detail(f"{checked.name}: {checked.steps} steps in {where} (Ctrl-C saves and stops)")
        try:
            weights = loop_for(checked)(
                checked,
                where,
                device=computing,
                stop_after=stop_after,
                progress=progress,
                note=console.note,
                cancel=stop,
            )
        except CancelledError:
            console.error(f"finesight: Stopped, the state is saved in {where}. The same command goes on.")
            return stop.code
    if weights is None:
        console.note(f"Stopped after {stop_after} steps. The same command goes on.")
    else:
        console.result(str(weights))
    return 0


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with finesight: name -> file."""
    import finesight

    package = Path(finesight.__file__).parent
    for folder in (package / "recipes", package.parent.parent / "recipes"):  # installed; in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def find_recipe(name: str) -> Path:
    """The file of a recipe given by path or by the name of a shipped one.

    Raises:
        InputError: there is neither; the nearest names are given.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    known = shipped_recipes()
    if name in known:
        return known[name]
    hint = nearest(name, known) or f"Shipped are {', '.join(known)}."
    raise InputError(f"'{name}' is neither a recipe file nor the name of a shipped recipe. {hint}")
