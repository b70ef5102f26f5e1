"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--large", action="store_true", help="also run networks above 20 million parameters in full size")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--large"):
        return
    skip = pytest.mark.skip(reason="a network in full size: run with --large")
    for item in items:
        if "large" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real pictures, clips and oracles beside the checkout; tests that need them skip where they are absent."""
    if not (SHARED / "DESIGN.md").is_file():
        pytest.skip("needs the data in ../shared, which is not there")
    return SHARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the data is there, a test that skips for want of it is a mistake: CI must not pass."""
    if not (SHARED / "DESIGN.md").is_file():
        return
    wrong = [r for r in terminalreporter.getreports("skipped") if "../shared" in str(r.longrepr)]
    if wrong:
        terminalreporter.write_line(f"{len(wrong)} tests skipped for want of ../shared, which is there", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not (SHARED / "DESIGN.md").is_file():
        return
    if any("../shared" in str(r.longrepr) for r in reporter.getreports("skipped")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Two workers share two cores: more threads than cores make every test slower."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        import torch

        torch.set_num_threads(1)
