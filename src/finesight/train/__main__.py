"""``python -m finesight.train RECIPE FOLDER``: training where only torch, numpy, pydantic and Pillow are."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from finesight.errors import Error
from finesight.train.begin import fine_tuning
from finesight.train.loops import loop_for
from finesight.train.recipe import read_recipe


def main() -> int:
    """Train and print a line at every validation; exit 2 if the run cannot start or go on."""
    parser = argparse.ArgumentParser(prog="python -m finesight.train", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--from", dest="start", default=None, metavar="WEIGHTS")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--stop-after", type=int, default=None, metavar="STEPS")
    arguments = parser.parse_args()
    started = time.monotonic()

    def report(done: int, total: int, note: str) -> None:
        sys.stdout.write(f"{done}/{total}  {note}  {time.monotonic() - started:.0f} s\n")
        sys.stdout.flush()

    def note(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    try:
        recipe = read_recipe(arguments.recipe, arguments.settings)
        if arguments.start is not None:
            recipe = fine_tuning(recipe, arguments.start)
        loop_for(recipe)(
            recipe,
            arguments.folder,
            device=arguments.device,
            stop_after=arguments.stop_after,
            progress=report,
            note=note,
        )
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
