"""All commands under one name, and what happens when one of them fails."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from finesight.cli.clip_names import with_clips
from finesight.cli.console import one_line
from finesight.cli.data import data
from finesight.cli.degrade import degrade
from finesight.cli.doctor import doctor
from finesight.cli.evaluate import evaluate
from finesight.cli.info import info
from finesight.cli.inpaint import inpaint
from finesight.cli.interpolate import interpolate
from finesight.cli.judge import judge
from finesight.cli.matte import matte
from finesight.cli.models import models
from finesight.cli.plot import plot
from finesight.cli.restore import restore
from finesight.cli.report import report
from finesight.cli.score import score
from finesight.cli.space import space
from finesight.cli.train import train
from finesight.cli.trimap import trimap
from finesight.cli.upscale import upscale
from finesight.cli.upscale_clip import upscale_clip
from finesight.errors import CancelledError, Error

__all__ = ["app", "run"]

app = typer.Typer(
    name="finesight",
    help="Enlarge pictures, and see how it was done.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(upscale)
app.command(name="upscale-clip", hidden=True)(upscale_clip)  # what ``upscale`` is on clips
app.command()(restore)
app.command()(interpolate)
app.command()(inpaint)
app.command()(matte)
app.command()(trimap)
app.command()(info)
app.command()(degrade)
app.add_typer(models, name="models")
app.command()(score)
app.command()(evaluate)
app.command()(report)
app.add_typer(space, name="space")
app.add_typer(judge, name="judge")
app.command()(doctor)
app.command()(train)
app.command()(plot)
app.add_typer(data, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        from finesight import __version__

        typer.echo(f"finesight {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; every error is one line on stderr, with ``--debug`` a traceback too."""
    debug = "--debug" in arguments
    try:
        code: Any = app(with_clips(arguments) or ["--help"], prog_name="finesight", standalone_mode=False)
    except typer.TyperException as error:
        message = one_line(error.format_message())
        if not message:  # a group without a command has printed its help
            return 2
        return _failed(f"{message.rstrip('.')}. See: {_command(error)} --help", debug=debug)
    except CancelledError as error:
        _failed(str(error), debug=debug)
        return 130
    except Error as error:
        return _failed(str(error), debug=debug)
    except Exception as error:
        text = f"an error inside finesight, {type(error).__name__}: {error}"
        return _failed(text + ("" if debug else " (run again with --debug to see where)"), debug=debug)
    return code if isinstance(code, int) else 0


def _failed(message: str, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"finesight: {one_line(message)}\n")
    return 2


def _command(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return "finesight" if context is None else str(context.command_path)
