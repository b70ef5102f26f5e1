"""Compare finesight with the published implementations' answers: ``python tests/oracles/check.py FILE...``.

Prints one line a file with its largest relative error; exits 1 if any file is over its tolerance.
Which published model is which of our calls stands in ``cases/<area>.py``: a table ``CASES`` from the file's ``model``.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

import tests.oracles.cases as areas
from tests.oracles.reader import Oracle, relative_error

__all__ = ["Result", "cases", "check"]


@dataclass(frozen=True)
class Result:
    """Largest relative error over a file's outputs, the output that has it, and the bound it must keep."""

    error: float
    output: str
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


def cases() -> dict[str, "Case"]:  # noqa: UP037
    """Every published model that we can answer for: the union of the tables in ``cases/``."""
    table: dict[str, Case] = {}
    for module in pkgutil.iter_modules(areas.__path__):
        for name, case in importlib.import_module(f"{areas.__name__}.{module.name}").CASES.items():
            if name in table:
                raise ValueError(f"two tables answer for {name}")
            table[name] = case
    return table


def check(path: Path, table: dict[str, "Case"] | None = None) -> Result:  # noqa: UP037
    """Answer one file and compare every output that it holds."""
    oracle = Oracle.load(path)
    known = cases() if table is None else table
    if oracle.model not in known:
        raise LookupError(f"{path.name}: no case answers for the model '{oracle.model}'")
    case = known[oracle.model]
    with torch.set_grad_enabled(case.gradient):
        answers = case.answer(oracle)
    lacking = sorted(set(oracle.outputs) - set(answers))
    if lacking:
        raise LookupError(f"{path.name}: the case gives no answer for {', '.join(lacking)}")
    errors = {name: case.error(name, expected, answers[name]) for name, expected in oracle.outputs.items()}
    worst = max(errors, key=lambda name: errors[name])
    return Result(errors[worst], worst, case.tolerance)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    table = cases()
    failed = 0
    for path in parser.parse_args(arguments).files:
        try:
            result = check(path, table)
        except Exception as error:  # one bad file must not hide the others; it is counted and printed
            print(f"{path}  FAILED  {type(error).__name__}: {error}")
            failed += 1
            continue
        print(
            f"{path}  {result.error:.2e}  ({result.output}, at most {result.tolerance:.0e})"
            + ("" if result.passed else "  FAILED")
        )
        failed += not result.passed
    return 1 if failed else 0


from tests.oracles.case import Case  # noqa: E402  (the tables import it too)

__all__ += ["Case", "relative_error"]

if __name__ == "__main__":
    sys.exit(main())
