"""``finesight data``: make training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesight.cli.console import Console, print_json
from finesight.cli.options import Debug, Json, Quiet
from finesight.cli.places import check_folder, make_folder

__all__ = ["data"]

data = typer.Typer(help="Make training data.", no_args_is_help=True)


@data.callback()
def _data() -> None:
    """Make training data."""


@data.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder with photographs; searched recursively.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    side: Annotated[int, typer.Option(help="Width and height of a crop in pixels.")] = 192,
    limit: Annotated[str, typer.Option(help="Largest size of the file.", metavar="SIZE")] = "29MB",
    drawn: Annotated[float, typer.Option(help="Share of the file that goes to drawn pictures, 0 to 1.")] = 0.12,
    seed: Annotated[int, typer.Option(help="Decides where the grids of crops begin and what is drawn.")] = 0,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Cut photographs into their most detailed crops and put them into one file, to train from."""
    from finesight.data.pack import pack_folder
    from finesight.errors import InputError
    from finesight.run.memory import format_bytes

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Give the folder that holds the photographs.")
    size = _bytes(limit)
    check_folder(output.parent)
    make_folder(output.parent)
    console = Console(quiet=quiet)
    with console.progress("pictures") as progress:
        count = pack_folder(folder, output, side=side, limit=size, drawn=drawn, seed=seed, progress=progress)
    console.result(str(output))
    console.detail(f"{count:,} crops of {side} x {side} pixels, {format_bytes(output.stat().st_size)}")
    return 0


@data.command()
def look(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures; databases where they end in .lmdb.")],
    least: Annotated[int, typer.Option(min=1, metavar="PIXELS", help="Shorter sides cannot be used.")] = 1,
    whole: Annotated[bool, typer.Option("--whole", help="Decode every picture, not only its header.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Say what training would find in folders: how many pictures of which sizes, and which cannot be used."""
    import dataclasses

    from finesight.data.survey import survey

    console = Console(quiet=quiet, json=json)
    with console.progress("pictures") as progress:
        found = [survey(folder.expanduser(), least=least, whole=whole, progress=progress) for folder in folders]
    if json:
        print_json({"folders": [dataclasses.asdict(one) for one in found]})
    else:
        for one in found:
            console.result(str(one))
            for name, reason in one.unusable.items():
                console.note(f"{one.folder}/{name}: {reason}")
    return 1 if any(one.unusable for one in found) else 0


def _bytes(text: str) -> int:
    from finesight.errors import SettingError
    from finesight.run.memory import parse_bytes

    try:
        return parse_bytes(text)
    except SettingError as error:
        raise SettingError(f"--limit: expected a size such as 29MB, got '{text}'.") from error
