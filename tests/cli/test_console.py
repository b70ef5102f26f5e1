"""What is said, and where."""

from __future__ import annotations

import doctest

import pytest

import finesight.cli.console as console_module
from finesight.cli.batch import Batch
from finesight.cli.console import Console, one_line
from finesight.errors import InputError


def test_examples() -> None:
    assert doctest.testmod(console_module).failed == 0


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.result("a.png")
    console.note("a note\nin two lines")
    console.detail("not said: no terminal watches")
    console.error("an error")
    assert capsys.readouterr() == ("a.png\n", "a note in two lines\nan error\n")


def test_quiet_leaves_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True, verbose=True)
    console.result("a.png")
    console.note("a note")
    console.detail("a detail")
    console.error("an error")
    assert capsys.readouterr() == ("", "an error\n")


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("MP") as report:
        report(1, 2, "half")
    assert capsys.readouterr() == ("", "")


def test_one_line() -> None:
    assert one_line("  a\n\t b \n\n c\n") == "a b c"


@pytest.mark.parametrize(
    ("done", "failed", "skipped", "started", "code"),
    [
        (2, 0, 0, True, 0),
        (0, 0, 0, False, 0),
        (0, 0, 3, False, 0),
        (1, 1, 0, True, 1),
        (0, 1, 1, False, 1),
        (0, 1, 0, True, 1),
        (0, 2, 0, False, 2),
    ],
)
def test_exit_codes(done: int, failed: int, skipped: int, started: bool, code: int) -> None:
    batch = Batch(Console(quiet=True))
    batch.started = started
    for _ in range(done):
        batch.done({})
    for _ in range(failed):
        batch.fail("a.png", InputError("a.png is empty."))
    for _ in range(skipped):
        batch.skip("b.png", "c.png")
    assert batch.finish(json=False) == code


def test_an_unforeseen_error_is_one_line_with_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    batch = Batch(Console())
    batch.fail("a.png", ZeroDivisionError("division\nby zero"))
    batch.finish(json=False)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "a.png" in line
    assert "ZeroDivisionError: division by zero" in line
