"""``finesight models export``: a network as a file for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from finesight.cli.console import Console, print_json
from finesight.cli.options import Debug, Json, Offline, Quiet

__all__ = ["export_model"]


def export_model(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name of the list, or a file of weights.")],
    form: Annotated[
        Literal["onnx", "openvino", "safetensors"], typer.Option("--format", "-f", help="What is written.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default named after the model, here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sizes it is checked on.")] = 0,
    offline: Offline = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Write a network for pictures of any size as ONNX, OpenVINO or safetensors.

    It is compared with torch on pictures of random sizes; prints its files and the largest difference.
    """
    from finesight import zoo
    from finesight.errors import OutputError, SettingError
    from finesight.run.export import SUFFIXES, export

    console = Console(quiet=quiet, json=json)
    suffix = SUFFIXES[form]
    target = Path(f"{Path(name).stem if Path(name).suffix else name}{suffix}") if output is None else output
    if target.suffix == "":
        target = target.with_suffix(suffix)
    if target.suffix != suffix:
        raise SettingError(f"-o {target}: a file of format {form} ends in {suffix}.")
    for file in {target, target.with_suffix(".bin") if form == "openvino" else target}:
        if os.path.lexists(file) and (not overwrite or file.resolve() == Path(name).resolve()):
            raise OutputError(f"{file} exists already. Add --overwrite, or choose another -o.")
    if name in zoo.catalog():
        with console.progress("MB", per=1e6) as progress:
            zoo.get(name, offline=offline or None, progress=progress, say=console.note)
    model = zoo.load(name, offline=offline or None)
    import torch

    done = export(model, target, form, generator=torch.Generator().manual_seed(seed))
    if json:
        print_json(
            {
                "model": model.card.name,
                "format": form,
                "files": [str(file) for file in done.files],
                "sizes": [list(size) for size in done.sizes],
                "difference": done.difference,
            }
        )
        return 0
    for file in done.files:
        console.result(str(file))
    sizes = ", ".join(f"{width}x{height}" for _, height, width in done.sizes)
    console.note(f"largest difference to torch {done.difference:.1e} (white is 1), on pictures of {sizes}")
    return 0
