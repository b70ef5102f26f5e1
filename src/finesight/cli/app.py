"""All commands under one name, and what happens when one of them fails."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from finesight.cli.clip_names import with_clips
from finesight.cli.console import one_line
from finesight.errors import CancelledError, Error

__all__ = ["COMMANDS", "HIDDEN", "make_app", "run"]

COMMANDS = {
    "upscale": "finesight.cli.upscale:upscale",
    "upscale-clip": "finesight.cli.upscale_clip:upscale_clip",  # what ``upscale`` is on clips
    "restore": "finesight.cli.restore:restore",
    "interpolate": "finesight.cli.interpolate:interpolate",
    "inpaint": "finesight.cli.inpaint:inpaint",
    "matte": "finesight.cli.matte:matte",
    "trimap": "finesight.cli.trimap:trimap",
    "info": "finesight.cli.info:info",
    "degrade": "finesight.cli.degrade:degrade",
    "models": "finesight.cli.models:models",
    "score": "finesight.cli.score:score",
    "evaluate": "finesight.cli.evaluate:evaluate",
    "report": "finesight.cli.report:report",
    "space": "finesight.cli.space:space",
    "judge": "finesight.cli.judge:judge",
    "doctor": "finesight.cli.doctor:doctor",
    "train": "finesight.cli.train:train",
    "plot": "finesight.cli.plot:plot",
    "data": "finesight.cli.data:data",
}
"""Where each command is, in the order of the help; a group of commands is a ``typer.Typer``."""

HIDDEN = frozenset({"upscale-clip"})


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with some of its commands: making all of them takes a third of a second."""
    app = typer.Typer(
        name="finesight",
        help="Enlarge, restore, complete and cut out pictures and clips, train and compare the networks that do it.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command: Any = getattr(importlib.import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name=name, hidden=name in HIDDEN)(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from finesight import __version__

        typer.echo(f"finesight {__version__}")
        raise typer.Exit


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
        words = with_clips(arguments) or ["--help"]
        app = make_app([words[0]] if words[0] in COMMANDS else COMMANDS)
        code: Any = app(words, prog_name="finesight", standalone_mode=False)
    except typer.TyperException as error:
        message = one_line(error.format_message())
        if not message:  # a group without a command has printed its help
            return 2
        ended = message if message.endswith("?") else f"{message.rstrip('.')}."
        return _failed(f"{ended} See: {_command(error)} --help", debug=debug)
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
